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

use super::decision_log::DecisionLog;
use super::lane_mailbox::LaneMailbox;
use super::log::{ShadowLog, SkipReason};
use super::observer::ShadowObserver;
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

/// The run loop's handle on the shadow lane and its thread.
#[derive(Debug)]
pub(crate) struct ShadowLane {
    /// Shared with the thread.
    mailbox: Arc<LaneMailbox>,
    /// Disconnected when the thread has written its last line.
    done: mpsc::Receiver<()>,
    /// The beginning of the ids of this process's decisions.
    process: Arc<str>,
    /// How many there were; the next one gets this number.
    decisions: AtomicU64,
}

impl ShadowLane {
    /// None in other modes than shadow, and where no thread could be started. `health` gets how its calls fare.
    pub(crate) fn start(settings: &Settings, health: &HealthReporter) -> Option<ShadowLane> {
        if settings.mode != Mode::Shadow {
            return None;
        }
        let (settings, health) = (settings.clone(), health.clone());
        let mailbox = Arc::<LaneMailbox>::default();
        let (alive, done) = mpsc::channel();
        let lane_mailbox = Arc::clone(&mailbox);
        let at_work = Stage::ALL
            .into_iter()
            .filter(|stage| *stage != Stage::Inbox && !stage.is_final());
        let at_start = jobs_in(&settings, at_work);
        let spawned = background_thread::spawn("shadow-lane", move || {
            let _alive: mpsc::Sender<()> = alive;
            work(settings, health, &lane_mailbox, at_start);
        });
        match spawned {
            Ok(()) => Some(ShadowLane {
                mailbox,
                done,
                process: fresh_key("decision"),
                decisions: AtomicU64::new(0),
            }),
            Err(error) => {
                let text = format!("no thread for the shadow lane ({error}): nothing is compared");
                warn(&text);
                None
            }
        }
    }

    pub(crate) fn decided(&self, decision: LocalDecision) {
        let count = self.decisions.fetch_add(1, Ordering::Relaxed);
        self.mailbox
            .decided(format!("{}-{count}", self.process), decision);
    }

    pub(crate) fn moved(&self, transition: StageTransition) {
        self.mailbox.moved(transition);
    }

    /// Drops what it has not compared yet, without a wait. `finish` is still needed when the process ends.
    pub(crate) fn give_up(&self, skip: SkipReason) {
        self.mailbox.close(Duration::ZERO, skip);
    }

    /// Waits at most `limit` for what is still to be compared and reported.
    pub(crate) fn finish(self, limit: Duration) {
        self.mailbox.close(limit, SkipReason::Exit);
        // The thread ends by disconnecting, or the time is up; in both cases the process goes on to its end.
        let _ = self.done.recv_timeout(limit.saturating_add(LAST_LINES));
    }
}

fn work(
    settings: Settings,
    health: HealthReporter,
    mailbox: &Arc<LaneMailbox>,
    at_start: HashMap<JobId, Stage>,
) {
    // Beside the observer, which does not come to it while it waits for an answer.
    let overflow = DecisionLog::new(&settings);
    let mut observer = ShadowObserver::new(settings, health, Arc::clone(mailbox), at_start);
    let runtime = match runtime() {
        Ok(runtime) => runtime,
        Err(error) => {
            let text = format!("no runtime for the shadow lane ({error}): nothing is compared");
            warn(&text);
            return observer.drain_messages(SkipReason::Stopped);
        }
    };
    for _ in 0..PANICS_MAX {
        let whole = catch_unwind(AssertUnwindSafe(|| {
            runtime.block_on(async {
                tokio::select! {
                    biased;
                    () = observer.run() => {}
                    () = write_dropped_decisions(&overflow, mailbox) => {}
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

/// Writes the lines of the decisions that did not fit into the mailbox, as long as the lane lives.
async fn write_dropped_decisions(lines: &DecisionLog, mailbox: &LaneMailbox) {
    loop {
        lines.dropped(mailbox.dropped().await);
    }
}

/// Reports what a command such as `ship` moved by itself; it takes at most `AQ_FLEET_DRAIN`.
pub(crate) fn mirror(settings: &Settings, job: &JobId, stage: Stage) {
    if settings.mode != Mode::Shadow {
        return;
    }
    let (log, ledger) = (ShadowLog::new(settings), ReportLedger::new(settings));
    let failure = match runtime() {
        Ok(runtime) => {
            let limit = settings.fleet.drain.value;
            let report = report(settings, &log, &ledger, job, stage);
            match runtime.block_on(async { tokio::time::timeout(limit, report).await }) {
                Ok(Ok(_)) => return,
                // The reporter has logged its own failure.
                Ok(Err(_)) => None,
                Err(_) => Some((FailureKind::Timeout, String::from("AQ_FLEET_DRAIN is over"))),
            }
        }
        Err(error) => Some((FailureKind::ConnectFailed, error.to_string())),
    };
    if let Some((kind, detail)) = failure {
        log.append_report_failure(Some(job), &CallFailure::indefinite(kind, &detail));
    }
    ledger.note(ReportState::Unanswered, job, stage);
}

async fn report(
    settings: &Settings,
    log: &ShadowLog,
    ledger: &ReportLedger,
    job: &JobId,
    stage: Stage,
) -> Result<bool, CallFailure> {
    let client = transition_reporter::client(settings, &HealthReporter::default(), &mut None)
        .inspect_err(|failure| log.append_report_failure(Some(job), failure))?;
    transition_reporter::report(&client, log, ledger, job, stage).await
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
