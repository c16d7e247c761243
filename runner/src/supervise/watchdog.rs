//! Watches a running command: one `poll` waits for its end, its output, its time-outs, the end of its lease, and the
//! runner's messages.

use std::io::{ErrorKind, Read};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

use super::boot_timer::BootTimer;
use super::bounded_log::BoundedLog;
use super::command_request::{CommandOutcome, CommandSpec};
use super::control_message::{ControlMessage, ControlReader};
use super::output_pipe::{OutputPipe, OutputRead};
use super::process_tree::{ProcessEnds, ProcessTree, TreeRemainder};
use crate::boot_clock::{BootInstant, KillDeadlines};

/// What the runner wants. A later variant outweighs an earlier one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum WatchdogStop {
    None,
    /// There is no runner any more.
    RunnerGone,
    End,
    Kill,
}

/// What `poll` found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum PollOutcome {
    /// There is output and nothing else.
    OutputAlone,
    /// There is something else, or nothing in that time.
    Other,
}

/// Everything that may end a running command. It lives from just before the start of the command until nothing of it is left.
pub(super) struct CommandWatchdog<'a> {
    /// To the runner, which sends control messages; its end means that the runner is gone.
    socket: &'a UnixStream,
    /// Puts those messages together.
    control_reader: ControlReader,
    /// What the command prints, on its way to the log.
    output: OutputPipe,
    /// The time between TERM and KILL.
    grace: Duration,
    /// When the time-out of the command is over; none if that is further away than the clock goes.
    deadline: Option<Instant>,
    /// Only if the job names a limit for silence.
    idle: Option<IdleClock>,
    /// Only under a lease; the runner moves it with each renewal.
    lease_deadline: Option<LeaseDeadline>,
    /// What the runner wants; it only grows.
    stop_reason: WatchdogStop,
    /// Set once; the socket is not polled from then on.
    runner_gone: bool,
}

/// Ends a command that prints nothing for too long.
struct IdleClock {
    /// From the job file.
    limit: Duration,
    /// When output was seen last; the start of the command before that.
    quiet_since: Instant,
}

impl IdleClock {
    /// None: the instant is further away than the clock goes.
    fn expires_at(&self) -> Option<Instant> {
        self.quiet_since.checked_add(self.limit)
    }
}

/// The end of the lease. A supervisor keeps it by itself, because the runner may be stopped then.
struct LeaseDeadline {
    /// What the runner told last.
    ending: KillDeadlines,
    /// Runs on the clock that counts suspension, which a limit of `poll` does not.
    alarm: BootTimer,
}

