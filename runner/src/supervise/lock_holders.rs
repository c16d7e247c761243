//! Through whom a lock is held.

#[cfg(all(target_os = "linux", not(portable)))]
mod linux;
#[cfg(any(portable, not(target_os = "linux")))]
mod portable;

#[cfg(all(target_os = "linux", not(portable)))]
pub(super) use linux::ListedHolders as LockHolders;
#[cfg(any(portable, not(target_os = "linux")))]
pub(super) use portable::UnlistedHolders as LockHolders;
