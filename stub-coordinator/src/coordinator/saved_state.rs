//! A coordinator as a document that outlives it: all real state, and the shadow views, which are none but without which
//! a rehearsal would begin again. Where the document is kept is left to others.

use std::collections::HashSet;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::commands::CommandReply;
use super::digest::Digest;
use super::enrol_and_heartbeat::Factory;
use super::idempotency_cache::IdempotentRequest;
use super::job::JobRecord;
use super::lease::Lease;
use super::{Coordinator, CoordinatorSetup};
use crate::contract::ids::{FactoryId, JobId};
use crate::contract::stage::Stage;
use crate::contract::timestamp::UtcTimestamp;

/// The form of the document; another one is not read.
const FORMAT: u32 = 1;

/// The document.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SavedState {
    format: u32,
    /// When it was taken.
    pub(crate) at: UtcTimestamp,
    /// Digest of the real state in it, by which a document that was changed or cut is told.
    digest: String,
    /// Key of the hashes by which callers are remembered.
    #[serde(with = "hex")]
    secret: u128,
    granted: u64,
    jobs: Vec<JobRecord>,
    leases: Vec<Lease>,
    factories: Vec<SavedFactory>,
    answers: Vec<SavedAnswer>,
    used_enrol_tokens: Vec<HexNumber>,
    views: Vec<SavedView>,
}

/// The most that anything is counted to: what every JSON reader holds exactly.
const MOST: u64 = 9_007_199_254_740_991;
const MOST_ATTEMPTS: u32 = i32::MAX.unsigned_abs();

