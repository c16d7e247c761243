//! What the loop does about errors: each reaches as far as its scope (`docs/architecture.md`, "Scope of an error").

use std::time::Instant;

use super::EventLoop;
use crate::error_scope::ErrorScope;
use crate::exit_codes::ProgramExit;
use crate::queue::{FolderChanges, QueueLoss};
use crate::run::job_command::QueueAttempt;
use crate::run::local_queue::WaitReason;
use crate::run::run_control::SourceSnapshot;
use crate::run::run_options::{RunError, RunUntil};
use crate::run::transition::AttemptInput;
use crate::run::{executor, progress};
use crate::supervise::StopUrgency;
use crate::terminal::error_chain;

impl EventLoop {
    /// Starts what can start, unless something of the host is in the way.
    pub(super) fn start_unless_troubled(&mut self) -> SourceSnapshot {
        self.take_on_suspended();
        self.give_up_on_trouble();
        let mut snapshot = SourceSnapshot {
            wait_reason: WaitReason::HostTrouble,
            view: None,
            retry_at: None,
        };
        if !self.world.trouble.is_waiting(Instant::now()) && self.recheck_host() {
            match self.start_ready_jobs() {
                Ok(looked) if !self.world.trouble.is_waiting(Instant::now()) => {
                    snapshot = looked;
                    if let Some(text) = self.world.trouble.is_over(Instant::now()) {
                        progress::waiting(&text);
                    }
                }
                // What was started, or tried, met with trouble.
                Ok(_) => {}
                Err(error) => {
                    self.absorb::<()>(Err(error));
                    // The look was cut short, and nothing tells of the rest again.
                    self.world.source.changed(FolderChanges::everything());
                }
            }
        }
        self.presence.is_troubled_by(self.world.trouble.record());
        snapshot
    }

    /// An error of the host is waited out, one of the queue ends the run.
    pub(super) fn absorb<T: Default>(&mut self, done: Result<T, RunError>) -> T {
        match done {
            Ok(done) => return done,
            Err(error) => match error.scope() {
                ErrorScope::Host(kind) => self.world.met(kind, error.cause()),
                ErrorScope::Job | ErrorScope::Engine => progress::warn(&error_chain(&error)),
                ErrorScope::Queue => self.fail(&error),
            },
        }
        T::default()
    }

    /// What happened in the folder, or to it.
    pub(super) fn note_changes(&mut self, changes: FolderChanges) -> Result<(), RunError> {
        if changes.folder_gone {
            // All folders may have their names, and one of them be new.
            self.world.events.watch_again(&self.world.queue);
            self.world.source.changed(FolderChanges::everything());
            // After that: what happens to them from here on is told.
            self.world.queue.check_presence()?;
        } else if changes.everything {
            self.world.queue.check_inbox_presence()?;
        }
        self.world.source.changed(changes);
        Ok(())
    }

    /// A second signal was given, and something does not end in spite of it.
    pub(super) fn report_given_up(&self) {
        for attempt in self.world.jobs.working() {
            let (id, supervisor) = (&attempt.state.job.id, attempt.supervisor().unwrap_or_default());
            progress::warn(&format!(
                "{id} is still being ended by process {supervisor}, which is not waited for any longer; the next run takes \
                 it up"
            ));
        }
    }

    /// Ends the run as a signal does: what runs is ended and put back, and leases are given back.
    fn fail(&mut self, error: &RunError) {
        if self.control.stop.is_some() {
            return;
        }
        // Whatever could not be done: that the queue is gone says more.
        let told = match self.world.queue.check_presence() {
            Err(lost) => error_chain(&lost),
            Ok(()) => error_chain(error),
        };
        progress::warn(&told);
        let is_unsafe = matches!(error, RunError::Queue(error) if error.is_unsafe());
        self.end_with(match is_unsafe {
            true => ProgramExit::Usage,
            false => ProgramExit::Failed,
        });
    }

    fn end_with(&mut self, exit: ProgramExit) {
        self.control.stop(exit);
        self.world.jobs.interrupt(StopUrgency::Graceful);
    }

    /// True: nothing of the host is known to be in the way.
    fn recheck_host(&mut self) -> bool {
        if self.world.trouble.record().is_none() || self.control.stop.is_some() {
            return true;
        }
        let queue = &self.world.queue;
        let checked = queue.complete().map(drop);
        let checked = checked.and_then(|()| queue.check_filesystem());
        let checked = checked.and_then(|()| queue.check_room());
        let is_free = checked.is_ok();
        self.absorb(checked.map_err(RunError::from));
        is_free
    }

    /// Once the host may have what was missing. At the end of the run there is one more try, and then they are let go of.
    fn take_on_suspended(&mut self) {
        let is_ending = self.control.stop.is_some();
        if !is_ending && self.world.trouble.is_waiting(Instant::now()) {
            return;
        }
        for (attempt, input) in self.world.jobs.take_suspended() {
            self.take_on(attempt, input);
        }
        if is_ending {
            let left = self.world.jobs.take_suspended();
            left.into_iter()
                .for_each(|(attempt, _)| self.world.let_go(attempt));
        }
    }

    /// Nothing is written any more where a queue is being removed: that would bring parts of it back.
    pub(super) fn take_on(&mut self, attempt: QueueAttempt, input: AttemptInput) {
        let is_ending = self.control.stop.is_some();
        if is_ending && self.world.queue.loss() == Some(QueueLoss::Removed) {
            return self.world.let_go(attempt);
        }
        let done = executor::take_on(&mut self.world, attempt, input);
        self.absorb(done);
    }

    /// A run that is to end by itself does not wait for ever.
    fn give_up_on_trouble(&mut self) {
        let ends = self.control.options.until != RunUntil::Stopped && self.control.stop.is_none();
        let is_idle = self.world.jobs.working().next().is_none();
        if ends && is_idle && self.world.trouble.is_beyond_patience(Instant::now()) {
            progress::warn("gave up: no job could be started for a minute; what waits stays in the inbox");
            self.end_with(ProgramExit::Failed);
            self.take_on_suspended();
        }
    }
}
