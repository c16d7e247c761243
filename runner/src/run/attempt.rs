//! One attempt at one job: its files, its commands one after the other, and the wish that may cut it short.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::fs::OFlags;

use super::step_outcome::{AttemptStep, StopReason};
use crate::boot_clock::KillDeadlines;
use crate::engine::{self, CommandInvocation, EngineRegistry, EngineStdin};
use crate::fleet::admission_policy::RoutedFolders;
use crate::ids::{JobId, LeaseProof};
use crate::job::Job;
use crate::queue::{ClaimedJob, JobLocks, Queue, SavedExecutionContext, WorkSnapshot};
use crate::settings::Settings;
use crate::stage::Stage;
use crate::supervise::process_record::{self, MARK_VARIABLE, ProcessTag};
use crate::supervise::{
    self, CommandSpec, CommandStreams, EnvironmentVariable, SpareSupervisor, StopUrgency, SupervisorHandle,
};

/// An engine that is used up says so in its last lines.
pub(super) const LIMIT_TAIL_BYTES: u64 = 4096;
/// An engine's own account of its end is one line, which can hold its whole answer.
pub(super) const VERDICT_TAIL_BYTES: u64 = 256 * 1024;

/// What every command of this process has in common.
#[derive(Debug)]
pub(crate) struct ExecutionContext {
    /// Without anything that is the fleet's (clause O-9).
    environment: Vec<EnvironmentVariable>,
    /// Where a job runs that names no folder, and what relative ones start from.
    folder: PathBuf,
    grace: Duration,
}

