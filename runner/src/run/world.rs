//! What the executor acts on: a queue, commands, the coordinator and people. `QueueWorld` is the real one; the model has
//! its own, of a few lines a call.

use std::time::Duration;

use super::attempt::{Attempt, AttemptState, AttemptStep};
use super::transition::AttemptInput;
use super::transition::{self, AttemptEvent, CommandEnd, LeaseStatus, NextAction};
use crate::ids::{JobId, LeaseProof};
use crate::job_reason::JobReason;
use crate::queue::JobStore;
use crate::stage::Stage;

/// An attempt in this world.
pub(crate) type AttemptIn<W> = Attempt<<W as RunWorld>::Held, <W as RunWorld>::Command>;

/// What becomes of the lease of a job that leaves work.
pub(crate) enum LeaseClosing<P> {
    /// There is none.
    NoLease,
    /// It goes on while a person decides.
    Keep,
    /// This report ends it.
    Report(P),
    Release,
}

pub(crate) trait RunWorld {
    /// Something could not be done: it is up to the world what becomes of the attempt. In the model it is the death of the
    /// process.
    type Error: From<Self::StoreError>;
    type StoreError;
    /// A report in the outbox, in the hands of this process.
    type Posted;
    /// What is kept of a job in work: its locks, and what counts of its file.
    type Held;
    /// A command that runs.
    type Command;

    fn store(&mut self) -> impl JobStore<Error = Self::StoreError, Posted = Self::Posted>;

    /// Another one in the model, where a test puts a wrong decision in its place.
    fn transition(&self, state: &AttemptState, event: AttemptEvent, allowed: LeaseStatus) -> NextAction {
        transition::transition(state, event, allowed)
    }

    /// Read from the clock now.
    fn lease_status(&self, attempt: &AttemptIn<Self>) -> LeaseStatus;

    /// Whether a person wishes for the end of the job, told of or not.
    fn is_cancelled(&self, job: &JobId) -> bool;

    /// What of the job's file is not as it was when it was taken. If nothing is, the record as it is now is what counts.
    fn change_before_start(
        &mut self,
        attempt: &mut AttemptIn<Self>,
    ) -> Result<Option<JobReason>, Self::Error>;

    /// The same of file and record, after a command.
    fn change_after_end(&mut self, attempt: &AttemptIn<Self>) -> Result<Option<JobReason>, Self::Error>;

    /// Its engine has done its work.
    fn engine_succeeded(&mut self, attempt: &mut AttemptIn<Self>) -> Result<(), Self::Error>;

    /// Its engine failed. If that is because it can't work now, it pauses, and this is why the job waits.
    fn engine_pause(
        &mut self,
        attempt: &mut AttemptIn<Self>,
        end: &CommandEnd,
    ) -> Result<Option<JobReason>, Self::Error>;

    /// How long a job that failed waits for its next attempt.
    fn retry_wait(&self, state: &AttemptState) -> Duration;

    /// Its supervisor is gone: what it left is killed.
    fn kill_orphans(&mut self, attempt: &AttemptIn<Self>) -> Result<(), Self::Error>;

    /// A command failed by itself: what of the host is at fault, so that it does not count against the job.
    fn host_trouble(&mut self, attempt: &AttemptIn<Self>, end: &CommandEnd) -> Option<JobReason>;

    /// Starts the command of a step, or says why something is in the way of it that a person has to look at.
    fn start(
        &mut self,
        attempt: &mut AttemptIn<Self>,
        step: AttemptStep,
    ) -> Result<Result<(), JobReason>, Self::Error>;

    /// Something could not be done. The attempt is this world's, to be taken on with the same input again, or not.
    fn suspend(
        &mut self,
        attempt: AttemptIn<Self>,
        input: AttemptInput,
        error: Self::Error,
    ) -> Result<(), Self::Error>;

    /// A command runs, or none. The attempt is this world's until something happens to it.
    fn wait(&mut self, attempt: AttemptIn<Self>);

    /// Asks for a renewal of the lease; the answer happens to the attempt.
    fn confirm_lease(&mut self, attempt: AttemptIn<Self>);

    /// Something of it may be alive: from now on its lock counts as held until the job leaves `quarantine`.
    fn keep_lock(&mut self, attempt: &AttemptIn<Self>) -> Result<(), Self::Error>;

    /// What an approval of an earlier attempt is not meant for, and what a later one needs.
    fn prepare_review(&mut self, attempt: &AttemptIn<Self>) -> Result<(), Self::Error>;

    /// An attempt has begun, in `building`.
    fn attempt_started(&mut self, attempt: &AttemptIn<Self>);

    /// The job's file has come to a stage in which work on it goes on.
    fn stage_entered(&mut self, attempt: &AttemptIn<Self>, stage: Stage);

    /// It failed under its lease, and another attempt follows.
    fn attempt_failed(&mut self, attempt: &AttemptIn<Self>, reason: &JobReason);

    /// The attempt is over, or waits for a person; its locks are given back here.
    fn job_left(
        &mut self,
        attempt: AttemptIn<Self>,
        to: Stage,
        reason: Option<&JobReason>,
        closing: LeaseClosing<Self::Posted>,
    );

    /// The job is let go of, with its locks.
    fn abandon(&mut self, attempt: AttemptIn<Self>);

    /// A job that an earlier process had under this lease has left work. `is_released`: the lease is given back, and no
    /// report of it was posted.
    fn close_abandoned(&mut self, job: &JobId, proof: LeaseProof, is_released: bool);
}
