//! Keeps the memory of this process, in which the token is, from other processes of its user: jobs run as the same user.

#[cfg(all(target_os = "linux", not(portable)))]
mod linux;
#[cfg(any(portable, not(target_os = "linux")))]
mod portable;

#[cfg(all(target_os = "linux", not(portable)))]
pub(super) use linux::hide_memory;
#[cfg(any(portable, not(target_os = "linux")))]
pub(super) use portable::hide_memory;
