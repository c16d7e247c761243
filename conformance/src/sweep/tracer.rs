//! Runs one command stopped at each of its steps, and kills it, its supervisors or both at the one that was chosen.
//!
//! What is followed besides the command's first thread is its `Scope`: its other threads, or its supervisors, which are
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

use super::step::Stopped;
use super::target::{Scope, Target, Victim, Who};
use super::traced::{self, Role, Start};
use super::worker;

/// So many stops are handled without a rest.
const STOPS_WITHOUT_REST: u64 = 256;

/// Tracer and traced process hand a processor to each other thousands of times a second, and Linux may then let nobody
/// else have it for a minute (seen with 6.18, which reports a lockup of its workqueues): what the traced runner had told
/// to end did not get to its end. While both of them wait, whoever else is ready runs.
const REST: Duration = Duration::from_millis(1);

/// How a command ended.
#[derive(Debug)]
pub(super) struct Traced {
    /// Its exit code; none if it was killed.
    pub(super) code: Option<i32>,
    /// Whether the target was met.
    pub(super) is_hit: bool,
    pub(super) steps: Vec<(Who, String)>,
    /// Its supervisors, where they were seen to begin.
    supervisors: Vec<OwnedFd>,
}

impl Traced {
    /// Until those that outlived it have ended, and with them all that they started.
    pub(super) fn wait_for_supervisors(&self) {
        for supervisor in &self.supervisors {
            traced::wait_for_end(supervisor);
        }
    }
}

/// A command under way. All of it has to be done on the thread that started it.
pub(super) struct Tracer<'a> {
    queue: &'a Path,
    scope: Scope,
    main: Pid,
    followed: BTreeMap<i32, Followed>,
    /// Stopped at the step that was looked for; nobody told it to go on yet.
    standing: Option<Pid>,
    is_over: bool,
    /// Since the last rest.
    stops: u64,
    traced: Traced,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Followed {
    role: Role,
    /// Between the entry of a system call and its return; what the call is, if it is a step.
    inside: Option<Option<String>>,
}

