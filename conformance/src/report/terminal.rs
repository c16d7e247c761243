//! What a person sees: a line a verdict as it falls, above a bar where there is a terminal, and at the end only
//! what matters, which is whatever did not pass. The last line is `N passed, N failed`.

use std::fmt::Write;
use std::io::IsTerminal;

use indicatif::{ProgressBar, ProgressStyle};

use super::event::{Case, Event};
use super::record::Record;
use super::{Colour, harmless};
use crate::stdio;
use crate::verdict::Outcome;

/// Which verdicts get a line as they fall.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lines {
    All,
    NotPassed,
    /// None, as standard output belongs to a program.
    None,
}

/// The progress of a run.
#[derive(Debug)]
pub struct Terminal {
    bar: ProgressBar,
    colour: Colour,
    lines: Lines,
}

impl Terminal {
    /// With a bar if standard error is a terminal.
    pub fn new(lines: Lines) -> Terminal {
        Terminal {
            bar: ProgressBar::hidden(),
            colour: Colour::of_stdout(),
            lines,
        }
    }

    /// Shows what an event changes.
    pub fn take(&mut self, event: &Event) {
        match event {
            Event::RunStarted(started) if std::io::stderr().is_terminal() => {
                self.bar = ProgressBar::new(started.cases.len() as u64);
                let style = ProgressStyle::with_template("{bar:32} {pos}/{len}  {msg}");
                self.bar
                    .set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
            }
            Event::RunStarted(_) => {}
            Event::CaseStarted { id } => self.bar.set_message(harmless(id)),
            Event::CaseEnded(case) => {
                self.bar.inc(1);
                let told = match self.lines {
                    Lines::All => true,
                    Lines::NotPassed => !matches!(case.outcome, Outcome::Pass | Outcome::NotApplicable),
                    Lines::None => false,
                };
                if told {
                    let line = line(case, self.colour);
                    self.bar.suspend(|| stdio::put(&line));
                }
            }
            Event::RunEnded(_) => self.bar.finish_and_clear(),
        }
    }
}

/// What is left to say at the end, with the counts as last line.
pub fn summary(record: &Record, colour: Colour) -> String {
    let mut text = String::from("\n");
    let failed = |case: &&&Case| matches!(case.outcome, Outcome::Fail | Outcome::Broken);
    let gravest = record.gravest_first();
    for case in gravest.iter().filter(failed) {
        let heading = format!("── {} {}", case.outcome.word(), harmless(&case.id));
        let _ = writeln!(
            text,
            "{}\n{}",
            colour.paint("1;31", &heading),
            harmless(&case.story)
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
        let _ = writeln!(text, "         {}", harmless(&case.reason()));
    }
    text.push_str(&times(record));
    text.push_str(&counts(record, colour));
    text
}

/// A verdict in a line.
fn line(case: &Case, colour: Colour) -> String {
    let word = colour.paint(colour_of(case.outcome), &format!("{:7}", case.outcome.word()));
    let clauses = case.clauses.join(" ");
    format!(
        "{word} {:>7} ms  {}  {}\n",
        case.took_ms,
        harmless(&case.id),
        colour.paint("2", &harmless(&clauses))
    )
}

/// Total time, and what the cheapest scenario cost: what the harness itself costs.
fn times(record: &Record) -> String {
    let took_ms = record.ended.as_ref().map_or(0, |ended| ended.took_ms);
    let cheapest = record.cases.iter().filter(|case| case.outcome == Outcome::Pass);
    let cheapest = cheapest.min_by_key(|case| case.took_ms);
    let cheapest = cheapest.map_or(String::new(), |case| {
        format!("; the cheapest, {}, took {} ms", harmless(&case.id), case.took_ms)
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

fn counts(record: &Record, colour: Colour) -> String {
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
