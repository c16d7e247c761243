//! Tells the command of `[notify]` what happened, one object after the other, on a thread of its own: the loop that runs
//! the jobs waits for it only at the end, and there no longer than a bound.
//!
//! The command runs under a supervisor, so nothing of it is left after its time, nor after the runner's death.

use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::FileExt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use super::messages::warn;
use crate::engine;
use crate::fleet::background_thread;
use crate::notifications::{EventNotification, NextNotification, NotificationObject, NotificationQueue};
use crate::settings::{NotifyCommand, NotifySettings, Settings};
use crate::supervise::process_record::{MARK_VARIABLE, ProcessTag};
use crate::supervise::{self, CommandOutcome, CommandSpec, CommandStreams, EnvironmentVariable, LogSpec};
use crate::terminal;

/// At the end of a run, for what nobody was told of yet.
pub(super) const LAST_NOTIFICATIONS: Duration = Duration::from_secs(5);
/// Between TERM and KILL of a command whose time is over.
const GRACE_MS: u64 = 1000;

/// The handle for whoever has something to tell. Without `[notify]` it tells nobody.
#[derive(Debug, Clone, Default)]
pub(super) struct NotificationSender(Option<Arc<SenderState>>);

/// Shared by the handles and the thread.
#[derive(Debug)]
struct SenderState {
    settings: NotifySettings,
    environment: Vec<EnvironmentVariable>,
    host: String,
    queue: String,
    /// Locked for moments, never while something is sent.
    notes: Mutex<SenderNotes>,
    /// There is something to send, or the end has come.
    changed: Notify,
    /// Nothing is left to send, after the end has come.
    done: Notify,
    /// The child of this process that runs the command. Locked while one is started, so that nobody takes it for a child
    /// of another origin meanwhile.
    supervisor: Mutex<Option<i32>>,
}

#[derive(Debug)]
struct SenderNotes {
    waiting: NotificationQueue,
    /// One is in the hands of the command.
    is_sending: bool,
    is_ending: bool,
}

impl NotificationSender {
    /// Without a thread nobody is told of anything, and the jobs are none the worse for it.
    pub(super) fn start(settings: &Settings) -> NotificationSender {
        let Some(notify) = settings.notify.clone() else {
            return NotificationSender::default();
        };
        let state = SenderState::new(settings, notify).map(Arc::new);
        let started = state.and_then(|state| {
            let own = Arc::clone(&state);
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_io()
                .enable_time()
                .build()?;
            background_thread::spawn("aq-notify", move || runtime.block_on(own.send_all()))?;
            Ok(state)
        });
        match started {
            Ok(state) => NotificationSender(Some(state)),
            Err(error) => {
                warn(&format!("[notify] tells nobody of anything in this run: {error}"));
                NotificationSender::default()
            }
        }
    }

    /// Waits for nothing.
    pub(super) fn tell(&self, notification: EventNotification) {
        if let Some(state) = &self.0
            && state.settings.events.contains(&notification.event)
        {
            lock(&state.notes).waiting.push(notification);
            state.changed.notify_one();
        }
    }

    /// The child of this process that is none of a job.
    pub(super) fn supervisor(&self) -> Option<i32> {
        self.0.as_ref().and_then(|state| *lock(&state.supervisor))
    }

    /// Waits at most `limit` until everything was told. What is told then still is ended with this process.
    pub(super) async fn finish(&self, limit: Duration) {
        let Some(state) = &self.0 else { return };
        lock(&state.notes).is_ending = true;
        state.changed.notify_one();
        // What counts is what is left.
        let _ = tokio::time::timeout(limit, state.done.notified()).await;
        let notes = lock(&state.notes);
        let untold = notes.waiting.untold() + u64::from(notes.is_sending);
        drop(notes);
        match untold {
            0 => {}
            1 => warn("[notify]: 1 notification was not delivered before the end of the run"),
            many => warn(&format!(
                "[notify]: {many} notifications were not delivered before the end of the run"
            )),
        }
    }
}

impl SenderState {
    fn new(settings: &Settings, notify: NotifySettings) -> io::Result<SenderState> {
        let host = rustix::system::uname();
        let queue = std::path::absolute(&settings.queue.value)?;
        // Where orphans can't be adopted, what it leaves behind is recognised by nothing else.
        let mark = (MARK_VARIABLE.into(), ProcessTag::fresh().as_str().into());
        let environment = settings.child_environment().into_iter();
        Ok(SenderState {
            settings: notify,
            environment: environment.chain([mark]).collect(),
            host: host.nodename().to_string_lossy().into_owned(),
            queue: queue.to_string_lossy().into_owned(),
            notes: Mutex::new(SenderNotes {
                waiting: NotificationQueue::new(Instant::now()),
                is_sending: false,
                is_ending: false,
            }),
            changed: Notify::new(),
            done: Notify::new(),
            supervisor: Mutex::new(None),
        })
    }

