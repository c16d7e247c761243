//! Engines, checks and `ship` commands of the model, with the supervisor that outlives its runner for a moment and knows
//! when the lease ends, and the place that is published to.

use super::coordinator::ModelToken;
use super::host::ModelHostPause;
use super::runner_process::{ModelCommand, ModelLoopInput};
use super::world::{ModelEvent, ModelWorld};
use crate::boot_clock::{BootInstant, KillDeadlines};
use crate::run::attempt::AttemptStep;
use crate::supervise::CommandOutcome;

/// Between TERM and KILL.
pub(super) const GRACE_MS: u64 = 2_000;

impl ModelWorld {
    /// Called right after the look at the clock.
    pub(super) fn start_command(
        &mut self,
        host: usize,
        job: usize,
        token: Option<ModelToken>,
        step: AttemptStep,
    ) -> usize {
        let run = self.runs.len();
        let kept = token.and_then(|token| self.process(host).kept.get(&token));
        let fence = kept.map(|kept| kept.lease_snapshot.ending());
        let slept_before_start = !self.calm && self.choices.once_in(60);
        self.runs.push(ModelCommand {
            host,
            incarnation: self.hosts[host].incarnation,
            job,
            token,
            step,
            begun: false,
            over: false,
            fence,
            slept_before_start,
            failed: false,
        });
        if slept_before_start {
            self.pause(host);
        }
        match self.hosts[host].away {
            ModelHostPause::Running => self.execs(run),
            _ => self.hosts[host].deferred.push(ModelEvent::Execs(run)),
        }
        run
    }

    pub(super) fn execs(&mut self, run: usize) {
        if self.runs[run].over {
            return;
        }
        if (self.rules.is_too_late)(self.has_come(run, |ending| ending.term_at)) {
            self.counts.came_too_late += 1;
            return self.answer(run, CommandOutcome::TooLate);
        }
        self.check_start(run);
        self.runs[run].begun = true;
        let ModelCommand {
            host,
            job,
            step,
            token,
            ..
        } = self.runs[run];
        self.say(|| format!("host {host} starts {step:?} of job {job} under {token:?}"));
        let longest = match step {
            AttemptStep::Engine => 9_000,
            AttemptStep::Verify => 1_500,
            AttemptStep::Ship => 3_000,
        };
        self.schedule(self.now, ModelEvent::LeaseDeadline(run));
        let takes = self.choices.ms(20, longest);
        let fails = self.choices.once_in(12);
        let code = Some(i32::from(fails));
        let end = CommandOutcome::Exited { code, signal: None };
        self.schedule(self.now + takes, ModelEvent::Ends(run, end));
        if step == AttemptStep::Ship && !fails {
            let at = self.now + self.choices.ms(0, takes);
            self.schedule(at, ModelEvent::Publishes(run));
        }
    }

    /// The other side is told the job's id and the fencing token, and looks at both.
    pub(super) fn publishes(&mut self, run: usize) {
        let ModelCommand {
            host,
            job,
            over,
            token,
            ..
        } = self.runs[run];
        if over {
            return;
        }
        match self.published[job] {
            None => {
                self.published[job] = Some(run);
                self.counts.shipped += 1;
                self.say(|| format!("host {host} has published job {job} under {token:?}"));
            }
            Some(_) => {
                self.counts.second_ships_refused += 1;
                self.say(|| format!("the other side refuses job {job} from host {host}: it has it"));
            }
        }
    }

    pub(super) fn ends(&mut self, run: usize, end: CommandOutcome) {
        if self.runs[run].over || !self.runs[run].begun {
            return;
        }
        self.runs[run].failed = matches!(end, CommandOutcome::Exited { code: Some(1), .. });
        let interrupted =
            self.runs[run].step == AttemptStep::Ship && !matches!(end, CommandOutcome::Exited { .. });
        self.counts.ships_interrupted += u64::from(interrupted);
        self.answer(run, end);
    }

    /// What its supervisor says last.
    fn answer(&mut self, run: usize, end: CommandOutcome) {
        self.runs[run].over = true;
        let ModelCommand {
            host, incarnation, ..
        } = self.runs[run];
        if self.hosts[host].process.is_some() && self.hosts[host].incarnation == incarnation {
            self.input(host, ModelLoopInput::Ended { run, end });
        }
    }

    /// The supervisor's alarm, on the host's clock.
    pub(super) fn fence(&mut self, run: usize) {
        let ModelCommand {
            host, over, fence, ..
        } = self.runs[run];
        let Some(ending) = fence.filter(|_| !over) else {
            return;
        };
        if (self.rules.is_fenced)(self.has_come(run, |ending| ending.term_at)) {
            self.counts.fenced += 1;
            return self.end_command(run, CommandOutcome::Fenced);
        }
        let left = ending.term_at.since(self.clock(host)).as_millis() as u64;
        self.schedule(self.now + left.max(1), ModelEvent::LeaseDeadline(run));
    }

    /// TERM, and KILL at the end of the grace or with the lease.
    pub(super) fn end_command(&mut self, run: usize, end: CommandOutcome) {
        let ModelCommand { host, fence, .. } = self.runs[run];
        let left = fence.map(|ending| ending.kill_at.since(self.clock(host)).as_millis() as u64);
        let at = self.now + self.choices.ms(0, left.unwrap_or(GRACE_MS).min(GRACE_MS));
        self.schedule(at, ModelEvent::Ends(run, end));
    }

    /// The supervisor is told; or it is not, where the runner can't.
    pub(super) fn update_deadlines(&mut self, host: usize, token: ModelToken, ending: KillDeadlines) {
        let of_lease = |run: &ModelCommand| run.host == host && run.token == Some(token) && !run.over;
        let Some(run) = self.runs.iter().position(of_lease) else {
            return;
        };
        if let Some(fence) = self.runs[run].fence.filter(|fence| *fence != ending)
            && !self.choices.once_in(40)
        {
            self.say(|| format!("host {host}: {token:?} ends at {ending:?} and not at {fence:?}"));
            self.runs[run].fence = Some(ending);
        }
    }

    /// Whether this instant of the lease has come where the command runs.
    fn has_come(&self, run: usize, of_lease: fn(&KillDeadlines) -> BootInstant) -> bool {
        let ModelCommand { host, fence, .. } = self.runs[run];
        fence.is_some_and(|ending| of_lease(&ending) <= self.clock(host))
    }
}
