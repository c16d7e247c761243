//! The threads that speak with the coordinator, beside the run loop.

use std::io;
use std::thread;

use nix::sys::signal::{SigSet, Signal};

/// Starts one. It hears nothing of what is told to the process, which is the run loop's to hear: a signal that landed
/// here would reach the loop by a detour, and the end of each child would wake both.
pub(crate) fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> io::Result<()> {
    let started = thread::Builder::new().name(name.to_owned()).spawn(move || {
        let others = [Signal::SIGCHLD, Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP];
        let others: SigSet = others.into_iter().collect();
        // Where that can't be had, what is lost is a little time.
        let _ = others.thread_block();
        work();
    });
    started.map(drop)
}
