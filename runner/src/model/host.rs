//! A host of the model: what is on its disk, the process that runs on it if one does, and all that befalls it.

use super::coordinator::{ModelRequest, ModelToken};
use super::disk::ModelDisk;
use super::network::{LIMIT_MS, ModelCaller};
use super::runner_process::ModelProcess;
use super::world::{ModelEvent, ModelWorld};
use crate::fleet::wire::WireJob;
use crate::ids::JobId;
use crate::job_reason::{JobReason, ReasonCode};
use crate::queue::{OutboxEntry, RecoveryDecision, is_reported};
use crate::stage::Stage;
use crate::supervise::CommandOutcome;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ModelHostPause {
    Running,
    /// SIGSTOP of the runner: what it has started goes on, and so do the supervisors.
    Stopped,
    /// All of the host.
    Suspended,
}

impl ModelHostPause {
    pub(super) fn defers(self, happening: &ModelEvent) -> bool {
        match self {
            ModelHostPause::Running => false,
            ModelHostPause::Stopped => !matches!(
                happening,
                ModelEvent::Publishes(_) | ModelEvent::Ends(..) | ModelEvent::LeaseDeadline(_)
            ),
            ModelHostPause::Suspended => true,
        }
    }
}

pub(super) struct ModelHost {
    pub(super) disk: ModelDisk,
    pub(super) process: Option<ModelProcess>,
    pub(super) incarnation: u32,
    pub(super) away: ModelHostPause,
    away_since: u64,
    pub(super) slept_ms: u64,
    /// From its last suspension.
    pub(super) back_at: Option<u64>,
    pub(super) deferred: Vec<ModelEvent>,
    /// Nothing gets through.
    pub(super) cut: bool,
    /// What its settings say.
    pub(super) routes: bool,
}

impl ModelHost {
    pub(super) fn new(jobs: usize) -> ModelHost {
        ModelHost {
            disk: ModelDisk::new(jobs),
            process: None,
            incarnation: 0,
            away: ModelHostPause::Running,
            away_since: 0,
            slept_ms: 0,
            back_at: None,
            deferred: Vec::new(),
            cut: false,
            routes: true,
        }
    }
}

impl ModelWorld {
    pub(super) fn starts(&mut self, host: usize) {
        if self.hosts[host].process.is_some() {
            return;
        }
        if self.hosts[host].away != ModelHostPause::Running
            || self.runs.iter().any(|run| run.host == host && !run.over)
        {
            // Nothing is taken up while anything of it lives.
            return self.schedule(self.now + 50, ModelEvent::Starts(host));
        }
        self.hosts[host].incarnation += 1;
        self.say(|| format!("host {host} starts"));
        let seed = self.now + host as u64;
        self.hosts[host].process = Some(ModelProcess::new(seed, self.hosts[host].routes));
        for (job, stage) in self.hosts[host].disk.files.clone() {
            if matches!(stage, Stage::Building | Stage::Testing) && !self.recover(host, job) {
                return;
            }
        }
        self.after(host);
    }

    /// False: it died over it.
    fn recover(&mut self, host: usize, job: usize) -> bool {
        let disk = &mut self.hosts[host].disk;
        let known = disk.known(job).clone();
        let lease = known.lease();
        let found = (self.rules.recovery_decision)(&known);
        let (to, reason) = match found {
            RecoveryDecision::ShipUnknown => (Stage::Quarantine, Some(ReasonCode::ShipUnknown)),
            RecoveryDecision::FinishMove(to) => (to, None),
            RecoveryDecision::LeaseLost => (Stage::Quarantine, Some(ReasonCode::LeaseReleased)),
            RecoveryDecision::Retry if known.spent() <= self.specs[job].retries => {
                (Stage::Inbox, Some(ReasonCode::Interrupted))
            }
            RecoveryDecision::Retry => (Stage::Failed, Some(ReasonCode::Interrupted)),
        };
        let reason = reason.map(JobReason::from);
        if !matches!(found, RecoveryDecision::FinishMove(_)) {
            disk.announce(job, to, reason.as_ref());
            if self.dies(host) {
                return false;
            }
        }
        self.say(|| format!("host {host} finds job {job}: {found:?}"));
        let disk = &mut self.hosts[host].disk;
        let last = disk.known(job).reason();
        let posts = match found {
            RecoveryDecision::ShipUnknown => true,
            RecoveryDecision::FinishMove(Stage::Quarantine) => last.as_ref().is_some_and(is_reported),
            RecoveryDecision::FinishMove(to) => to.is_final(),
            RecoveryDecision::LeaseLost | RecoveryDecision::Retry => false,
        };
        if let Some(proof) = lease.as_ref().filter(|_| posts) {
            let letter = OutboxEntry::new(&job_id(job), proof, to, last.as_ref());
            if !disk.has_outbox_entry(&letter) {
                disk.post(letter);
            }
            if self.dies(host) {
                return false;
            }
        }
        let host_state = &mut self.hosts[host];
        host_state.disk.files.insert(job, to);
        if let (Some(proof), true, Stage::Quarantine) = (lease, host_state.routes, to)
            && !last.as_ref().is_some_and(is_reported)
        {
            let token = ModelToken {
                job,
                fence: proof.fencing_token,
            };
            self.process(host).closing += 1;
            self.send(
                host,
                ModelCaller::Orphan { token },
                ModelRequest::Release { token },
                LIMIT_MS,
            );
        }
        !self.dies(host)
    }