impl<'a> CommandWatchdog<'a> {
    /// `log`: where the output goes.
    pub(super) fn new(
        socket: &'a UnixStream,
        log: BoundedLog,
        order: &CommandSpec,
    ) -> std::io::Result<CommandWatchdog<'a>> {
        let now = Instant::now();
        let idle = order.idle_timeout_ms.map(Duration::from_millis);
        let lease_deadline = order.fence.map(|ending| {
            let alarm = BootTimer::new()?;
            Ok::<_, std::io::Error>(LeaseDeadline { ending, alarm })
        });
        Ok(CommandWatchdog {
            socket,
            control_reader: ControlReader::default(),
            output: OutputPipe::new(log)?,
            grace: Duration::from_millis(order.grace_ms),
            deadline: now.checked_add(Duration::from_millis(order.timeout_ms)),
            idle: idle.map(|limit| IdleClock {
                limit,
                quiet_since: now,
            }),
            lease_deadline: lease_deadline.transpose()?,
            stop_reason: WatchdogStop::None,
            runner_gone: false,
        })
    }

    /// Whether the lease leaves no time to start anything under it.
    pub(super) fn is_too_late(&mut self) -> bool {
        self.listen();
        self.is_over(|ending| ending.term_at)
    }

    /// Where the command prints to.
    pub(super) fn output(&self) -> BorrowedFd<'_> {
        self.output.writer()
    }

    /// Waits until the command has ended or has to end; the result is `Exited` only in the first case.
    pub(super) fn watch(&mut self, tree: &mut ProcessTree) -> std::io::Result<CommandOutcome> {
        let main = tree.main_end();
        loop {
            tree.reap();
            if tree.main.has_ended() {
                return Ok(CommandOutcome::Exited {
                    code: None,
                    signal: None,
                });
            }
            self.listen();
            match self.stop_reason {
                WatchdogStop::None => {}
                WatchdogStop::End | WatchdogStop::Kill => return Ok(CommandOutcome::Ordered),
                WatchdogStop::RunnerGone => return Ok(CommandOutcome::Abandoned),
            }
            if self.is_over(|ending| ending.term_at) {
                return Ok(CommandOutcome::Fenced);
            }
            let now = Instant::now();
            if self.deadline.is_some_and(|deadline| deadline <= now) {
                return Ok(CommandOutcome::TimedOut);
            }
            if self.is_idle(now) {
                return Ok(CommandOutcome::Idle);
            }
            let clocks = self
                .deadline
                .iter()
                .copied()
                .chain(self.idle.iter().filter_map(IdleClock::expires_at));
            let next = clocks.chain([tree.next_reap(now)]).min().unwrap_or(now);
            self.wait(&main, next, |ending| ending.term_at)?;
        }
    }

    /// Ends the processes that are left, and reads the rest of their output. Returned is what can't be ended.
    pub(super) fn end_tree(&mut self, tree: &mut ProcessTree) -> std::io::Result<Option<String>> {
        let left = self.end_processes(tree)?;
        self.output.take_rest();
        Ok(left)
    }

    /// Sends TERM, waits for the grace, and sends KILL. KILL comes earlier if the lease leaves less time. Returns when
    /// nothing is left, or nothing but what can't be ended.
    fn end_processes(&mut self, tree: &mut ProcessTree) -> std::io::Result<Option<String>> {
        let kill_at = Instant::now() + self.grace;
        while tree.reap() == TreeRemainder::Something {
            self.listen();
            let due = kill_at <= Instant::now() || self.is_over(|ending| ending.kill_at);
            if due || self.stop_reason == WatchdogStop::Kill {
                return Ok(tree.kill());
            }
            let ends = tree.any_end();
            tree.send_term();
            self.wait(&ends, kill_at, |ending| ending.kill_at)?;
        }
        Ok(None)
    }

    /// Waits until one of the processes ends, the runner sends a message, that instant has come, or this instant of
    /// the lease. Output is read meanwhile, and does not end the wait.
    fn wait(
        &mut self,
        processes: &ProcessEnds,
        until: Instant,
        of_lease: fn(&KillDeadlines) -> BootInstant,
    ) -> std::io::Result<()> {
        if let Some(lease_deadline) = &mut self.lease_deadline {
            lease_deadline.alarm.set(of_lease(&lease_deadline.ending))?;
        }
        let alarm = self.lease_deadline.as_ref().map(|deadline| &deadline.alarm);
        let limit = alarm
            .and_then(BootTimer::wait_limit)
            .into_iter()
            .chain(processes.wait_limit())
            .min();
        let until = limit.map_or(until, |limit| until.min(Instant::now() + limit));
        while self.look(processes, until)? == PollOutcome::OutputAlone && Instant::now() < until {}
        Ok(())
    }

    fn look(&mut self, processes: &ProcessEnds, until: Instant) -> std::io::Result<PollOutcome> {
        let mut descriptors = vec![self.output.polled()];
        descriptors.extend(processes.polled());
        if !self.runner_gone {
            descriptors.push(PollFd::from_borrowed_fd(self.socket.as_fd(), PollFlags::IN));
        }
        if let Some(lease_deadline) = &self.lease_deadline {
            descriptors.extend(lease_deadline.alarm.polled());
        }
        let left = until.saturating_duration_since(Instant::now());
        let limit = Timespec::try_from(left).unwrap_or(Timespec {
            tv_sec: 1,
            tv_nsec: 0,
        });
        let ready = match poll(&mut descriptors, Some(&limit)) {
            Err(Errno::INTR) => 0,
            ready => ready?,
        };
        let printed = !descriptors[0].revents().is_empty();
        if printed {
            self.take_output();
        }
        Ok(match printed && ready == 1 {
            true => PollOutcome::OutputAlone,
            false => PollOutcome::Other,
        })
    }

    fn take_output(&mut self) -> OutputRead {
        let read = self.output.take();
        if let (OutputRead::Bytes(_), Some(idle)) = (read, &mut self.idle) {
            idle.quiet_since = Instant::now();
        }
        read
    }

    /// Whether this instant of the lease has come.
    fn is_over(&self, of_lease: fn(&KillDeadlines) -> BootInstant) -> bool {
        let lease_deadline = self.lease_deadline.as_ref();
        lease_deadline.is_some_and(|lease_deadline| of_lease(&lease_deadline.ending) <= BootInstant::now())
    }

    /// Reads all messages of the runner.
    fn listen(&mut self) {
        let mut bytes = [0; 256];
        while !self.runner_gone {
            let mut socket = self.socket;
            match socket.read(&mut bytes) {
                Ok(0) => self.note_runner_gone(),
                Ok(count) => {
                    for message in self.control_reader.push(&bytes[..count]) {
                        self.take(message);
                    }
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(_) => self.note_runner_gone(),
            }
        }
    }

    fn note_runner_gone(&mut self) {
        self.runner_gone = true;
        self.stop_reason = self.stop_reason.max(WatchdogStop::RunnerGone);
    }

    fn take(&mut self, message: ControlMessage) {
        match message {
            ControlMessage::End => self.stop_reason = self.stop_reason.max(WatchdogStop::End),
            ControlMessage::Kill => self.stop_reason = WatchdogStop::Kill,
            ControlMessage::Deadlines(ending) => {
                // A renewal may also end the lease earlier. If the runner is stopped then, nobody else knows.
                if let Some(lease_deadline) = &mut self.lease_deadline {
                    lease_deadline.ending = ending;
                }
            }
        }
    }

    /// Whether there was no output for the limit. Output that came while this process did not run counts too.
    fn is_idle(&mut self, now: Instant) -> bool {
        let expires_at = self.idle.as_ref().and_then(IdleClock::expires_at);
        expires_at.is_some_and(|at| at <= now) && self.take_output() == OutputRead::Nothing
    }
}

#[cfg(test)]
mod tests;
