//! A timer on the clock that counts suspension. A limit of `poll` stands still while the host sleeps; this timer does
//! not.

#[cfg(all(target_os = "linux", not(portable)))]
mod linux;
#[cfg(any(portable, not(target_os = "linux")))]
mod portable;

#[cfg(all(target_os = "linux", not(portable)))]
pub(super) use linux::TimerDescriptor as BootTimer;
#[cfg(any(portable, not(target_os = "linux")))]
pub(super) use portable::SteppedTimer as BootTimer;
