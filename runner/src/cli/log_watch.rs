//! Waits for more output of a job, or for the job to leave its work.

#[cfg(all(target_os = "linux", not(portable)))]
mod linux;
#[cfg(any(portable, not(target_os = "linux")))]
mod portable;

use rustix::event::Timespec;

#[cfg(all(target_os = "linux", not(portable)))]
pub(super) use linux::NotifiedLogWatch as LogWatch;
#[cfg(any(portable, not(target_os = "linux")))]
pub(super) use portable::TimedLogWatch as LogWatch;

/// How often the output is read without a sign of a change, in case that a sign was missed.
const POLL_INTERVAL: Timespec = Timespec {
    tv_sec: 1,
    tv_nsec: 0,
};
