//! What a scenario compares stands in the contract: a runner that keeps the contract to the letter passes, whatever its
//! sentences are.
//!
//! Codes are held against the lists of the contract pages. A text that a runner has to print is either part of what the
//! scenario itself gave it (a job, a file, a setting) or stands on the page.

#[expect(dead_code, reason = "other test binaries use the rest of it")]
mod common;

use std::collections::BTreeSet;

use conformance::scenario::expect::ExpectTable;
use conformance::scenario::scenario_files;
use toml::{Table, Value};

const RUNNER_CONTRACT: &str = include_str!("../../../docs/runner-contract.md");
const COORDINATOR_API: &str = include_str!("../../../docs/coordinator-api.json");

/// Texts that follow from what the scenario gave the runner and are no part of it: scenario, text, why.
const DERIVED: &[(&str, &str, &str)] = &[
    (
        "offline/approved-from-elsewhere",
        "/work/plain",
        "the folder `plain` where the harness starts runners",
    ),
    (
        "offline/signals-at-the-start",
        "HUP: 129",
        "printed by the job's shell: 128 and the signal",
    ),
    ("offline/signals-at-the-start", "INT: 130", "the same"),
    ("offline/signals-at-the-start", "PIPE: 141", "the same"),
    ("report/gate-almost", "448", "the decisions of its log"),
];

/// The words of the contract, by what they are.
struct ContractWords {
    /// `(code, kinds)` of the table of reasons.
    reasons: Vec<(String, String)>,
    /// Whatever stands between backticks.
    quoted: BTreeSet<String>,
    operations: BTreeSet<String>,
    coordinator_stages: BTreeSet<String>,
}

impl ContractWords {
    fn read() -> ContractWords {
        let section = RUNNER_CONTRACT
            .split("\n## Reasons\n")
            .nth(1)
            .expect("the list of reasons");
        let section = section.split("\n## ").next().unwrap_or_default();
        let row = |line: &str| {
            let (code, rest) = line.strip_prefix("| `")?.split_once("` | ")?;
            let (kinds, _) = rest.split_once(" |")?;
            Some((code.to_owned(), kinds.to_owned()))
        };
        let api: serde_json::Value = serde_json::from_str(COORDINATOR_API).expect("the API document");
        let paths = api["paths"].as_object().expect("paths");
        let methods = paths
            .values()
            .flat_map(|path| path.as_object().expect("methods").values());
        let operations = methods.filter_map(|method| method["operationId"].as_str().map(str::to_owned));
        let stages = api["components"]["schemas"]["Stage"]["enum"]
            .as_array()
            .expect("stages");
        ContractWords {
            reasons: section.lines().filter_map(row).collect(),
            quoted: RUNNER_CONTRACT
                .split('`')
                .skip(1)
                .step_by(2)
                .map(str::to_owned)
                .collect(),
            operations: operations.collect(),
            coordinator_stages: stages
                .iter()
                .filter_map(|stage| stage.as_str().map(str::to_owned))
                .collect(),
        }
    }

    fn is_reason(&self, word: &str, is_kind: impl Fn(&str) -> bool) -> bool {
        let kinds = self.reasons.iter().filter(|(code, _)| code == word);
        kinds.flat_map(|(_, kinds)| kinds.split(", ")).any(is_kind)
    }

    fn is_of_job(&self, word: &str) -> bool {
        self.is_reason(word, |kind| !["skipped", "diverged"].contains(&kind))
    }

    fn is_error_kind(&self, word: &str) -> bool {
        let is_status =
            |number: &str| number.len() == 3 && number.bytes().all(|digit| digit.is_ascii_digit());
        self.quoted.contains(word)
            || self.quoted.contains("status-NNN") && word.strip_prefix("status-").is_some_and(is_status)
    }

