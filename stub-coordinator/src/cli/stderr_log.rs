//! Lines for people, on standard error. A thread of its own writes them, so nothing waits for who reads them, or does
//! not: a line that finds the queue full, or that can't be written, is dropped and counted.

use std::collections::VecDeque;
use std::fmt::Display;
use std::io;
use std::mem;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread;
use std::time::Duration;

use super::stdout::write_all;

/// The most lines that wait to be written.
const QUEUE_LIMIT: usize = 8_192;
/// How long the end waits for the last lines to be written.
const END_LIMIT: Duration = Duration::from_millis(500);

/// Takes the lines of the whole program, in order.
#[derive(Clone)]
pub(crate) struct LogWriter {
    queue: Arc<LogQueue>,
}

#[derive(Default)]
struct LogQueue {
    waiting: Mutex<WaitingLines>,
    changed: Condvar,
}

#[derive(Default)]
struct WaitingLines {
    lines: VecDeque<WaitingLine>,
    /// How many were dropped since the last line that found room.
    dropped: u64,
    phase: LogPhase,
}

struct WaitingLine {
    /// How many lines were dropped just before it.
    dropped_before: u64,
    text: String,
}

#[derive(Default, Clone, Copy, PartialEq, Eq)]
enum LogPhase {
    #[default]
    Open,
    /// Nobody has anything more to say.
    Closing,
    /// All that could be written is written.
    Written,
}

impl LogWriter {
    pub(crate) fn start() -> LogWriter {
        LogWriter::onto(|bytes| write_all(io::stderr(), bytes))
    }

    fn onto(write: impl FnMut(&[u8]) -> io::Result<()> + Send + 'static) -> LogWriter {
        let queue = Arc::new(LogQueue::default());
        let for_thread = Arc::clone(&queue);
        let thread = thread::Builder::new().name("log".to_owned());
        // Without a thread nobody is told anything, and everything else goes on.
        drop(thread.spawn(move || for_thread.write_all(write)));
        LogWriter { queue }
    }

    /// Says who speaks, and what.
    pub(crate) fn note(&self, what: impl Display) {
        self.line(named(what));
    }

    pub(crate) fn line(&self, text: String) {
        self.queue.push(text, QUEUE_LIMIT);
    }

    /// The same for the end, which finds room in any case: few lines are left to come.
    pub(crate) fn last_note(&self, what: impl Display) {
        self.queue.push(named(what), usize::MAX);
    }

    /// Waits until everything is written, but not for ever.
    pub(crate) fn finish(&self) {
        let mut waiting = self.queue.waiting();
        waiting.phase = LogPhase::Closing;
        self.queue.changed.notify_all();
        let unwritten = |waiting: &mut WaitingLines| waiting.phase != LogPhase::Written;
        // What is not written by then never will be.
        drop(
            self.queue
                .changed
                .wait_timeout_while(waiting, END_LIMIT, unwritten),
        );
    }
}

impl LogQueue {
    fn push(&self, text: String, limit: usize) {
        let mut waiting = self.waiting();
        if waiting.lines.len() >= limit {
            waiting.dropped += 1;
            return;
        }
        let dropped_before = mem::take(&mut waiting.dropped);
        waiting.lines.push_back(WaitingLine { dropped_before, text });
        self.changed.notify_all();
    }

    /// The next line, once there is one; none where none will come.
    fn next(&self) -> Option<WaitingLine> {
        let nothing_yet =
            |waiting: &mut WaitingLines| waiting.lines.is_empty() && waiting.phase == LogPhase::Open;
        let waiting = self.changed.wait_while(self.waiting(), nothing_yet);
        waiting
            .expect("no holder of the log's lock panics")
            .lines
            .pop_front()
    }

    fn write_all(&self, mut write: impl FnMut(&[u8]) -> io::Result<()>) {
        let mut dropped = 0;
        while let Some(line) = self.next() {
            dropped += line.dropped_before;
            let told = named(format_args!("{dropped} lines dropped\n"));
            if dropped > 0 && write(told.as_bytes()).is_ok() {
                dropped = 0;
            }
            if write((line.text + "\n").as_bytes()).is_err() {
                dropped += 1;
            }
        }
        self.waiting().phase = LogPhase::Written;
        self.changed.notify_all();
    }

    fn waiting(&self) -> MutexGuard<'_, WaitingLines> {
        self.waiting.lock().expect("no holder of the log's lock panics")
    }
}

fn named(what: impl Display) -> String {
    format!("stub-coordinator: {what}")
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

    use super::*;

    /// A log whose every write waits for a verdict, and hands over what was written.
    fn watched() -> (LogWriter, SyncSender<io::Result<()>>, Receiver<String>) {
        let (verdict, verdicts) = sync_channel::<io::Result<()>>(0);
        let (written, seen) = sync_channel(QUEUE_LIMIT * 2);
        let log = LogWriter::onto(move |bytes| {
            verdicts.recv().unwrap_or(Ok(()))?;
            let text = String::from_utf8_lossy(bytes).into_owned();
            written.send(text).map_err(io::Error::other)
        });
        (log, verdict, seen)
    }

    #[test]
    fn lines_that_find_no_room_are_counted_where_they_are_missing_and_the_last_ones_find_room() {
        let (log, verdict, seen) = watched();
        log.line("first".to_owned());
        verdict.send(Ok(())).expect("it is being written");
        log.line("second".to_owned());
        // The writer is busy with one of them at most.
        for _ in 0..QUEUE_LIMIT + 3 {
            log.line("more".to_owned());
        }
        let dropped = log.queue.waiting().dropped;
        assert!((2..=4).contains(&dropped), "{dropped}");
        log.last_note("the end");
        drop(verdict);
        log.finish();
        let written: Vec<String> = seen.iter().collect();
        assert_eq!(written[..3], ["first\n", "second\n", "more\n"]);
        let end = [
            format!("stub-coordinator: {dropped} lines dropped\n"),
            "stub-coordinator: the end\n".to_owned(),
        ];
        assert!(written.ends_with(&end), "{:?}", written.last());
    }

    #[test]
    fn lines_that_can_not_be_written_are_counted_once_they_can_be_again() {
        let (log, verdict, seen) = watched();
        for text in ["lost", "lost as well", "told"] {
            log.line(text.to_owned());
        }
        let full = || Err(io::ErrorKind::StorageFull.into());
        // Of the second one, first what was dropped before it.
        for refused in [full(), full(), full()] {
            verdict.send(refused).expect("it is being written");
        }
        drop(verdict);
        log.finish();
        let written: Vec<String> = seen.iter().collect();
        assert_eq!(written, ["stub-coordinator: 2 lines dropped\n", "told\n"]);
    }

    #[test]
    fn the_end_does_not_wait_for_a_write_that_does_not_end() {
        let (log, verdict, _seen) = watched();
        log.line("stuck".to_owned());
        log.finish();
        drop(verdict);
    }
}
