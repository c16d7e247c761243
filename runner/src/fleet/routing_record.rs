//! What routing met with, as it is kept on the disk, shown to people and handed to programs (clauses F-20 and F-21).

use std::path::Path;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::routing_harm::{HarmKind, RoutingHarm};
use super::wire;
use crate::queue::read_routing_text;
use crate::terminal;

/// What a person does when aq has gone back.
pub(crate) const NEXT_STEPS: &str = "see with `aq fleet-status` what is wrong with the coordinator; `aq fleet-recall \
     --all` takes back what waits there; to route again, write route_via_service = true under [fleet] in aq.toml";

/// Since routing began last. Runners that route write it; none where nothing was met with.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct RoutingRecord {
    /// The last harm of each kind, the newest last.
    pub(crate) harm: Vec<HarmRecord>,
    /// That ROUTE was turned off by aq.
    pub(crate) rolled_back: Option<RollbackRecord>,
    /// Why ROUTE is on still, although `[fleet] rollback` says `act`.
    pub(crate) obstacle: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct HarmRecord {
    pub(crate) kind: HarmKind,
    /// RFC 3339, UTC.
    pub(crate) at: String,
    pub(crate) job: Option<String>,
    pub(crate) detail: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RollbackRecord {
    pub(crate) kind: HarmKind,
    /// RFC 3339, UTC.
    pub(crate) at: String,
    pub(crate) reach: RollbackReach,
}

/// How long ROUTE stays off if nobody does anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum RollbackReach {
    /// `aq.toml` says it.
    SettingsFile,
    /// To the end of the run that met with the harm.
    OneRun,
}

impl RoutingRecord {
    /// Of the queue at that place; none where nothing was met with, or nothing can be read.
    pub(crate) fn of_queue(queue_dir: &Path) -> Option<RoutingRecord> {
        RoutingRecord::parse(&read_routing_text(queue_dir).ok()?)
    }

    /// None where nothing was met with, and of a text of another version.
    fn parse(text: &str) -> Option<RoutingRecord> {
        let record: RoutingRecord = serde_json::from_str(text).ok()?;
        (record != RoutingRecord::default()).then_some(record)
    }

    pub(crate) fn note(&mut self, harm: &RoutingHarm, now: Timestamp) {
        self.harm.retain(|earlier| earlier.kind != harm.kind);
        self.harm.push(HarmRecord {
            kind: harm.kind,
            at: wire::instant(now),
            job: harm.job.as_ref().map(ToString::to_string),
            detail: harm.detail.clone(),
        });
    }

    pub(crate) fn note_rollback(&mut self, kind: HarmKind, reach: RollbackReach, now: Timestamp) {
        self.obstacle = None;
        self.rolled_back = Some(RollbackRecord {
            kind,
            at: wire::instant(now),
            reach,
        });
    }

    /// For people: a label and a sentence each, what is to be done first.
    pub(crate) fn lines(&self) -> Vec<(&'static str, String)> {
        let rolled_back = self.rolled_back.iter().map(|back| {
            let reach = match back.reach {
                RollbackReach::SettingsFile => "aq.toml says so now",
                RollbackReach::OneRun => "for the rest of that run alone, because something hides aq.toml",
            };
            let (ago, kind) = (terminal::ago(&back.at), back.kind);
            let text = format!("{ago} ago aq turned ROUTE off by itself ({kind}): {reach}; {NEXT_STEPS}");
            ("went back", text)
        });
        let obstacle = self.obstacle.iter().map(|why| {
            let text = format!("ROUTE is on still, although `rollback` under [fleet] says `act`: {why}");
            ("no way back", text)
        });
        let harm = self.harm.iter().map(|harm| {
            let detail = terminal::escape_control(&harm.detail);
            (
                "harm",
                format!("{} ago ({}): {detail}", terminal::ago(&harm.at), harm.kind),
            )
        });
        rolled_back.chain(obstacle).chain(harm).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn harm(kind: HarmKind, detail: &str) -> RoutingHarm {
        RoutingHarm {
            kind,
            job: None,
            detail: detail.to_owned(),
        }
    }

    #[test]
    fn the_last_harm_of_each_kind_is_kept_and_survives_the_way_through_a_file() {
        let mut record = RoutingRecord::default();
        assert_eq!(
            RoutingRecord::parse(&serde_json::to_string(&record).unwrap()),
            None
        );
        let now = Timestamp::UNIX_EPOCH;
        record.note(&harm(HarmKind::Running, "first"), now);
        record.note(&harm(HarmKind::Unreachable, "second"), now);
        record.note(&harm(HarmKind::Running, "third"), now);
        record.obstacle = Some(String::from("it is read-only"));
        record.note_rollback(HarmKind::Running, RollbackReach::SettingsFile, now);
        let details: Vec<&str> = record.harm.iter().map(|harm| harm.detail.as_str()).collect();
        assert_eq!(
            (details, record.obstacle.is_none()),
            (vec!["second", "third"], true)
        );
        let text = serde_json::to_string(&record).unwrap();
        assert_eq!(RoutingRecord::parse(&text), Some(record));
        assert_eq!(RoutingRecord::parse("half a li"), None);
    }

    #[test]
    fn people_read_first_that_aq_went_back_and_what_to_do() {
        let mut record = RoutingRecord::default();
        record.note(&harm(HarmKind::LostLeases, "two\nleases"), Timestamp::now());
        record.note_rollback(HarmKind::LostLeases, RollbackReach::OneRun, Timestamp::now());
        let lines = record.lines();
        assert_eq!(lines[0].0, "went back");
        assert!(lines[0].1.contains("lost_leases") && lines[0].1.contains("aq fleet-recall"));
        assert!(lines[1].1.contains("two\\nleases"), "{lines:?}");
    }
}
