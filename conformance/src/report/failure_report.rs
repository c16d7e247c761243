//! All that is needed to understand one failure, as text: mismatches first, then commands and their output,
//! folder, shadow log, and what happened, in order of time.

use std::fmt::Write;

use crate::diagnosis::first_difference::FirstDifference;
use crate::diagnosis::run_trace::{CommandTrace, RunTrace};
use crate::outcome::{Finding, Outcome};
use crate::printable_text::{cut, escape_control};

/// The failure report of a scenario that did not pass.
pub fn render(
    title: &str,
    findings: &[Finding],
    differences: &[FirstDifference],
    traces: &[RunTrace],
) -> String {
    let mut text = format!("{title}\n\n");
    for finding in findings.iter().filter(|finding| finding.outcome.is_bad()) {
        mismatch(&mut text, finding);
    }
    for (index, difference) in differences.iter().enumerate() {
        write_difference(&mut text, difference, index);
    }
    for trace in traces {
        write_run_trace(&mut text, trace);
    }
    escape_control(&text)
}

fn mismatch(text: &mut String, finding: &Finding) {
    let clauses = finding.clauses.join(" ");
    let whose = if finding.outcome == Outcome::Broken {
        "broken check"
    } else {
        "check"
    };
    let _ = writeln!(text, "{whose} `{}` ({clauses})", finding.check);
    let _ = writeln!(text, "  expected  {}", indented(&finding.expected));
    let _ = writeln!(text, "  observed  {}\n", indented(&finding.observed));
}

fn write_difference(text: &mut String, difference: &FirstDifference, index: usize) {
    let words = if index == 0 {
        "first difference"
    } else {
        "another difference"
    };
    let _ = writeln!(text, "{words} {}: {}", difference.when(), difference.place);
    let _ = writeln!(text, "  expected  {}", difference.expected);
    let _ = writeln!(text, "  seen      {}\n", difference.seen);
}

fn write_run_trace(text: &mut String, trace: &RunTrace) {
    let folder = trace
        .kept
        .as_ref()
        .map_or(String::new(), |path| format!(" (kept in {path})"));
    let _ = writeln!(text, "{}{folder}", trace.name);
    for run in &trace.commands {
        command(text, run);
    }
    let _ = writeln!(text, "  folder\n    {}", trace.folder.join("\n    "));
    let _ = writeln!(text, "  shadow log");
    for line in &trace.log {
        let _ = writeln!(text, "    {line}");
    }
    let _ = writeln!(text, "  what happened");
    for event in &trace.events {
        let at_ms = event.at_us as f64 / 1e3;
        let _ = writeln!(text, "    {at_ms:>8.1} ms  {}", cut(&event.what, 300));
    }
    if trace.events_left_out > 0 {
        let _ = writeln!(text, "    … and {} more", trace.events_left_out);
    }
    text.push('\n');
}

fn command(text: &mut String, run: &CommandTrace) {
    let _ = writeln!(text, "  $ {}", run.line);
    let _ = writeln!(text, "    {} after {} ms", run.ended, run.took_ms);
    if run.lines_left_out > 0 {
        let _ = writeln!(text, "    … {} lines before", run.lines_left_out);
    }
    for (name, lines) in [("out", &run.out), ("err", &run.err)] {
        for line in lines {
            let _ = writeln!(text, "    {name}| {line}");
        }
    }
}

fn indented(text: &str) -> String {
    cut(text, 6_000).replace('\n', "\n            ")
}