impl<'a> Tracer<'a> {
    pub(super) fn start(start: &Start<'_, 'a>) -> std::io::Result<Tracer<'a>> {
        let main = traced::launch(start)?;
        traced::end_if_it_hangs(main);
        Ok(Tracer {
            queue: start.queue,
            scope: start.scope,
            main,
            followed: BTreeMap::new(),
            standing: None,
            is_over: false,
            stops: 0,
            traced: Traced {
                code: None,
                is_hit: false,
                steps: Vec::new(),
                supervisors: Vec::new(),
            },
        })
    }

    /// On to the target, and to a stop there: true. To the end where there is none, or it is not met: false.
    pub(super) fn go_on(&mut self, target: Option<&Target>) -> std::io::Result<bool> {
        if let Some(pid) = self.standing.take() {
            self.resume(pid, None)?;
        }
        let mut left = target.map_or(0, |target| target.skip);
        loop {
            if self.is_over && self.followed.is_empty() {
                self.find_strays();
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
                WaitStatus::PtraceEvent(..) => Stop::Not(None),
                WaitStatus::Stopped(_, signal) => self.at_signal(pid, signal)?,
                _ => continue,
            };
            if stop == Stop::Here {
                self.standing = Some(pid);
                return Ok(true);
            }
            if let Stop::Not(signal) = stop {
                self.rest_now_and_then();
                self.resume(pid, signal)?;
            }
        }
    }

    fn rest_now_and_then(&mut self) {
        self.stops += 1;
        if self.stops == STOPS_WITHOUT_REST {
            self.stops = 0;
            worker::pass(REST);
        }
    }

    /// Whether there was anyone to kill.
    pub(super) fn kill(&mut self, victim: Victim) -> std::io::Result<bool> {
        let at_supervisor = self.standing.filter(|pid| self.who(*pid) == Who::Supervisor);
        let supervisors = match (victim, at_supervisor) {
            (Victim::Runner, _) => Vec::new(),
            (Victim::Supervisors, Some(pid)) => vec![pid.as_raw()],
            (Victim::Supervisors | Victim::Both, _) => traced::children(self.main.as_raw()),
        };
        if victim == Victim::Supervisors && supervisors.is_empty() {
            return Ok(false);
        }
        // They can't be anybody else: who would collect them is stopped, or has not been told of their end.
        for child in supervisors {
            let _ = nix::sys::signal::kill(Pid::from_raw(child), Signal::SIGKILL);
        }
        if victim != Victim::Supervisors {
            match nix::sys::signal::kill(self.main, Signal::SIGKILL) {
                Ok(()) | Err(Errno::ESRCH) => {}
                Err(error) => return Err(error.into()),
            }
        }
        self.traced.is_hit = true;
        Ok(true)
    }

    /// To its end.
    pub(super) fn end(mut self) -> std::io::Result<Traced> {
        self.go_on(None)?;
        Ok(self.traced)
    }

    /// To its end, with the kill on the way.
    pub(super) fn run(mut self, target: Option<&Target>) -> std::io::Result<Traced> {
        let mut wanted = target.cloned();
        while let Some(target) = &wanted
            && self.go_on(Some(target))?
        {
            match self.kill(target.victim)? {
                true => wanted = None,
                // Nobody is there to be killed: the next time, then.
                false => {
                    wanted = Some(Target {
                        skip: 0,
                        ..target.clone()
                    })
                }
            }
        }
        self.end()
    }

    fn ended(&mut self, pid: Pid, code: Option<i32>) -> Stop {
        self.followed.remove(&pid.as_raw());
        if pid == self.main {
            self.traced.code = code;
            self.is_over = true;
        }
        Stop::Gone
    }

    /// Entry and return take turns.
    fn at_call(&mut self, pid: Pid, target: Option<&Target>, left: &mut u64) -> Stop {
        let who = self.who(pid);
        let stopped = Stopped {
            pid: pid.as_raw(),
            queue: self.queue,
        };
        let Some(followed) = self.followed.get_mut(&pid.as_raw()) else {
            return Stop::Not(None);
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
            return Stop::Not(None);
        };
        let is_it = target.is_some_and(|target| target.who == who && target.step == name);
        self.traced.steps.push((who, name));
        if !is_it {
            return Stop::Not(None);
        }
        match left.checked_sub(1) {
            Some(less) => {
                *left = less;
                Stop::Not(None)
            }
            None => Stop::Here,
        }
    }

    fn at_signal(&mut self, pid: Pid, signal: Signal) -> std::io::Result<Stop> {
        let is_known = |followed: &&Followed| followed.role != Role::Unknown;
        if self.followed.get(&pid.as_raw()).filter(is_known).is_some() {
            return Ok(Stop::Not(Some(signal)));
        }
        // Whoever is followed from its start begins with a stop that is no signal of its own.
        let role = traced::role(pid.as_raw(), self.main.as_raw());
        let followed = Followed { role, inside: None };
        self.followed.insert(pid.as_raw(), followed);
        // One that is born while its parent is killed has no parent to be known by.
        if role != Role::Thread {
            self.traced.supervisors.extend(traced::open(pid.as_raw()));
        }
        if pid == self.main {
            // It has just become the program.
            ptrace::setoptions(pid, self.scope.options())?;
        }
        Ok(Stop::Not(None))
    }

    /// Those that were started by someone who was killed in that moment: nobody else would ever let them go on.
    fn find_strays(&mut self) {
        if self.scope != Scope::Main {
            let role = Role::Unknown;
            let strays = traced::traced_from_here().into_iter();
            self.followed
                .extend(strays.map(|pid| (pid, Followed { role, inside: None })));
        }
    }

    fn who(&self, pid: Pid) -> Who {
        match self.followed.get(&pid.as_raw()) {
            Some(followed) if followed.role == Role::Supervisor => Who::Supervisor,
            _ => Who::Runner,
        }
    }

    /// On to its next step, or, where there is no more to be seen of it, out of our sight.
    fn resume(&mut self, pid: Pid, signal: Option<Signal>) -> std::io::Result<()> {
        let role = self.followed.get(&pid.as_raw()).map(|followed| followed.role);
        let is_followed = match role {
            Some(Role::Supervisor) => self.scope == Scope::Supervisors,
            role => role != Some(Role::Command),
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
            // It was killed while it was stopped; how it ended is told next.
            Ok(()) | Err(Errno::ESRCH) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

/// What is to become of a process that was stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stop {
    /// It goes on, with this signal.
    Not(Option<Signal>),
    /// It stays at this step.
    Here,
    /// It has ended.
    Gone,
}

impl Scope {
    fn options(self) -> Options {
        let always =
            Options::PTRACE_O_TRACESYSGOOD | Options::PTRACE_O_EXITKILL | Options::PTRACE_O_TRACEEXEC;
        let children = Options::PTRACE_O_TRACEVFORK | Options::PTRACE_O_TRACEFORK;
        match self {
            Scope::Main => always,
            Scope::Threads => always | Options::PTRACE_O_TRACECLONE | children,
            Scope::Supervisors => always | children,
        }
    }
}
