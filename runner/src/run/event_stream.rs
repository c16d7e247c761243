//! All that can happen to a run, from all sides, in one place.

use std::io;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use tokio::io::unix::AsyncFd;
use tokio::sync::mpsc;

use super::run_options::RunError;
use crate::exit_codes::StopSignal;
use crate::fleet::FleetEvent;
use crate::fleet::fleet_session::FleetSession;
use crate::ids::JobId;
use crate::queue::{ChangeSource, FolderChanges, FolderWatcher, Queue};
use crate::signals::{HangUpListener, SignalListener};
use crate::supervise::{CommandOutcome, SupervisorHandle};

/// Ends of commands that were not taken note of yet; there is one a worker at most.
const ENDS_MAX: usize = 64;
/// Of a queue whose changes the system can't be asked to tell.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(super) enum RunEvent {
    /// A command has ended; an error means that its supervisor was lost.
    CommandEnded {
        job: JobId,
        end: io::Result<CommandOutcome>,
    },
    StopSignal(StopSignal),
    /// Some child of this process has ended; it need not be one that was started here.
    ChildExited,
    /// Something in the queue folder.
    QueueChanged,
    /// Something at the coordinator's.
    Fleet(FleetEvent),
    /// The instant that was waited for.
    TimerDue,
}

pub(super) struct EventStream {
    ends: mpsc::Receiver<(JobId, io::Result<CommandOutcome>)>,
    sender: mpsc::Sender<(JobId, io::Result<CommandOutcome>)>,
    /// `None`: this run was started with it ignored; the same of the hang-up.
    interrupt: Option<SignalListener>,
    terminate: SignalListener,
    hang_up: Option<HangUpListener>,
    child: SignalListener,
    watch: Option<AsyncFd<FolderWatcher>>,
}

impl EventStream {
    pub(super) fn new(queue: &Queue) -> Result<EventStream, RunError> {
        let (sender, ends) = mpsc::channel(ENDS_MAX);
        let system = || RunError::system("listen for signals");
        Ok(EventStream {
            ends,
            sender,
            interrupt: SignalListener::listen_unless_ignored(Signal::SIGINT).map_err(system())?,
            terminate: SignalListener::listen(Signal::SIGTERM).map_err(system())?,
            hang_up: HangUpListener::listen_unless_ignored().map_err(system())?,
            child: SignalListener::listen(Signal::SIGCHLD).map_err(system())?,
            // Without it a run polls its queue.
            watch: FolderWatcher::start(queue).ok().and_then(watched),
        })
    }

    /// Listens for the end of a command.
    pub(super) fn expect_end(&self, job: &JobId, running: &SupervisorHandle) {
        let (job, ending, sender) = (job.clone(), running.ending(), self.sender.clone());
        tokio::spawn(async move {
            // Nobody is left to hear it only when the run itself is over.
            let _ = sender.send((job, ending.await)).await;
        });
    }

    /// What changed in the inbox since the last call.
    pub(super) fn changes(&self) -> FolderChanges {
        self.watch
            .as_ref()
            .map_or(FolderChanges::everything(), |watch| watch.get_ref().take())
    }

    /// Watches the folders that have the names now.
    pub(super) fn watch_again(&mut self, queue: &Queue) {
        self.watch = FolderWatcher::start(queue).ok().and_then(watched);
    }

    /// What makes this run look at its queue.
    pub(super) fn change_source(&self) -> ChangeSource {
        let watch = self.watch.as_ref();
        watch.map_or(ChangeSource::Polling, |watch| watch.get_ref().source())
    }

    /// How often to look at the queue without being told of a change.
    pub(super) fn look_interval(&self) -> Option<Duration> {
        let watch = self.watch.as_ref();
        watch.map_or(Some(LOOK_INTERVAL), |watch| watch.get_ref().look_interval())
    }

    /// Waits for a signal to end, for who waits for nothing else any more.
    pub(super) async fn stop_signal(&mut self) {
        tokio::select! {
            () = or_never(self.interrupt.as_ref().map(SignalListener::recv)) => {}
            () = self.terminate.recv() => {}
            () = or_never(self.hang_up.as_mut().map(HangUpListener::recv)) => {}
        }
    }

    /// `fleet_session`: of a routed run.
    pub(super) async fn next(
        &mut self,
        at: Option<Instant>,
        fleet_session: Option<&mut FleetSession>,
    ) -> RunEvent {
        let far = Duration::from_secs(24 * 60 * 60);
        let at = at.map_or_else(
            || tokio::time::Instant::now() + far,
            tokio::time::Instant::from_std,
        );
        let interrupt = self.interrupt.as_ref().map(SignalListener::recv);
        let hang_up = self.hang_up.as_mut().map(HangUpListener::recv);
        let news = fleet_session.map(FleetSession::next);
        let changes = self.watch.as_ref().map(readable);
        tokio::select! {
            // Signals first: no job is started after one was received.
            biased;
            () = or_never(interrupt) => RunEvent::StopSignal(StopSignal::Interrupt),
            () = self.terminate.recv() => RunEvent::StopSignal(StopSignal::Terminate),
            () = or_never(hang_up) => RunEvent::StopSignal(StopSignal::Terminate),
            () = self.child.recv() => RunEvent::ChildExited,
            Some((job, end)) = self.ends.recv() => RunEvent::CommandEnded { job, end },
            event = or_never(news) => RunEvent::Fleet(event),
            () = or_never(changes) => RunEvent::QueueChanged,
            () = tokio::time::sleep_until(at) => RunEvent::TimerDue,
        }
    }
}

/// What a stream of events needs to be there.
pub(super) fn runtime() -> Result<tokio::runtime::Runtime, RunError> {
    tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .enable_time()
        .build()
        .map_err(RunError::system("start the event loop"))
}

#[expect(
    deprecated,
    reason = "its successor is unsafe to call; a Watch owns its descriptor, so this use is sound"
)]
fn watched(watch: FolderWatcher) -> Option<AsyncFd<FolderWatcher>> {
    AsyncFd::new(watch).ok()
}

/// Where there is nothing to wait for, it never comes.
async fn or_never<T>(event: Option<impl Future<Output = T>>) -> T {
    match event {
        Some(event) => event.await,
        None => std::future::pending().await,
    }
}

async fn readable(watch: &AsyncFd<FolderWatcher>) {
    match watch.readable().await {
        Ok(mut guard) => guard.clear_ready(),
        Err(_) => std::future::pending().await,
    }
}
