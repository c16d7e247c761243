//! Runs one command stopped at each of its steps, and kills it, its supervisors or both at the one that was chosen.
//!
//! What is followed besides the command's first thread is its `TraceScope`: its other threads, or its supervisors, which are
//! its children. What a supervisor starts in turn is let go before its first instruction.

use std::collections::BTreeMap;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::ptrace::{self, Options};
use nix::sys::signal::Signal;
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

use super::kill_point::{KillPoint, KillVictim, StepActor, TraceScope};
use super::syscall_steps::StoppedProcess;
use super::traced_process::{self, ProcessRole, TracedCommand};
use super::worker;

/// So many stops are handled without a rest.
const STOPS_BEFORE_PAUSE: u64 = 256;

/// Tracer and traced process hand a processor to each other thousands of times a second, and Linux may then let nobody
/// else have it for a minute (seen with 6.18, which reports a lockup of its workqueues): what the traced runner had told
/// to end did not get to its end. While both of them wait, whoever else is ready runs.
const TRACER_PAUSE: Duration = Duration::from_millis(1);

/// How a command ended.
#[derive(Debug, Default)]
pub(super) struct TraceResult {
    /// Its exit code; none if it was killed.
    pub(super) code: Option<i32>,
    /// Whether the target was met.
    pub(super) is_hit: bool,
    pub(super) steps: Vec<(StepActor, String)>,
    /// Its supervisors, where they were seen to begin.
    supervisors: Vec<OwnedFd>,
}

impl TraceResult {
    /// Until those that outlived it have ended, and with them all that they started.
    pub(super) fn wait_for_supervisors(&self) {
        for supervisor in &self.supervisors {
            traced_process::wait_for_end(supervisor);
        }
    }
}

/// A command under way. All of it has to be done on the thread that started it.
pub(super) struct CommandTracer<'a> {
    queue: &'a Path,
    scope: TraceScope,
    main: Pid,
    followed: BTreeMap<i32, TraceeState>,
    /// Stopped at the step that was looked for; it is not continued yet.
    standing: Option<Pid>,
    is_over: bool,
    /// Since the last rest.
    stops: u64,
    traced: TraceResult,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct TraceeState {
    role: ProcessRole,
    /// Between the entry of a system call and its return; what the call is, if it is a step.
    inside: Option<Option<String>>,
}

