//! How far the hand-over of one job came, as `.state/handed/ID.json` has it.

use serde::{Deserialize, Serialize};

use crate::ids::{JobId, random_hex};
use crate::queue::file_identity::FileDigest;
use crate::queue::history;
use crate::stage::Stage;

/// Who has the job, as far as this host knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum HandoverPhase {
    /// It was sent, or is about to be, and no answer is known: the coordinator may have it.
    Submitting,
    /// The coordinator said that it has it.
    Handed,
    /// The coordinator was asked to give it back, or is about to be, and no answer is known.
    Recalling,
    /// The coordinator has it no more: its file is on its way to a stage of this queue.
    Returned,
    /// The record can't be read, so nobody knows.
    Unreadable,
}

impl HandoverPhase {
    /// Who has the job, and how to get it back.
    pub(crate) fn who_has_it(self, id: &JobId) -> String {
        match self {
            HandoverPhase::Submitting => format!(
                "`{id}` is being handed to the coordinator, which may have it: `aq fleet-submit --inbox` goes on with \
                 that, and until then nothing starts it here"
            ),
            HandoverPhase::Handed => format!(
                "`{id}` was handed to the coordinator, which decides where it runs: `aq fleet-recall {id}` takes it back"
            ),
            HandoverPhase::Recalling => format!(
                "`{id}` is being taken back from the coordinator, which may have it: `aq fleet-recall {id}` goes on with \
                 that, and until then nothing starts it here"
            ),
            HandoverPhase::Returned => format!(
                "`{id}` is on its way back from the coordinator: the next `aq run` or `aq fleet-recall` finishes that"
            ),
            HandoverPhase::Unreadable => format!(
                "the coordinator may have `{id}`, but the record of that can't be read: `aq fleet-recall {id}` says what \
                 to do"
            ),
        }
    }
}

/// Where the job came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum HandoverSource {
    Inbox,
    /// A file that somebody named.
    File,
    /// This host never had it before it took it back.
    Coordinator,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct HandoverRecord {
    pub(crate) phase: HandoverPhase,
    /// When this phase began.
    pub(crate) at: String,
    /// The coordinator's address: another coordinator knows nothing of the job, and its word would be wrong.
    pub(crate) url: String,
    pub(crate) source: HandoverSource,
    /// Of the file that was sent.
    pub(crate) digest: FileDigest,
    /// Drawn for each hand-over and each recall, so that no request of an earlier one is taken for this one's.
    nonce: String,
    /// The stage that a returned job goes to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    returns_to: Option<String>,
}

impl HandoverRecord {
    pub(super) fn new(
        phase: HandoverPhase,
        source: HandoverSource,
        url: &str,
        digest: FileDigest,
    ) -> HandoverRecord {
        HandoverRecord {
            phase,
            at: history::now(),
            url: url.to_owned(),
            source,
            digest,
            nonce: random_hex(),
            returns_to: None,
        }
    }

    /// A record that says nothing is one: the job may be the coordinator's.
    pub(super) fn read(bytes: &[u8]) -> HandoverRecord {
        serde_json::from_slice(bytes).unwrap_or_else(|_| {
            let digest = FileDigest::of(&[]);
            HandoverRecord::new(HandoverPhase::Unreadable, HandoverSource::Inbox, "", digest)
        })
    }

    /// The same hand-over, as it goes on.
    pub(super) fn at_phase(&self, phase: HandoverPhase) -> HandoverRecord {
        HandoverRecord {
            phase,
            at: history::now(),
            ..self.clone()
        }
    }

    /// A request to give the job back, which is another one than any before.
    pub(super) fn recalling(&self) -> HandoverRecord {
        HandoverRecord {
            nonce: random_hex(),
            ..self.at_phase(HandoverPhase::Recalling)
        }
    }

    pub(super) fn returned_to(&self, stage: Stage) -> HandoverRecord {
        HandoverRecord {
            returns_to: Some(stage.folder().to_owned()),
            ..self.at_phase(HandoverPhase::Returned)
        }
    }

    /// Whether this host has handed the job over, and so has it as it was written.
    pub(crate) fn is_of_this_host(&self) -> bool {
        self.source != HandoverSource::Coordinator
    }

    pub(super) fn returns_to(&self) -> Stage {
        let stage = self.returns_to.as_deref().and_then(Stage::from_folder);
        stage.unwrap_or(Stage::Inbox)
    }

    /// The `Idempotency-Key` of the request that this phase is about, the same however often that is sent.
    pub(crate) fn key(&self, id: &JobId) -> String {
        let what = match self.phase {
            HandoverPhase::Submitting => "submit",
            _ => "withdraw",
        };
        // Hashed, because a key may be no longer than one id.
        let job = FileDigest::of(format!("{id} {}", self.digest.as_str()).as_bytes());
        format!("{what}-{}-{}", job.short(), self.nonce)
    }
}
