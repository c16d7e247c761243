//! What GitHub Actions shows of a run: annotations at the scenario's line, and the summary of the step. What a
//! runner printed must not be taken for a workflow command, so these are switched off while its text is printed.

use std::fmt::Write;

use super::run_record::RunRecord;
use crate::case_result::CaseResult;
use crate::exit_codes::HarnessExit;
use crate::outcome::Outcome;
use crate::printable_text::{cut, escape_control};

/// GitHub shows so many errors of a step; the last of them says how many more there are.
const ANNOTATIONS: usize = 10;
/// A summary of a step may have a MiB.
const SUMMARY_BYTES: usize = 900_000;

/// Switches workflow commands off until `resume` with the same word.
pub fn pause(word: &str) -> String {
    format!("::stop-outcome::{word}\n")
}

/// Switches them on again.
pub fn resume(word: &str) -> String {
    format!("::{word}::\n")
}

/// An annotation for each failure, and one for a run that is not green by no case's fault.
pub fn annotations(record: &RunRecord, root: Option<&str>) -> String {
    let gravest = record.by_severity();
    let failed: Vec<&&CaseResult> = gravest.iter().filter(|case| case.outcome.is_bad()).collect();
    let mut text = String::new();
    let shown = match failed.len() > ANNOTATIONS {
        true => ANNOTATIONS - 1,
        false => failed.len(),
    };
    for case in &failed[..shown] {
        text.push_str(&annotation(case, root));
    }
    if failed.len() > shown {
        let more = failed.len() - shown;
        let _ = writeln!(
            text,
            "::error title=conformance::{more} more failed; the summary of this step has them all"
        );
    }
    if let (Some(objection), true) = (record.objection(), record.exit() != HarnessExit::Holds) {
        let command = if failed.is_empty() { "error" } else { "warning" };
        let _ = writeln!(text, "::{command} title=conformance::{}", data(&objection));
    }
    for case in gravest
        .iter()
        .filter(|case| case.outcome == Outcome::KnownFailure)
    {
        let (id, reason) = (property(&case.id), data(&case.reason()));
        let _ = writeln!(text, "::notice title=known failure in {id}::{reason}");
    }
    text
}

fn annotation(case: &CaseResult, root: Option<&str>) -> String {
    let place = case.place.as_ref().map_or(String::new(), |place| {
        let file = root
            .and_then(|root| place.file.strip_prefix(root))
            .unwrap_or(&place.file);
        let file = file.trim_start_matches('/');
        format!("file={},line={},", property(file), place.line)
    });
    let mut message = format!("{}\n", case.title);
    for finding in case.bad() {
        let _ = writeln!(
            message,
            "{} ({}): expected {}, observed {}",
            finding.check,
            finding.clauses.join(" "),
            cut(&finding.expected, 300),
            cut(&finding.observed, 300)
        );
    }
    if !case.replay.is_empty() {
        let _ = write!(message, "run it alone: {}", case.replay);
    }
    let title = format!("{} {}", case.outcome.word(), case.id);
    format!("::error {place}title={}::{}\n", property(&title), data(&message))
}

/// The summary of the step, in Markdown: counts, what failed, and each failure to be unfolded.
pub fn summary(record: &RunRecord) -> String {
    let counts = record.counts();
    let sign = if record.exit() == HarnessExit::Holds {
        "✅"
    } else {
        "❌"
    };
    let failed = counts.failed + counts.broken;
    let mut text = format!("## {sign} Conformance of {}\n\n", cell(&record.started.subject));
    if let Some(objection) = record.objection() {
        let _ = writeln!(text, "**{}**\n", cell(&objection));
    }
    let _ = writeln!(text, "{} passed, {failed} failed\n", counts.passed);
    let _ = writeln!(text, "| outcome | scenarios |\n|---|---:|");
    for (outcome, count) in counts.by_outcome() {
        let _ = writeln!(text, "| {} | {count} |", outcome.replace('-', " "));
    }
    let gravest = record.by_severity();
    let not_passed = |case: &&&CaseResult| {
        matches!(
            case.outcome,
            Outcome::Fail | Outcome::Broken | Outcome::KnownFailure
        )
    };
    let mut heading = "\n| | scenario | clauses | why |\n|---|---|---|---|\n";
    for case in gravest.iter().filter(not_passed) {
        let (word, id) = (case.outcome.word(), cell(&case.id));
        let (clauses, why) = (cell(&case.clauses.join(" ")), cell(&cut(&case.reason(), 300)));
        let _ = writeln!(text, "{heading}| {word} | {id} | {clauses} | {why} |");
        heading = "";
    }
    let mut left_out = 0;
    for case in gravest
        .iter()
        .filter(not_passed)
        .filter(|case| !case.failure_report.is_empty())
    {
        let details = details(case);
        match text.len() + details.len() <= SUMMARY_BYTES {
            true => text.push_str(&details),
            false => left_out += 1,
        }
    }
    if left_out > 0 {
        let _ = writeln!(
            text,
            "\n{left_out} more stories don't fit here; the HTML report has them."
        );
    }
    text
}

/// A failure report in a fence that nothing in it can close.
fn details(case: &CaseResult) -> String {
    let failure_report = cut(
        &format!("{}\nrun it alone:\n  {}", case.failure_report, case.replay),
        40_000,
    );
    let longest = failure_report
        .split(|character| character != '`')
        .map(str::len)
        .max()
        .unwrap_or(0);
    let fence = "`".repeat(longest.max(2) + 1);
    format!(
        "\n<details><summary>{} {}</summary>\n\n{fence}text\n{failure_report}\n{fence}\n\n</details>\n",
        case.outcome.word(),
        cell(&case.id)
    )
}

/// A message of a workflow command.
fn data(text: &str) -> String {
    escape_control(text)
        .replace('%', "%25")
        .replace('\r', "%0D")
        .replace('\n', "%0A")
}

/// A property of a workflow command.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

/// Text in a table's cell: no markup, no new column, no new line.
fn cell(text: &str) -> String {
    let mut cell = String::new();
    for character in escape_control(text).chars() {
        match character {
            '&' => cell.push_str("&amp;"),
            '<' => cell.push_str("&lt;"),
            '>' => cell.push_str("&gt;"),
            '\n' | '\t' => cell.push(' '),
            '|' | '\\' | '`' | '*' | '_' | '[' | ']' | '~' | '#' | '!' | '@' => {
                let _ = write!(cell, "&#{};", u32::from(character));
            }
            character => cell.push(character),
        }
    }
    cell
}
