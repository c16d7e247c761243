//! The handle of the shadow lane, which is a thread of its own behind a bounded mailbox.
//!
//! No call waits but the one at the end of a process, and that for a limited time. A panic in the lane costs one
//! decision and no more.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};

use super::lane_mailbox::LaneMailbox;
use super::log::{ShadowLog, SkipReason};
use super::observer::{ShadowObserver, write_dropped_decisions};
use super::report_ledger::{ReportLedger, ReportState, jobs_in};
use super::{LocalDecision, StageTransition, transition_reporter};
use crate::fleet::background_thread;
use crate::fleet::call_failure::{CallFailure, FailureKind};
use crate::fleet::client::fresh_key;
use crate::fleet::health_reporter::HealthReporter;
use crate::ids::JobId;
use crate::mode::Mode;
use crate::settings::Settings;
use crate::stage::Stage;

/// How long writing the last lines may take beyond the limit; a healthy disk needs a thousandth of it.
const LAST_LINES: Duration = Duration::from_millis(250);
/// A lane that panics again and again is given up.
const PANICS_MAX: u32 = 16;

/// The run loop's handle on the shadow lane; it does nothing in every mode but shadow.
#[derive(Debug)]
pub(crate) struct ShadowLane {
    /// None in other modes, and where no thread could be started.
    running: Option<RunningLane>,
}

/// A lane with its thread.
#[derive(Debug)]
struct RunningLane {
    /// Shared with the thread.
    mailbox: LaneMailbox,
    /// Disconnected when the thread has written its last line.
    done: mpsc::Receiver<()>,
    /// The beginning of the ids of this process's decisions.
    process: Arc<str>,
    /// How many there were; the next one gets this number.
    decisions: AtomicU64,
}

impl ShadowLane {
    /// `health` gets how its calls fare.
    pub(crate) fn start(settings: &Settings, health: &HealthReporter) -> ShadowLane {
        match settings.mode {
            Mode::Shadow => ShadowLane {
                running: RunningLane::start(settings.clone(), health.clone()),
            },
            Mode::Offline | Mode::Local | Mode::Route => ShadowLane { running: None },
        }
    }

    pub(crate) fn decided(&self, decision: LocalDecision) {
        if let Some(running) = &self.running {
            let count = running.decisions.fetch_add(1, Ordering::Relaxed);
            running
                .mailbox
                .decided(format!("{}-{count}", running.process), decision);
        }
    }

    pub(crate) fn moved(&self, transition: StageTransition) {
        if let Some(running) = &self.running {
            running.mailbox.moved(transition);
        }
    }

    /// Drops what it has not compared yet, without a wait. `finish` is still needed when the process ends.
    pub(crate) fn give_up(&self, skip: SkipReason) {
        if let Some(running) = &self.running {
            running.mailbox.close(Duration::ZERO, skip);
        }
    }

    /// Waits at most `limit` for what is still to be compared and reported.
    pub(crate) fn finish(self, limit: Duration) {
        if let Some(running) = self.running {
            running.mailbox.close(limit, SkipReason::Exit);
            // The thread ends by disconnecting, or the time is up; in both cases the process goes on to its end.
            let _ = running.done.recv_timeout(limit.saturating_add(LAST_LINES));
        }
    }
}

impl RunningLane {
    fn start(settings: Settings, health: HealthReporter) -> Option<RunningLane> {
        let mailbox = LaneMailbox::default();
        let (alive, done) = mpsc::channel();
        let lane_mailbox = mailbox.clone();
        let at_work = Stage::ALL
            .into_iter()
            .filter(|stage| *stage != Stage::Inbox && !stage.is_final());
        let at_start = jobs_in(&settings, at_work);
        let spawned = background_thread::spawn("shadow-lane", move || {
            let _alive: mpsc::Sender<()> = alive;
            work(settings, health, &lane_mailbox, at_start);
        });
        match spawned {
            Ok(()) => Some(RunningLane {
                mailbox,
                done,
                process: fresh_key("decision"),
                decisions: AtomicU64::new(0),
            }),
            Err(error) => {
                warn(&format!(
                    "no thread for the shadow lane ({error}): nothing is compared"
                ));
                None
            }
        }
    }
}

fn work(settings: Settings, health: HealthReporter, mailbox: &LaneMailbox, at_start: HashMap<JobId, Stage>) {
    let log = ShadowLog::new(&settings);
    let mut observer = ShadowObserver::new(settings, health, mailbox.clone(), at_start);
    let runtime = match runtime() {
        Ok(runtime) => runtime,
        Err(error) => {
            warn(&format!(
                "no runtime for the shadow lane ({error}): nothing is compared"
            ));
            return observer.drain_messages(SkipReason::Stopped);
        }
    };
    for _ in 0..PANICS_MAX {
        let whole = catch_unwind(AssertUnwindSafe(|| {
            runtime.block_on(async {
                tokio::select! {
                    biased;
                    () = observer.run() => {}
                    () = write_dropped_decisions(&log, mailbox) => {}
                    () = mailbox.time_is_up() => {}
                }
            });
        }));
        match whole {
            Ok(()) => return observer.drain_messages(mailbox.skip()),
            Err(_) => observer.after_panic(),
        }
    }
    observer.drain_messages(SkipReason::Stopped);
}

/// Reports what a command such as `ship` moved by itself; it takes at most `AQ_FLEET_DRAIN`.
pub(crate) fn mirror(settings: &Settings, transitions: &[StageTransition]) {
    if settings.mode != Mode::Shadow || transitions.is_empty() {
        return;
    }
    let log = ShadowLog::new(settings);
    let ledger = ReportLedger::new(settings);
    let reported = std::cell::Cell::new(0);
    let failure = match runtime() {
        Ok(runtime) => {
            let limit = settings.fleet.drain.value;
            let report = report_all(settings, &log, &ledger, transitions, &reported);
            match runtime.block_on(async { tokio::time::timeout(limit, report).await }) {
                // The reporter has logged its own failure.
                Ok(_) => None,
                Err(_) => Some(CallFailure::indefinite(
                    FailureKind::Timeout,
                    "AQ_FLEET_DRAIN is over",
                )),
            }
        }
        Err(error) => Some(CallFailure::indefinite(
            FailureKind::ConnectFailed,
            &error.to_string(),
        )),
    };
    let left = &transitions[reported.get()..];
    if let (Some(failure), Some(first)) = (failure, left.first()) {
        log.append_report_failure(Some(&first.job), &failure);
    }
    for transition in left {
        ledger.note(ReportState::Unanswered, &transition.job, transition.stage);
    }
}

async fn report_all(
    settings: &Settings,
    log: &ShadowLog,
    ledger: &ReportLedger,
    transitions: &[StageTransition],
    reported: &std::cell::Cell<usize>,
) -> Result<(), CallFailure> {
    let client = transition_reporter::client(settings, &HealthReporter::default(), &mut None).inspect_err(
        |failure| log.append_report_failure(transitions.first().map(|first| &first.job), failure),
    )?;
    for transition in transitions {
        transition_reporter::report(&client, log, ledger, &transition.job, transition.stage).await?;
        reported.set(reported.get() + 1);
    }
    Ok(())
}

fn runtime() -> std::io::Result<Runtime> {
    Builder::new_current_thread().enable_all().build()
}

fn warn(text: &str) {
    use std::io::Write as _;
    // A closed stderr is no reason to stop.
    let _ = writeln!(std::io::stderr(), "aq: warning: {text}");
}

#[cfg(test)]
mod tests;
