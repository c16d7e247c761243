//! The thread on which everything is said to the coordinator in routed mode. The loop writes to disks and looks through
//! folders; while it waits for them, leases are renewed here all the same.

use tokio::runtime::Handle;
use tokio::sync::oneshot;

use crate::fleet::background_thread;

/// Ends, with all its tasks, when it is dropped.
#[derive(Debug)]
pub(super) struct FleetThread {
    handle: Handle,
    _alive: oneshot::Sender<()>,
}

impl FleetThread {
    /// # Errors
    /// The system gives no thread, or no event loop for it.
    pub(super) fn start() -> std::io::Result<FleetThread> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_io()
            .enable_time()
            .build()?;
        let handle = runtime.handle().clone();
        let (alive, over) = oneshot::channel();
        background_thread::spawn("aq-leases", move || {
            // Over when the sender is dropped: there is nothing to hear.
            let _ = runtime.block_on(over);
        })?;
        Ok(FleetThread {
            handle,
            _alive: alive,
        })
    }

    pub(super) fn tasks(&self) -> &Handle {
        &self.handle
    }
}
