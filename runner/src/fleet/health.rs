//! How the calls to the coordinator fare, and what a person is told of that: pure.
//!
//! Trouble begins with a call that fails and is over once what failed is answered. Both are told once, whatever happens
//! in between; a coordinator that fails every other call has its trouble told once a minute at most.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::failure::Failure;
use super::wire;
use crate::terminal;

/// Trouble that begins so soon after the last word about it is told only if it goes on.
const QUIET: SignedDuration = SignedDuration::from_secs(60);
/// So many failures are no chance.
const GOES_ON: u32 = 3;

/// A call, by the name that the API has for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operation {
    Claim,
    Renew,
    Release,
    Report,
    Quarantine,
    ShadowClaim,
    ShadowReport,
}

impl Operation {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Operation::Claim => "claim",
            Operation::Renew => "lease.renew",
            Operation::Release => "lease.release",
            Operation::Report => "job.report",
            Operation::Quarantine => "job.quarantine",
            Operation::ShadowClaim => "shadow.claim",
            Operation::ShadowReport => "shadow.report",
        }
    }

    /// What the coordinator would assign; the others tell it something.
    fn asks(self) -> bool {
        matches!(self, Operation::Claim | Operation::ShadowClaim)
    }

    /// Whether the failure is the coordinator's answer all the same: that it has no dry run, or its word on a lease.
    fn is_answered_by(self, failure: &Failure) -> bool {
        match (self, failure) {
            (Operation::ShadowClaim, failure) => failure.is_unsupported(),
            (Operation::Claim | Operation::ShadowReport, _) | (_, Failure::Indefinite { .. }) => false,
            (_, Failure::Definite(_)) => !failure.is_of_credential(),
        }
    }

    fn consequence(self) -> &'static str {
        match self {
            Operation::Claim => "it is asked again and again, and nothing is taken from the inbox meanwhile",
            Operation::ShadowClaim | Operation::ShadowReport => {
                "nothing is compared until it answers; jobs go on as before"
            }
            Operation::Renew | Operation::Release | Operation::Report | Operation::Quarantine => {
                "it is tried again; what runs under a lease is ended before the lease runs out"
            }
        }
    }
}

/// Why the lane of a shadowing run compares nothing any more, in the words of the shadow log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum NotComparing {
    DryRunUnsupported,
    DryRunNotHonoured,
}

/// How the calls fare, as `aq status` shows it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct CoordinatorHealth {
    /// When a call was answered last, as it should be.
    pub(crate) last_answer: Option<String>,
    pub(crate) trouble: Option<CoordinatorTrouble>,
    pub(crate) not_comparing: Option<NotComparing>,
    /// When the last word about trouble was said.
    #[serde(skip)]
    told_at: Option<Timestamp>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CoordinatorTrouble {
    /// The first failure.
    pub(crate) since: String,
    /// Calls that failed since then.
    pub(crate) errors: u32,
    /// The last of them.
    pub(crate) operation: String,
    pub(crate) kind: String,
    /// When the next call is made, where that is known.
    pub(crate) next_try: Option<String>,
    /// Questions fail.
    #[serde(skip)]
    asking: bool,
    #[serde(skip)]
    told: bool,
}

/// Something to be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum HealthNews {
    Begins { operation: Operation, failure: Failure },
    Over { lasted: Duration, errors: u32 },
    NotComparing(NotComparing),
}

impl CoordinatorHealth {
    /// A call has ended.
    pub(crate) fn ended(
        &mut self,
        operation: Operation,
        failure: Option<&Failure>,
        now: Timestamp,
    ) -> Option<HealthNews> {
        match failure {
            Some(failure) if !operation.is_answered_by(failure) => self.failed(operation, failure, now),
            _ => self.answered(operation, now),
        }
    }

    /// The call that failed is made again after so long.
    pub(crate) fn retries_in(&mut self, now: Timestamp, wait: Duration) {
        if let Some(trouble) = &mut self.trouble {
            trouble.next_try = now.checked_add(wait).ok().map(wire::instant);
        }
    }

    pub(crate) fn compares_no_more(&mut self, why: NotComparing) -> Option<HealthNews> {
        let known = self.not_comparing.replace(why);
        (known != Some(why)).then_some(HealthNews::NotComparing(why))
    }

    /// A question is asked only when nothing is left to be told, so its answer ends all trouble; what else is answered
    /// says nothing about questions.
    fn answered(&mut self, operation: Operation, now: Timestamp) -> Option<HealthNews> {
        self.last_answer = Some(wire::instant(now));
        let over = self
            .trouble
            .take_if(|trouble| operation.asks() || !trouble.asking)?;
        let since = over.since.parse().unwrap_or(now);
        over.told.then(|| {
            self.told_at = Some(now);
            HealthNews::Over {
                lasted: now.duration_since(since).unsigned_abs(),
                errors: over.errors,
            }
        })
    }

    fn failed(&mut self, operation: Operation, failure: &Failure, now: Timestamp) -> Option<HealthNews> {
        let is_quiet = self.told_at.is_some_and(|at| now.duration_since(at) < QUIET);
        let trouble = self.trouble.get_or_insert_with(|| CoordinatorTrouble {
            since: wire::instant(now),
            errors: 0,
            operation: String::new(),
            kind: String::new(),
            next_try: None,
            asking: false,
            told: false,
        });
        trouble.errors = trouble.errors.saturating_add(1);
        trouble.operation = operation.name().to_owned();
        trouble.kind = failure.kind().to_string();
        trouble.next_try = None;
        trouble.asking |= operation.asks();
        if trouble.told || is_quiet && trouble.errors < GOES_ON {
            return None;
        }
        trouble.told = true;
        self.told_at = Some(now);
        let failure = failure.clone();
        Some(HealthNews::Begins { operation, failure })
    }
}

impl HealthNews {
    /// `credential`: where the token comes from.
    pub(crate) fn text(&self, credential: &str) -> String {
        match self {
            HealthNews::Begins { operation, failure } => {
                let refused = match failure.is_of_credential() {
                    true => format!("it refuses {credential}: "),
                    false => String::new(),
                };
                format!(
                    "trouble with the coordinator: {}: {refused}{} ({}); {}",
                    operation.name(),
                    failure.kind(),
                    failure.detail(),
                    operation.consequence()
                )
            }
            HealthNews::Over { lasted, errors } => format!(
                "the coordinator answers again, after {} and {}",
                terminal::duration(*lasted),
                terminal::counted(*errors, "failed call")
            ),
            HealthNews::NotComparing(NotComparing::DryRunUnsupported) => String::from(
                "nothing is compared: the coordinator has no dry run (dry-run-unsupported); jobs go on as before",
            ),
            HealthNews::NotComparing(NotComparing::DryRunNotHonoured) => String::from(
                "nothing is compared any more: the coordinator answered a dry run with a lease \
                 (dry-run-not-honoured), which was given back; jobs go on as before",
            ),
        }
    }
}

#[cfg(test)]
mod tests;
