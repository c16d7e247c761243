//! The harness's side of the fake engines of a run: started with what the jobs' scripts say, asked to
//! release what waits, asked in the end for every run that it saw. Its thread is `server_loop`.

use std::io::{PipeWriter, Write};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::sync::mpsc::Sender;
use std::thread::JoinHandle;

use super::engine_run::{EngineEvent, EngineRun, EngineScript};
use super::server_loop::ServerLoop;

/// The running server. Dropping it ends the thread and, with it, every fake engine.
#[derive(Debug)]
pub struct FakeEngineServer {
    control: Option<PipeWriter>,
    ticks: Option<PipeWriter>,
    thread: Option<JoinHandle<Vec<EngineRun>>>,
    pub socket: PathBuf,
}

impl FakeEngineServer {
    /// Binds the socket, then serves it on a thread of its own.
    pub fn start(
        socket: &Path,
        script: EngineScript,
        events: impl Fn(EngineEvent) + Send + 'static,
    ) -> std::io::Result<FakeEngineServer> {
        let listener = UnixListener::bind(socket)?;
        listener.set_nonblocking(true)?;
        let (reader, writer) = std::io::pipe()?;
        let (ticked, ticks) = std::io::pipe()?;
        let mut served = ServerLoop::new(listener, (reader, ticked), script, Box::new(events));
        let thread = std::thread::Builder::new()
            .name("fake-engines".into())
            .spawn(move || {
                served.serve();
                served.into_runs()
            })?;
        Ok(FakeEngineServer {
            control: Some(writer),
            ticks: Some(ticks),
            thread: Some(thread),
            socket: socket.to_owned(),
        })
    }

    /// Lets the fake engines that wait for this name go on, those to come included.
    pub fn release(&mut self, name: &str) {
        if let Some(control) = self.control.as_mut() {
            // A server that is gone has nobody waiting.
            let _ = control.write_all(format!("{name}\n").as_bytes());
        }
    }

    /// What makes the server look which runs are alive, by a byte. Something else happened just now, and whether a
    /// run had ended by then can't be known afterwards.
    pub fn ticks(&mut self) -> Option<PipeWriter> {
        self.ticks.take()
    }

    /// Ends the server and hands over every run that it saw.
    pub fn finish(mut self) -> Vec<EngineRun> {
        self.control = None;
        self.thread
            .take()
            .and_then(|thread| thread.join().ok())
            .unwrap_or_default()
    }
}

impl Drop for FakeEngineServer {
    fn drop(&mut self) {
        self.control = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Lets an event sender be used as the callback of `start`.
pub fn sender<T: Send + 'static>(
    channel: Sender<T>,
    wrap: fn(EngineEvent) -> T,
) -> impl Fn(EngineEvent) + Send {
    move |event| {
        let _ = channel.send(wrap(event));
    }
}
