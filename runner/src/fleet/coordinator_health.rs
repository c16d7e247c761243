//! How the calls to the coordinator fare, and what a person is told of that: pure.
//!
//! Trouble begins with a call that fails and is over once what failed is answered. Both are told once, whatever happens
//! in between; a coordinator that fails every other call has its trouble told once a minute at most.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::call_failure::CallFailure;
use super::{token_scopes, wire};
use crate::terminal;

/// Trouble that begins so soon after the last word about it is told only if it goes on.
const QUIET: SignedDuration = SignedDuration::from_secs(60);
/// A person who waits for the coordinator wants to know that this is still to come.
const LONG_WAIT: Duration = Duration::from_secs(5);
/// So many failures are no chance.
const GOES_ON: u32 = 3;

/// A call, by the name that the API has for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ApiOperation {
    Claim,
    Renew,
    Release,
    Report,
    Quarantine,
    ShadowClaim,
    ShadowReport,
}

impl ApiOperation {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            ApiOperation::Claim => "claim",
            ApiOperation::Renew => "lease.renew",
            ApiOperation::Release => "lease.release",
            ApiOperation::Report => "job.report",
            ApiOperation::Quarantine => "job.quarantine",
            ApiOperation::ShadowClaim => "shadow.claim",
            ApiOperation::ShadowReport => "shadow.report",
        }
    }

    /// What the coordinator would assign; the others tell it something.
    fn is_claim(self) -> bool {
        matches!(self, ApiOperation::Claim | ApiOperation::ShadowClaim)
    }

    fn is_shadow(self) -> bool {
        matches!(self, ApiOperation::ShadowClaim | ApiOperation::ShadowReport)
    }

    /// Whether the failure is the coordinator's answer all the same: that it has no dry run, or its word on a lease.
    fn is_answered_by(self, failure: &CallFailure) -> bool {
        match (self, failure) {
            (ApiOperation::ShadowClaim, failure) => failure.is_unsupported(),
            (ApiOperation::Claim | ApiOperation::ShadowReport, _) | (_, CallFailure::Indefinite { .. }) => {
                false
            }
            (_, CallFailure::Definite(_)) => !failure.is_credential_refused(),
        }
    }

    fn consequence(self) -> &'static str {
        match self {
            ApiOperation::Claim => {
                "it is asked again and again, and nothing is taken from the inbox meanwhile"
            }
            ApiOperation::ShadowClaim | ApiOperation::ShadowReport => {
                "nothing is compared until it answers; jobs go on as before"
            }
            ApiOperation::Renew | ApiOperation::Release | ApiOperation::Report | ApiOperation::Quarantine => {
                "it is tried again; what runs under a lease is ended before the lease runs out"
            }
        }
    }
}

/// Why the lane of a shadowing run compares nothing any more, in the words of the shadow log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum ComparisonHalt {
    DryRunUnsupported,
    DryRunNotHonoured,
    /// The coordinator refuses the token for shadow calls: it lacks their scope.
    ScopeMissing,
}

impl ComparisonHalt {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            ComparisonHalt::DryRunUnsupported => "dry-run-unsupported",
            ComparisonHalt::DryRunNotHonoured => "dry-run-not-honoured",
            ComparisonHalt::ScopeMissing => "scope-missing",
        }
    }
}

/// How the calls fare, as `aq status` shows it. Each call that ends writes it, from the start of a run to its end.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct CoordinatorHealth {
    /// When a call was answered last as it should be: RFC 3339, UTC.
    pub(crate) last_answer: Option<String>,
    /// Since the first call that failed, until one is answered.
    pub(crate) trouble: Option<CoordinatorTrouble>,
    /// Set for the rest of the process; a scope that is missing is looked for at each call, and may be there again.
    pub(crate) not_comparing: Option<ComparisonHalt>,
    /// When a person was told of trouble, or of its end, last.
    #[serde(skip)]
    noticed_at: Option<Timestamp>,
}

/// Calls that fail.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CoordinatorTrouble {
    /// When the first one failed: RFC 3339, UTC.
    pub(crate) since: String,
    /// How many failed since then.
    pub(crate) errors: u32,
    /// Of the last failure.
    pub(crate) operation: String,
    /// Of the last failure.
    pub(crate) kind: String,
    /// When the next call is made, where that is known.
    pub(crate) next_try: Option<String>,
    /// A claim, or a dry run of one, is among them: an answer to another call does not end it.
    #[serde(skip)]
    blocks_claims: bool,
    /// A person was told of it.
    #[serde(skip)]
    noticed: bool,
    /// A person was told that it takes long until the next try.
    #[serde(skip)]
    wait_noticed: bool,
}

/// A notice for a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum HealthNotice {
    Begins {
        operation: ApiOperation,
        failure: CallFailure,
    },
    Over {
        lasted: Duration,
        errors: u32,
    },
    /// It goes on, and the next try is not at once.
    Waits {
        lasted: Duration,
        wait: Duration,
    },
    NotComparing(ComparisonHalt),
    /// A call for the comparison was refused for want of a scope.
    ScopeMissing {
        operation: ApiOperation,
        failure: CallFailure,
    },
}

