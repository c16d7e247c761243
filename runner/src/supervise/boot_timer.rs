//! A timer on the clock that counts suspension. A limit of `poll` stands still while the host sleeps; this timer does
//! not.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create, timerfd_settime,
};

use crate::boot_clock::BootInstant;

/// It is readable from its instant on, until it is set to another.
pub(super) struct BootTimer(OwnedFd);

impl BootTimer {
    pub(super) fn new() -> io::Result<BootTimer> {
        let flags = TimerfdFlags::CLOEXEC | TimerfdFlags::NONBLOCK;
        Ok(BootTimer(timerfd_create(TimerfdClockId::Boottime, flags)?))
    }

    pub(super) fn set(&self, at: BootInstant) -> io::Result<()> {
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
}

impl AsFd for BootTimer {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
