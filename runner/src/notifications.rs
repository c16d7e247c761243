//! What the command of `[notify]` is told: one object for each event. Nothing here sends one; that is up to
//! `run/notification_sender.rs`.

mod notification_queue;

use jiff::Timestamp;
use serde::Serialize;

pub(crate) use notification_queue::{NextNotification, NotificationQueue};

use crate::ids::{EngineName, JobId};
use crate::job_reason::JobReason;

/// So that one object stays small whatever an engine says.
const DETAIL_CHARACTERS_MAX: usize = 1000;

/// What happened. The names are those of the contract: a program decides by them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum NotificationEvent {
    JobFailed,
    JobQuarantined,
    ReviewWaiting,
    EnginePaused,
    HostTrouble,
    CoordinatorLost,
    CoordinatorBack,
    LeaseLost,
    RouteHarm,
    RolledBack,
    ComparisonStopped,
}

impl NotificationEvent {
    pub(crate) const ALL: [NotificationEvent; 11] = [
        NotificationEvent::JobFailed,
        NotificationEvent::JobQuarantined,
        NotificationEvent::ReviewWaiting,
        NotificationEvent::EnginePaused,
        NotificationEvent::HostTrouble,
        NotificationEvent::CoordinatorLost,
        NotificationEvent::CoordinatorBack,
        NotificationEvent::LeaseLost,
        NotificationEvent::RouteHarm,
        NotificationEvent::RolledBack,
        NotificationEvent::ComparisonStopped,
    ];

    /// As `events` in `aq.toml` has it, and `event` in an object.
    pub(crate) fn name(self) -> &'static str {
        match self {
            NotificationEvent::JobFailed => "job_failed",
            NotificationEvent::JobQuarantined => "job_quarantined",
            NotificationEvent::ReviewWaiting => "review_waiting",
            NotificationEvent::EnginePaused => "engine_paused",
            NotificationEvent::HostTrouble => "host_trouble",
            NotificationEvent::CoordinatorLost => "coordinator_lost",
            NotificationEvent::CoordinatorBack => "coordinator_back",
            NotificationEvent::LeaseLost => "lease_lost",
            NotificationEvent::RouteHarm => "route_harm",
            NotificationEvent::RolledBack => "rolled_back",
            NotificationEvent::ComparisonStopped => "comparison_stopped",
        }
    }
}

/// One event. A member that does not apply to it is left out of the object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct EventNotification {
    pub(crate) event: NotificationEvent,
    /// When it happened: RFC 3339, UTC, with milliseconds.
    at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    job: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    engine: Option<String>,
    /// A code.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    /// A sentence for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<String>,
    /// When it is over, where that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    until: Option<String>,
}

impl EventNotification {
    pub(crate) fn now(event: NotificationEvent) -> EventNotification {
        EventNotification {
            event,
            at: instant(Timestamp::now()),
            job: None,
            engine: None,
            reason: None,
            detail: None,
            until: None,
        }
    }

    pub(crate) fn of_job(self, job: &JobId) -> EventNotification {
        let job = Some(job.to_string());
        EventNotification { job, ..self }
    }

    pub(crate) fn of_engine(self, engine: &EngineName) -> EventNotification {
        let engine = Some(engine.to_string());
        EventNotification { engine, ..self }
    }

    pub(crate) fn because(self, code: &str, detail: &str) -> EventNotification {
        let detail: String = detail.chars().take(DETAIL_CHARACTERS_MAX).collect();
        EventNotification {
            reason: Some(code.to_owned()).filter(|code| !code.is_empty()),
            detail: Some(detail).filter(|detail| !detail.is_empty()),
            ..self
        }
    }

    pub(crate) fn because_of(self, reason: &JobReason) -> EventNotification {
        let detail = reason.detail.as_deref().unwrap_or_default();
        self.because(&reason.code.to_string(), detail)
    }

    pub(crate) fn until(self, at: Timestamp) -> EventNotification {
        let until = Some(instant(at));
        EventNotification { until, ..self }
    }
}

/// An object as it is written: who tells it, and what was dropped before it.
#[derive(Debug, Serialize)]
pub(crate) struct NotificationObject<'a> {
    #[serde(flatten)]
    pub(crate) notification: &'a EventNotification,
    /// The name of this host.
    pub(crate) host: &'a str,
    /// The queue folder.
    pub(crate) queue: &'a str,
    /// How many were dropped since the object before this one.
    #[serde(skip_serializing_if = "is_zero")]
    pub(crate) dropped: u64,
}

// serde hands over a reference.
fn is_zero(count: &u64) -> bool {
    *count == 0
}

fn instant(at: Timestamp) -> String {
    format!("{at:.3}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job_reason::ReasonCode;

    /// The names in the first column of the tables that have this title there.
    fn listed(title: &str) -> Vec<String> {
        let page = include_str!("../../docs/monitoring.md");
        let table = page.split(&format!("| {title} |")).nth(1).unwrap();
        let rows = table.split("\n\n").next().unwrap().lines();
        let names = rows.filter_map(|row| row.strip_prefix("| `")?.split_once('`'));
        names.map(|(name, _)| name.to_owned()).collect()
    }

    #[test]
    fn the_page_lists_each_event_and_each_member_and_no_other() {
        let names = NotificationEvent::ALL.map(NotificationEvent::name);
        assert_eq!(listed("event"), names);
        let job = JobId::new("a").unwrap();
        let notification = EventNotification::now(NotificationEvent::EnginePaused)
            .of_job(&job)
            .of_engine(&EngineName::new("claude").unwrap())
            .because_of(&ReasonCode::UsageLimit.with("x".repeat(2000)))
            .until(Timestamp::UNIX_EPOCH);
        let object = NotificationObject {
            notification: &notification,
            host: "h",
            queue: "/q",
            dropped: 2,
        };
        let json = serde_json::to_value(object).unwrap();
        let mut members: Vec<&String> = json.as_object().unwrap().keys().collect();
        members.sort();
        let mut told = listed("member");
        told.sort();
        assert_eq!(members, told.iter().collect::<Vec<_>>());
        assert_eq!(json["event"], NotificationEvent::EnginePaused.name());
        assert_eq!(json["until"], "1970-01-01T00:00:00.000Z");
        assert_eq!(json["detail"].as_str().unwrap().len(), 1000);
    }

    #[test]
    fn an_event_is_called_the_same_in_settings_and_in_objects() {
        for event in NotificationEvent::ALL {
            assert_eq!(serde_json::to_value(event).unwrap(), event.name());
        }
    }
}
