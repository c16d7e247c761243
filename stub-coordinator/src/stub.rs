//! A stub in this process: started, looked at, told what to do, stopped. The handle that the harness holds.
//!
//! The server runs on a thread of its own; everything here is synchronous and may be called from any thread, but not
//! from within an async runtime.

mod clock;
mod evidence;
mod finish;
mod policy;
mod ports;
mod rule_guard;
mod rules;
mod start;
mod state;

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::sync_channel;
use std::thread::JoinHandle;

use tokio::runtime::{Builder, Handle};
use tokio::sync::mpsc;

use crate::config::{ConfigError, StubConfig};
use crate::http_layers::StubServices;
use crate::origin_guard::OriginGuard;
use crate::queue_mirror::{MirrorError, QueueMirror};
use crate::server::{FenceError, ServerCommand, control_port, run};
use crate::shared_stub::{SharedStub, StubAddresses};
use crate::stub_report::StubReport;
pub use clock::ClockError;
pub use finish::FinishError;
use ports::StubPorts;
pub use rule_guard::RuleGuard;
pub use start::StartError;
pub(crate) use start::set_up;
pub use state::ImportError;

/// A running stub.
pub struct Stub {
    /// What the server's thread works on as well.
    shared: Arc<SharedStub>,
    /// Where it listens; never changes.
    places: StubAddresses,
    /// What the server is told.
    orders: mpsc::Sender<ServerCommand>,
    /// The server's runtime, on which waits and resets run.
    runtime: Handle,
    /// The server; none once it was joined.
    thread: Option<JoinHandle<()>>,
    /// Ends before the server does.
    mirrors: Vec<QueueMirror>,
}

impl Stub {
    /// Starts a stub; it listens when this returns. An error where the configuration is not sound, a port is taken, or the
    /// state of an earlier run can't be read.
    pub fn start(config: StubConfig) -> Result<Stub, StartError> {
        let address = config.address;
        let control_token = config.control_token.clone();
        let control_place = config.control;
        if !address.ip().is_loopback() && (config.tokens.is_empty() || control_token.is_none()) {
            return Err(ConfigError::OpenToOthers(address).into());
        }
        let shared = Arc::new(set_up(config)?);
        let (orders, to_server) = mpsc::channel(64);
        let (tell, told) = sync_channel(1);
        let for_server = Arc::clone(&shared);
        let thread = std::thread::Builder::new()
            .name("stub-coordinator".to_owned())
            .spawn(move || {
                let runtime = match Builder::new_current_thread().enable_all().build() {
                    Ok(runtime) => runtime,
                    Err(error) => return drop(tell.send(Err(StartError::System(error)))),
                };
                runtime.block_on(async move {
                    let ports = match StubPorts::bind(address, control_place) {
                        Ok(ports) => ports,
                        Err(error) => return drop(tell.send(Err(error))),
                    };
                    let places = ports.places;
                    let _ = for_server.places.set(places);
                    let _ = tell.send(Ok((places, Handle::current())));
                    let services = StubServices::new(&for_server, control_token.as_deref());
                    let head_limit = for_server.limits.head;
                    let guard = OriginGuard {
                        shared: Arc::clone(&for_server),
                        tokens: services.tokens,
                        local: None,
                    };
                    if let Some(listener) = ports.control {
                        // It ends with the runtime.
                        let served = control_port::run(listener, services.control, guard.clone(), head_limit);
                        tokio::spawn(served);
                    }
                    let listener = Some(ports.listener).filter(|_| *for_server.listening.borrow());
                    run(ports.api, listener, guard, services.api, to_server).await;
                });
            })
            .map_err(StartError::System)?;
        let gone = || StartError::System(std::io::Error::other("the server's thread ended"));
        let (places, runtime) = told.recv().map_err(|_| gone())??;
        Ok(Stub {
            shared,
            places,
            orders,
            runtime,
            thread: Some(thread),
            mirrors: Vec::new(),
        })
    }

    /// The base URL.
    pub fn url(&self) -> String {
        self.places.url()
    }

    /// The base URL of the control API's own listener, where it has one; no fault closes that.
    pub fn control_url(&self) -> Option<String> {
        self.places.control_url()
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.places.api
    }

    /// Returns when every connection made before this call is counted and has ended. Its own one is not counted. An error
    /// where others stay open for five seconds.
    pub fn fence(&self) -> Result<(), FenceError> {
        let (reply, answer) = sync_channel(1);
        self.orders
            .blocking_send(ServerCommand::Fence(reply))
            .map_err(|_| FenceError::Stopped)?;
        answer.recv().map_err(|_| FenceError::Stopped)?
    }

    /// Drops every connection, as a restart would; state, rules, evidence and port stay.
    pub fn restart(&self) {
        let (reply, done) = sync_channel(1);
        // A server that has stopped has no connections either.
        let _ = self.orders.blocking_send(ServerCommand::Restart(reply));
        // What connects from now on is not among those that are dropped.
        let _ = done.recv();
    }

    /// Submits what lies in the `inbox/` of a local queue folder and what enters it from now on, in the order of that
    /// queue. Nothing is written there, and stages are not followed. `tell` hears of files that are no jobs. An error where
    /// the folder has no `inbox/` that can be watched.
    /// ```
    /// use stub_coordinator::{Stub, StubConfig};
    ///
    /// let queue = tempfile::tempdir()?;
    /// let inbox = queue.path().join("inbox");
    /// std::fs::create_dir(&inbox)?;
    /// std::fs::write(inbox.join("tidy.md"), "---\nengine: sh\n---\nTidy up.\n")?;
    ///
    /// let mut stub = Stub::start(StubConfig::default())?;
    /// stub.mirror(queue.path(), |warning| eprintln!("{warning}"))?;
    /// assert_eq!(stub.jobs()[0].id, "tidy");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn mirror(
        &mut self,
        queue: &Path,
        tell: impl Fn(String) + Send + 'static,
    ) -> Result<(), MirrorError> {
        let mirror = QueueMirror::follow(Arc::clone(&self.shared), queue, tell)?;
        self.mirrors.push(mirror);
        Ok(())
    }

    /// Whoever is told to be down or up again is so when the call returns.
    fn wait_until_listening_settled(&self) {
        self.runtime.block_on(self.shared.until_listening_settled());
    }

    /// The seed that chance is decided by.
    pub fn seed(&self) -> Option<u64> {
        self.shared.seed
    }

    /// Stops the stub and hands over its evidence. Requests under way end without an answer.
    pub fn stop(mut self) -> StubReport {
        self.end();
        StubReport {
            counters: self.counters(),
            journal: self.journal(),
            forgotten: self.forgotten(),
            unexpected: self.unexpected(),
            violations: self.violations(),
            rules: self.rules(),
            digest: self.digest(),
        }
    }

    fn end(&mut self) {
        self.mirrors.clear();
        // Either it hears of it, or it has ended.
        let _ = self.orders.try_send(ServerCommand::Stop);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
        // A guard may outlive us; the file is free all the same.
        self.shared.stop_writing_state();
    }
}

impl Drop for Stub {
    fn drop(&mut self) {
        self.end();
    }
}