impl ExecutionContext {
    pub(crate) fn grace(&self) -> Duration {
        self.grace
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// A supervisor that is started ahead of its order.
    pub(crate) fn spare(&self) -> io::Result<SpareSupervisor> {
        SpareSupervisor::start(&self.environment)
    }

    /// Those that were kept of a job in review.
    pub(crate) fn kept(kept: SavedExecutionContext, settings: &Settings) -> ExecutionContext {
        ExecutionContext {
            environment: kept.environment,
            folder: kept.folder,
            grace: settings.grace,
        }
    }

    pub(crate) fn of_this_process(settings: &Settings) -> io::Result<ExecutionContext> {
        Ok(ExecutionContext {
            environment: settings.child_environment(),
            folder: std::env::current_dir()?,
            grace: settings.grace,
        })
    }
}

/// The right to work on a job.
#[derive(Debug)]
pub(crate) struct Lease {
    pub(crate) proof: LeaseProof,
    /// Between TERM and KILL, so short that both fall before the lease ends.
    pub(crate) grace: Duration,
}

/// A job in work.
#[derive(Debug)]
pub(crate) struct Attempt {
    pub(crate) hold: JobLocks,
    pub(crate) job: Job,
    pub(crate) number: u32,
    pub(crate) spent: u32,
    /// What counts of it, whatever stands on the disk.
    pub(crate) in_work: WorkSnapshot,
    /// Where its file lies.
    pub(crate) stage: Stage,
    pub(crate) step: AttemptStep,
    pub(crate) stop_reason: Option<StopReason>,
    pub(crate) started: Instant,
    /// The coordinator's, if it assigned the job.
    pub(crate) lease: Option<Lease>,
    /// Where its commands may work, if it is the coordinator's; looked at anew at the start of each.
    pub(crate) folders: Option<Arc<RoutedFolders>>,
    running: Option<SupervisorHandle>,
}

impl Attempt {
    pub(crate) fn new(claimed: ClaimedJob) -> Attempt {
        Attempt {
            hold: claimed.hold,
            job: claimed.job,
            number: claimed.attempt,
            spent: claimed.spent,
            in_work: claimed.in_work,
            stage: Stage::Building,
            step: AttemptStep::Engine,
            stop_reason: None,
            started: Instant::now(),
            lease: None,
            folders: None,
            running: None,
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
    ) -> io::Result<&SupervisorHandle> {
        let folder = queue.attempt_folder(&self.job.id, self.number);
        let below = queue.below();
        below.make_folder(&folder)?;
        let prompt_path = folder.join("prompt.md");
        let prompt_file = std::path::absolute(&prompt_path)?;
        let log = below.open_kept(&folder.join(output_name(step)), OFlags::APPEND)?;
        let invocation = match step {
            AttemptStep::Engine => {
                below
                    .create(&prompt_path)?
                    .write_all(self.job.prompt.as_bytes())?;
                // Found a moment ago when the job was chosen; if it is gone now, the supervisor says so.
                engines
                    .invocation(&self.job, &prompt_file, &self.folder_argument(execution_context))
                    .unwrap_or_else(|| missing(&self.job))
            }
            AttemptStep::Verify => engine::shell(self.job.verify.as_deref().unwrap_or("true")),
            AttemptStep::Ship => engine::shell(self.job.ship.as_deref().unwrap_or("true")),
        };
        let stdin = match invocation.stdin {
            EngineStdin::Prompt => below.open_regular(&prompt_path)?,
            EngineStdin::Nothing => File::open("/dev/null")?,
        };
        let mark = ProcessTag::fresh();
        let record = process_record::begin(below, &queue.process_record(&self.job.id), &mark)?;
        let streams = CommandStreams {
            stdin: stdin.as_fd(),
            log: log.as_fd(),
            record: &record,
            locks: self.hold.descriptors(),
        };
        let order = self.order(invocation, execution_context, step, fence);
        let environment = self.environment(execution_context, step, &mark);
        let running = supervise::start(spare, &order, &environment, &streams)?;
        self.step = step;
        Ok(self.running.insert(running))
    }

    /// Tells the running command to end; the attempt ends when its supervisor says that nothing is left.
    pub(crate) fn end(&mut self, stop_reason: StopReason, urgency: StopUrgency) {
        self.stop_reason.get_or_insert(stop_reason);
        if let Some(running) = &self.running {
            running.end(urgency);
        }
    }

    /// What it is busy with, for people.
    pub(crate) fn stage_of_work(&self) -> &str {
        match self.step {
            AttemptStep::Engine => self.job.engine.as_str(),
            AttemptStep::Verify => "verify",
            AttemptStep::Ship => "ship",
        }
    }

    /// The end of what the command of a step printed.
    pub(crate) fn tail(&self, queue: &Queue, step: AttemptStep, bytes_max: u64) -> String {
        let path = queue
            .attempt_folder(&self.job.id, self.number)
            .join(output_name(step));
        let read = || -> io::Result<Vec<u8>> {
            let mut file = queue.below().open_regular(&path)?;
            let length = file.metadata()?.len();
            file.seek(SeekFrom::Start(length.saturating_sub(bytes_max)))?;
            let mut bytes = Vec::new();
            file.take(bytes_max).read_to_end(&mut bytes)?;
            Ok(bytes)
        };
        // What can't be read says nothing.
        String::from_utf8_lossy(&read().unwrap_or_default()).into_owned()
    }

    /// The number of the supervisor at work.
    pub(crate) fn supervisor(&self) -> Option<i32> {
        self.running.as_ref().map(SupervisorHandle::pid)
    }

    /// Between two steps, waiting for something else than a command.
    pub(crate) fn awaits_confirmation(&self) -> bool {
        self.running.is_none()
    }

    /// The supervisor that has given its answer, to be collected.
    pub(crate) fn take_running(&mut self) -> Option<SupervisorHandle> {
        self.running.take()
    }

    /// Of its commands, for the one that a person starts.
    pub(crate) fn surroundings(&self, execution_context: &ExecutionContext) -> SavedExecutionContext {
        let folders = self.folders.as_ref();
        SavedExecutionContext {
            folder: folders
                .map_or(&execution_context.folder, |folders| &folders.home)
                .clone(),
            environment: execution_context.environment.clone(),
        }
    }

    /// Where its commands work.
    pub(crate) fn folder(&self, execution_context: &ExecutionContext) -> PathBuf {
        let folders = self.folders.as_ref();
        let start = folders.map_or(&execution_context.folder, |folders| &folders.home);
        let cwd = self.job.cwd.as_ref();
        cwd.map_or(start.clone(), |cwd| start.join(cwd))
    }

    /// The same for an engine that wants to be told. What is started in a folder that was looked at is told no name of it
    /// that may lead elsewhere by now.
    fn folder_argument(&self, execution_context: &ExecutionContext) -> PathBuf {
        match self.folders {
            Some(_) => PathBuf::from("."),
            None => self.folder(execution_context),
        }
    }

    fn order(
        &self,
        invocation: CommandInvocation,
        execution_context: &ExecutionContext,
        step: AttemptStep,
        fence: Option<KillDeadlines>,
    ) -> CommandSpec {
        let millis = |length: Duration| u64::try_from(length.as_millis()).unwrap_or(u64::MAX);
        let within = |folders: &Arc<RoutedFolders>| folders.within.iter().map(OsString::from).collect();
        CommandSpec {
            program: invocation.program.into_os_string(),
            args: invocation.args,
            cwd: self.folder(execution_context).into_os_string(),
            within: self.folders.as_ref().map(within),
            timeout_ms: millis(self.job.timeout),
            idle_timeout_ms: self
                .job
                .idle_timeout
                .filter(|_| step == AttemptStep::Engine)
                .map(millis),
            // Under a lease KILL falls before its end, even if the runner can't say so any more.
            grace_ms: millis(self.lease.as_ref().map_or(execution_context.grace, |lease| {
                lease.grace.min(execution_context.grace)
            })),
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
            ("AQ_JOB_ID", self.job.id.to_string()),
            ("AQ_ATTEMPT", self.number.to_string()),
            (MARK_VARIABLE, mark.as_str().to_owned()),
        ];
        let own = own.map(|(name, value)| (OsString::from(name), OsString::from(value)));
        // What publishes can have the other side check that nobody newer holds the job.
        let lease = self.lease.as_ref().filter(|_| step == AttemptStep::Ship);
        let token = lease.map(|lease| {
            (
                "AQ_FENCING_TOKEN".into(),
                lease.proof.fencing_token.to_string().into(),
            )
        });
        execution_context
            .environment
            .iter()
            .cloned()
            .chain(own)
            .chain(token)
            .collect()
    }
}

/// The file, in the attempt's folder, that the output of a step is in.
pub(crate) fn output_name(step: AttemptStep) -> &'static str {
    match step {
        AttemptStep::Engine => "engine.out",
        AttemptStep::Verify => "verify.out",
        AttemptStep::Ship => "ship.out",
    }
}

/// Where the output of the steps of one attempt lies, in their order, whether there is any or not.
pub(crate) fn outputs(queue: &Queue, id: &JobId, number: u32) -> [PathBuf; 3] {
    let folder = queue.attempt_folder(id, number);
    [AttemptStep::Engine, AttemptStep::Verify, AttemptStep::Ship].map(|step| folder.join(output_name(step)))
}

fn missing(job: &Job) -> CommandInvocation {
    let program = PathBuf::from(job.engine.as_str());
    CommandInvocation {
        program,
        args: Vec::new(),
        stdin: EngineStdin::Nothing,
    }
}
