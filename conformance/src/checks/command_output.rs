//! How the commands ended and what they printed.

use super::{CheckFindings, assertion};
use crate::evidence::{CommandRun, RunEvidence};
use crate::scenario::Scenario;
use crate::scenario::expect::{ExpectedOutput, OutputStream};
use crate::supervise::ProcessExit;

pub(super) fn check(scenario: &Scenario, seen: &RunEvidence, findings: &mut CheckFindings) {
    let expect = &scenario.expect;
    let late = seen
        .all_commands()
        .filter(|command| command.exit == ProcessExit::Deadline);
    let late: Vec<String> = late
        .map(|command| format!("`{}`", command.arguments.join(" ")))
        .collect();
    assertion("ends-in-time", findings).none("every command ends by itself", &late);
    let ending = expect
        .exit_signal
        .map_or(ProcessExit::Code(expect.exit), ProcessExit::Signal);
    assertion("exit", findings).equal(&ending, &seen.main().exit);
    let exits: Vec<ProcessExit> = seen.commands.iter().skip(1).map(|command| command.exit).collect();
    if !exits.is_empty() {
        let expected = match &expect.exits {
            Some(codes) => codes.iter().map(|code| ProcessExit::Code(*code)).collect(),
            None => vec![ProcessExit::Code(0); exits.len()],
        };
        assertion("exits", findings).equal(&expected, &exits);
    }
    for beside in &seen.beside {
        let expected = scenario.steps.get(beside.step - 1).and_then(|step| step.exit);
        assertion("step-exit", findings)
            .equal(&ProcessExit::Code(expected.unwrap_or(0)), &beside.command.exit);
    }
    for text in &expect.output {
        let Some(command) = command_of(seen, text) else {
            continue;
        };
        let lines = lines_with(command, text);
        let stream = match text.stream {
            OutputStream::Stdout => "standard output",
            OutputStream::Stderr => "standard error",
            OutputStream::Both => "its output",
        };
        let (holds, times) = match text.times {
            Some(times) => (lines == times, format!("on {times} lines")),
            None => (lines > 0, "on a line".to_owned()),
        };
        let expected = format!(
            "`{}` has {:?} {times} of {stream}",
            command.arguments.join(" "),
            text.contains
        );
        let observed = format!("on {lines} lines");
        assertion("output", findings).holds(holds, &expected, observed);
    }
    if let (Some(expected), Some(report)) = (&expect.report, &seen.report) {
        assertion("report-exit", findings).equal(&ProcessExit::Code(0), &report.exit);
        let printed = serde_json::from_str(&report.stdout).unwrap_or(serde_json::Value::Null);
        let expected = serde_json::to_value(expected).expect("TOML without dates is JSON");
        let wrong = differences("", &expected, &printed);
        assertion("report", findings).none(&expected.to_string(), &wrong);
    }
}

/// None of a step that never came about, which is found elsewhere.
fn command_of<'a>(seen: &'a RunEvidence, text: &ExpectedOutput) -> Option<&'a CommandRun> {
    match text.step {
        None => seen.commands.get(text.command),
        Some(step) => {
            let begun = seen.beside.iter().find(|beside| beside.step == step);
            begun.map(|beside| &beside.command)
        }
    }
}

fn lines_with(command: &CommandRun, text: &ExpectedOutput) -> usize {
    let streams: &[&str] = match text.stream {
        OutputStream::Stdout => &[&command.stdout],
        OutputStream::Stderr => &[&command.stderr],
        OutputStream::Both => &[&command.stdout, &command.stderr],
    };
    streams
        .iter()
        .flat_map(|stream| stream.lines())
        .filter(|line| line.contains(&text.contains))
        .count()
}

/// Where `printed` lacks or contradicts a field of `expected`; fields that are not expected are free.
fn differences(at: &str, expected: &serde_json::Value, printed: &serde_json::Value) -> Vec<String> {
    use serde_json::Value;
    match (expected, printed) {
        (Value::Object(fields), Value::Object(given)) => {
            let wrong = fields.iter().flat_map(|(key, value)| {
                let at = format!("{at}.{key}");
                match given.get(key) {
                    Some(given) => differences(&at, value, given),
                    None => vec![format!("{at} is missing, expected {value}")],
                }
            });
            wrong.collect()
        }
        (Value::Array(items), Value::Array(given)) if items.len() == given.len() => {
            let pairs = items.iter().zip(given).enumerate();
            pairs
                .flat_map(|(index, (item, given))| differences(&format!("{at}[{index}]"), item, given))
                .collect()
        }
        (Value::Number(number), Value::Number(given)) if number.as_f64() == given.as_f64() => Vec::new(),
        _ if expected == printed => Vec::new(),
        _ => vec![format!("{at} is {printed}, expected {expected}")],
    }
}
