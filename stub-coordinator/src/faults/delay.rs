//! `delay`: the honest answer, later.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::fault_behavior::{FaultBehavior, FaultWait, HandlerPlan, TableFault};
use super::self_check_case::SelfCheckCase;
use crate::contract::operation::Operation;
use crate::contract::signed_duration::SignedDuration;

/// How long an answer takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
pub enum DelayDistribution {
    /// Between these, each length as likely.
    Uniform(SignedDuration, SignedDuration),
    /// Mostly about the median, now and then much longer.
    LogNormal {
        /// Half of the answers take less.
        median: SignedDuration,
        /// One in a hundred takes longer.
        p99: SignedDuration,
    },
    /// Always this long.
    #[serde(untagged)]
    Fixed(SignedDuration),
}

impl TableFault for DelayDistribution {
    const FORM: &'static str = "a time, { uniform = [\"LEAST\", \"MOST\"] } or { lognormal = { median = \"TIME\", p99 = \"TIME\" } }";
}

impl FaultBehavior for DelayDistribution {
    fn check(&self) -> Result<(), String> {
        let wrong = match self {
            DelayDistribution::Fixed(time) => (time.millis() < 0).then_some("`delay` is negative"),
            DelayDistribution::Uniform(least, most) => (least.millis() < 0 || most.millis() < least.millis())
                .then_some("`uniform` needs [least, most] with least not over most"),
            DelayDistribution::LogNormal { median, p99 } => (median.millis() <= 0
                || p99.millis() < median.millis())
            .then_some("`lognormal` needs a median over 0 and a p99 not under it"),
        };
        wrong.map_or(Ok(()), |wrong| Err(wrong.to_owned()))
    }

    fn plan(&self, _operation: Operation) -> HandlerPlan {
        HandlerPlan::HONEST
    }

    fn wait(&self, draw: f64) -> FaultWait<'_> {
        FaultWait::Time(length(self, draw))
    }

    fn cases(_name: &str) -> Vec<SelfCheckCase> {
        [
            json!({"delay": "50ms"}),
            json!({"delay": {"uniform": ["10ms", "50ms"]}}),
            json!({"delay": {"lognormal": {"median": "20ms", "p99": "90ms"}}}),
        ]
        .map(SelfCheckCase::anywhere)
        .into()
    }
}

/// The length of a delay, from a number that is the same in every run with the same seed.
fn length(delay: &DelayDistribution, draw: f64) -> Duration {
    let millis = match delay {
        DelayDistribution::Fixed(time) => return time.forward().unwrap_or_default(),
        DelayDistribution::Uniform(least, most) => {
            let (least, most) = (least.millis() as f64, most.millis() as f64);
            least + (most - least) * draw
        }
        DelayDistribution::LogNormal { median, p99 } => {
            let (median, p99) = (median.millis() as f64, p99.millis() as f64);
            // 2.3263 standard deviations are the 99th percentile. A draw far out is cut off at ten times the p99.
            let sigma = (p99 / median).ln() / 2.326_347_9;
            (median * (sigma * quantile(draw)).exp()).min(p99 * 10.0)
        }
    };
    Duration::from_secs_f64((millis / 1_000.0).max(0.0))
}

/// The standard normal quantile, by a rational approximation that is off by less than 0.0005:
/// far below what a delay can show.
fn quantile(probability: f64) -> f64 {
    let p = probability.clamp(1e-6, 1.0 - 1e-6);
    // One tail by the formula, the other by symmetry.
    let tail = (-2.0 * p.min(1.0 - p).ln()).sqrt();
    let above = 2.515_517 + tail * (0.802_853 + tail * 0.010_328);
    let below = 1.0 + tail * (1.432_788 + tail * (0.189_269 + tail * 0.001_308));
    let distance = tail - above / below;
    if p < 0.5 { -distance } else { distance }
}

/// Lengths of delays, from the draw alone.
#[cfg(test)]
mod tests {
    use super::*;

    fn time(text: &str) -> SignedDuration {
        SignedDuration::parse(text).expect("a span")
    }

    #[test]
    fn a_uniform_delay_lies_between_its_bounds() {
        let delay = DelayDistribution::Uniform(time("10ms"), time("30ms"));
        assert_eq!(length(&delay, 0.0), Duration::from_millis(10));
        assert_eq!(length(&delay, 0.5), Duration::from_millis(20));
        assert!(length(&delay, 0.999_999) <= Duration::from_millis(30));
    }

    #[test]
    fn a_lognormal_delay_has_the_median_and_the_p99_that_it_names() {
        let delay = DelayDistribution::LogNormal {
            median: time("100ms"),
            p99: time("900ms"),
        };
        let near = |draw: f64, millis: f64| {
            let got = length(&delay, draw).as_secs_f64() * 1_000.0;
            assert!(
                (got - millis).abs() < millis * 0.01,
                "{draw}: {got} is not {millis}"
            );
        };
        near(0.5, 100.0);
        near(0.99, 900.0);
        near(0.01, 100.0 * 100.0 / 900.0);
        assert!(
            length(&delay, 0.999_999_99) <= Duration::from_secs(9),
            "the far tail is cut off"
        );
    }
}
