//! `[[step]]`: something that is done to the runner or to its coordinator when something else was seen.
//! A step waits for an event, never for a time.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;
use stub_coordinator::Rule;

use super::duration::DurationText;

/// An action and the event that sets it off. Each must come about, or the scenario is *broken*.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// When it is done.
    pub on: StepTrigger,
    #[serde(rename = "do")]
    pub action: StepAction,
    /// With `running_command`: the exit code that it has to end with; 0 where none is given.
    pub exit: Option<i32>,
}

/// An event: exactly one of `operation`, `answered`, `run`, `term`, `ended`, `verify`, `ship`, `ship_term`,
/// `ship_ended`, `lease_expired`, `command_ended`, `all`.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StepTrigger {
    /// A request of this operation arrived at the coordinator.
    pub operation: Option<String>,
    /// An exchange of this operation is over, answered or not.
    pub answered: Option<String>,
    /// The engine of this job started.
    pub run: Option<String>,
    /// The engine of this job got SIGTERM.
    pub term: Option<String>,
    /// The engine of this job is gone.
    pub ended: Option<String>,
    /// `verify-it` of this job started.
    pub verify: Option<String>,
    /// `ship-it` of this job started.
    pub ship: Option<String>,
    /// `ship-it` of this job got SIGTERM.
    pub ship_term: Option<String>,
    /// `ship-it` of this job is gone.
    pub ship_ended: Option<String>,
    /// The time of the lease on this job was over: nothing had ended it, and nothing renewed it any more.
    pub lease_expired: Option<String>,
    /// The command that the step of this number began has ended.
    pub command_ended: Option<String>,
    /// The how-manyeth of its kind; by default the first.
    pub count: Option<usize>,
    /// The last of several, whichever that is, each written as in `order`: `["run alpha", "run beta"]`.
    pub all: Option<Vec<String>>,
}

/// What is done.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum StepAction {
    /// Moves the fake's manual clock: `"+60s"`.
    Clock(DurationText),
    /// Sends the runner a signal by name: `"TERM"`, `"INT"`, `"HUP"`, `"QUIT"`.
    Signal(String),
    /// Kills the runner (SIGKILL), not what it started.
    Kill,
    /// Stops the runner (SIGSTOP).
    Stop,
    /// Lets a stopped runner go on (SIGCONT).
    Continue,
    /// Arms a rule of the coordinator.
    Arm(Box<Rule>),
    /// Disarms the rule of this id.
    Disarm(String),
    /// Lets what waits at this gate through, and what comes later, until a rule with that gate is armed.
    ReleaseGate(String),
    /// Drops every connection to the coordinator; its state is kept.
    RestartCoordinator,
    /// Sets keys of `[fleet]` in the queue's `aq.toml`.
    Flag(BTreeMap<String, String>),
    /// Releases the fake engines that wait for this name.
    Release(String),
    /// Writes a job's file in `inbox/`, a part at a time, as a slow writer does.
    Write(PartialWrite),
    /// Starts another command of the runner beside the main one: `["ship", "alpha"]`. The same words are replaced
    /// as in `runner.args`.
    Command(Vec<String>),
}

/// A part of a job's file. The first one opens the file anew.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PartialWrite {
    /// The job.
    pub job: String,
    /// Up to the end of this text, and the file stays open. Without it the rest is written, and the file is closed.
    pub to: Option<String>,
}

/// The kinds of event that a step or an `order` can name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum EventKind {
    Arrived,
    Answered,
    Run,
    Term,
    Ended,
    Verify,
    Ship,
    ShipTerm,
    ShipEnded,
    LeaseExpired,
    CommandEnded,
}

impl EventKind {
    pub const ALL: [(&'static str, EventKind); 11] = [
        ("arrived", EventKind::Arrived),
        ("answered", EventKind::Answered),
        ("run", EventKind::Run),
        ("term", EventKind::Term),
        ("ended", EventKind::Ended),
        ("verify", EventKind::Verify),
        ("ship", EventKind::Ship),
        ("ship_term", EventKind::ShipTerm),
        ("ship_ended", EventKind::ShipEnded),
        ("lease_expired", EventKind::LeaseExpired),
        ("command_ended", EventKind::CommandEnded),
    ];

    /// Whether it needs a coordinator.
    pub fn is_the_coordinators(self) -> bool {
        matches!(
            self,
            EventKind::Arrived | EventKind::Answered | EventKind::LeaseExpired
        )
    }

    pub fn name(self) -> &'static str {
        Self::ALL
            .iter()
            .find(|(_, kind)| *kind == self)
            .map_or("", |(name, _)| name)
    }
}

/// An event as an `order` names it: the `ordinal`th of this kind about this subject.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ScenarioEvent {
    pub kind: EventKind,
    pub subject: String,
    pub ordinal: usize,
}

impl ScenarioEvent {
    /// `KIND SUBJECT` or `KIND SUBJECT#ORDINAL`.
    pub fn parse(text: &str) -> Option<ScenarioEvent> {
        let (kind, subject) = text.split_once(' ')?;
        let kind = EventKind::ALL.iter().find(|(name, _)| *name == kind)?.1;
        let (subject, ordinal) = match subject.split_once('#') {
            Some((subject, ordinal)) => (subject, ordinal.parse().ok().filter(|ordinal| *ordinal > 0)?),
            None => (subject, 1),
        };
        (!subject.is_empty()).then(|| ScenarioEvent {
            kind,
            subject: subject.to_owned(),
            ordinal,
        })
    }
}

impl StepTrigger {
    /// What has to have been seen, or `None` where that is not exactly one of the kinds, or written wrongly.
    pub fn events(&self) -> Option<Vec<ScenarioEvent>> {
        let named = [
            (EventKind::Arrived, &self.operation),
            (EventKind::Answered, &self.answered),
            (EventKind::Run, &self.run),
            (EventKind::Term, &self.term),
            (EventKind::Ended, &self.ended),
            (EventKind::Verify, &self.verify),
            (EventKind::Ship, &self.ship),
            (EventKind::ShipTerm, &self.ship_term),
            (EventKind::ShipEnded, &self.ship_ended),
            (EventKind::LeaseExpired, &self.lease_expired),
            (EventKind::CommandEnded, &self.command_ended),
        ];
        let mut given = named.iter().filter_map(|(kind, subject)| {
            Some(ScenarioEvent {
                kind: *kind,
                subject: subject.as_deref()?.to_owned(),
                ordinal: self.count.unwrap_or(1),
            })
        });
        match (given.next(), given.next(), &self.all) {
            (Some(event), None, None) => Some(vec![event]),
            (None, None, Some(all)) if self.count.is_none() && !all.is_empty() => {
                all.iter().map(|text| ScenarioEvent::parse(text)).collect()
            }
            _ => None,
        }
    }
}