impl<'a> CommandTracer<'a> {
    pub(super) fn start(start: &TracedCommand<'_, 'a>) -> std::io::Result<CommandTracer<'a>> {
        let main = traced_process::launch(start)?;
        traced_process::kill_after_timeout(main);
        Ok(CommandTracer {
            queue: start.queue,
            scope: start.scope,
            main,
            followed: BTreeMap::new(),
            standing: None,
            is_over: false,
            stops: 0,
            traced: TraceResult::default(),
        })
    }

    /// On to the target, and to a stop there: true. To the end where there is none, or it is not met: false.
    pub(super) fn go_on(&mut self, target: Option<&KillPoint>) -> std::io::Result<bool> {
        if let Some(pid) = self.standing.take() {
            self.resume(pid, None)?;
        }
        let mut left = target.map_or(0, |target| target.skip);
        loop {
            if self.is_over && self.followed.is_empty() {
                self.adopt_strays();
            }
            if self.is_over && self.followed.is_empty() {
                return Ok(false);
            }
            // Another case has its own command on its own thread.
            let status = waitpid(None, Some(WaitPidFlag::__WALL | WaitPidFlag::__WNOTHREAD))?;
            let Some(pid) = status.pid() else { continue };
            let stop = match status {
                WaitStatus::Exited(_, code) => self.ended(pid, Some(code)),
                WaitStatus::Signaled(..) => self.ended(pid, None),
                WaitStatus::PtraceSyscall(_) => self.at_call(pid, target, &mut left),
                WaitStatus::PtraceEvent(..) => StopDecision::Resume(None),
                WaitStatus::Stopped(_, signal) => self.at_signal(pid, signal)?,
                _ => continue,
            };
            if stop == StopDecision::StayStopped {
                self.standing = Some(pid);
                return Ok(true);
            }
            if let StopDecision::Resume(signal) = stop {
                self.pause_periodically();
                self.resume(pid, signal)?;
            }
        }
    }

    fn pause_periodically(&mut self) {
        self.stops += 1;
        if self.stops == STOPS_BEFORE_PAUSE {
            self.stops = 0;
            worker::pass(TRACER_PAUSE);
        }
    }

    /// Whether there was anyone to kill.
    pub(super) fn kill(&mut self, victim: KillVictim) -> std::io::Result<bool> {
        let at_supervisor = self
            .standing
            .filter(|pid| self.who(*pid) == StepActor::Supervisor);
        let supervisors = match (victim, at_supervisor) {
            (KillVictim::Runner, _) => Vec::new(),
            (KillVictim::Supervisors, Some(pid)) => vec![pid.as_raw()],
            (KillVictim::Supervisors | KillVictim::Both, _) => traced_process::children(self.main.as_raw()),
        };
        if victim == KillVictim::Supervisors && supervisors.is_empty() {
            return Ok(false);
        }
        // They can't be anybody else: who would collect them is stopped, or does not know of their end yet.
        for child in supervisors {
            let _ = nix::sys::signal::kill(Pid::from_raw(child), Signal::SIGKILL);
        }
        if victim != KillVictim::Supervisors {
            match nix::sys::signal::kill(self.main, Signal::SIGKILL) {
                Ok(()) | Err(Errno::ESRCH) => {}
                Err(error) => return Err(error.into()),
            }
        }
        self.traced.is_hit = true;
        Ok(true)
    }

    /// To its end.
    pub(super) fn end(mut self) -> std::io::Result<TraceResult> {
        self.go_on(None)?;
        Ok(self.traced)
    }

    /// To its end, with the kill on the way.
    pub(super) fn run(mut self, target: Option<&KillPoint>) -> std::io::Result<TraceResult> {
        let mut wanted = target.cloned();
        while let Some(target) = &wanted
            && self.go_on(Some(target))?
        {
            match self.kill(target.victim)? {
                true => wanted = None,
                // Nobody is there to be killed: the next time, then.
                false => {
                    wanted = Some(KillPoint {
                        skip: 0,
                        ..target.clone()
                    });
                }
            }
        }
        self.end()
    }

    fn ended(&mut self, pid: Pid, code: Option<i32>) -> StopDecision {
        self.followed.remove(&pid.as_raw());
        if pid == self.main {
            self.traced.code = code;
            self.is_over = true;
        }
        StopDecision::Exited
    }

    /// Entry and return take turns.
    fn at_call(&mut self, pid: Pid, target: Option<&KillPoint>, left: &mut u64) -> StopDecision {
        let who = self.who(pid);
        let stopped = StoppedProcess {
            pid: pid.as_raw(),
            queue: self.queue,
        };
        let Some(followed) = self.followed.get_mut(&pid.as_raw()) else {
            return StopDecision::Resume(None);
        };
        let name = match followed.inside.take() {
            None => {
                let step = stopped.step();
                let name = step.as_ref().map(|step| format!("before: {step}"));
                followed.inside = Some(step);
                name
            }
            Some(step) => step.map(|step| format!("after: {step}")),
        };
        let Some(name) = name.filter(|_| !self.is_over) else {
            return StopDecision::Resume(None);
        };
        let is_it = target.is_some_and(|target| target.who == who && target.step == name);
        self.traced.steps.push((who, name));
        if !is_it {
            return StopDecision::Resume(None);
        }
        match left.checked_sub(1) {
            Some(less) => {
                *left = less;
                StopDecision::Resume(None)
            }
            None => StopDecision::StayStopped,
        }
    }

    fn at_signal(&mut self, pid: Pid, signal: Signal) -> std::io::Result<StopDecision> {
        let is_known = |followed: &&TraceeState| followed.role != ProcessRole::Unknown;
        if self.followed.get(&pid.as_raw()).as_ref().is_some_and(is_known) {
            return Ok(StopDecision::Resume(Some(signal)));
        }
        // Whoever is followed from its start begins with a stop that is no signal of its own.
        let role = traced_process::role(pid.as_raw(), self.main.as_raw());
        let followed = TraceeState { role, inside: None };
        self.followed.insert(pid.as_raw(), followed);
        // One that starts while its parent is killed has no parent to be known by.
        if role != ProcessRole::Thread {
            self.traced.supervisors.extend(traced_process::open(pid.as_raw()));
        }
        if pid == self.main {
            // It has just become the program.
            ptrace::setoptions(pid, self.scope.options())?;
        }
        Ok(StopDecision::Resume(None))
    }

    /// Those that were started by someone who was killed in that moment: nobody else would ever let them go on.
    fn adopt_strays(&mut self) {
        if self.scope != TraceScope::Main {
            let role = ProcessRole::Unknown;
            let strays = traced_process::tracees_of_thread().into_iter();
            self.followed
                .extend(strays.map(|pid| (pid, TraceeState { role, inside: None })));
        }
    }

    fn who(&self, pid: Pid) -> StepActor {
        match self.followed.get(&pid.as_raw()) {
            Some(followed) if followed.role == ProcessRole::Supervisor => StepActor::Supervisor,
            _ => StepActor::Runner,
        }
    }

    /// On to its next step, or, where there is no more to be seen of it, out of our sight.
    fn resume(&mut self, pid: Pid, signal: Option<Signal>) -> std::io::Result<()> {
        let role = self.followed.get(&pid.as_raw()).map(|followed| followed.role);
        let is_followed = match role {
            Some(ProcessRole::Supervisor) => self.scope == TraceScope::Supervisors,
            role => role != Some(ProcessRole::Command),
        };
        let lets_go = !is_followed || self.is_over;
        let resumed = match lets_go {
            true => {
                self.followed.remove(&pid.as_raw());
                ptrace::detach(pid, signal)
            }
            false => ptrace::syscall(pid, signal),
        };
        match resumed {
            // It was killed while it was stopped; the next report says how it ended.
            Ok(()) | Err(Errno::ESRCH) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

/// What is to become of a process that was stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum StopDecision {
    /// It goes on, with this signal.
    Resume(Option<Signal>),
    /// It stays at this step.
    StayStopped,
    /// It has ended.
    Exited,
}

impl TraceScope {
    fn options(self) -> Options {
        let always =
            Options::PTRACE_O_TRACESYSGOOD | Options::PTRACE_O_EXITKILL | Options::PTRACE_O_TRACEEXEC;
        let children = Options::PTRACE_O_TRACEVFORK | Options::PTRACE_O_TRACEFORK;
        match self {
            TraceScope::Main => always,
            TraceScope::Threads => always | Options::PTRACE_O_TRACECLONE | children,
            TraceScope::Supervisors => always | children,
        }
    }
}
