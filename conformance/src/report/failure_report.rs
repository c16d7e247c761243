//! All that is needed to understand one failure, as text: mismatches first, then commands and their output,
//! folder, shadow log, and what happened, in order of time.

use std::fmt::Write;

use super::first_difference::FirstDifference;
use super::run_trace::{CommandTrace, RunTrace};
use super::{cut, escape_control};
use crate::outcome::{Finding, Outcome};

/// The story of a scenario that did not pass.
pub fn tell(
    title: &str,
    findings: &[Finding],
    partings: &[FirstDifference],
    accounts: &[RunTrace],
) -> String {
    let mut text = format!("{title}\n\n");
    for finding in findings
        .iter()
        .filter(|finding| matches!(finding.outcome, Outcome::Fail | Outcome::Broken))
    {
        mismatch(&mut text, finding);
    }
    for (index, parting) in partings.iter().enumerate() {
        part(&mut text, parting, index);
    }
    for account in accounts {
        write_run_trace(&mut text, account);
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

fn part(text: &mut String, parting: &FirstDifference, index: usize) {
    let words = if index == 0 { "they part" } else { "and" };
    let _ = writeln!(text, "{words} {}: {}", parting.when(), parting.place);
    let _ = writeln!(text, "  expected  {}", parting.expected);
    let _ = writeln!(text, "  seen      {}\n", parting.seen);
}

fn write_run_trace(text: &mut String, account: &RunTrace) {
    let folder = account
        .kept
        .as_ref()
        .map_or(String::new(), |path| format!(" (kept in {path})"));
    let _ = writeln!(text, "{}{folder}", account.name);
    for run in &account.commands {
        command(text, run);
    }
    let _ = writeln!(text, "  folder\n    {}", account.folder.join("\n    "));
    let _ = writeln!(text, "  shadow log");
    for line in &account.log {
        let _ = writeln!(text, "    {line}");
    }
    let _ = writeln!(text, "  what happened");
    for moment in &account.moments {
        let at_ms = moment.at_us as f64 / 1e3;
        let _ = writeln!(text, "    {at_ms:>8.1} ms  {}", cut(&moment.what, 300));
    }
    if account.moments_left_out > 0 {
        let _ = writeln!(text, "    … and {} more", account.moments_left_out);
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
