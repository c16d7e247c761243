//! The shadow log: every line well formed, every decision logged once, and exactly what the scenario expects.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::{CheckFindings, assertion};
use crate::evidence::RunEvidence;
use crate::scenario::expect::{ExpectedShadowError, ExpectedVerdict};
use crate::scenario::{FlagState, FleetMode, Scenario};

const VERDICTS: [&str; 4] = ["AGREE", "DIVERGE", "COORD_EMPTY", "LOCAL_EMPTY"];
const REASONS: [&str; 11] = [
    "invalid",
    "stale_view",
    "unknown",
    "finished",
    "running",
    "lock_held",
    "caps",
    "tie",
    "not_mirrored",
    "order",
    "unexplained",
];

pub(super) fn check(scenario: &Scenario, seen: &RunEvidence, findings: &mut CheckFindings) {
    let expect = &scenario.expect;
    if scenario.mode() != FleetMode::Shadow && !has_seeded_log(scenario) {
        let lines: Vec<&String> = seen.shadow_log.lines.iter().map(|line| &line.text).collect();
        assertion("no-shadow-log", findings).none("no line in the shadow log", &lines);
    }
    if !has_seeded_log(scenario) {
        assertion("log-lines", findings).none("whole lines, an object each", &malformed(seen));
        assertion("one-outcome", findings).none("one outcome line a decision", &duplicate_decisions(seen));
    }
    if let Some(expected) = expect.decisions {
        let decisions = objects(seen)
            .filter(|object| text(object, "decision").is_some())
            .count();
        assertion("decisions", findings).equal(&expected, &decisions);
    }
    if let Some(expected) = expect.epochs {
        assertion("evidence", findings).none("each verdict says what it is evidence of", &untold(seen));
        assertion("evidence", findings).equal(&expected, &epochs(seen).len());
    }
    compare(scenario, seen, findings);
}

/// The epochs of the verdicts.
fn epochs(seen: &RunEvidence) -> BTreeSet<String> {
    let verdicts = objects(seen).filter(|object| text(object, "verdict").is_some());
    verdicts.filter_map(|object| text(object, "epoch")).collect()
}

/// Verdicts that do not say of which coordinator, factory and kind of job they are.
fn untold(seen: &RunEvidence) -> Vec<String> {
    let is_epoch = |epoch: String| {
        let is_digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        epoch.len() == 16 && epoch.bytes().all(is_digit)
    };
    let lacks = |object: &Map<String, Value>| {
        if !text(object, "epoch").is_some_and(is_epoch) {
            Some("`epoch` is not 16 hexadecimal digits")
        } else if text(object, "factory").is_none() {
            Some("it lacks `factory`")
        } else if text(object, "localJob").is_some() && text(object, "engine").is_none() {
            Some("it lacks `engine`")
        } else if text(object, "localJob").is_some() && !object.get("lock").is_some_and(Value::is_boolean) {
            Some("`lock` is neither true nor false")
        } else {
            None
        }
    };
    let verdicts = numbered(seen).filter(|(_, object)| text(object, "verdict").is_some());
    let found = verdicts.filter_map(|(line, object)| Some(format!("line {}: {}", line + 1, lacks(object)?)));
    found.collect()
}

/// Each part of the log against what is expected of it.
fn compare(scenario: &Scenario, seen: &RunEvidence, findings: &mut CheckFindings) {
    let described = read(scenario, seen);
    let free_order = is_any_order(scenario);
    for (part, expected) in expected(scenario) {
        let Some(mut expected) = expected else {
            continue;
        };
        let observed = described.iter().filter(|described| described.part == part);
        let mut observed: Vec<String> = observed.map(|described| described.text.clone()).collect();
        if free_order == FlagState::On {
            expected.sort();
            observed.sort();
        }
        assertion(part, findings).equal(&expected, &observed);
    }
}

