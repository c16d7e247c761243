//! What the line of a decision is evidence of: of which coordinator and runner, and about what kind of job (clause S-16).
//!
//! A change of the coordinator's version or policy, of the runner, the factory or its capabilities begins a new epoch, and
//! what was seen before says nothing about it.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::{LocalDecision, LocalPick};
use crate::fleet::call_failure::shown_once;
use crate::fleet::client::OfferedJob;
use crate::ids::{Capability, FactoryId, LockName};
use crate::queue::FileDigest;
use crate::scheduler::{Eligibility, WaitingJob, eligibility};
use crate::settings::Settings;

/// What stands for the policy of a coordinator that tells none.
const UNKNOWN_POLICY: &str = "unknown";
/// The hexadecimal digits of an epoch.
const EPOCH_DIGITS: usize = 16;
/// So many jobs of the local list are kept with a decision.
const CANDIDATES_MAX: usize = 8;

/// The fields of a line that say so; what is not known is left out.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct LineContext {
    #[serde(skip_serializing_if = "Option::is_none")]
    epoch: Option<String>,
    /// Which coordinator that is, as it says itself; escaped and cut.
    #[serde(skip_serializing_if = "Option::is_none")]
    policy: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    factory: Option<String>,
    /// Of the job that was picked here.
    #[serde(skip_serializing_if = "Option::is_none")]
    engine: Option<String>,
    /// Whether that job holds a lock.
    #[serde(skip_serializing_if = "Option::is_none")]
    lock: Option<bool>,
    /// The first that could start here, in their order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    candidates: Vec<LocalCandidate>,
    /// What the coordinator would have assigned, and after it what would have come next, as far as it told.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    coord_candidates: Vec<OfferedJob>,
}

/// A job that could start here, with the keys that its place comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LocalCandidate {
    pub(crate) id: String,
    pub(crate) priority: i64,
    /// Its place in enqueue order.
    pub(crate) sequence: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) lock: Option<String>,
}

/// Of which coordinator and runner the decisions of this process are evidence.
#[derive(Debug)]
pub(super) struct EvidenceContext {
    factory: FactoryId,
    /// All that this process has had. An engine that pauses loses its capability for a while, which changes no host.
    caps: BTreeSet<Capability>,
    /// Of the last answer; none before the first.
    policy: Option<String>,
    /// None before the first answer: nobody knows yet which coordinator is there.
    epoch: Option<String>,
}

impl EvidenceContext {
    pub(super) fn new(settings: &Settings) -> EvidenceContext {
        EvidenceContext {
            factory: settings.factory_id.value.clone(),
            caps: BTreeSet::new(),
            policy: None,
            epoch: None,
        }
    }

    /// Takes in what an answer says of the coordinator, and what this host could do when it was asked.
    pub(super) fn answered(&mut self, policy: Option<&str>, caps: &BTreeSet<Capability>) {
        let policy = policy.unwrap_or(UNKNOWN_POLICY);
        let is_known = self.policy.as_deref() == Some(policy) && caps.is_subset(&self.caps);
        if self.epoch.is_some() && is_known {
            return;
        }
        self.caps.extend(caps.iter().cloned());
        self.policy = Some(policy.to_owned());
        self.epoch = Some(epoch(
            policy,
            env!("CARGO_PKG_VERSION"),
            &self.factory,
            &self.caps,
        ));
    }

    /// For a line about no job, or about one of which no more is known.
    pub(super) fn of_pick(&self, pick: Option<&LocalPick>) -> LineContext {
        LineContext {
            epoch: self.epoch.clone(),
            policy: self.policy.as_deref().map(shown_once),
            engine: pick.map(|pick| pick.engine.to_string()),
            lock: pick.map(|pick| pick.has_lock),
            factory: Some(self.factory.to_string()),
            ..LineContext::default()
        }
    }

    pub(super) fn of_decision(&self, decision: &LocalDecision, offered: Vec<OfferedJob>) -> LineContext {
        let waiting = decision.view.waiting.values();
        let eligible = waiting.filter(|job| eligibility(job, &decision.view) == Eligibility::Eligible);
        LineContext {
            candidates: eligible
                .take(CANDIDATES_MAX)
                .map(|job| LocalCandidate::of(job))
                .collect(),
            coord_candidates: offered,
            ..self.of_pick(decision.local.as_ref())
        }
    }
}

