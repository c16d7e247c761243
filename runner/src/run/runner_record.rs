//! What a run tells of itself to whoever looks at its queue: who it is, what it does, and how its coordinator fares.

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::host_trouble::HostTroubleRecord;
use super::messages::warn;
use super::notification_sender::NotificationSender;
use crate::error_scope::HostTrouble;
use crate::fleet::coordinator_health::{ComparisonHalt, CoordinatorHealth, HealthNotice};
use crate::fleet::health_reporter::HealthReporter;
use crate::fleet::wire;
use crate::mode::Mode;
use crate::notifications::{EventNotification, NotificationEvent};
use crate::queue::{ChangeSource, Queue, RunnerFile, RunnerText, read_runner_files};
use crate::settings::Settings;
use crate::token_usage::TokenUsage;

/// At the end, for what is still to be told; nobody who reads what is printed has to be waited for longer.
const LAST_NEWS: Duration = Duration::from_millis(250);

/// A runner that is at work, as `aq status` shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RunnerRecord {
    pub(crate) pid: u32,
    /// When it was started.
    pub(crate) since: String,
    /// The one that counts for its next decision.
    pub(crate) mode: String,
    pub(crate) workers: usize,
    /// What makes it look at the queue; a record of an earlier version does not say.
    #[serde(default)]
    pub(crate) watch: ChangeSource,
    /// What its engines have used since it was started; none: no engine told it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) used: Option<TokenUsage>,
    /// What keeps it from starting jobs, if something of the host does.
    #[serde(default)]
    pub(crate) host_trouble: Option<HostTroubleRecord>,
    /// None of a run that makes no calls.
    pub(crate) coordinator: Option<CoordinatorHealth>,
}

impl RunnerRecord {
    fn read(told: RunnerText) -> Option<RunnerRecord> {
        if !told.text.is_empty() {
            return serde_json::from_slice(&told.text).ok();
        }
        // It says no more than who it is, because there was no room for it.
        let since = wire::instant(jiff::Timestamp::now());
        Some(RunnerRecord {
            pid: told.pid?,
            since: since.clone(),
            mode: String::from("unknown"),
            workers: 0,
            watch: ChangeSource::default(),
            used: None,
            host_trouble: Some(HostTroubleRecord {
                kind: HostTrouble::DiskFull,
                since,
                detail: String::from("there is no room for what it tells of itself"),
            }),
            coordinator: None,
        })
    }
}

/// The runners that are at work on a queue; one whose record can't be understood is not among them.
pub(crate) fn runners_at_work(queue_dir: &Path) -> Vec<RunnerRecord> {
    let texts = read_runner_files(queue_dir).into_iter();
    let mut found: Vec<RunnerRecord> = texts.filter_map(RunnerRecord::read).collect();
    found.sort_by(|one, other| (&one.since, one.pid).cmp(&(&other.since, other.pid)));
    found
}

/// This run's own record, and what is noted for it.
#[derive(Debug)]
pub(super) struct RunnerPresence {
    kept: Arc<Mutex<StoredRecord>>,
    pub(super) health: HealthReporter,
    notifier: NotificationSender,
}

#[derive(Debug)]
struct StoredRecord {
    record: RunnerRecord,
    file: RunnerFile,
}

impl RunnerPresence {
    pub(super) fn begin(
        queue: &Queue,
        settings: &Settings,
        workers: usize,
        notifier: NotificationSender,
    ) -> RunnerPresence {
        let record = RunnerRecord {
            pid: std::process::id(),
            since: wire::instant(jiff::Timestamp::now()),
            mode: String::new(),
            workers,
            watch: ChangeSource::default(),
            used: None,
            host_trouble: None,
            coordinator: None,
        };
        let file = queue.runner_file();
        let presence = RunnerPresence {
            kept: Arc::new(Mutex::new(StoredRecord { record, file })),
            health: HealthReporter::default(),
            notifier,
        };
        presence.turned_to(settings);
        presence
    }

    /// The mode that counts from now on. How another one's calls fared is forgotten.
    pub(super) fn turned_to(&self, settings: &Settings) {
        let calls = matches!(settings.mode, Mode::Shadow | Mode::Route);
        self.health.reset();
        lock(&self.kept).change(|record| {
            record.mode = settings.mode.to_string();
            record.coordinator = calls.then(CoordinatorHealth::default);
        });
        if calls {
            let (kept, credential) = (Arc::clone(&self.kept), settings.fleet.credential());
            let notifier = self.notifier.clone();
            // Without a thread nothing is told of the coordinator, and the jobs are none the worse for it.
            let _ = self.health.start(Box::new(move |health, news| {
                // On the disk first: who reads of it may look there.
                lock(&kept).change(|record| record.coordinator = Some(health.clone()));
                for news in news {
                    let text = news.text(&credential);
                    warn(&text);
                    if let Some(notification) = notification(&news, &text) {
                        notifier.tell(notification);
                    }
                }
            }));
        }
    }

    /// Written only where it is news.
    pub(super) fn watches_by(&self, source: ChangeSource) {
        let mut kept = lock(&self.kept);
        if kept.record.watch != source {
            kept.change(|record| record.watch = source);
        }
    }

    /// Written only where it is news.
    pub(super) fn has_used(&self, used: Option<TokenUsage>) {
        let mut kept = lock(&self.kept);
        if kept.record.used != used {
            kept.change(|record| record.used = used);
        }
    }

    /// Written only where it is news.
    pub(super) fn is_troubled_by(&self, trouble: Option<&HostTroubleRecord>) {
        let mut kept = lock(&self.kept);
        if kept.record.host_trouble.as_ref() != trouble {
            kept.change(|record| record.host_trouble = trouble.cloned());
        }
    }

    pub(super) fn end(&self) {
        self.health.finish(LAST_NEWS);
        if let Ok(mut kept) = self.kept.try_lock() {
            kept.file.remove();
        }
    }
}

/// None: nothing that anybody but the person at the terminal needs to know.
fn notification(news: &HealthNotice, text: &str) -> Option<EventNotification> {
    match news {
        HealthNotice::Begins { failure, .. } => {
            let lost = EventNotification::now(NotificationEvent::CoordinatorLost);
            Some(lost.because(&failure.kind().to_string(), text))
        }
        HealthNotice::Over { .. } => {
            let back = EventNotification::now(NotificationEvent::CoordinatorBack);
            Some(back.because("", text))
        }
        HealthNotice::NotComparing(halt) => Some(comparison_stopped(*halt, text)),
        HealthNotice::ScopeMissing { .. } => Some(comparison_stopped(ComparisonHalt::ScopeMissing, text)),
        HealthNotice::Waits { .. } => None,
    }
}

fn comparison_stopped(halt: ComparisonHalt, text: &str) -> EventNotification {
    EventNotification::now(NotificationEvent::ComparisonStopped).because(halt.name(), text)
}

impl StoredRecord {
    fn change(&mut self, change: impl FnOnce(&mut RunnerRecord)) {
        change(&mut self.record);
        if let Ok(text) = serde_json::to_vec(&self.record) {
            self.file.write(&text);
        }
    }
}

fn lock(kept: &Mutex<StoredRecord>) -> MutexGuard<'_, StoredRecord> {
    kept.lock().unwrap_or_else(PoisonError::into_inner)
}