    /// Between two writes to the disk.
    pub(super) fn dies(&mut self, host: usize) -> bool {
        let dies = !self.calm && self.choices.once_in(150);
        if dies {
            self.crash(host);
        }
        dies
    }

    pub(super) fn crash(&mut self, host: usize) {
        let now = self.now;
        if self.hosts[host].process.is_none()
            || self.hosts[host].away == ModelHostPause::Suspended
            || self.calm
        {
            return;
        }
        self.counts.crashes += 1;
        self.say(|| format!("host {host} is killed"));
        self.leave(host);
        let open: Vec<usize> = (0..self.runs.len())
            .filter(|run| self.runs[*run].host == host && !self.runs[*run].over)
            .collect();
        for run in open {
            let at = now + self.choices.ms(0, 30);
            self.schedule(at, ModelEvent::Ends(run, CommandOutcome::Abandoned));
        }
    }

    /// The process is gone; another one starts a while later.
    pub(super) fn leave(&mut self, host: usize) {
        let state = &mut self.hosts[host];
        (state.process, state.away) = (None, ModelHostPause::Running);
        state.incarnation += 1;
        state.deferred.clear();
        let at = self.now + self.choices.ms(100, 5_000);
        self.schedule(at, ModelEvent::Starts(host));
        for run in self.runs.iter_mut().filter(|run| run.host == host && !run.begun) {
            run.over = true;
        }
    }

    pub(super) fn pause(&mut self, host: usize) {
        if self.hosts[host].away != ModelHostPause::Running || self.calm {
            return;
        }
        self.counts.pauses += 1;
        let away = match self.choices.below(2) {
            0 => ModelHostPause::Stopped,
            _ => ModelHostPause::Suspended,
        };
        let until = self.now + self.choices.ms(100, 15_000);
        self.say(|| format!("host {host} is away ({away:?}) until {until}"));
        (self.hosts[host].away, self.hosts[host].away_since) = (away, self.now);
        self.schedule(until, ModelEvent::Resumes(host));
    }

    pub(super) fn resume(&mut self, host: usize) {
        let state = &mut self.hosts[host];
        if state.away == ModelHostPause::Running {
            return;
        }
        if state.away == ModelHostPause::Suspended {
            state.slept_ms += self.now - state.away_since;
            state.back_at = Some(self.now);
        }
        state.away = ModelHostPause::Running;
        let mut deferred = std::mem::take(&mut state.deferred);
        self.say(|| format!("host {host} is back"));
        // What is found first proves nothing.
        while !deferred.is_empty() {
            let next = self.choices.below(deferred.len() as u32) as usize;
            let happening = deferred.remove(next);
            self.schedule(self.now, happening);
        }
        self.settle_timers(host);
    }

    pub(super) fn flip(&mut self, host: usize) {
        let state = &mut self.hosts[host];
        state.routes = !state.routes;
        let routes = state.routes;
        self.say(|| format!("host {host}: route is now {routes}"));
        if self.hosts[host].process.is_some() {
            self.switch_mode(host, routes);
            self.after(host);
        }
    }
}

pub(super) fn job_id(job: usize) -> JobId {
    JobId::new(&format!("job-{job}")).unwrap()
}

/// The rest of it is the same on both sides, and known to the world.
pub(super) fn fleet_job(job: usize) -> WireJob {
    serde_json::from_value(serde_json::json!({"id": format!("job-{job}"), "engine": "sh", "body": "work\n"}))
        .unwrap()
}