impl CoordinatorHealth {
    /// Notes that a call has ended.
    pub(crate) fn ended(
        &mut self,
        operation: ApiOperation,
        failure: Option<&CallFailure>,
        now: Timestamp,
    ) -> Option<HealthNotice> {
        match failure {
            Some(failure) if !operation.is_answered_by(failure) => self.failed(operation, failure, now),
            _ => self.answered(operation, now),
        }
    }

    /// Notes when the call that failed is made again. A person is told of the first long wait.
    pub(crate) fn retries_in(&mut self, now: Timestamp, wait: Duration) -> Option<HealthNotice> {
        let trouble = self.trouble.as_mut()?;
        trouble.next_try = now.checked_add(wait).ok().map(wire::instant);
        if wait < LONG_WAIT || !trouble.noticed || std::mem::replace(&mut trouble.wait_noticed, true) {
            return None;
        }
        let since = trouble.since.parse().unwrap_or(now);
        let lasted = now.duration_since(since).unsigned_abs();
        Some(HealthNotice::Waits { lasted, wait })
    }

    pub(crate) fn comparison_halted(&mut self, why: ComparisonHalt) -> Option<HealthNotice> {
        let known = self.not_comparing.replace(why);
        (known != Some(why)).then_some(HealthNotice::NotComparing(why))
    }

    /// A claim is sent only when nothing is left to report, so its answer ends all trouble. An answer to a report does
    /// not tell whether claims are answered.
    fn answered(&mut self, operation: ApiOperation, now: Timestamp) -> Option<HealthNotice> {
        self.last_answer = Some(wire::instant(now));
        if operation.is_shadow() {
            self.not_comparing
                .take_if(|why| *why == ComparisonHalt::ScopeMissing);
        }
        let over = self
            .trouble
            .take_if(|trouble| operation.is_claim() || !trouble.blocks_claims)?;
        let since = over.since.parse().unwrap_or(now);
        over.noticed.then(|| {
            self.noticed_at = Some(now);
            HealthNotice::Over {
                lasted: now.duration_since(since).unsigned_abs(),
                errors: over.errors,
            }
        })
    }

    fn failed(
        &mut self,
        operation: ApiOperation,
        failure: &CallFailure,
        now: Timestamp,
    ) -> Option<HealthNotice> {
        let is_quiet = self.noticed_at.is_some_and(|at| now.duration_since(at) < QUIET);
        let trouble = self.trouble.get_or_insert_with(|| CoordinatorTrouble {
            since: wire::instant(now),
            ..CoordinatorTrouble::default()
        });
        trouble.errors = trouble.errors.saturating_add(1);
        trouble.operation = operation.name().to_owned();
        trouble.kind = failure.kind().to_string();
        trouble.next_try = None;
        trouble.blocks_claims |= operation.is_claim();
        if operation.is_shadow() && failure.status() == Some(403) && self.not_comparing.is_none() {
            self.not_comparing = Some(ComparisonHalt::ScopeMissing);
            (trouble.noticed, self.noticed_at) = (true, Some(now));
            let failure = failure.clone();
            return Some(HealthNotice::ScopeMissing { operation, failure });
        }
        if trouble.noticed || is_quiet && trouble.errors < GOES_ON {
            return None;
        }
        trouble.noticed = true;
        self.noticed_at = Some(now);
        let failure = failure.clone();
        Some(HealthNotice::Begins { operation, failure })
    }
}

impl HealthNotice {
    /// `credential`: where the token comes from.
    pub(crate) fn text(&self, credential: &str) -> String {
        match self {
            HealthNotice::Begins { operation, failure } => {
                let refused = match failure.is_credential_refused() {
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
            HealthNotice::Over { lasted, errors } => format!(
                "the coordinator answers again, after {} and {}",
                terminal::duration(*lasted),
                terminal::counted(*errors, "failed call")
            ),
            HealthNotice::Waits { lasted, wait } => format!(
                "the coordinator fails for {}; next try in {}, and so on (`aq status` says when)",
                terminal::duration(*lasted),
                terminal::duration(*wait)
            ),
            HealthNotice::ScopeMissing { operation, failure } => format!(
                "{} ({}: {}: {}); jobs go on as before, and it is looked again at each decision; have the coordinator's \
                 owner give {credential} that scope",
                token_scopes::NO_COMPARISON,
                operation.name(),
                failure.kind(),
                failure.detail()
            ),
            HealthNotice::NotComparing(ComparisonHalt::ScopeMissing) => {
                token_scopes::NO_COMPARISON.to_owned()
            }
            HealthNotice::NotComparing(ComparisonHalt::DryRunUnsupported) => String::from(
                "nothing is compared: the coordinator has no dry run (dry-run-unsupported); jobs go on as before",
            ),
            HealthNotice::NotComparing(ComparisonHalt::DryRunNotHonoured) => String::from(
                "nothing is compared any more: the coordinator answered a dry run with a lease \
                 (dry-run-not-honoured), which was given back; jobs go on as before",
            ),
        }
    }
}

#[cfg(test)]
mod tests;
