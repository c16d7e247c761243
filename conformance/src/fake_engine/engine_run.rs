//! What the fake engines of a run are to do, and what is known of each start of one.

use std::collections::BTreeSet;
use std::time::Instant;

use super::{EngineHello, SHIP, VERIFY};
use crate::scenario::{EngineBehaviour, Job};

/// What the server knows of the jobs.
#[derive(Debug, Clone, Default)]
pub struct EngineScript {
    pub jobs: Vec<Job>,
    /// Names that nothing will release in this run: not waited for.
    pub released: BTreeSet<String>,
}

impl EngineScript {
    /// What this tool does when it works on this job.
    pub(super) fn behaviour(&self, tool: &str, job: Option<&str>) -> EngineBehaviour {
        let job = self.jobs.iter().find(|known| Some(known.id.as_str()) == job);
        match (job, tool) {
            (Some(job), VERIFY) => job.behaviour.verify.clone(),
            (Some(job), SHIP) => job.behaviour.ship.clone(),
            (Some(job), _) => job.behaviour.engine.clone(),
            (None, _) => EngineBehaviour::default(),
        }
    }
}

/// One start of a fake engine.
#[derive(Debug, Clone)]
pub struct EngineRun {
    pub tool: String,
    /// The job that it works on, where that is known.
    pub job: Option<String>,
    pub hello: EngineHello,
    pub started: Instant,
    /// It got SIGTERM, by its own word: after the first of these, and before the second.
    pub got_term: Option<(Instant, Instant)>,
    /// When it was last seen alive: it ended after that.
    pub alive_at: Instant,
    /// When its end was noticed: it ended before that.
    pub ended: Option<Instant>,
    /// `None`: it was ended, or still runs.
    pub exit: Option<i32>,
}

/// Something that a fake engine did.
#[derive(Debug, Clone)]
pub enum EngineEvent {
    Started {
        run: usize,
        tool: String,
        job: Option<String>,
        at: Instant,
    },
    /// It says that it got SIGTERM.
    GotTerm {
        run: usize,
        tool: String,
        job: Option<String>,
        at: Instant,
    },
    Gone {
        run: usize,
        tool: String,
        job: Option<String>,
        at: Instant,
    },
}