    async fn send_all(&self) {
        let mut has_warned = false;
        loop {
            match self.take_next() {
                Some(NextNotification::Send(notification, dropped)) => {
                    let sent = self.send(&notification, dropped).await;
                    lock(&self.notes).is_sending = false;
                    if let Err(why) = sent
                        && !std::mem::replace(&mut has_warned, true)
                    {
                        warn(&format!(
                            "[notify]: {}: {why}; jobs go on as before, and this is not told again in this run",
                            self.settings.command
                        ));
                    }
                }
                Some(NextNotification::WaitUntil(at)) => {
                    let pause = tokio::time::sleep_until(tokio::time::Instant::from_std(at));
                    tokio::select! {
                        () = pause => {}
                        () = self.changed.notified() => {}
                    }
                }
                Some(NextNotification::Nothing) => self.changed.notified().await,
                None => return self.done.notify_one(),
            }
        }
    }

    /// None: nothing is left, and nothing more comes.
    fn take_next(&self) -> Option<NextNotification> {
        let mut notes = lock(&self.notes);
        let is_ending = notes.is_ending;
        let next = notes.waiting.next(Instant::now(), is_ending);
        notes.is_sending = matches!(next, NextNotification::Send(..));
        match next {
            NextNotification::Nothing if is_ending => None,
            next => Some(next),
        }
    }

    /// Hands one object to the command, and waits for the command's end.
    async fn send(&self, notification: &EventNotification, dropped: u64) -> Result<(), String> {
        let object = NotificationObject {
            notification,
            host: &self.host,
            queue: &self.queue,
            dropped,
        };
        let started = self.start_command(&object).map_err(|error| error.to_string())?;
        let ended = started.ending().await;
        match &ended {
            Ok(_) => started.collect(),
            Err(_) => started.kill(),
        }
        *lock(&self.supervisor) = None;
        match ended.map_err(|error| error.to_string())? {
            CommandOutcome::Exited { code: Some(0), .. } => Ok(()),
            CommandOutcome::Exited { code: Some(code), .. } => Err(format!("it ended with exit code {code}")),
            CommandOutcome::Exited { .. } => Err("it was ended by a signal".to_owned()),
            CommandOutcome::TimedOut => Err(format!(
                "it did not end within {}, and was ended",
                terminal::duration(self.settings.timeout)
            )),
            CommandOutcome::NotStarted { error, .. } | CommandOutcome::ProgramUnusable { error } => {
                Err(error)
            }
            CommandOutcome::Unkillable { what } => Err(what),
            _ => Err("it was ended before its time".to_owned()),
        }
    }

    fn start_command(&self, object: &NotificationObject<'_>) -> io::Result<supervise::SupervisorHandle> {
        let mut line = serde_json::to_vec(object)?;
        line.push(b'\n');
        // No file on a disk, which may be full, and no pipe, which may be shorter than the object.
        let stdin = supervise::unnamed_file()?;
        stdin.write_all_at(&line, 0)?;
        let null = File::options().write(true).open("/dev/null")?;
        let (program, args) = match &self.settings.command {
            NotifyCommand::Line(line) => {
                let shell = engine::shell(line);
                (shell.program, shell.args)
            }
            NotifyCommand::Program(program, args) => {
                let program = engine::find_program(program)
                    .ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "there is no such program"))?;
                (program, args.iter().map(OsString::from).collect())
            }
        };
        let order = CommandSpec {
            program: program.into(),
            args,
            cwd: self.settings.folder.clone().into(),
            within: None,
            timeout_ms: u64::try_from(self.settings.timeout.as_millis()).unwrap_or(u64::MAX),
            idle_timeout_ms: None,
            grace_ms: GRACE_MS,
            fence: None,
            log: LogSpec::of_beginning(0),
        };
        let streams = CommandStreams {
            stdin: stdin.as_fd(),
            log: null.as_fd(),
            log_folder: null.as_fd(),
            // No later run looks for what is left of it.
            record: &null,
            locks: Vec::new(),
        };
        let mut supervisor = lock(&self.supervisor);
        let started = supervise::start(None, &order, &self.environment, &streams)?;
        *supervisor = Some(started.pid());
        Ok(started)
    }
}

fn lock<T>(kept: &Mutex<T>) -> MutexGuard<'_, T> {
    kept.lock().unwrap_or_else(PoisonError::into_inner)
}
