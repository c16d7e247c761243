//! What the contract lets an outage do to a job: which attempt may be made again, and which end of a job is no fault. Pure.

use super::evidence_log::{EvidenceLog, JobLife, SeenCommand};
use super::generated_jobs::WeekendJob;
use super::outage::OutageKind;

/// One attempt: its commands, and the time until the next one, or the end of the life that it is in.
#[derive(Debug, Clone, Copy)]
pub(super) struct SeenAttempt<'a> {
    pub(super) commands: &'a [SeenCommand],
    pub(super) until: usize,
}

impl SeenAttempt<'_> {
    pub(super) fn number(&self) -> u32 {
        self.commands.first().map_or(0, |command| command.attempt)
    }

    pub(super) fn from(&self) -> usize {
        self.commands.first().map_or(0, |command| command.from)
    }

    pub(super) fn command(&self, step: &str) -> Option<&SeenCommand> {
        self.commands.iter().find(|command| command.step == step)
    }

    pub(super) fn ended_with(&self, step: &str, word: &str) -> bool {
        self.command(step).is_some_and(|command| command.ended_with(word))
    }

    /// Its engine, or its `verify`, failed as it was told to.
    pub(super) fn has_failed(&self) -> bool {
        self.commands.iter().any(|command| command.ended_with("failed"))
    }

    /// All that it had to do before it waits for a person, or is published, was done.
    pub(super) fn has_succeeded(&self, job: &WeekendJob) -> bool {
        self.ended_with("engine", "ok") && (!job.is_verified || self.ended_with("verify", "ok"))
    }
}

impl JobLife<'_> {
    pub(super) fn attempts(&self) -> Vec<SeenAttempt<'_>> {
        let chunks: Vec<&[SeenCommand]> = self
            .commands
            .chunk_by(|one, next| one.attempt == next.attempt)
            .collect();
        let starts = chunks.iter().skip(1).map(|chunk| chunk[0].from);
        let ends: Vec<usize> = starts.chain([self.to]).collect();
        let attempts = chunks.iter().zip(ends);
        attempts
            .map(|(commands, until)| SeenAttempt { commands, until })
            .collect()
    }
}

/// The attempts of a job that a kill may have cut off: each of them counts (O-7). `started`: how often the runner says that
/// it started the job. An attempt whose runner was killed before its command began is seen by nobody else.
pub(super) fn killed(life: &JobLife<'_>, started: u64, log: &EvidenceLog) -> u32 {
    let attempts = life.attempts();
    let is_hit = |attempt: &&SeenAttempt<'_>| {
        log.outage_between(attempt.from(), attempt.until, OutageKind::is_kill)
            .is_some()
    };
    let hit = attempts.iter().filter(is_hit).count() as u64;
    let unseen = started.saturating_sub(life.attempts_of_job as u64);
    let kills = log.outages_between(life.from, life.to, OutageKind::is_kill) as u64;
    u32::try_from(hit + unseen.min(kills.saturating_sub(hit))).unwrap_or(u32::MAX)
}

/// A job fails by kills of its runner once these, with the failures that it is meant to have, are more than its `retries`
/// (O-7).
pub(super) fn is_cut_short_by_kills(job: &WeekendJob, started: u64, log: &EvidenceLog) -> bool {
    let lives = log.lives(&job.id);
    let Some(life) = lives.last() else {
        return false;
    };
    let failed = life
        .attempts()
        .iter()
        .filter(|attempt| attempt.has_failed())
        .count();
    let killed = killed(life, started, log);
    killed > 0 && killed.saturating_add(u32::try_from(failed).unwrap_or(u32::MAX)) > job.retries
}

/// Of a job about whose `ship` nobody can say how it ended: whether it was published. None: no outage fell while it was.
pub(super) fn is_published_for_nobody_to_say(job: &WeekendJob, log: &EvidenceLog) -> Option<bool> {
    let lives = log.lives(&job.id);
    let life = lives.last()?;
    let ship = life.commands.iter().rev().find(|command| command.step == "ship");
    let from = ship.or(life.commands.last())?.from;
    log.outage_between(from, life.to, OutageKind::may_cut_off)?;
    Some(ship.is_some_and(|ship| ship.ended_with("ok")))
}
