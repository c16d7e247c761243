//! A timer of the kernel's, as a descriptor.

use std::io;
use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags};
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create, timerfd_settime,
};

use crate::boot_clock::BootInstant;

/// It is readable from its instant on, until it is set to another.
pub(in crate::supervise) struct TimerDescriptor(OwnedFd);

impl TimerDescriptor {
    pub(in crate::supervise) fn new() -> io::Result<TimerDescriptor> {
        let flags = TimerfdFlags::CLOEXEC | TimerfdFlags::NONBLOCK;
        Ok(TimerDescriptor(timerfd_create(TimerfdClockId::Boottime, flags)?))
    }

    pub(in crate::supervise) fn set(&mut self, at: BootInstant) -> io::Result<()> {
        // All zeros would mean never.
        let nanos = at.nanos().max(1);
        let whole = |nanos: u64| i64::try_from(nanos).unwrap_or(i64::MAX);
        let never = Timespec {
            tv_sec: 0,
            tv_nsec: 0,
        };
        let at = Itimerspec {
            it_interval: never,
            it_value: Timespec {
                tv_sec: whole(nanos / 1_000_000_000),
                tv_nsec: whole(nanos % 1_000_000_000),
            },
        };
        timerfd_settime(&self.0, TimerfdTimerFlags::ABSTIME, &at)?;
        Ok(())
    }

    /// What wakes a wait.
    pub(in crate::supervise) fn polled(&self) -> Option<PollFd<'_>> {
        Some(PollFd::new(&self.0, PollFlags::IN))
    }

    /// How long a wait may last before the clock is looked at again: as long as one likes.
    pub(in crate::supervise) fn wait_limit(&self) -> Option<Duration> {
        None
    }
}
