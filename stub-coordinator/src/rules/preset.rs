//! Presets: misbehaviour that a person can call by name, each a list of rules that can be printed.

use std::time::Duration;

use super::rule::{FiringCondition, Rule};
use crate::contract::name_hint::hint;
use crate::contract::signed_duration::SignedDuration;
use crate::faults::{DelayDistribution, DivergeFault, Fault, StatusFault};

/// The names of all presets, each with what it shows.
pub const PRESETS: [(&str, &str); 11] = [
    ("agree", "the honest coordinator"),
    ("diverge", "dry runs name another job than they should"),
    ("empty", "claims and dry runs are answered with nothing to do"),
    ("5xx", "every request fails inside the coordinator"),
    ("timeout", "no request is ever answered"),
    (
        "flaky",
        "now and then a request fails, is cut off, or is slow; needs a seed",
    ),
    ("slow-day", "every answer is slow, some very slow; needs a seed"),
    (
        "lost-replies",
        "work is carried out, and its answer lost every other time; needs a seed",
    ),
    ("split-brain", "jobs are granted twice"),
    ("outage", "nobody listens"),
    ("no-dry-run", "a coordinator that has never heard of shadow mode"),
];

/// The rules of a preset, or a hint where there is none of that name.
pub fn preset(name: &str) -> Result<Vec<Rule>, String> {
    let rules = match name {
        "agree" => Vec::new(),
        "diverge" => vec![Rule::on("shadow.claim", DivergeFault::Otherwise)],
        "empty" => vec![
            Rule::on("shadow.claim", Fault::Empty),
            Rule::on("claim", Fault::Empty),
        ],
        "5xx" => vec![Rule::on("*", status(500, None))],
        "timeout" => vec![Rule::on("*", Fault::Hang)],
        "flaky" => vec![
            by_chance(Rule::on("*", status(503, Some(1))), 0.15),
            by_chance(Rule::on("*", Fault::Reset), 0.1),
            by_chance(
                Rule::on("*", DelayDistribution::Uniform(millis(50), millis(800))),
                0.3,
            ),
        ],
        "slow-day" => {
            let delay = DelayDistribution::LogNormal {
                median: millis(400),
                p99: millis(6_000),
            };
            vec![Rule::on("*", delay)]
        }
        "lost-replies" => [
            "claim",
            "lease.renew",
            "lease.release",
            "job.report",
            "job.quarantine",
            "job.submit",
            "job.withdraw",
        ]
        .into_iter()
        .map(|operation| by_chance(Rule::on(operation, Fault::Close).after(), 0.5))
        .collect(),
        "split-brain" => vec![Rule::on("claim", Fault::DoubleGrant)],
        "outage" => vec![Rule::on("*", Fault::Down)],
        "no-dry-run" => ["shadow.claim", "shadow.report"]
            .into_iter()
            .map(|operation| {
                let unknown = StatusFault {
                    code: Some("not_found".to_owned()),
                    ..status(404, None)
                };
                Rule::on(operation, unknown)
            })
            .collect(),
        unknown => {
            let names = PRESETS.iter().map(|(name, _)| *name);
            let hint = hint(unknown, names.clone());
            let all = names.collect::<Vec<_>>().join(", ");
            return Err(format!("no preset is called {unknown:?}{hint} (presets: {all})"));
        }
    };
    let named = |(number, rule): (usize, Rule)| rule.named(&format!("{name}-{}", number + 1));
    Ok(rules.into_iter().enumerate().map(named).collect())
}

fn status(status: u16, retry_after_s: Option<u64>) -> StatusFault {
    let retry_after = retry_after_s.map(|seconds| SignedDuration::of(Duration::from_secs(seconds)));
    StatusFault {
        status,
        code: None,
        retry_after,
    }
}

fn millis(millis: u64) -> SignedDuration {
    SignedDuration::of(Duration::from_millis(millis))
}

fn by_chance(rule: Rule, chance: f64) -> Rule {
    Rule {
        when: FiringCondition {
            chance: Some(chance),
            ..FiringCondition::default()
        },
        ..rule
    }
}
