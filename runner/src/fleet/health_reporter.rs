//! Notes how calls fare, and hands that to a thread of its own: whoever makes the calls then waits for no disk, and
//! for no reader of what is printed.

use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::background_thread;
use super::call_failure::CallFailure;
use super::coordinator_health::{ApiOperation, ComparisonHalt, CoordinatorHealth, HealthNotice};

/// How much later a change is handed on that makes no notice.
const NOTICE_DELAY_MAX: Duration = Duration::from_millis(250);
/// An answer is handed on if the last one that was is older than this.
const ANSWER_AGE: SignedDuration = SignedDuration::from_secs(10);
/// How many notices may wait; the oldest are dropped.
const NOTICES_MAX: usize = 8;

/// What the thread calls: it gets how the calls fare now, and the notices for a person.
type HealthSink = Box<dyn FnMut(&CoordinatorHealth, Vec<HealthNotice>) + Send>;

/// The handle for whoever makes calls. What it is told goes nowhere until it is started.
#[derive(Debug, Clone, Default)]
pub(crate) struct HealthReporter {
    shared: Arc<HealthReporterState>,
}

/// Shared by all callers and the thread.
#[derive(Debug, Default)]
struct HealthReporterState {
    /// Locked for moments, never while something is printed.
    notes: Mutex<HealthNotes>,
    /// Told at each change of `due` and `thread`.
    changed: Condvar,
}

/// What the callers write and the thread hands on.
#[derive(Debug, Default)]
struct HealthNotes {
    /// How the calls fare now.
    health: CoordinatorHealth,
    /// For people, not handed on yet; at most `NOTICES_MAX`, the oldest go first.
    notices: Vec<HealthNotice>,
    /// When the thread has to hand on; it sets this back.
    due: NoticeUrgency,
    /// When an answer was handed on last.
    answer_at: Option<Timestamp>,
    /// Whether the thread runs; `start`, `finish` and the thread itself write it.
    thread: ThreadState,
}

/// How soon the notes have to be handed on.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum NoticeUrgency {
    #[default]
    Never,
    Soon,
    Now,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum ThreadState {
    #[default]
    None,
    Running,
    Ending,
}

impl HealthReporter {
    /// Starts the thread that hands the notes to `sink`; a second call does nothing.
    ///
    /// # Errors
    /// The system gives no thread.
    pub(crate) fn start(&self, sink: HealthSink) -> io::Result<()> {
        let mut notes = self.shared.lock();
        if notes.thread == ThreadState::None {
            let shared = Arc::clone(&self.shared);
            background_thread::spawn("aq-health", move || shared.deliver_notices(sink))?;
            notes.thread = ThreadState::Running;
        }
        Ok(())
    }

    /// Notes that a call has ended.
    pub(crate) fn ended(&self, operation: ApiOperation, failure: Option<&CallFailure>) {
        self.note(|notes, now| notes.ended(operation, failure, now));
    }

    /// Notes that a claim has failed and is made again after a while.
    pub(crate) fn claim_failed(&self, failure: &CallFailure, retry_in: Duration) {
        self.note(|notes, now| {
            let (due, begins) = notes.ended(ApiOperation::Claim, Some(failure), now);
            let waits = notes.health.retries_in(now, retry_in);
            (due, begins.or(waits))
        });
    }

    pub(crate) fn comparison_halted(&self, why: ComparisonHalt) {
        self.note(|notes, _| (NoticeUrgency::Soon, notes.health.comparison_halted(why)));
    }

    /// Forgets how the calls fared: other calls are made from now on.
    pub(crate) fn reset(&self) {
        let mut notes = self.shared.lock();
        (notes.health, notes.answer_at) = (CoordinatorHealth::default(), None);
    }

    /// Waits at most `limit` until everything was handed on.
    pub(crate) fn finish(&self, limit: Duration) {
        let mut notes = self.shared.lock();
        if notes.thread == ThreadState::Running {
            notes.thread = ThreadState::Ending;
            self.shared.changed.notify_all();
            let ends = |notes: &mut HealthNotes| notes.thread == ThreadState::Ending;
            let ended = self.shared.changed.wait_timeout_while(notes, limit, ends);
            drop(ended);
        }
    }

    fn note(
        &self,
        change: impl FnOnce(&mut HealthNotes, Timestamp) -> (NoticeUrgency, Option<HealthNotice>),
    ) {
        let mut notes = self.shared.lock();
        let (due, notice) = change(&mut notes, Timestamp::now());
        let due = if notice.is_some() { NoticeUrgency::Now } else { due };
        if notes.thread == ThreadState::None {
            return;
        }
        if let Some(notice) = notice {
            let kept = notes.notices.len().min(NOTICES_MAX - 1);
            let old = notes.notices.len() - kept;
            notes.notices.drain(..old);
            notes.notices.push(notice);
        }
        if due > notes.due {
            notes.due = due;
            self.shared.changed.notify_all();
        }
    }
}