impl LocalCandidate {
    fn of(job: &WaitingJob) -> LocalCandidate {
        LocalCandidate {
            id: job.id.to_string(),
            priority: job.priority,
            sequence: job.sequence,
            lock: job.lock.as_ref().map(LockName::to_string),
        }
    }
}

/// The same whatever order the capabilities are found in, and for each process of the same kind.
fn epoch(policy: &str, runner: &str, factory: &FactoryId, caps: &BTreeSet<Capability>) -> String {
    let caps = caps.iter().map(Capability::as_str);
    let parts = [policy, runner, factory.as_str()].into_iter().chain(caps);
    // None of them holds a line break, so no two lists make the same text.
    let text = parts.collect::<Vec<_>>().join("\n");
    let digest = FileDigest::of(text.as_bytes());
    digest.as_str().chars().take(EPOCH_DIGITS).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shadow::test_coordinator::{decision, settings};

    fn caps(names: &[&str]) -> BTreeSet<Capability> {
        names.iter().map(|name| Capability::new(name).unwrap()).collect()
    }

    fn context() -> EvidenceContext {
        EvidenceContext::new(&settings(std::path::Path::new("/queue"), "http://127.0.0.1:1"))
    }

    fn epoch_after(answers: &[(Option<&str>, &[&str])]) -> Option<String> {
        let mut context = context();
        for (policy, names) in answers {
            context.answered(*policy, &caps(names));
        }
        context.of_pick(None).epoch
    }

    #[test]
    fn the_epoch_is_of_coordinator_runner_factory_and_capabilities() {
        let factory = FactoryId::new("forge-2").unwrap();
        let whole = |policy, runner, factory: &str, names: &[&str]| {
            epoch(policy, runner, &FactoryId::new(factory).unwrap(), &caps(names))
        };
        let first = whole("p;version=\"1\"", "0.1.0", "forge-2", &["engine:sh", "gpu"]);
        assert_eq!(first.len(), EPOCH_DIGITS);
        // printf 'p;version="1"\n0.1.0\nforge-2\nengine:sh\ngpu' | sha256sum
        assert_eq!(first, "663914509735558f");
        for other in [
            whole("p;version=\"2\"", "0.1.0", "forge-2", &["engine:sh", "gpu"]),
            whole("p;version=\"1\"", "0.1.1", "forge-2", &["engine:sh", "gpu"]),
            whole("p;version=\"1\"", "0.1.0", "forge-3", &["engine:sh", "gpu"]),
            whole("p;version=\"1\"", "0.1.0", "forge-2", &["engine:sh"]),
        ] {
            assert_ne!(first, other);
        }
        assert_eq!(
            epoch_after(&[(None, &["gpu"])]),
            Some(epoch(
                "unknown",
                env!("CARGO_PKG_VERSION"),
                &factory,
                &caps(&["gpu"])
            ))
        );
    }

    #[test]
    fn nothing_is_known_before_the_first_answer_and_a_pause_of_an_engine_changes_nothing() {
        assert_eq!(epoch_after(&[]), None);
        let whole = epoch_after(&[(Some("p"), &["engine:sh", "engine:devin"])]);
        assert!(whole.is_some());
        assert_eq!(
            epoch_after(&[
                (Some("p"), &["engine:sh", "engine:devin"]),
                (Some("p"), &["engine:sh"])
            ]),
            whole
        );
        assert_ne!(epoch_after(&[(Some("q"), &["engine:sh", "engine:devin"])]), whole);
        assert_ne!(
            epoch_after(&[
                (Some("p"), &["engine:sh", "engine:devin"]),
                (None, &["engine:sh", "engine:devin"])
            ]),
            whole
        );
    }

    #[test]
    fn a_line_keeps_the_first_eight_that_could_start() {
        let names: Vec<String> = (0..12).map(|count| format!("job-{count:02}")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let context = context().of_decision(&decision(Some("job-00"), &names), Vec::new());
        let kept: Vec<&str> = context.candidates.iter().map(|job| job.id.as_str()).collect();
        assert_eq!(kept, names[..CANDIDATES_MAX]);
        assert_eq!(
            (context.engine.as_deref(), context.lock),
            (Some("sh"), Some(false))
        );
    }
}
