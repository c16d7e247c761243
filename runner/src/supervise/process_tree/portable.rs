//! The process tree of a command whose orphans become children of process 1: it is looked for in the list of all
//! processes.

use std::collections::BTreeSet;
use std::io::{self, Read};
use std::os::unix::net::UnixStream;
use std::rc::Rc;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{Pid, Signal, WaitOptions, getpid, wait};
use signal_hook::SigId;
use signal_hook::low_level::{pipe, unregister};

use super::membership::{TreeMember, TreeMembership};
use super::{MainCommand, TreeRemainder};
use crate::supervise::command_request::EnvironmentVariable;
use crate::supervise::process_handle::signal_process;
use crate::supervise::process_record::MARK_VARIABLE;
use crate::supervise::process_table::{ProcessStat, has_variable, living_processes};

/// The pauses between looks at a running command. Each look finds sessions and groups that it began, by which their
/// processes are recognised after they have lost their parents. What begins one does so early, as a rule.
const LOOK_FIRST: Duration = Duration::from_millis(125);
const LOOK_MAX: Duration = Duration::from_secs(10);

/// The pauses between looks for ends, while processes are there that are no children: nothing tells of their ends.
const END_FIRST: Duration = Duration::from_millis(1);
const END_MAX: Duration = Duration::from_millis(50);

/// How often new processes are stopped before all are killed.
const STOP_ROUNDS_MAX: usize = 16;

/// The processes of one command. The watchdog writes it, from the start of the command until none of them is left.
#[derive(Debug)]
pub(in crate::supervise) struct ListedTree {
    pub(in crate::supervise) main: MainCommand,
    /// The value of the variable that marks all that the command starts.
    mark: Option<String>,
    /// Which processes are the command's.
    membership: TreeMembership,
    /// Readable when a child has ended.
    child_end: Rc<UnixStream>,
    /// What writes there.
    registered: SigId,
    /// Processes that got TERM, so that each gets it once.
    asked_to_end: BTreeSet<TreeMember>,
    /// The roots of the tree when TERM was sent last.
    asked_roots: BTreeSet<TreeMember>,
    /// When the processes are looked at next while the command runs, and the pause before that look.
    next_look: (Instant, Duration),
    /// The next pause between looks for ends.
    end_pause: Duration,
}

impl ListedTree {
    /// `environment`: the command's.
    pub(in crate::supervise) fn below_this_process(
        environment: &[EnvironmentVariable],
    ) -> io::Result<ListedTree> {
        let own = ProcessStat::of(getpid().as_raw_nonzero().get())
            .ok_or_else(|| io::Error::other("the system does not show this process"))?;
        let (reader, writer) = UnixStream::pair()?;
        reader.set_nonblocking(true)?;
        let mark = environment.iter().rfind(|(name, _)| name == MARK_VARIABLE);
        Ok(ListedTree {
            main: MainCommand::default(),
            mark: mark.map(|(_, value)| value.to_string_lossy().into_owned()),
            membership: TreeMembership::below(&own),
            child_end: Rc::new(reader),
            registered: pipe::register(nix::sys::signal::Signal::SIGCHLD as i32, writer)?,
            asked_to_end: BTreeSet::new(),
            asked_roots: BTreeSet::new(),
            next_look: (Instant::now() + LOOK_FIRST, LOOK_FIRST),
            end_pause: END_FIRST,
        })
    }

    /// What tells the end of the command itself.
    pub(in crate::supervise) fn main_end(&self) -> PolledEnds {
        PolledEnds {
            child_end: Rc::clone(&self.child_end),
            limit: None,
        }
    }

    /// What tells the end of any of the processes.
    pub(in crate::supervise) fn any_end(&mut self) -> PolledEnds {
        PolledEnds {
            child_end: Rc::clone(&self.child_end),
            limit: Some(next_pause(&mut self.end_pause, END_MAX)),
        }
    }

    /// When to reap again although nothing has told of an end.
    pub(in crate::supervise) fn next_reap(&self, _now: Instant) -> Instant {
        self.next_look.0
    }

