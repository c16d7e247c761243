//! The kinds of jobs that decisions are about: those of one engine, with or without a lock.

use std::fmt;

use serde::Serialize;

use crate::ids::is_id;

/// Which jobs a decision was about: of one engine, with or without a lock.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub(crate) struct DecisionStratum {
    pub(crate) engine: Option<String>,
    pub(crate) lock: Option<bool>,
}

/// How many agreed and how many did not; ties agree.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub(crate) struct DecisionTally {
    pub(crate) agree: u64,
    pub(crate) disagree: u64,
}

impl DecisionTally {
    pub(crate) fn count(&mut self, agrees: bool) {
        match agrees {
            true => self.agree += 1,
            false => self.disagree += 1,
        }
    }

    pub(crate) fn of(self) -> u64 {
        self.agree + self.disagree
    }
}

/// Names strata: `engine=codex`, `lock=yes`, or both.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StratumSelector {
    engine: Option<String>,
    has_lock: Option<bool>,
}

impl StratumSelector {
    pub(crate) fn parse(text: &str) -> Result<StratumSelector, String> {
        let mut selector = StratumSelector {
            engine: None,
            has_lock: None,
        };
        for part in text.split(',') {
            match part.trim().split_once('=') {
                Some(("engine", name)) if is_id(name) && selector.engine.is_none() => {
                    selector.engine = Some(name.to_owned());
                }
                Some(("lock", "yes")) if selector.has_lock.is_none() => selector.has_lock = Some(true),
                Some(("lock", "no")) if selector.has_lock.is_none() => selector.has_lock = Some(false),
                _ => {
                    return Err(String::from(
                        "write engine=NAME, lock=yes, lock=no, or two of them with a comma",
                    ));
                }
            }
        }
        Ok(selector)
    }

    pub(crate) fn matches(&self, stratum: &DecisionStratum) -> bool {
        let is_engine = |name: &String| stratum.engine.as_ref() == Some(name);
        self.engine.as_ref().is_none_or(is_engine)
            && self.has_lock.is_none_or(|lock| stratum.lock == Some(lock))
    }
}

impl fmt::Display for StratumSelector {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let engine = self.engine.as_ref().map(|name| format!("engine={name}"));
        let lock = self.has_lock.map(|lock| format!("lock={}", yes_or_no(lock)));
        let parts: Vec<String> = engine.into_iter().chain(lock).collect();
        formatter.write_str(&parts.join(","))
    }
}

fn yes_or_no(is_so: bool) -> &'static str {
    if is_so { "yes" } else { "no" }
}
