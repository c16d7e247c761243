//! A host of the model: what is on its disk, the process that runs on it if one does, and all that befalls it.

use super::disk::{ModelDeath, ModelDisk, ModelQueue};
use super::model_runner::ModelRunner;
use super::runner_process::ModelProcess;
use super::world::{ModelEvent, ModelWorld};
use crate::fleet::wire::WireJob;
use crate::ids::JobId;
use crate::queue::{AbandonedJob, InterruptedAttempt, recover_job};
use crate::run::executor;
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
            let in_work = matches!(stage, Stage::Building | Stage::Testing);
            if in_work && self.recover(host, job, stage).is_err() {
                return;
            }
        }
        self.after(host);
    }

    fn recover(&mut self, host: usize, job: usize, stage: Stage) -> Result<(), ModelDeath> {
        let known = self.hosts[host].disk.known(job).clone();
        let decision = (self.rules.recovery_decision)(&known);
        self.say(|| format!("host {host} finds job {job}: {decision:?}"));
        let (id, retries) = (job_id(job), self.specs[job].retries);
        let found = AbandonedJob {
            id: &id,
            stage,
            known: &known,
        };
        let mut queue = ModelQueue { world: self, host };
        let to = recover_job(&mut queue, &found, decision, || {
            Ok(InterruptedAttempt::Retryable { retries })
        })?;
        match self.hosts[host].routes {
            true => executor::close_abandoned_lease(&mut ModelRunner { world: self, host }, &id, to),
            false => Ok(()),
        }
    }

    /// Between two writes to the disk.
    pub(super) fn outlives_write(&mut self, host: usize) -> Result<(), ModelDeath> {
        if !self.calm && self.choices.once_in(150) {
            self.crash(host);
            return Err(ModelDeath);
        }
        Ok(())
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

pub(super) fn job_number(id: &JobId) -> usize {
    id.as_str().trim_start_matches("job-").parse().unwrap()
}

/// The rest of it is the same on both sides, and known to the world.
pub(super) fn fleet_job(job: usize) -> WireJob {
    serde_json::from_value(serde_json::json!({"id": format!("job-{job}"), "engine": "sh", "body": "work\n"}))
        .unwrap()
}
