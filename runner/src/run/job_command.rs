//! The commands of an attempt: where they run, with which environment, files and locks, and how they are told to end.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

pub(crate) use execution_context::ExecutionContext;
pub(in crate::run) use job_log::CommandLog;
use job_log::output_name;
pub(crate) use job_log::{has_output, outputs};

use super::attempt::{Attempt, AttemptState, AttemptStep, JobLease, JobOrigin, StopReason};
use super::engine_run::EngineRun;
use crate::boot_clock::KillDeadlines;
use crate::engine::{self, CommandInvocation, EngineRegistry, EngineStdin};
use crate::fleet::admission_policy::RoutedFolders;
use crate::ids::LeaseProof;
use crate::job::Job;
use crate::queue::{ClaimedJob, JobLocks, Queue, SavedExecutionContext, WorkSnapshot};
use crate::stage::Stage;
use crate::supervise::process_record::{self, MARK_VARIABLE, ProcessTag};
use crate::supervise::{
    self, CommandSpec, CommandStreams, EnvironmentVariable, SpareSupervisor, StopUrgency, SupervisorHandle,
};

mod execution_context;
mod job_log;

/// What a run keeps of a job in work.
#[derive(Debug)]
pub(crate) struct HeldJob {
    pub(crate) locks: JobLocks,
    /// What counts of it, whatever stands on the disk.
    pub(crate) in_work: WorkSnapshot,
    pub(crate) started: Instant,
    /// What is known of the engine's run.
    pub(super) engine_run: EngineRun,
    /// Between TERM and KILL, of a job under a lease: so short that both fall before the lease ends.
    grace: Option<Duration>,
    /// Where its commands may work, if it is the coordinator's; looked at anew at the start of each.
    folders: Option<Arc<RoutedFolders>>,
}

pub(crate) type QueueAttempt = Attempt<HeldJob, SupervisorHandle>;

/// What a command reads, and where its output goes.
pub(super) struct CommandFiles {
    pub(super) stdin: File,
    pub(super) log: CommandLog,
}

/// Why a command was not started.
#[derive(Debug)]
pub(crate) enum CommandStartError {
    /// Something of the job's own folder.
    Files(io::Error),
    /// No job is at fault.
    Supervisor(io::Error),
}

/// The terms of the coordinator, for a job that it assigned.
pub(crate) struct LeasedWork {
    pub(crate) proof: LeaseProof,
    pub(crate) grace: Duration,
    /// None: the job's file lay in this inbox.
    pub(crate) folders: Option<Arc<RoutedFolders>>,
}

impl QueueAttempt {
    pub(crate) fn new(claimed: ClaimedJob, leased: Option<LeasedWork>) -> QueueAttempt {
        let (grace, folders, lease) = match leased {
            None => (None, None, None),
            Some(leased) => {
                let origin = match leased.folders {
                    Some(_) => JobOrigin::Coordinator,
                    None => JobOrigin::Inbox,
                };
                let proof = leased.proof;
                (
                    Some(leased.grace),
                    leased.folders,
                    Some(JobLease { proof, origin }),
                )
            }
        };
        Attempt {
            state: AttemptState {
                digest: Some(claimed.in_work.digest().clone()),
                job: claimed.job,
                number: claimed.attempt,
                spent: claimed.spent,
                stage: Stage::Building,
                step: AttemptStep::Engine,
                stop_reason: None,
                usage: None,
                lease,
            },
            held: HeldJob {
                locks: claimed.hold,
                in_work: claimed.in_work,
                started: Instant::now(),
                engine_run: EngineRun::new(),
                grace,
                folders,
            },
            command: None,
        }
    }

    /// Starts the command of a step, under the supervisor that was started ahead, if there is one; the caller listens for
    /// its end. `fence`: of its lease, if it runs under one.
    pub(crate) fn start(
        &mut self,
        queue: &Queue,
        engines: &EngineRegistry,
        execution_context: &ExecutionContext,
        step: AttemptStep,
        fence: Option<KillDeadlines>,
        spare: Option<SpareSupervisor>,
    ) -> Result<&SupervisorHandle, CommandStartError> {
        let files = self.open_files(queue, engines, execution_context, step);
        let (invocation, files) = files.map_err(CommandStartError::Files)?;
        let order = self.order(invocation, execution_context, step, &files.log, fence);
        self.launch(queue, execution_context, step, &order, &files, spare)
    }

    /// What the command of a step is, and the files that its supervisor is given.
    fn open_files(
        &self,
        queue: &Queue,
        engines: &EngineRegistry,
        execution_context: &ExecutionContext,
        step: AttemptStep,
    ) -> io::Result<(CommandInvocation, CommandFiles)> {
        let (job, number) = (&self.state.job, self.state.number);
        let folder = queue.attempt_folder(&job.id, number);
        let below = queue.below();
        below.make_folder(&folder)?;
        let prompt_path = folder.join("prompt.md");
        let prompt_file = std::path::absolute(&prompt_path)?;
        let limits = self.output_limits(queue, step, execution_context.log_max);
        let log = CommandLog::open(below, &folder, output_name(step), limits)?;
        let invocation = match step {
            AttemptStep::Engine => {
                below
                    .create(&prompt_path)?
                    .write_all(engines.prompt(job).as_bytes())?;
                // Found a moment ago when the job was chosen; if it is gone now, the supervisor says so.
                engines
                    .invocation(job, &prompt_file, &self.folder_argument(execution_context))
                    .unwrap_or_else(|| missing(job))
            }
            AttemptStep::Verify => engine::shell(job.verify.as_deref().unwrap_or("true")),
            AttemptStep::Ship => engine::shell(job.ship.as_deref().unwrap_or("true")),
        };
        let stdin = match invocation.stdin {
            EngineStdin::Prompt => below.open_regular(&prompt_path)?,
            EngineStdin::Nothing => File::open("/dev/null")?,
        };
        Ok((invocation, CommandFiles { stdin, log }))
    }