    /// What is compared of a log or a record, and stands nowhere.
    fn unknown_codes(&self, expect: &ExpectTable) -> Vec<String> {
        let mut unknown = Vec::new();
        let mut hold = |what: &str, word: &str, is_known: bool| {
            if !is_known {
                unknown.push(format!("{what} `{word}`"));
            }
        };
        for reason in expect.reasons.values().chain(expect.reported.values()) {
            hold("reason", reason, self.is_of_job(reason));
        }
        for reason in expect.skipped.iter().flatten() {
            hold(
                "reason of skipping",
                reason,
                self.is_reason(reason, |kind| kind == "skipped"),
            );
        }
        for verdict in expect.verdicts.iter().flatten() {
            hold(
                "verdict",
                &verdict.verdict,
                RUNNER_CONTRACT.contains(&verdict.verdict),
            );
            if let Some(reason) = &verdict.reason {
                let is_known = self.is_reason(reason, |kind| kind == "diverged");
                hold("reason of a divergence", reason, is_known);
            }
        }
        for error in expect.errors.iter().flatten() {
            hold(
                "operation",
                &error.operation,
                self.operations.contains(&error.operation),
            );
            hold("error", &error.kind, self.is_error_kind(&error.kind));
        }
        for event in expect.events.iter().flatten() {
            hold("event", event, self.quoted.contains(event));
        }
        for stage in expect.coordinator_stages.values() {
            hold(
                "stage at the coordinator",
                stage,
                self.coordinator_stages.contains(stage),
            );
        }
        for operation in expect.calls.keys().chain(&expect.errors_of) {
            hold("operation", operation, self.operations.contains(operation));
        }
        let report = expect.report.iter().flatten();
        for (part, counts) in report.filter_map(|(part, counts)| Some((part, counts.as_table()?))) {
            for word in counts.keys() {
                let is_known = match part.as_str() {
                    "reasons" => self.is_reason(word, |kind| kind == "diverged"),
                    "skipped" => self.is_reason(word, |kind| kind == "skipped"),
                    "errors" => self.is_error_kind(word),
                    _ => RUNNER_CONTRACT.contains(word.as_str()),
                };
                hold(part, word, is_known);
            }
        }
        unknown
    }
}

/// All texts and numbers of a scenario but for what it expects.
fn given(mut scenario: Table) -> String {
    fn gather(value: &Value, all: &mut String) {
        match value {
            Value::Table(table) => table.iter().for_each(|(key, value)| {
                *all += &format!("{key}\n");
                gather(value, all);
            }),
            Value::Array(values) => values.iter().for_each(|value| gather(value, all)),
            Value::String(text) => *all += &format!("{text}\n"),
            other => *all += &format!("{other}\n"),
        }
    }
    scenario.remove("expect");
    scenario.remove("title");
    let mut all = String::new();
    gather(&Value::Table(scenario), &mut all);
    all
}

/// The name of a file in which something is wrong, without the line.
fn without_line(text: &str) -> &str {
    match text.split_once(".md:") {
        Some((_, line)) => &text[..text.len() - line.len() - 1],
        None => text,
    }
}

#[test]
fn whatever_a_scenario_compares_stands_in_the_contract() {
    let words = ContractWords::read();
    let found = scenario_files::all(&common::scenarios()).expect("scenarios");
    let (mut objections, mut excused, mut compared) = (Vec::new(), BTreeSet::new(), 0);
    for file in found {
        let expect = file.read().expect("a readable scenario").expect;
        let text = std::fs::read_to_string(&file.path).expect("a readable scenario");
        let given = given(text.parse().expect("TOML"));
        let unknown = words.unknown_codes(&expect);
        objections.extend(unknown.into_iter().map(|what| format!("{}: {what}", file.id)));
        // What must not be printed is no demand to print it.
        for output in expect.output.iter().filter(|output| output.times != Some(0)) {
            let text = output.contains.as_str();
            let derived = DERIVED
                .iter()
                .position(|(id, derived, _)| (*id, *derived) == (&file.id, text));
            let is_known = RUNNER_CONTRACT.contains(text) || words.is_error_kind(text);
            if !given.contains(without_line(text)) && !is_known && derived.is_none() {
                objections.push(format!("{}: text `{text}`", file.id));
            }
            excused.extend(derived);
            compared += 1;
        }
        compared += expect.reasons.len() + expect.reported.len();
    }
    assert!(
        objections.is_empty(),
        "these stand neither in docs/runner-contract.md nor in docs/coordinator-api.json; compare a code, or add what a \
         runner has to write to the contract:\n{}",
        objections.join("\n")
    );
    assert_eq!(excused.len(), DERIVED.len(), "an exception that is none any more");
    assert!(compared > 100, "only {compared} words were compared");
}
