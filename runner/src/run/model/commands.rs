//! Engines, checks and `ship` commands of the model, with the supervisor that outlives its runner for a moment, and the
//! place that is published to.

use super::coordinator::Token;
use super::host::Away;
use super::process::{LoopInput, Run};
use super::world::{Happening, World};
use crate::run::pipeline::Step;
use crate::supervise::End;

impl World {
    /// Called right after the look at the clock.
    pub(super) fn start_command(
        &mut self,
        host: usize,
        job: usize,
        token: Option<Token>,
        step: Step,
    ) -> usize {
        let run = self.runs.len();
        let in_the_window = !self.calm && self.choices.once_in(60);
        self.runs.push(Run {
            host,
            incarnation: self.hosts[host].incarnation,
            job,
            token,
            step,
            begun: false,
            over: false,
            in_the_window,
            failed: false,
        });
        if in_the_window {
            self.pause(host);
        }
        match self.hosts[host].away {
            Away::Not => self.execs(run),
            _ => self.hosts[host].deferred.push(Happening::Execs(run)),
        }
        run
    }

    pub(super) fn execs(&mut self, run: usize) {
        if self.runs[run].over {
            return;
        }
        self.check_start(run);
        self.runs[run].begun = true;
        let Run {
            host,
            job,
            step,
            token,
            ..
        } = self.runs[run];
        self.say(|| format!("host {host} starts {step:?} of job {job} under {token:?}"));
        let longest = match step {
            Step::Engine => 9_000,
            Step::Verify => 1_500,
            Step::Ship => 3_000,
        };
        let takes = self.choices.ms(20, longest);
        let fails = self.choices.once_in(12);
        let code = Some(i32::from(fails));
        let end = End::Exited { code, signal: None };
        self.schedule(self.now + takes, Happening::Ends(run, end));
        if step == Step::Ship && !fails {
            let at = self.now + self.choices.ms(0, takes);
            self.schedule(at, Happening::Publishes(run));
        }
    }

    /// The other side is told the job's id and the fencing token, and looks at both.
    pub(super) fn publishes(&mut self, run: usize) {
        let Run {
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

    pub(super) fn ends(&mut self, run: usize, end: End) {
        if self.runs[run].over || !self.runs[run].begun {
            return;
        }
        let Run {
            host,
            step,
            incarnation,
            ..
        } = self.runs[run];
        self.runs[run].over = true;
        self.runs[run].failed = matches!(end, End::Exited { code: Some(1), .. });
        self.counts.ships_interrupted += u64::from(step == Step::Ship && !matches!(end, End::Exited { .. }));
        if self.hosts[host].process.is_some() && self.hosts[host].incarnation == incarnation {
            self.input(host, LoopInput::Ended { run, end });
        }
    }
}
