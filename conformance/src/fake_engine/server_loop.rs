//! The server's loop: one thread that polls the socket and every connection, so that the end of one process
//! is always noticed before the start of one that came after it.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{PipeReader, Read};
use std::os::fd::AsFd;
use std::os::unix::net::UnixListener;
use std::time::Instant;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::connection::{EngineConnection, StreamStatus, WaitingEngine};
use super::engine_run::{EngineEvent, EngineRun, EngineScript};
use super::success_events::success_events;
use super::{EngineHello, EngineInstructions, EngineMessage};
use crate::scenario::EngineBehaviour;

/// What can be read without waiting.
struct ReadableSources {
    control: bool,
    listener: bool,
    ticked: bool,
    connections: Vec<usize>,
}

const NOTHING: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 0,
};

pub(super) struct ServerLoop {
    listener: UnixListener,
    control: PipeReader,
    /// Looks at who is alive are asked for here, until whoever asks is gone.
    ticks: Option<PipeReader>,
    pending: Vec<u8>,
    script: EngineScript,
    attempts: BTreeMap<(String, String), u32>,
    connections: Vec<EngineConnection>,
    runs: Vec<EngineRun>,
    /// Runs whose start is reported only when they ignore SIGTERM, so that a step which it triggers finds them so.
    awaiting_term_ignored: BTreeSet<usize>,
    events: Box<dyn Fn(EngineEvent) + Send>,
}

impl ServerLoop {
    pub(super) fn new(
        listener: UnixListener,
        (control, ticks): (PipeReader, PipeReader),
        script: EngineScript,
        events: Box<dyn Fn(EngineEvent) + Send>,
    ) -> ServerLoop {
        ServerLoop {
            listener,
            control,
            ticks: Some(ticks),
            pending: Vec::new(),
            script,
            attempts: BTreeMap::new(),
            connections: Vec::new(),
            runs: Vec::new(),
            awaiting_term_ignored: BTreeSet::new(),
            events,
        }
    }

    /// Every run that was seen.
    pub(super) fn into_runs(self) -> Vec<EngineRun> {
        self.runs
    }

    /// Serves until the control pipe closes.
    pub(super) fn serve(&mut self) {
        loop {
            let Some(first) = self.wait(None) else { return };
            if first.ticked {
                self.take_ticks();
            }
            // Whatever is not over at this second look was alive at its beginning.
            let now = Instant::now();
            let Some(ReadableSources {
                control,
                listener,
                connections: ready,
                ..
            }) = self.wait(Some(&NOTHING))
            else {
                return;
            };
            self.note_alive(now, &ready);
            // Ends first: what has ended by now ended before what is only now saying hello.
            let mut gone = Vec::new();
            for index in ready {
                if self.connections[index].receive() == StreamStatus::Closed {
                    self.handle_lines(index);
                    gone.push(index);
                }
            }
            for index in gone.into_iter().rev() {
                let connection = self.connections.remove(index);
                self.end(&connection);
            }
            for index in 0..self.connections.len() {
                self.handle_lines(index);
            }
            if listener {
                self.accept();
            }
            if control && self.handle_control() == StreamStatus::Closed {
                return;
            }
        }
    }

    fn wait(&self, limit: Option<&Timespec>) -> Option<ReadableSources> {
        let mut watched = vec![
            PollFd::from_borrowed_fd(self.control.as_fd(), PollFlags::IN),
            PollFd::from_borrowed_fd(self.listener.as_fd(), PollFlags::IN),
        ];
        let ticks = self.ticks.as_ref();
        watched.extend(ticks.map(|ticks| PollFd::from_borrowed_fd(ticks.as_fd(), PollFlags::IN)));
        let fixed = watched.len();
        watched.extend(
            self.connections
                .iter()
                .map(|connection| PollFd::new(&connection.stream, PollFlags::IN)),
        );
        loop {
            match poll(&mut watched, limit) {
                Err(rustix::io::Errno::INTR) => {}
                Err(_) => return None,
                Ok(_) => break,
            }
        }
        let ready = |index: usize| !watched[index].revents().is_empty();
        Some(ReadableSources {
            control: ready(0),
            listener: ready(1),
            ticked: fixed > 2 && ready(2),
            connections: (0..self.connections.len())
                .filter(|index| ready(index + fixed))
                .collect(),
        })
    }

    fn take_ticks(&mut self) {
        let read = self.ticks.as_mut().map(|ticks| ticks.read(&mut [0; 256]));
        if !matches!(read, Some(Ok(1..))) {
            self.ticks = None;
        }
    }

    fn note_alive(&mut self, now: Instant, ready: &[usize]) {
        for (index, connection) in self.connections.iter().enumerate() {
            if let (Some(run), false) = (connection.run, ready.contains(&index)) {
                self.runs[run].alive_at = now;
            }
        }
    }

    fn accept(&mut self) {
        while let Ok((stream, _)) = self.listener.accept() {
            let _ = stream.set_nonblocking(true);
            self.connections.push(EngineConnection::new(stream));
        }
    }

