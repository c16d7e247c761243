//! Without a flag for it, nothing but a core file can be prevented.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// From now on this process leaves no core. What it starts inherits that, and can raise the limit again.
pub(in crate::settings) fn hide_memory() {
    let limit = Rlimit {
        current: Some(0),
        ..getrlimit(Resource::Core)
    };
    // A limit can always be lowered.
    let _ = setrlimit(Resource::Core, limit);
}