    /// Starts a program as a command of this job.
    pub(super) fn launch(
        &mut self,
        queue: &Queue,
        execution_context: &ExecutionContext,
        step: AttemptStep,
        order: &CommandSpec,
        files: &CommandFiles,
        spare: Option<SpareSupervisor>,
    ) -> Result<&SupervisorHandle, CommandStartError> {
        let mark = ProcessTag::fresh();
        let record = queue.process_record(&self.state.job.id);
        let record =
            process_record::begin(queue.below(), &record, &mark).map_err(CommandStartError::Files)?;
        let streams = CommandStreams {
            stdin: files.stdin.as_fd(),
            log: files.log.file.as_fd(),
            log_folder: files.log.folder.as_fd(),
            record: &record,
            locks: self.held.locks.descriptors(),
        };
        let environment = self.environment(execution_context, step, &mark);
        let running = supervise::start(spare, order, &environment, &streams);
        let running = running.map_err(CommandStartError::Supervisor)?;
        self.state.step = step;
        self.held.engine_run.command_started = Instant::now();
        Ok(self.command.insert(running))
    }

    /// Tells the running command to end; the attempt ends when its supervisor says that nothing is left.
    pub(crate) fn end(&mut self, stop_reason: StopReason, urgency: StopUrgency) {
        self.state.stop_reason.get_or_insert(stop_reason);
        if let Some(running) = &self.command {
            running.end(urgency);
        }
    }

    /// What it is busy with, for people.
    pub(crate) fn stage_of_work(&self) -> &str {
        match self.state.step {
            AttemptStep::Engine => self.state.job.engine.as_str(),
            AttemptStep::Verify => "verify",
            AttemptStep::Ship => "ship",
        }
    }

    /// The number of the supervisor at work.
    pub(crate) fn supervisor(&self) -> Option<i32> {
        self.command.as_ref().map(SupervisorHandle::pid)
    }

    /// Of its commands, for the one that a person starts.
    pub(crate) fn surroundings(&self, execution_context: &ExecutionContext) -> SavedExecutionContext {
        let folders = self.held.folders.as_ref();
        SavedExecutionContext {
            folder: folders
                .map_or(&execution_context.folder, |folders| &folders.home)
                .clone(),
            environment: execution_context.environment.clone(),
        }
    }

    /// Where its commands work.
    pub(crate) fn folder(&self, execution_context: &ExecutionContext) -> PathBuf {
        let folders = self.held.folders.as_ref();
        let start = folders.map_or(&execution_context.folder, |folders| &folders.home);
        let cwd = self.state.job.cwd.as_ref();
        cwd.map_or(start.clone(), |cwd| start.join(cwd))
    }

    /// The same for an engine that wants to be told. What is started in a folder that was looked at is told no name of it
    /// that may lead elsewhere by now.
    fn folder_argument(&self, execution_context: &ExecutionContext) -> PathBuf {
        match self.held.folders {
            Some(_) => PathBuf::from("."),
            None => self.folder(execution_context),
        }
    }

    pub(super) fn order(
        &self,
        invocation: CommandInvocation,
        execution_context: &ExecutionContext,
        step: AttemptStep,
        log: &CommandLog,
        fence: Option<KillDeadlines>,
    ) -> CommandSpec {
        let millis = |length: Duration| u64::try_from(length.as_millis()).unwrap_or(u64::MAX);
        let within = |folders: &Arc<RoutedFolders>| folders.within.iter().map(OsString::from).collect();
        let (idle_timeout, grace) = (self.state.job.idle_timeout, execution_context.grace);
        let idle_timeout = idle_timeout.filter(|_| step == AttemptStep::Engine);
        CommandSpec {
            program: invocation.program.into_os_string(),
            args: invocation.args,
            cwd: self.folder(execution_context).into_os_string(),
            within: self.held.folders.as_ref().map(within),
            log: log.spec.clone(),
            timeout_ms: millis(self.state.job.timeout),
            idle_timeout_ms: idle_timeout.map(millis),
            // Under a lease KILL falls before its end, even if the runner can't say so any more.
            grace_ms: millis(grace.min(self.held.grace.unwrap_or(grace))),
            fence,
        }
    }

    fn environment(
        &self,
        execution_context: &ExecutionContext,
        step: AttemptStep,
        mark: &ProcessTag,
    ) -> Vec<EnvironmentVariable> {
        let own = [
            ("AQ_JOB_ID", self.state.job.id.to_string()),
            ("AQ_ATTEMPT", self.state.number.to_string()),
            (MARK_VARIABLE, mark.as_str().to_owned()),
        ];
        let own = own.map(|(name, value)| (OsString::from(name), OsString::from(value)));
        // What publishes can have the other side check that nobody newer holds the job.
        let lease = self.state.lease.as_ref().filter(|_| step == AttemptStep::Ship);
        let token = lease.map(|lease| lease.proof.fencing_token.to_string());
        let token = token.map(|token| ("AQ_FENCING_TOKEN".into(), token.into()));
        let common = execution_context.environment.iter().cloned();
        common.chain(own).chain(token).collect()
    }
}

fn missing(job: &Job) -> CommandInvocation {
    let program = PathBuf::from(job.engine.as_str());
    CommandInvocation {
        program,
        args: Vec::new(),
        stdin: EngineStdin::Nothing,
    }
}
