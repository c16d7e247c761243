//! The threads that call the coordinator, beside the run loop. The loop writes to disks and looks through folders;
//! while it waits for them, leases are renewed all the same.

use std::io;
use std::thread;

use nix::sys::signal::{SigSet, Signal};
use tokio::runtime::Handle;
use tokio::sync::oneshot;

/// Starts one. It gets no signal that is meant for the run loop: a signal that landed here would reach the loop by a
/// detour, and the end of each child would wake both.
pub(crate) fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> io::Result<()> {
    let started = thread::Builder::new().name(name.to_owned()).spawn(move || {
        let others = [Signal::SIGCHLD, Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP];
        let others: SigSet = others.into_iter().collect();
        // If that fails, the loop loses a little time and nothing else.
        let _ = others.thread_block();
        work();
    });
    started.map(drop)
}

/// The thread of all calls about leases. It ends, with all its tasks, when this is dropped.
#[derive(Debug)]
pub(crate) struct FleetThread {
    /// Starts tasks on it.
    pub(crate) tasks: Handle,
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
        let tasks = runtime.handle().clone();
        let (alive, over) = oneshot::channel();
        spawn("aq-leases", move || {
            // It ends when the sender is dropped; nothing is ever sent.
            let _ = runtime.block_on(over);
        })?;
        Ok(FleetThread { tasks, _alive: alive })
    }
}
