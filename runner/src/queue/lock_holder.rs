//! Who keeps a queue locked, for the message to whoever waits in vain.

#[cfg(all(target_os = "linux", not(portable)))]
mod linux;
#[cfg(any(portable, not(target_os = "linux")))]
mod portable;

#[cfg(all(target_os = "linux", not(portable)))]
pub(super) use linux::{find, forget, record};
#[cfg(any(portable, not(target_os = "linux")))]
pub(super) use portable::{find, forget, record};
