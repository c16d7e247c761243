//! A command under way: its signals, its streams and its end, each waited for with a limit.

use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::Child;
use std::sync::mpsc;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use crate::observed_process::{FileWatch, only_child};
use crate::queue_fixture::{LIMIT_S, QueueFixture};

/// How a command ended, and what it printed.
#[derive(Debug)]
pub struct CompletedCommand {
    /// As a shell tells it: 128 and the signal if one ended it.
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

/// A command under way. It is killed if the test ends before it.
pub struct StartedCommand<'a> {
    pub fixture: &'a QueueFixture,
    pub number: usize,
    pub child: Option<Child>,
    pub streams: [PathBuf; 2],
}

impl StartedCommand<'_> {
    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(self.child.as_ref().unwrap()), signal).unwrap();
    }

    /// Waits until it has said this on standard error.
    pub fn wait_for_message(&self, words: &str) {
        let path = &self.streams[1];
        let mut watch = FileWatch::of(path);
        while !fs::read_to_string(path).unwrap().contains(words) {
            assert!(watch.wait(), "it never says: {words}");
        }
    }

    pub fn pid(&self) -> u32 {
        self.child.as_ref().unwrap().id()
    }

    /// The one process that it started itself.
    pub fn only_child(&self) -> Pid {
        only_child(self.pid())
    }

    pub fn end(mut self) -> CompletedCommand {
        let mut child = self.child.take().unwrap();
        let pid = Pid::from_child(&child);
        let (sender, ended) = mpsc::channel();
        std::thread::spawn(move || sender.send(child.wait()));
        let Ok(status) = ended.recv_timeout(Duration::from_secs(LIMIT_S as u64)) else {
            kill_process(pid, Signal::KILL).unwrap();
            panic!("command {} did not end", self.number);
        };
        let status = status.unwrap();
        let [stdout, stderr] = self
            .streams
            .each_ref()
            .map(|path| fs::read_to_string(path).unwrap());
        let code = status.code().unwrap_or_else(|| 128 + status.signal().unwrap());
        self.fixture
            .commands
            .borrow_mut()
            .push(format!("command {} ended with {code}", self.number));
        CompletedCommand { code, stdout, stderr }
    }
}

impl Drop for StartedCommand<'_> {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