/// What each part of the log has to hold, where that is described.
pub(crate) fn expected(scenario: &Scenario) -> [(&'static str, Option<Vec<String>>); 4] {
    let expect = &scenario.expect;
    let verdicts = expect.part(&expect.verdicts);
    let errors = expect.part(&expect.errors);
    [
        (
            "verdicts",
            verdicts.map(|verdicts| verdicts.iter().map(show_verdict).collect()),
        ),
        (
            "errors",
            errors.map(|errors| errors.iter().map(show_error).collect()),
        ),
        ("skipped", expect.part(&expect.skipped)),
        ("events", expect.part(&expect.events)),
    ]
}

/// The log of a scenario that brings its own is not the runner's work alone.
pub(crate) fn has_seeded_log(scenario: &Scenario) -> bool {
    let runner = &scenario.runner;
    let repeated = runner.repeated.iter().map(|file| &file.file);
    runner
        .files
        .keys()
        .chain(repeated)
        .any(|name| name.contains("fleet-shadow.log"))
}

/// With more than one worker, lines come in any order.
pub(crate) fn is_any_order(scenario: &Scenario) -> FlagState {
    let arguments = &scenario.runner.args;
    let many = arguments
        .iter()
        .zip(arguments.iter().skip(1))
        .any(|(name, value)| name == "--workers" && value.parse::<u32>().is_ok_and(|workers| workers > 1));
    if many { FlagState::On } else { FlagState::Off }
}

fn malformed(seen: &RunEvidence) -> Vec<String> {
    let mut wrong: Vec<String> = Vec::new();
    if !seen.shadow_log.closed {
        wrong.push("the last line lacks its newline".into());
    }
    for line in &seen.shadow_log.lines {
        let fault = match &line.object {
            None => Some("is no JSON object".to_owned()),
            Some(object) => fault_of(object),
        };
        wrong.extend(fault.map(|fault| format!("line {} {fault}: {}", line.number, line.text)));
    }
    wrong
}

fn fault_of(object: &Map<String, Value>) -> Option<String> {
    for key in ["ts", "localJob", "coordJob", "verdict"] {
        if !object.contains_key(key) {
            return Some(format!("lacks `{key}`"));
        }
    }
    let instant = text(object, "ts").and_then(|ts| ts.parse::<jiff::Timestamp>().ok());
    if instant.is_none() {
        return Some("has a `ts` that is no RFC 3339 instant".into());
    }
    match text(object, "verdict") {
        None => None,
        Some(verdict) if !VERDICTS.contains(&verdict.as_str()) => {
            Some(format!("has an unknown verdict `{verdict}`"))
        }
        Some(verdict) => match (verdict.as_str(), text(object, "reason")) {
            ("DIVERGE", Some(reason)) if REASONS.contains(&reason.as_str()) => None,
            ("DIVERGE", _) => Some("is a DIVERGE without a known `reason`".into()),
            _ => None,
        },
    }
}

fn duplicate_decisions(seen: &RunEvidence) -> Vec<String> {
    let mut decisions: BTreeMap<String, usize> = BTreeMap::new();
    for object in objects(seen) {
        if let Some(decision) = text(object, "decision") {
            *decisions.entry(decision).or_default() += 1;
        }
    }
    let twice = decisions.into_iter().filter(|(_, lines)| *lines > 1);
    twice
        .map(|(decision, lines)| format!("decision {decision} has {lines} lines"))
        .collect()
}

/// A line of the log in the words in which a scenario describes it.
pub(crate) struct DescribedLine {
    /// The part of the description that it belongs to.
    pub(crate) part: &'static str,
    /// Its position in the log, from 0.
    pub(crate) line: usize,
    pub(crate) text: String,
}

pub(crate) fn read(scenario: &Scenario, seen: &RunEvidence) -> Vec<DescribedLine> {
    let expected = scenario.expect.verdicts.as_deref().unwrap_or_default();
    let ranked = expected.iter().any(|verdict| verdict.rank.is_some());
    let wanted = |operation: &str| {
        scenario
            .expect
            .errors_of
            .as_deref()
            .is_none_or(|only| only == operation)
    };
    let mut described = Vec::new();
    let mut verdicts = 0;
    for (line, object) in numbered(seen) {
        let field = |key| text(object, key).unwrap_or_else(|| "null".into());
        let (part, text) = match (text(object, "verdict"), field("event").as_str()) {
            (Some(verdict), _) => {
                let any = expected
                    .get(verdicts)
                    .is_some_and(|verdict| verdict.coord.as_deref() == Some("*"));
                verdicts += 1;
                let verdict = ExpectedVerdict {
                    local: text(object, "localJob"),
                    coord: text(object, "coordJob").map(|coord| if any { "*".into() } else { coord }),
                    verdict,
                    reason: text(object, "reason"),
                    rank: object.get("rank").and_then(Value::as_u64).filter(|_| ranked),
                };
                ("verdicts", show_verdict(&verdict))
            }
            (None, "shadow-error") if wanted(&field("operation")) => {
                let error = ExpectedShadowError {
                    operation: field("operation"),
                    kind: field("kind"),
                };
                ("errors", show_error(&error))
            }
            (None, "shadow-error") => continue,
            (None, "skipped") => ("skipped", field("reason")),
            (None, other) => ("events", other.to_owned()),
        };
        described.push(DescribedLine { part, line, text });
    }
    described
}

/// The objects of the log, each with the position of its line.
pub(crate) fn numbered(seen: &RunEvidence) -> impl Iterator<Item = (usize, &Map<String, Value>)> {
    let lines = seen.shadow_log.lines.iter().enumerate();
    lines.filter_map(|(index, line)| Some((index, line.object.as_ref()?)))
}

fn objects(seen: &RunEvidence) -> impl Iterator<Item = &Map<String, Value>> {
    numbered(seen).map(|(_, object)| object)
}

fn show_verdict(verdict: &ExpectedVerdict) -> String {
    let name = |job: &Option<String>| job.clone().unwrap_or_else(|| "none".into());
    let reason = verdict
        .reason
        .as_ref()
        .map_or(String::new(), |reason| format!(" ({reason})"));
    let rank = verdict.rank.map_or(String::new(), |rank| format!(" rank {rank}"));
    format!(
        "{} local {} coord {}{reason}{rank}",
        verdict.verdict,
        name(&verdict.local),
        name(&verdict.coord)
    )
}

fn show_error(error: &ExpectedShadowError) -> String {
    format!("{} {}", error.operation, error.kind)
}

fn text(object: &Map<String, Value>, key: &str) -> Option<String> {
    object.get(key).and_then(Value::as_str).map(ToOwned::to_owned)
}
