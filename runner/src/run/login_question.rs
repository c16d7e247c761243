//! The question to an engine whether it is logged in, where its last words say that it is not. It is one more command of
//! the attempt, so that it ends with the attempt, and with the runner.

use std::fs::File;
use std::time::Duration;

use super::attempt::AttemptStep;
use super::engine_end;
use super::engine_run::LoginAnswer;
use super::job_command::{CommandFiles, CommandLog, QueueAttempt};
use super::queue_world::QueueWorld;
use super::transition::{CommandEnd, may_tell_more};
use super::world::RunWorld;
use crate::engine::{CommandInvocation, EngineProblem};
use crate::fleet::lease_renewer::LeaseRenewer;
use crate::job_reason::JobReason;
use crate::output_log::OutputLimits;
use crate::supervise::CommandOutcome;

/// As much is kept of its answer, which nobody has to read.
const ANSWER_BYTES_MAX: u64 = 64 * 1024;
/// How long the engine may take for its answer.
const LIMIT: Duration = Duration::from_secs(20);

impl QueueWorld {
    /// A command of the attempt is over: a step of it, or the question that followed on one. Returns how the step ended, by
    /// what its engine tells; none where it is asked first whether it is logged in.
    pub(super) fn told_end(
        &mut self,
        mut attempt: QueueAttempt,
        end: CommandEnd,
    ) -> Option<(QueueAttempt, CommandEnd)> {
        if let Some((outcome, told)) = attempt.held.engine_run.asked_after.take() {
            let answer = LoginAnswer::of(&end);
            attempt.held.engine_run.login = Some(answer);
            // Its words were about something else.
            let end = match answer {
                LoginAnswer::LoggedOut => CommandEnd::LoginFailed(told),
                LoginAnswer::LoggedIn | LoginAnswer::Nothing => {
                    engine_end::failure(outcome, told.detail.unwrap_or_default())
                }
            };
            return Some((attempt, end));
        }
        // Of this attempt, and not of an earlier one under the same lease.
        attempt.held.engine_run.login = None;
        attempt.held.engine_run.ran_for = attempt.held.engine_run.command_started.elapsed();
        let allowed = self.lease_status(&attempt);
        match end {
            CommandEnd::Outcome(outcome) if may_tell_more(&attempt.state, &outcome, allowed) => {
                match self.end_by_engine(&mut attempt, outcome.clone()) {
                    CommandEnd::LoginFailed(told) if attempt.held.engine_run.login.is_none() => {
                        self.ask_login(attempt, outcome, told)
                    }
                    end => Some((attempt, end)),
                }
            }
            end => Some((attempt, end)),
        }
    }

    /// How the engine ended, by its exit code and by what it tells itself.
    fn end_by_engine(&mut self, attempt: &mut QueueAttempt, outcome: CommandOutcome) -> CommandEnd {
        let engine = &attempt.state.job.engine;
        let is_success = matches!(outcome, CommandOutcome::Exited { code: Some(0), .. });
        let output = |bytes_max| attempt.output(&self.queue, AttemptStep::Engine).end(bytes_max);
        let report = self.engines.report(engine, is_success, output);
        if let Some(EngineProblem::LoginFailure { is_typed: true, .. }) = report.problem {
            attempt.held.engine_run.login = Some(LoginAnswer::LoggedOut);
        }
        let end = engine_end::of(engine, outcome, report.problem);
        attempt.state.usage = report.usage;
        self.used = report
            .usage
            .map(|more| self.used.unwrap_or_default().plus(more))
            .or(self.used);
        end
    }

    /// Asks; the answer comes as the end of a command. The attempt comes back where the engine can't be asked.
    fn ask_login(
        &mut self,
        mut attempt: QueueAttempt,
        outcome: CommandOutcome,
        told: JobReason,
    ) -> Option<(QueueAttempt, CommandEnd)> {
        let Some(question) = self.engines.login_question(&attempt.state.job.engine) else {
            return Some((attempt, CommandEnd::LoginFailed(told)));
        };
        // What can't be asked confirms nothing.
        if self.start_question(&mut attempt, question).is_none() {
            let words = told.detail.unwrap_or_default();
            return Some((attempt, engine_end::failure(outcome, words)));
        }
        attempt.held.engine_run.asked_after = Some((outcome, told));
        self.jobs.insert(attempt);
        None
    }

    fn start_question(&mut self, attempt: &mut QueueAttempt, question: CommandInvocation) -> Option<()> {
        let id = attempt.state.job.id.clone();
        let folder = self.queue.attempt_folder(&id, attempt.state.number);
        let limits = OutputLimits::within(ANSWER_BYTES_MAX);
        let log = CommandLog::open(self.queue.below(), &folder, "login.out", limits);
        let files = CommandFiles {
            stdin: File::open("/dev/null").ok()?,
            log: log.ok()?,
        };
        let link = self.source.link().filter(|_| attempt.state.lease.is_some());
        let renewer = link.and_then(|link| link.session.renewer(&id));
        let fence = renewer.map(LeaseRenewer::kill_deadlines);
        let step = AttemptStep::Engine;
        let mut order = attempt.order(question, &self.execution_context, step, &files.log, fence);
        order.timeout_ms = u64::try_from(LIMIT.as_millis()).unwrap_or(u64::MAX);
        order.idle_timeout_ms = None;
        let command = attempt.launch(&self.queue, &self.execution_context, step, &order, &files, None);
        self.events.expect_end(&id, command.ok()?);
        Some(())
    }
}