    /// Acts on every whole line of this connection.
    fn handle_lines(&mut self, index: usize) {
        while let Some(end) = self.connections[index]
            .received
            .iter()
            .position(|byte| *byte == b'\n')
        {
            let line: Vec<u8> = self.connections[index].received.drain(..=end).collect();
            match self.connections[index].run {
                None => self.handle_hello(index, &line),
                Some(run) => match serde_json::from_slice(&line) {
                    Ok(EngineMessage::GotTerm) => self.note_term(run),
                    Ok(EngineMessage::Exits(code)) => self.runs[run].exit = Some(code),
                    Ok(EngineMessage::Resumes) => self.connections[index].resuming = true,
                    Err(_) => {}
                },
            }
        }
    }

    fn handle_hello(&mut self, index: usize, line: &[u8]) {
        let Ok(hello) = serde_json::from_slice::<EngineHello>(line) else {
            return;
        };
        let job = hello.job();
        let behaviour = self.script.behaviour(&hello.tool, job.as_deref());
        let resumes = hello.resumes.is_some();
        let run = match hello.resumes {
            Some(run) if run < self.runs.len() => run,
            _ => self.begin(hello, job),
        };
        match behaviour.ignores_term && !resumes {
            true => {
                self.awaiting_term_ignored.insert(run);
            }
            false => self.report_start(run),
        }
        self.connections[index].run = Some(run);
        let instructions = self.instructions(run, &behaviour);
        match behaviour
            .until
            .filter(|name| !self.script.released.contains(name))
        {
            Some(name) => self.connections[index].held = Some(WaitingEngine { name, instructions }),
            None => self.connections[index].send(&instructions),
        }
    }

    fn begin(&mut self, hello: EngineHello, job: Option<String>) -> usize {
        let run = self.runs.len();
        let at = Instant::now();
        let tool = hello.tool.clone();
        *self
            .attempts
            .entry((tool.clone(), job.clone().unwrap_or_default()))
            .or_default() += 1;
        self.runs.push(EngineRun {
            tool,
            job,
            hello,
            started: at,
            got_term: None,
            alive_at: at,
            ended: None,
            exit: None,
        });
        run
    }

    fn report_start(&mut self, run: usize) {
        self.awaiting_term_ignored.remove(&run);
        let EngineRun {
            tool, job, started, ..
        } = &self.runs[run];
        (self.events)(EngineEvent::Started {
            run,
            tool: tool.clone(),
            job: job.clone(),
            at: *started,
        });
    }

    /// The first SIGTERM of a run.
    fn note_term(&mut self, run: usize) {
        let noted = &mut self.runs[run];
        if noted.got_term.is_some() {
            return;
        }
        let at = Instant::now();
        noted.got_term = Some((noted.alive_at, at));
        let (tool, job) = (noted.tool.clone(), noted.job.clone());
        (self.events)(EngineEvent::GotTerm { run, tool, job, at });
    }

    fn instructions(&self, run: usize, behaviour: &EngineBehaviour) -> EngineInstructions {
        let key = (
            self.runs[run].tool.clone(),
            self.runs[run].job.clone().unwrap_or_default(),
        );
        let attempt = self.attempts.get(&key).copied().unwrap_or(1);
        let exit = if attempt <= behaviour.fails_attempts {
            1
        } else {
            behaviour.exit.unwrap_or(0)
        };
        EngineInstructions {
            run,
            duration_ms: behaviour.duration.map_or(0, |duration| {
                u64::try_from(duration.0.as_millis()).unwrap_or(u64::MAX)
            }),
            exit,
            writes: behaviour.writes.clone(),
            prints: match &behaviour.prints {
                Some(text) => text.clone(),
                None if exit == 0 => success_events(&self.runs[run].tool).to_owned(),
                None => String::new(),
            },
            ignores_term: behaviour.ignores_term,
            spawns: behaviour.spawns.map(Into::into),
        }
    }

    fn end(&mut self, connection: &EngineConnection) {
        let (Some(run), false) = (connection.run, connection.resuming) else {
            return;
        };
        if self.awaiting_term_ignored.contains(&run) {
            self.report_start(run);
        }
        let at = Instant::now();
        self.runs[run].ended = Some(at);
        let (tool, job) = (self.runs[run].tool.clone(), self.runs[run].job.clone());
        (self.events)(EngineEvent::Gone { run, tool, job, at });
    }

    /// Releases what the harness names, or ends when it closes the pipe.
    fn handle_control(&mut self) -> StreamStatus {
        let mut buffer = [0_u8; 1024];
        match self.control.read(&mut buffer) {
            Ok(0) | Err(_) => return StreamStatus::Closed,
            Ok(read) => self.pending.extend_from_slice(&buffer[..read]),
        }
        while let Some(end) = self.pending.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = self.pending.drain(..=end).collect();
            self.script
                .released
                .insert(String::from_utf8_lossy(&line).trim().to_owned());
        }
        for connection in &mut self.connections {
            if connection
                .held
                .as_ref()
                .is_some_and(|held| self.script.released.contains(&held.name))
                && let Some(held) = connection.held.take()
            {
                connection.send(&held.instructions);
            }
        }
        StreamStatus::Open
    }
}
