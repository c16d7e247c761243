//! What has to hold in every history.

use super::coordinator::{ModelAnswer, ModelRequest, ModelToken, TTL_MS, is_final};
use super::host::ModelHostPause;
use super::network::{ModelCall, ModelCaller};
use super::runner_process::{ModelAttempt, ModelCommand, lease_token};
use super::world::ModelWorld;
use crate::fleet::lease_machine::LeaseRequest;
use crate::run::attempt::AttemptStep;
use crate::stage::Stage;

/// What a supervisor takes to notice that its host was suspended, and to end what has no lease any more.
const NOTICE_MS: u64 = 50;

impl ModelWorld {
    /// A command starts: its lease lives, and nothing else of the job runs or was published from here.
    pub(super) fn check_start(&mut self, run: usize) {
        let ModelCommand {
            host,
            job,
            token,
            step,
            slept_before_start,
            ..
        } = self.runs[run];
        let live = token.is_none_or(|token| {
            // Nobody can know of a lease that was taken away before it is told.
            let unaware = self.revoked.contains_key(&token) && !self.reported_lost.contains(&token);
            self.coordinator.is_live(self.now, host, token) || unaware
        });
        let taken = token.is_some_and(|token| self.revoked.contains_key(&token));
        if !live && slept_before_start && taken {
            self.counts.started_in_the_window += 1;
        } else if !live {
            self.violate(format!(
                "started without a lease: {step:?} of job {job} by host {host}, {token:?}"
            ));
        }
        if token.is_none() && step == AttemptStep::Engine && !slept_before_start && self.hosts[host].routes {
            self.violate(format!(
                "the inbox was a source of work while routed: job {job} by host {host}"
            ));
        }
        if step == AttemptStep::Engine && self.is_finished_here(host, job) {
            self.violate(format!("ran a finished job: job {job} by host {host}"));
        }
        for other in 0..run {
            self.check_pair(run, other, live);
        }
    }

    fn check_pair(&mut self, run: usize, other: usize, live: bool) {
        let now = self.now;
        let ModelCommand {
            host,
            job,
            token,
            step,
            ..
        } = self.runs[run];
        let before = &self.runs[other];
        if before.job != job || !before.begun {
            return;
        }
        let there = before.host;
        let back = self.hosts[there].back_at;
        let slept = self.hosts[there].away == ModelHostPause::Suspended
            || back.is_some_and(|back| now < back + NOTICE_MS);
        let taken = |token: Option<ModelToken>| {
            let at = token.and_then(|token| self.revoked.get(&token));
            at.is_some_and(|at| now < at + TTL_MS)
        };
        let was_taken = taken(before.token) || taken(token);
        if !before.over && (slept || was_taken) && there != host {
            self.counts.slept_on += u64::from(slept);
        } else if !before.over && live {
            self.violate(format!("two at once: job {job} on host {there} and host {host}"));
        }
        let before = &self.runs[other];
        let both_ship = step == AttemptStep::Ship && before.step == AttemptStep::Ship && !before.failed;
        if both_ship && (there == host || before.token == token) {
            self.violate(format!(
                "shipped twice: job {job} by host {there} under {:?}, by host {host} under {token:?}",
                before.token
            ));
        }
    }

    fn is_finished_here(&self, host: usize, job: usize) -> bool {
        let known = self.hosts[host].disk.known(job);
        // The line of this very start is behind it.
        known.lines.iter().any(|line| line.stage.is_final())
    }

    /// Clause T-14: `ship` after a renewal that was sent when what came before it had ended.
    pub(super) fn check_confirmed(&mut self, host: usize, attempt: &ModelAttempt) {
        let Some(token) = lease_token(attempt) else { return };
        let confirmed = self
            .process(host)
            .kept
            .get(&token)
            .and_then(|kept| kept.confirmed);
        if confirmed < attempt.held.step_ended || confirmed.is_none() {
            self.violate(format!(
                "shipped without a fresh renewal: {token:?} by host {host}"
            ));
        }
    }

    /// Clause T-8: a claim whose answer was lost costs no second lease.
    pub(super) fn check_answer(&mut self, call: &ModelCall, answer: ModelAnswer) {
        let (ModelCaller::Claim { claim_machine }, ModelAnswer::Granted(token)) = (call.caller, answer)
        else {
            return self.check_last_words(call);
        };
        let owner = (call.host, call.incarnation, claim_machine);
        self.grants.entry(token).or_insert(owner);
        let known = self.hosts[call.host]
            .process
            .as_ref()
            .map(|process| &process.known);
        let unknown = |other: &ModelToken| known.is_none_or(|known| !known.contains(other));
        let mut others = self
            .grants
            .iter()
            .filter(|(other, by)| **other != token && **by == owner);
        let lost = others
            .find(|(other, _)| unknown(other) && self.coordinator.is_live(self.now, call.host, **other));
        if let Some((other, _)) = lost {
            let what = format!("a lost answer cost a second lease: {other:?}, then {token:?}");
            self.violate(what);
        }
    }