/// Why a document is not taken.
#[derive(Debug, Error)]
pub(crate) enum SavedStateError {
    #[error("it is of format {0}, and this stub reads format {FORMAT}; write it again with this one")]
    Format(u32),
    #[error("what it holds does not add up: digest {found}, where it says {wanted}; it was changed or cut")]
    Digest { found: String, wanted: String },
    #[error("its jobs take {found} bytes, where there are {limit}; start the stub with more --job-bytes")]
    OutOfRoom { found: usize, limit: usize },
    #[error("{0}; no coordinator comes to that, it was changed by hand")]
    Impossible(String),
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SavedFactory {
    id: FactoryId,
    factory: Factory,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SavedAnswer {
    once: IdempotentRequest,
    reply: CommandReply,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SavedView {
    factory: FactoryId,
    job: JobId,
    stage: Stage,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct HexNumber(#[serde(with = "hex")] u128);

impl SavedState {
    /// The key to set a coordinator up with that is to take this document.
    pub(crate) fn secret(&self) -> (u64, u64) {
        let low = self.secret & u128::from(u64::MAX);
        let half = |bits: u128| u64::try_from(bits).unwrap_or_default();
        (half(self.secret >> 64), half(low))
    }

    /// What is in it that never comes about. The digest does not tell, and whoever counts on from there may not get far.
    fn impossible(&self) -> Option<String> {
        if self.granted > MOST {
            return Some(format!("it has granted {} leases", self.granted));
        }
        let (mut ids, mut sequences, mut numbers) = (HashSet::new(), HashSet::new(), HashSet::new());
        for job in &self.jobs {
            let counts = job.sequence <= MOST && job.fencing_token <= MOST && job.attempts <= MOST_ATTEMPTS;
            if !counts {
                return Some(format!("the job {} has been counted too far", job.id()));
            }
            if !ids.insert(job.id()) || !sequences.insert(job.sequence) {
                return Some(format!("the job {} or its place is there twice", job.id()));
            }
        }
        let wrong = self.leases.iter().find(|lease| {
            let was_granted = (1..=self.granted).contains(&lease.number.0);
            !was_granted || !ids.contains(&lease.job) || !numbers.insert(lease.number)
        });
        wrong.map(|lease| {
            format!(
                "{} is there twice, was never granted, or is on no job",
                lease.number.id()
            )
        })
    }
}

impl Coordinator {
    /// All of it, as it is now.
    pub(crate) fn save(&self, now: UtcTimestamp) -> SavedState {
        let (high, low) = self.access.secret();
        let mut factories: Vec<_> = self.state.factories().collect();
        factories.sort_by_key(|(id, _)| *id);
        let mut leases: Vec<_> = self.state.leases().cloned().collect();
        leases.sort_by_key(|lease| lease.number);
        let mut views: Vec<_> = self.views.stages().collect();
        views.sort();
        SavedState {
            format: FORMAT,
            at: now,
            digest: self.state.digest().to_string(),
            secret: (u128::from(high) << 64) | u128::from(low),
            granted: self.state.granted(),
            jobs: self.state.jobs_after(0).cloned().collect(),
            leases,
            factories: factories
                .into_iter()
                .map(|(id, factory)| SavedFactory {
                    id: id.clone(),
                    factory: factory.clone(),
                })
                .collect(),
            answers: self
                .state
                .memory()
                .kept()
                .map(|(once, reply)| SavedAnswer {
                    once: once.clone(),
                    reply: reply.clone(),
                })
                .collect(),
            used_enrol_tokens: self.used_enrol_tokens.iter().copied().map(HexNumber).collect(),
            views: views
                .into_iter()
                .map(|(factory, job, stage)| SavedView {
                    factory: factory.clone(),
                    job: job.clone(),
                    stage,
                })
                .collect(),
        }
    }

    /// A coordinator of this set-up that goes on where the document ends.
    pub(crate) fn restored(
        setup: CoordinatorSetup,
        saved: SavedState,
    ) -> Result<Coordinator, SavedStateError> {
        if saved.format != FORMAT {
            return Err(SavedStateError::Format(saved.format));
        }
        if let Some(what) = saved.impossible() {
            return Err(SavedStateError::Impossible(what));
        }
        let secret = saved.secret();
        let mut coordinator = Coordinator::new(CoordinatorSetup { secret, ..setup });
        let state = &mut coordinator.state;
        if saved.granted > 0 {
            state.restore_granted(saved.granted);
        }
        for job in saved.jobs {
            let spec_digest = Digest::of(&job.spec);
            state.put_job(JobRecord { spec_digest, ..job });
        }
        saved.leases.into_iter().for_each(|lease| state.put_lease(lease));
        for saved in saved.answers {
            state.cache_reply(saved.once, saved.reply);
        }
        let is_open = coordinator.access.is_open();
        for SavedFactory { id, factory } in saved.factories {
            if !is_open {
                coordinator.access.grant(&factory.token, &factory.scopes);
            }
            coordinator.state.put_factory(id, factory);
        }
        for HexNumber(used) in saved.used_enrol_tokens {
            coordinator.enrol_tokens.remove(&used);
            coordinator.used_enrol_tokens.push(used);
            coordinator.state.note(Digest::of(&("enrol token used", used)));
        }
        for view in saved.views {
            // A job that is not there any more has no place in a view either.
            let _ = coordinator.shadow_report(&view.factory, &view.job, view.stage);
        }
        let (found, limit) = (coordinator.state.job_bytes(), coordinator.job_bytes);
        if found > limit {
            return Err(SavedStateError::OutOfRoom { found, limit });
        }
        let found = coordinator.state.digest().to_string();
        match found == saved.digest {
            true => Ok(coordinator),
            false => Err(SavedStateError::Digest {
                found,
                wanted: saved.digest,
            }),
        }
    }
}

/// Numbers too large for JSON, as text.
pub(crate) mod hex {
    use serde::{Deserialize, Deserializer, Serializer, de};

    pub(crate) fn serialize<S: Serializer>(number: &u128, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{number:032x}"))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u128, D::Error> {
        let text = String::deserialize(deserializer)?;
        u128::from_str_radix(&text, 16).map_err(de::Error::custom)
    }
}
