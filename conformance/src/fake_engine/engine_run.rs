//! What the fake engines of a run are to do, and what is known of each start of one.

use std::collections::BTreeSet;
use std::time::Instant;

use super::EngineHello;
use crate::scenario::Job;

/// What the server knows of the jobs.
#[derive(Debug, Clone, Default)]
pub struct EngineScript {
    pub jobs: Vec<Job>,
    /// Names that nothing will release in this run: not waited for.
    pub released: BTreeSet<String>,
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
