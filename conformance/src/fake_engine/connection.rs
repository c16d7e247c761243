//! A connection of one fake engine to the server, read and written without waiting.

use std::io::{ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;

use super::EngineInstructions;

/// A hello is bounded: it holds a prompt of 2 MiB at most, escaped.
const MESSAGE_LIMIT: usize = 16 << 20;

/// The server's end of a connection.
pub(super) struct EngineConnection {
    pub(super) stream: UnixStream,
    /// What arrived and is not read line by line yet.
    pub(super) received: Vec<u8>,
    /// The run that it belongs to, from its hello on.
    pub(super) run: Option<usize>,
    /// It waits for a name to be released.
    pub(super) held: Option<WaitingEngine>,
    /// The process replaces itself, and another connection goes on with its run.
    pub(super) resuming: bool,
}

/// What is sent to a fake engine once this name is released.
pub(super) struct WaitingEngine {
    pub(super) name: String,
    pub(super) instructions: EngineInstructions,
}

#[derive(PartialEq, Eq)]
pub(super) enum StreamStatus {
    Open,
    Closed,
}

impl EngineConnection {
    pub(super) fn new(stream: UnixStream) -> EngineConnection {
        EngineConnection {
            stream,
            received: Vec::new(),
            run: None,
            held: None,
            resuming: false,
        }
    }

    /// Reads what is there.
    pub(super) fn receive(&mut self) -> StreamStatus {
        let mut buffer = [0_u8; 64 << 10];
        loop {
            match self.stream.read(&mut buffer) {
                Ok(0) => break,
                Ok(read) if self.received.len() + read <= MESSAGE_LIMIT => {
                    self.received.extend_from_slice(&buffer[..read]);
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return StreamStatus::Open,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Ok(_) | Err(_) => break,
            }
        }
        StreamStatus::Closed
    }

    pub(super) fn send(&mut self, instructions: &EngineInstructions) {
        let mut line = serde_json::to_vec(instructions).unwrap_or_default();
        line.push(b'\n');
        // A fake engine that was ended meanwhile needs no instructions; its end is seen on the same socket.
        let _ = self.stream.write_all(&line);
    }
}