    fn check_last_words(&mut self, call: &ModelCall) {
        let (ModelRequest::Report { token, .. } | ModelRequest::Quarantine { token, .. }) = call.request
        else {
            return;
        };
        let words = self.coordinator.final_reports.get(&token);
        if words.is_some_and(|keys| keys.len() > 1) {
            self.violate(format!("two last words on one lease: {token:?}"));
        }
    }

    /// Clause T-4: no report after the lease is lost, and no last word after it was answered.
    pub(super) fn check_request(
        &mut self,
        host: usize,
        token: ModelToken,
        word: &LeaseRequest,
        reported_lost: bool,
    ) {
        let is_report = matches!(word, LeaseRequest::Report(news) if !news.stage.is_final());
        if reported_lost && is_report {
            self.violate(format!("reported after a lost lease: {token:?} by host {host}"));
        }
        let incarnation = self.hosts[host].incarnation;
        let is_last = matches!(word, LeaseRequest::Quarantine(_))
            || matches!(word, LeaseRequest::Report(news) if news.stage.is_final());
        if is_last && self.answered.get(&token) == Some(&incarnation) {
            self.violate(format!(
                "delivered twice: the last word on {token:?} by host {host}"
            ));
        }
    }

    pub(super) fn note_answered(&mut self, call: &ModelCall, answer: Option<ModelAnswer>) {
        let token = match call.request {
            ModelRequest::Report { token, stage, .. } if is_final(stage) => token,
            ModelRequest::Quarantine { token, .. } => token,
            _ => return,
        };
        if answer.is_some() {
            self.answered.insert(token, call.incarnation);
        }
    }

    /// Clause T-9: what waits is delivered in order.
    pub(super) fn check_order(&mut self, host: usize, token: ModelToken) {
        let process = self.process(host);
        let (Some(mine), kept) = (process.letters.get(&token).copied(), &process.kept) else {
            return;
        };
        let in_a_keepers_hands: Vec<u64> = process
            .letters
            .iter()
            .filter(|(token, _)| kept.contains_key(token))
            .map(|(_, sequence)| *sequence)
            .collect();
        let earlier = self.hosts[host]
            .disk
            .outbox
            .keys()
            .find(|sequence| **sequence < mine && !in_a_keepers_hands.contains(sequence));
        // Answered a moment ago, and not taken off the disk yet.
        let earlier = earlier.filter(|earlier| {
            let letter = &self.hosts[host].disk.outbox[earlier];
            !self.coordinator.has_answered(host, &letter.key)
        });
        if earlier.is_some() {
            self.violate(format!("out of order: the last word on {token:?} by host {host}"));
        }
    }

    /// Clause T-9: a letter is dropped when it was answered, and not before.
    pub(super) fn check_removal(&mut self, host: usize, token: ModelToken) {
        if !self.coordinator.final_reports.contains_key(&token) {
            self.violate(format!(
                "dropped undelivered: the last word on {token:?} by host {host}"
            ));
        }
    }

    pub(super) fn is_over(&self) -> bool {
        let told = self.coordinator.jobs.iter().all(|job| is_final(job.stage));
        told && self.hosts.iter().all(|host| {
            let settled = host.process.as_ref().is_some_and(|process| {
                process.closing == 0 && process.attempts.is_empty() && process.inputs.is_empty()
            });
            settled && host.disk.outbox.is_empty()
        })
    }

    /// After a time without troubles everything has come to its end.
    pub(super) fn check_end(&mut self) {
        for job in 0..self.coordinator.jobs.len() {
            let stage = self.coordinator.jobs[job].stage;
            if !is_final(stage) {
                self.violate(format!(
                    "a job was lost: job {job} is still {stage} at the coordinator"
                ));
            }
            let shipped = self
                .runs
                .iter()
                .any(|run| run.job == job && run.step == AttemptStep::Ship && run.over && !run.failed);
            if stage == "shipped" && !shipped {
                self.violate(format!("said to be shipped: job {job} was not"));
            }
        }
        for host in 0..self.hosts.len() {
            let disk = &self.hosts[host].disk;
            let in_work = [Stage::Building, Stage::Testing, Stage::Review];
            if let Some((job, stage)) = disk.files.iter().find(|(_, stage)| in_work.contains(stage)) {
                self.violate(format!(
                    "a job was lost: job {job} is still in {stage} on host {host}"
                ));
            } else if !disk.outbox.is_empty() {
                self.violate(format!("a report was lost: host {host} still owes it"));
            }
        }
    }
}
