//! The table of a run: a line a scenario, the failures' stories, the times, and the counts as last line.

use std::fmt::Write;
use std::time::Duration;

use super::Colour;
use crate::verdict::{Outcome, Verdict};

/// The whole report, ending in the line `N passed, N failed`.
pub fn render(verdicts: &[Verdict], total: Duration, colour: Colour) -> String {
    let mut text = String::new();
    for verdict in verdicts.iter().filter(|verdict| !verdict.story.is_empty()) {
        let heading = format!("── {} {}", verdict.outcome.word(), verdict.id);
        let _ = writeln!(text, "{}\n{}", colour.paint("1;31", &heading), verdict.story);
    }
    let id_width = width(verdicts.iter().map(|verdict| verdict.id.as_str()), "scenario");
    let clauses: Vec<String> = verdicts.iter().map(|verdict| verdict.clauses.join(" ")).collect();
    let clause_width = width(clauses.iter().map(String::as_str), "clauses");
    let _ = writeln!(
        text,
        "{:id_width$}  {:clause_width$}  {:7}  {:>8}",
        "scenario", "clauses", "verdict", "time"
    );
    for (verdict, clauses) in verdicts.iter().zip(&clauses) {
        let word = colour.paint(
            colour_of(verdict.outcome),
            &format!("{:7}", verdict.outcome.word()),
        );
        let took = format!("{} ms", verdict.took.as_millis());
        let _ = writeln!(
            text,
            "{:id_width$}  {clauses:clause_width$}  {word}  {took:>8}",
            verdict.id
        );
    }
    text.push('\n');
    text.push_str(&times(verdicts, total));
    text.push_str(&counts(verdicts));
    text
}

/// Total time, and what the cheapest scenario cost: what the harness itself costs.
fn times(verdicts: &[Verdict], total: Duration) -> String {
    let cheapest = verdicts.iter().min_by_key(|verdict| verdict.took);
    let cheapest = cheapest.map_or(String::new(), |verdict| {
        format!(
            "; the cheapest scenario, {}, took {} ms",
            verdict.id,
            verdict.took.as_millis()
        )
    });
    format!(
        "{} scenarios in {:.1} s{cheapest}\n",
        verdicts.len(),
        total.as_secs_f64()
    )
}

fn counts(verdicts: &[Verdict]) -> String {
    let count = |outcome| {
        verdicts
            .iter()
            .filter(|verdict| verdict.outcome == outcome)
            .count()
    };
    let failed = count(Outcome::Fail) + count(Outcome::Broken);
    let mut text = String::new();
    if count(Outcome::Broken) > 0 {
        let _ = writeln!(
            text,
            "{} of the failed are broken: they say nothing of the runner",
            count(Outcome::Broken)
        );
    }
    if count(Outcome::KnownFailure) > 0 {
        let _ = writeln!(text, "{} known failures", count(Outcome::KnownFailure));
    }
    if count(Outcome::NotApplicable) > 0 {
        let _ = writeln!(text, "{} not applicable", count(Outcome::NotApplicable));
    }
    let _ = writeln!(text, "{} passed, {failed} failed", count(Outcome::Pass));
    text
}

fn width<'a>(cells: impl Iterator<Item = &'a str>, heading: &str) -> usize {
    cells
        .map(|cell| cell.chars().count())
        .max()
        .unwrap_or(0)
        .max(heading.len())
}

fn colour_of(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Pass => "32",
        Outcome::NotApplicable | Outcome::KnownFailure => "33",
        Outcome::Fail | Outcome::Broken => "1;31",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(id: &str, outcome: Outcome) -> Verdict {
        Verdict {
            id: id.into(),
            title: "t".into(),
            clauses: vec!["S-1".into()],
            outcome,
            findings: vec![],
            took: Duration::from_millis(12),
            story: String::new(),
        }
    }

    #[test]
    fn the_last_line_counts_what_passed_and_what_did_not() {
        let verdicts = [
            verdict("a/b", Outcome::Pass),
            verdict("a/c", Outcome::Fail),
            verdict("a/d", Outcome::Broken),
        ];
        let text = render(&verdicts, Duration::from_secs(1), Colour::Off);
        assert_eq!(text.lines().last(), Some("1 passed, 2 failed"));
        assert!(!text.contains('\u{1b}'), "no colour was asked for");
    }
}
