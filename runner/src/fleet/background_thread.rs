//! The threads that speak with the coordinator, beside the run loop.

use std::io;
use std::thread;

use nix::sys::signal::{SigSet, Signal};
use tokio::runtime::Handle;
use tokio::sync::oneshot;

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

/// The thread of all calls about leases. It ends, with all its tasks, when this is dropped.
#[derive(Debug)]
pub(crate) struct FleetThread {
    /// Starts tasks on it.
    handle: Handle,
    /// The thread waits for this to be dropped.
    _alive: oneshot::Sender<()>,
}

impl FleetThread {
    /// # Errors
    /// The system gives no thread, or no event loop for it.
    pub(crate) fn start() -> std::io::Result<FleetThread> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_io()
            .enable_time()
            .build()?;
        let handle = runtime.handle().clone();
        let (alive, over) = oneshot::channel();
        spawn("aq-leases", move || {
            // Over when the sender is dropped: there is nothing to hear.
            let _ = runtime.block_on(over);
        })?;
        Ok(FleetThread {
            handle,
            _alive: alive,
        })
    }

    pub(crate) fn tasks(&self) -> &Handle {
        &self.handle
    }
}
