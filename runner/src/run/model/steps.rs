//! An attempt of the model, step by step: each is asked for, written to the disk, and done.

use super::host::job_id;
use super::process::Attempt;
use super::world::World;
use crate::fleet::routed::tenure::Input;
use crate::queue::{Cause, Letter, SHIPPING, started};
use crate::run::course::{LastWord, Move, Publication, Right, at_confirmation, last_word, wish_of};
use crate::run::pipeline::{self, Step, Wish};
use crate::stage::Stage;
use crate::supervise::End;

impl World {
    fn right_to(&self, host: usize, attempt: &Attempt) -> Right {
        let clock = self.clock(host);
        let kept = |token| self.hosts[host].process.as_ref()?.kept.get(token);
        let holds = attempt
            .lease
            .as_ref()
            .and_then(|(token, _)| kept(token))
            .is_some_and(|kept| !kept.closed && kept.standing.holds(clock));
        (self.rules.right)(attempt.lease.is_some(), holds)
    }

    pub(super) fn start_step(&mut self, host: usize, job: usize, mut attempt: Attempt, step: Step) {
        attempt.wish = wish_of(self.right_to(host, &attempt), attempt.wish);
        if let Some(Wish::LeaseLost(_)) = attempt.wish {
            return self.cut_short(host, job, attempt);
        }
        if step == Step::Ship {
            self.check_confirmed(host, &attempt);
        }
        attempt.step = step;
        attempt.run =
            Some(self.start_command(host, job, attempt.lease.as_ref().map(|(token, _)| *token), step));
        self.process(host).attempts.insert(job, attempt);
    }

    /// Nothing runs of it, and it is not to go on.
    fn cut_short(&mut self, host: usize, job: usize, attempt: Attempt) {
        let wish = attempt.wish.as_ref();
        let next = pipeline::after(&self.specs[job], attempt.spent, attempt.step, &End::Ordered, wish);
        self.follow(host, job, attempt, next);
    }

    pub(super) fn ended(&mut self, host: usize, run: usize, end: &End) {
        let job = self.runs[run].job;
        let clock = self.clock(host);
        let Some(mut attempt) = self.process(host).attempts.remove(&job) else {
            return;
        };
        (attempt.run, attempt.step_ended) = (None, Some(clock));
        attempt.wish = wish_of(self.right_to(host, &attempt), attempt.wish);
        let wish = attempt.wish.as_ref();
        let next = pipeline::after(&self.specs[job], attempt.spent, attempt.step, end, wish);
        self.say(|| format!("host {host}: job {job} ended {end:?}, so {next:?}"));
        self.follow(host, job, attempt, next);
    }

    fn follow(&mut self, host: usize, job: usize, mut attempt: Attempt, next: pipeline::Next) {
        match (self.rules.next_move)(next, attempt.lease.is_some()) {
            Move::Start(step) => self.go_on(host, job, attempt, step),
            Move::Confirm => {
                let token = attempt.lease.as_ref().map(|(token, _)| *token);
                self.process(host).attempts.insert(job, attempt);
                token
                    .into_iter()
                    .for_each(|token| self.tenure(host, token, Input::Confirm));
            }
            Move::Settle(stage, reason) => self.settle(host, job, &attempt, stage, reason.as_deref()),
            Move::PutBack(cause, reason) => {
                match cause {
                    Cause::Interruption => self.hosts[host].disk.announce_interrupted(job, &reason),
                    Cause::Failure => self.hosts[host].disk.announce(job, Stage::Inbox, Some(&reason)),
                }
                if !self.dies(host) {
                    self.hosts[host].disk.files.insert(job, Stage::Inbox);
                }
            }
            Move::GiveBack(reason) => self.give_back(host, job, &attempt, &reason),
            Move::Again(_) => {
                let Some((_, proof)) = &attempt.lease else { return };
                let line = started(self.hosts[host].disk.known(job), Some(proof), None);
                attempt.spent = line.spent;
                self.hosts[host].disk.append(job, line);
                if self.dies(host) {
                    return;
                }
                self.hosts[host].disk.files.insert(job, Stage::Building);
                (attempt.stage, attempt.step) = (Stage::Building, Step::Engine);
                self.start_step(host, job, attempt, Step::Engine);
            }
        }
    }

