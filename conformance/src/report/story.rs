//! All that is needed to understand one failure: mismatches first, then commands and their output, folder,
//! shadow log, and what the stand-ins and the fake saw, in order of time.

use std::fmt::Write;
use std::time::Instant;

use stub_coordinator::Exchange;

use super::harmless;
use crate::observed::{CommandRun, Evidence, Observed};
use crate::profile::Profile;
use crate::scenario::Scenario;
use crate::verdict::{Finding, Outcome};

const STREAM_LINES: usize = 40;
const TIMELINE_LIMIT: usize = 120;

/// The story of a scenario that did not pass.
pub fn tell(
    id: &str,
    scenario: &Scenario,
    evidence: &Evidence,
    findings: &[Finding],
    profile: &Profile,
) -> String {
    let mut text = format!("{}\n\n", scenario.title);
    for finding in findings
        .iter()
        .filter(|finding| matches!(finding.outcome, Outcome::Fail | Outcome::Broken))
    {
        mismatch(&mut text, finding);
    }
    observed(&mut text, "the run", &evidence.run, profile);
    if let Some(offline) = &evidence.offline {
        observed(&mut text, "the same run at AQ_FLEET=0", offline, profile);
    }
    if let Some(paired) = &evidence.paired {
        observed(&mut text, "the same run with a fleet", paired, profile);
    }
    let _ = writeln!(
        text,
        "run it alone, its folder kept:\n  cargo run -p conformance -- run {id} --keep"
    );
    harmless(&text)
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

fn observed(text: &mut String, name: &str, seen: &Observed, profile: &Profile) {
    let folder = seen
        .kept
        .as_ref()
        .map_or(String::new(), |path| format!(" (kept in {})", path.display()));
    let _ = writeln!(text, "{name}{folder}");
    for run in seen.all_commands() {
        command(text, run, profile);
    }
    let _ = writeln!(text, "  folder\n    {}", seen.tree.join("\n    "));
    let _ = writeln!(text, "  shadow log");
    for line in &seen.shadow_log.lines {
        let _ = writeln!(text, "    {}", cut(&line.text, 400));
    }
    timeline(text, seen);
    text.push('\n');
}

fn command(text: &mut String, run: &CommandRun, profile: &Profile) {
    let arguments = run.arguments.join(" ");
    let _ = writeln!(text, "  $ {} {arguments}", profile.name);
    let _ = writeln!(text, "    ended {:?} after {} ms", run.exit, run.took.as_millis());
    for (name, stream) in [("out", &run.stdout), ("err", &run.stderr)] {
        let lines: Vec<&str> = stream.lines().collect();
        let left_out = lines.len().saturating_sub(STREAM_LINES);
        if left_out > 0 {
            let _ = writeln!(text, "    {name}| … {left_out} lines before");
        }
        for line in &lines[left_out..] {
            let _ = writeln!(text, "    {name}| {}", cut(line, 400));
        }
    }
}

/// What the stand-ins did and what the fake saw, merged.
fn timeline(text: &mut String, seen: &Observed) {
    let mut moments: Vec<(Instant, String)> = Vec::new();
    for run in &seen.runs {
        let job = run.job.as_deref().unwrap_or("(no job)");
        moments.push((
            run.started,
            format!("{} starts for {job} {:?}", run.tool, run.hello.arguments),
        ));
        let how = run
            .exit
            .map_or("was ended".to_owned(), |code| format!("exits {code}"));
        moments.extend(
            run.ended
                .map(|ended| (ended, format!("{} for {job} {how}", run.tool))),
        );
    }
    for exchange in &seen.coordinator.journal {
        moments.push((exchange.arrived, arrival(exchange)));
        moments.extend(
            exchange
                .completed
                .map(|completed| (completed, completion(exchange))),
        );
    }
    moments.sort_by_key(|(at, _)| *at);
    let _ = writeln!(text, "  what happened");
    let Some((first, _)) = moments.first() else {
        let _ = writeln!(text, "    nothing that stand-ins or the fake could see");
        return;
    };
    for (at, what) in moments.iter().take(TIMELINE_LIMIT) {
        let _ = writeln!(
            text,
            "    {:>8.1} ms  {}",
            at.duration_since(*first).as_secs_f64() * 1e3,
            cut(what, 300)
        );
    }
    if moments.len() > TIMELINE_LIMIT {
        let _ = writeln!(text, "    … and {} more", moments.len() - TIMELINE_LIMIT);
    }
}

fn arrival(exchange: &Exchange) -> String {
    let operation = exchange.operation.as_deref().unwrap_or("(unknown)");
    let body = exchange
        .request_body
        .as_ref()
        .map_or(String::new(), |body| format!(" {body}"));
    format!("→ #{} {operation}{body}", exchange.seq)
}

fn completion(exchange: &Exchange) -> String {
    let status = exchange
        .wire_answer
        .as_ref()
        .map_or("no answer".to_owned(), |answer| answer.status.to_string());
    let fault = exchange
        .fault
        .as_ref()
        .map_or(String::new(), |fault| format!(" by fault {fault}"));
    let mutated = if exchange.mutated {
        ", real state changed"
    } else {
        ""
    };
    format!(
        "← #{} {:?} {status}{fault}{mutated}",
        exchange.seq, exchange.outcome
    )
}

fn indented(text: &str) -> String {
    cut(text, 6_000).replace('\n', "\n            ")
}

/// Cut to so many characters, with a mark where something is missing.
fn cut(text: &str, limit: usize) -> String {
    match text.char_indices().nth(limit) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
