//! What tests wait for is told by the system where it can tell it, and looked at again and again elsewhere; both end at a
//! limit.

#[cfg(target_os = "linux")]
mod linux;
#[cfg(not(target_os = "linux"))]
mod portable;

#[cfg(target_os = "linux")]
pub use linux::{InotifyFileChanges as FileChanges, has_ended_in_time, is_alive};
#[cfg(not(target_os = "linux"))]
pub use portable::{PolledFileChanges as FileChanges, has_ended_in_time, is_alive};