    /// Notes all processes that ended so far; it waits for nothing.
    pub(in crate::supervise) fn reap(&mut self) -> TreeRemainder {
        // Before the ends are asked for: what comes meanwhile is told anew.
        let mut bytes = [0; 64];
        let mut told = &*self.child_end;
        while told.read(&mut bytes).is_ok_and(|count| count > 0) {}
        loop {
            match wait(WaitOptions::NOHANG) {
                Ok(Some((pid, status))) => self.main.note(pid, status),
                Ok(None) => {
                    self.look_if_due();
                    return TreeRemainder::Something;
                }
                Err(Errno::INTR) => {}
                // There is no child any more. What has lost its parent is another's child.
                Err(_) => break,
            }
        }
        match self.look().is_empty() {
            true => TreeRemainder::Nothing,
            false => TreeRemainder::Something,
        }
    }

    /// Sends TERM, once, to each process that is there now. A stopped one is woken, because it could not end
    /// otherwise. What a process starts to clean up after itself is left to it, as long as it lives.
    pub(in crate::supervise) fn send_term(&mut self) {
        let living = self.look();
        if !self.asked_roots.is_empty() && self.asked_roots.is_subset(&living) {
            return;
        }
        self.asked_roots = self.membership.roots().clone();
        self.asked_to_end.retain(|member| living.contains(member));
        // Children first: a stopped process whose parent ends before it is woken gets HUP from the system, as then
        // nobody of its session would be left to wake its group.
        for member in self.membership.deepest_first() {
            if self.asked_to_end.insert(*member) {
                signal(*member, &[Signal::TERM, Signal::CONT]);
            }
        }
    }

    /// Sends KILL to all processes, until nothing is left. Processes of other users are not shown as the command's here.
    pub(in crate::supervise) fn kill(&mut self) -> Option<String> {
        let mut pause = END_FIRST;
        while self.reap() == TreeRemainder::Something {
            for member in self.stop() {
                signal(member, &[Signal::KILL]);
            }
            let limit = Timespec::try_from(next_pause(&mut pause, END_MAX)).ok();
            let mut ends = [PollFd::new(&self.child_end, PollFlags::IN)];
            // A failure here costs the wait alone.
            let _ = poll(&mut ends, limit.as_ref());
        }
        None
    }

    /// Stops all processes, so that none of them starts another between a look and KILL.
    fn stop(&mut self) -> BTreeSet<TreeMember> {
        let mut stopped = BTreeSet::new();
        for _ in 0..STOP_ROUNDS_MAX {
            let new: Vec<TreeMember> = self.look().difference(&stopped).copied().collect();
            if new.is_empty() {
                break;
            }
            for member in &new {
                signal(*member, &[Signal::STOP]);
            }
            stopped.extend(new);
        }
        stopped
    }

    fn look_if_due(&mut self) {
        let now = Instant::now();
        let (due, mut pause) = self.next_look;
        if due <= now {
            self.look();
            next_pause(&mut pause, LOOK_MAX);
            self.next_look = (now + pause, pause);
        }
    }

    /// Those of the processes that are alive.
    fn look(&mut self) -> BTreeSet<TreeMember> {
        let all = living_processes().unwrap_or_default();
        let mark = self.mark.as_deref();
        self.membership.look(&all, |pid| {
            mark.is_some_and(|mark| has_variable(pid, MARK_VARIABLE, mark))
        })
    }
}

impl Drop for ListedTree {
    fn drop(&mut self) {
        unregister(self.registered);
    }
}

fn signal((pid, start): TreeMember, signals: &[Signal]) {
    signal_process(pid, start, signals);
}

/// Makes the pause twice as long, up to a limit, and returns what it was.
fn next_pause(pause: &mut Duration, max: Duration) -> Duration {
    std::mem::replace(pause, (*pause * 2).min(max))
}

/// The ends of some processes: children tell of theirs, and all others are looked at after a while.
#[derive(Debug)]
pub(in crate::supervise) struct PolledEnds {
    child_end: Rc<UnixStream>,
    limit: Option<Duration>,
}

impl PolledEnds {
    pub(in crate::supervise) fn polled(&self) -> impl Iterator<Item = PollFd<'_>> {
        std::iter::once(PollFd::new(&self.child_end, PollFlags::IN))
    }

    /// How long to rely on them.
    pub(in crate::supervise) fn wait_limit(&self) -> Option<Duration> {
        self.limit
    }
}

/// Nothing here makes orphans this process's children.
pub(in crate::supervise) fn adopt_orphans() -> io::Result<()> {
    Ok(())
}

/// Children that this process did not start: there are none, as it adopts no orphans.
pub(in crate::supervise) fn children() -> Vec<Pid> {
    Vec::new()
}
