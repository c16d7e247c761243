//! What a weekend prints: its counts, and what was wrong with all that led to it.

use std::collections::BTreeMap;
use std::fmt::{Display, Write};
use std::time::Duration;

use super::final_checks::FinalCounts;
use super::outage::OutageKind;
use super::weekend_course::CourseCounts;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WeekendReport {
    pub seed: u64,
    pub jobs: usize,
    pub took: Duration,
    pub course: CourseCounts,
    pub final_counts: FinalCounts,
    pub wrong: Vec<String>,
    /// What the runner said last, where something was wrong.
    pub last_lines: Vec<String>,
}

/// So much of what is wrong is shown.
const WRONG_MAX: usize = 20;

/// The report in words.
pub fn render(report: &WeekendReport) -> String {
    let (course, counts) = (&report.course, &report.final_counts);
    let mut text = format!(
        "a weekend of {} jobs from seed {} in {:.1} s\n",
        report.jobs,
        report.seed,
        report.took.as_secs_f64()
    );
    let by_word = |kinds: &BTreeMap<OutageKind, u64>| listed(kinds.iter().map(|(kind, n)| (kind.word(), n)));
    let runners = format!(
        "{} runners, {} of them in shadow mode",
        course.runners, course.shadowing
    );
    let lines = [
        ("jobs", listed(&counts.ends)),
        ("outages", by_word(&course.outages)),
        ("pauses", listed(&course.pauses)),
        ("starts", format!("{}; {runners}", listed(&counts.starts))),
        ("put back uncounted", listed(&counts.uncounted)),
        ("put back counted", listed(&counts.counted)),
        ("begun again, cut off by", by_word(&counts.cut_off)),
        ("begun again, done before", by_word(&counts.repeated)),
        ("people typed", listed(&course.commands)),
        ("batches refused", course.refused_batches.to_string()),
    ];
    for (name, value) in lines {
        let _ = writeln!(text, "  {name:<25} {value}");
    }
    for what in report.wrong.iter().take(WRONG_MAX) {
        let _ = writeln!(text, "WRONG: {what}");
    }
    if report.wrong.len() > WRONG_MAX {
        let _ = writeln!(text, "and {} more", report.wrong.len() - WRONG_MAX);
    }
    for line in &report.last_lines {
        let _ = writeln!(text, "  aq| {line}");
    }
    if report.wrong.is_empty() {
        let _ = writeln!(
            text,
            "no job was lost, none was run twice, none failed for the host's fault"
        );
    }
    text
}

fn listed<N: Display, C: Display>(counts: impl IntoIterator<Item = (N, C)>) -> String {
    let parts: Vec<String> = counts
        .into_iter()
        .map(|(name, count)| format!("{count} {name}"))
        .collect();
    match parts.is_empty() {
        true => "none".to_owned(),
        false => parts.join(", "),
    }
}
