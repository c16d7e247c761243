//! One flag of the process.

use rustix::process::{DumpableBehavior, set_dumpable_behavior};

/// From now on no other process of this user can read the memory or the environment of this one, and it leaves no core:
/// jobs run as the same user. Root can all the same, and a program that this one starts is as open as any.
pub(in crate::settings) fn hide_memory() {
    // Only an unknown behavior is refused.
    let _ = set_dumpable_behavior(DumpableBehavior::NotDumpable);
}