    fn go_on(&mut self, host: usize, job: usize, mut attempt: Attempt, step: Step) {
        let disk = &mut self.hosts[host].disk;
        match step {
            Step::Engine => {}
            Step::Verify => {
                disk.announce(job, Stage::Testing, None);
                if self.dies(host) {
                    return;
                }
                self.hosts[host].disk.files.insert(job, Stage::Testing);
                attempt.stage = Stage::Testing;
                if let Some((token, _)) = attempt.lease {
                    let key = format!("testing-{host}-{job}-{}-{}", token.fence, attempt.spent);
                    let news = super::keeping::news(Stage::Testing, &key);
                    self.tenure(host, token, Input::Report(news));
                }
            }
            Step::Ship => {
                disk.announce(job, attempt.stage, Some(SHIPPING));
                if self.dies(host) {
                    return;
                }
            }
        }
        self.start_step(host, job, attempt, step);
    }

    pub(super) fn confirmed(&mut self, host: usize, job: usize) {
        let Some(attempt) = self.process(host).attempts.remove(&job) else {
            return;
        };
        let waits = attempt.run.is_none() && attempt.wish.is_none();
        match at_confirmation(self.right_to(host, &attempt), waits, true) {
            Publication::Ship => self.go_on(host, job, attempt, Step::Ship),
            Publication::Said => self.settle(host, job, &attempt, Stage::Shipped, None),
            Publication::NotNow => {
                self.process(host).attempts.insert(job, attempt);
            }
        }
    }

    fn settle(&mut self, host: usize, job: usize, attempt: &Attempt, to: Stage, reason: Option<&str>) {
        self.hosts[host].disk.announce(job, to, reason);
        if self.dies(host) {
            return;
        }
        let posts = last_word(attempt.lease.is_some(), to) == LastWord::Post;
        let lease = attempt.lease.as_ref().filter(|_| posts);
        let letter = lease.map(|(_, proof)| Letter::new(&job_id(job), proof, to, reason));
        if let (Some((token, _)), Some(letter)) = (lease, letter.clone()) {
            let sequence = self.hosts[host].disk.post(letter);
            self.process(host).letters.insert(*token, sequence);
            if self.dies(host) {
                return;
            }
        }
        self.hosts[host].disk.files.insert(job, to);
        if self.dies(host) {
            return;
        }
        self.say(|| format!("host {host}: job {job} is {to} here"));
        if let (Some((token, _)), Some(letter)) = (lease, letter) {
            self.close(host, *token, super::keeping::closing(&letter));
        }
    }

    fn give_back(&mut self, host: usize, job: usize, attempt: &Attempt, reason: &str) {
        let disk = &mut self.hosts[host].disk;
        let own = disk.known(job).sequence().is_some();
        disk.announce_interrupted(job, reason);
        if self.dies(host) {
            return;
        }
        match own {
            true => self.hosts[host].disk.files.insert(job, Stage::Inbox),
            false => self.hosts[host].disk.files.remove(&job),
        };
        if self.dies(host) {
            return;
        }
        if let Some((token, _)) = attempt.lease {
            self.release(host, token);
        }
    }

    /// Nothing runs of these, so no end of a command will say that they are to end.
    pub(super) fn end_parked(&mut self, host: usize) {
        loop {
            let parked = |attempt: &Attempt| attempt.run.is_none() && attempt.wish.is_some();
            let Some(process) = &mut self.hosts[host].process else {
                return;
            };
            let job = process.attempts.iter().find(|(_, attempt)| parked(attempt));
            let Some(job) = job.map(|(job, _)| *job) else {
                return;
            };
            if let Some(attempt) = process.attempts.remove(&job) {
                self.cut_short(host, job, attempt);
            }
        }
    }
}
