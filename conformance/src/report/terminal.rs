//! The output for a person: a line a verdict as soon as it is there, above a bar where there is a terminal, and at the end only
//! what matters, which is whatever did not pass. The last line is `N passed, N failed`.

use std::fmt::Write;
use std::io::IsTerminal;

use indicatif::{ProgressBar, ProgressStyle};

use super::ColourChoice;
use super::event_stream::RunEvent;
use super::run_record::RunRecord;
use crate::case_result::CaseResult;
use crate::outcome::Outcome;
use crate::printable_text::escape_control;
use crate::stdio;

/// Which verdicts get a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VerdictLines {
    All,
    NotPassed,
    /// None, as standard output belongs to a program.
    None,
}

/// The progress of a run.
#[derive(Debug)]
pub struct TerminalReporter {
    bar: ProgressBar,
    colour: ColourChoice,
    lines: VerdictLines,
}

impl TerminalReporter {
    /// With a bar if standard error is a terminal.
    pub fn new(lines: VerdictLines) -> TerminalReporter {
        TerminalReporter {
            bar: ProgressBar::hidden(),
            colour: ColourChoice::of_stdout(),
            lines,
        }
    }

    /// Shows what an event changes.
    pub fn take(&mut self, event: &RunEvent) {
        match event {
            RunEvent::RunStarted(started) if std::io::stderr().is_terminal() => {
                self.bar = ProgressBar::new(started.cases.len() as u64);
                let style = ProgressStyle::with_template("{bar:32} {pos}/{len}  {msg}");
                self.bar
                    .set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
            }
            RunEvent::RunStarted(_) => {}
            RunEvent::CaseStarted { id } => self.bar.set_message(escape_control(id)),
            RunEvent::CaseEnded(case) => {
                self.bar.inc(1);
                let described = match self.lines {
                    VerdictLines::All => true,
                    VerdictLines::NotPassed => {
                        !matches!(case.outcome, Outcome::Pass | Outcome::NotApplicable)
                    }
                    VerdictLines::None => false,
                };
                if described {
                    let line = line(case, self.colour);
                    self.bar.suspend(|| stdio::write_stdout(&line));
                }
            }
            RunEvent::RunEnded(_) => self.bar.finish_and_clear(),
        }
    }
}

/// What is left to say at the end, with the counts as last line.
pub fn summary(record: &RunRecord, colour: ColourChoice) -> String {
    let mut text = String::from("\n");
    let failed = |case: &&&CaseResult| case.outcome.is_bad();
    let gravest = record.by_severity();
    for case in gravest.iter().filter(failed) {
        let heading = format!("── {} {}", case.outcome.word(), escape_control(&case.id));
        let _ = writeln!(
            text,
            "{}\n{}",
            colour.paint("1;31", &heading),
            escape_control(&case.failure_report)
        );
        if !case.replay.is_empty() {
            let kept = match case.replay.contains(" --keep") {
                true => ", its folder kept",
                false => "",
            };
            let _ = writeln!(text, "run it alone{kept}:\n  {}\n", case.replay);
        }
    }
    for case in gravest.iter().filter(failed) {
        text.push_str(&line(case, colour));
    }
    for case in gravest
        .iter()
        .filter(|case| case.outcome == Outcome::KnownFailure)
    {
        text.push_str(&line(case, colour));
        let _ = writeln!(text, "         {}", escape_control(&case.reason()));
    }
    text.push_str(&source(record));
    text.push_str(&times(record));
    text.push_str(&counts(record, colour));
    text
}

/// A verdict in a line.
fn line(case: &CaseResult, colour: ColourChoice) -> String {
    let word = colour.paint(colour_of(case.outcome), &format!("{:7}", case.outcome.word()));
    let clauses = case.clauses.join(" ");
    format!(
        "{word} {:>7} ms  {}  {}\n",
        case.took_ms,
        escape_control(&case.id),
        colour.paint("2", &escape_control(&clauses))
    )
}

/// Which scenarios there were to choose from: two runs can differ by that alone.
fn source(record: &RunRecord) -> String {
    let started = &record.started;
    let folder = started
        .scenarios
        .as_deref()
        .map_or("built in".into(), escape_control);
    let line = |found: usize| format!("scenarios: {folder} ({found})\n");
    started.scenarios_found.map_or(String::new(), line)
}

/// Total time, and what the cheapest scenario cost: what the harness itself costs.
fn times(record: &RunRecord) -> String {
    let took_ms = record.ended.as_ref().map_or(0, |ended| ended.took_ms);
    let cheapest = record.cases.iter().filter(|case| case.outcome == Outcome::Pass);
    let cheapest = cheapest.min_by_key(|case| case.took_ms);
    let cheapest = cheapest.map_or(String::new(), |case| {
        format!(
            "; the cheapest, {}, took {} ms",
            escape_control(&case.id),
            case.took_ms
        )
    });
    let shuffled = record
        .started
        .shuffle
        .map_or(String::new(), |seed| format!(", shuffled by {seed}"));
    format!(
        "{} in {:.1} s{shuffled}{cheapest}\n",
        record.cases.len(),
        took_ms as f64 / 1e3
    )
}

fn counts(record: &RunRecord, colour: ColourChoice) -> String {
    let counts = record.counts();
    let mut text = String::new();
    if let Some(objection) = record.objection() {
        let _ = writeln!(text, "{}", colour.paint("1;31", &objection));
    }
    for (count, what) in [
        (
            counts.broken,
            "of the failed are broken: they say nothing of the runner",
        ),
        (counts.known_failures, "known failures"),
        (counts.not_applicable, "not applicable"),
    ] {
        if count > 0 {
            let _ = writeln!(text, "{count} {what}");
        }
    }
    let failed = counts.failed + counts.broken;
    let _ = writeln!(text, "{} passed, {failed} failed", counts.passed);
    text
}

fn colour_of(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Pass => "32",
        Outcome::NotApplicable | Outcome::KnownFailure => "33",
        Outcome::Fail | Outcome::Broken => "1;31",
    }
}