impl HealthNotes {
    fn ended(
        &mut self,
        operation: ApiOperation,
        failure: Option<&CallFailure>,
        now: Timestamp,
    ) -> (NoticeUrgency, Option<HealthNotice>) {
        let failed = self.health.trouble.is_some();
        let notice = self.health.ended(operation, failure, now);
        let is_over = failed && self.health.trouble.is_none();
        let is_old = self
            .answer_at
            .is_none_or(|at| now.duration_since(at) >= ANSWER_AGE);
        let due = match failure {
            None if is_old => NoticeUrgency::Now,
            None if !is_over => NoticeUrgency::Never,
            None | Some(_) => NoticeUrgency::Soon,
        };
        if due == NoticeUrgency::Now {
            self.answer_at = Some(now);
        }
        (due, notice)
    }
}

impl HealthReporterState {
    fn lock(&self) -> MutexGuard<'_, HealthNotes> {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn deliver_notices(&self, mut sink: HealthSink) {
        loop {
            let mut notes = self.lock();
            let is_running = |notes: &HealthNotes| notes.thread == ThreadState::Running;
            let nothing = |notes: &mut HealthNotes| is_running(notes) && notes.due == NoticeUrgency::Never;
            notes = self
                .changed
                .wait_while(notes, nothing)
                .unwrap_or_else(PoisonError::into_inner);
            // A change that follows at once is handed on with it.
            let soon = |notes: &mut HealthNotes| is_running(notes) && notes.due == NoticeUrgency::Soon;
            (notes, _) = self
                .changed
                .wait_timeout_while(notes, NOTICE_DELAY_MAX, soon)
                .unwrap_or_else(PoisonError::into_inner);
            let (health, notices) = (notes.health.clone(), std::mem::take(&mut notes.notices));
            notes.due = NoticeUrgency::Never;
            let is_last = !is_running(&notes);
            drop(notes);
            sink(&health, notices);
            if is_last {
                self.lock().thread = ThreadState::None;
                return self.changed.notify_all();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use super::*;
    use crate::fleet::call_failure::FailureKind;

    #[test]
    fn what_is_noted_last_is_handed_on_at_the_end_at_the_latest() {
        let reporter = HealthReporter::default();
        let failure = CallFailure::indefinite(FailureKind::Timeout, "");
        // Nobody listens yet.
        reporter.ended(ApiOperation::Claim, Some(&failure));
        let (sender, handed) = channel();
        let sink = move |health: &CoordinatorHealth, notices: Vec<HealthNotice>| {
            let _ = sender.send((health.clone(), notices));
        };
        reporter.start(Box::new(sink)).unwrap();
        (0..3).for_each(|_| reporter.claim_failed(&failure, Duration::from_secs(1)));
        reporter.ended(ApiOperation::Claim, None);
        reporter.finish(Duration::from_secs(30));
        let handed: Vec<_> = handed.iter().collect();
        let (last, _) = handed.last().unwrap();
        assert!(last.trouble.is_none() && last.last_answer.is_some());
        let notices = handed.into_iter().flat_map(|(_, notice)| notice);
        assert!(matches!(
            notices.collect::<Vec<_>>()[..],
            [HealthNotice::Over { errors: 4, .. }]
        ));
    }

    #[test]
    fn trouble_that_nobody_is_told_of_is_handed_on_all_the_same_and_so_is_its_end() {
        let mut notes = HealthNotes::default();
        let failure = CallFailure::indefinite(FailureKind::Timeout, "");
        let mut due = |failure: Option<&CallFailure>, second| {
            let at = Timestamp::from_second(second).unwrap();
            let (due, notice) = notes.ended(ApiOperation::Claim, failure, at);
            (due, notice.is_some())
        };
        assert_eq!(due(None, 0), (NoticeUrgency::Now, false));
        assert_eq!(due(None, 1), (NoticeUrgency::Never, false));
        assert_eq!(due(Some(&failure), 2), (NoticeUrgency::Soon, true));
        assert_eq!(due(None, 3), (NoticeUrgency::Soon, true));
        assert_eq!(due(Some(&failure), 4), (NoticeUrgency::Soon, false));
        assert_eq!(due(None, 5), (NoticeUrgency::Soon, false));
        assert_eq!(due(None, 15), (NoticeUrgency::Now, false));
    }

    #[test]
    fn who_does_not_take_what_is_handed_on_keeps_nobody_waiting() {
        let reporter = HealthReporter::default();
        let (release, held) = channel::<()>();
        reporter
            .start(Box::new(move |_, _| held.recv().unwrap_or_default()))
            .unwrap();
        let failure = CallFailure::indefinite(FailureKind::Timeout, "");
        for _ in 0..10_000 {
            reporter.ended(ApiOperation::ShadowClaim, Some(&failure));
            reporter.ended(ApiOperation::ShadowClaim, None);
        }
        reporter.finish(Duration::ZERO);
        drop(release);
    }
}
