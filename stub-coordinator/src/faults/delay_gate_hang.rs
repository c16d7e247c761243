//! Faults of time: a request waits for a while, at a gate, or for ever. Disarming the rule lets go of it.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use crate::clock::{Clock, WakeGuard};
use crate::rules::{DelayDistribution, Fault, FiredRule, GateRegistry};

/// How a wait ended.
pub(crate) enum HoldOutcome {
    Continue,
    /// There will be no answer.
    NoAnswer,
}

/// Waits as the fault says; returns at once where it says nothing of time. While it waits, nobody waits for it.
pub(crate) async fn hold(
    fired: &FiredRule,
    clock: &Arc<Clock>,
    gates: &GateRegistry,
    under_way: &mut Option<WakeGuard>,
) -> HoldOutcome {
    let mut disarmed = fired.disarmed.clone();
    match &fired.fault {
        Fault::Delay(delay) => {
            let what = format!("delay of rule {}", fired.rule);
            // From the moment at which the rule fired: that is what whoever moves the clock can know.
            let sleep = clock.sleep_until(fired.at.after(length(delay, fired.draw)), &what);
            *under_way = None;
            tokio::select! {
                woken = sleep => *under_way = Some(woken),
                () = ended(&mut disarmed) => {}
            }
            HoldOutcome::Continue
        }
        Fault::Gate(name) => {
            *under_way = None;
            tokio::select! {
                () = gates.wait(name) => {}
                () = ended(&mut disarmed) => {}
            }
            HoldOutcome::Continue
        }
        Fault::Hang => {
            *under_way = None;
            ended(&mut disarmed).await;
            HoldOutcome::NoAnswer
        }
        _ => HoldOutcome::Continue,
    }
}

/// Ends when the rule is disarmed: its sender is dropped then.
async fn ended(disarmed: &mut watch::Receiver<()>) {
    while disarmed.changed().await.is_ok() {}
}

/// The length of a delay, from a number that is the same in every run with the same seed.
pub(super) fn length(delay: &DelayDistribution, draw: f64) -> Duration {
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
