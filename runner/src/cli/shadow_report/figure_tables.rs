//! Prints the figures of a shadow log for people: counts, rates, the last disagreements, and which evidence there is.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::PathBuf;

use crate::shadow::report::{EpochSummary, EvidencePart, ShadowFigures, ShadowReport};
use crate::terminal::{ColorChoice, TextTable, counted, escape_control, percent};

pub(super) fn print(
    out: &mut impl Write,
    palette: ColorChoice,
    logs: &[PathBuf],
    report: &ShadowReport,
) -> io::Result<()> {
    let figures = &report.figures;
    for path in logs {
        let shown = escape_control(&path.display().to_string());
        writeln!(out, "{} {shown}", palette.dim("shadow log"))?;
    }
    if let EvidencePart::Chosen(what) = &figures.part {
        writeln!(out, "{} {what}", palette.dim("part of it"))?;
    }
    writeln!(out)?;
    let mut table = TextTable::new(&["VERDICT", "COUNT", "MEANING"]);
    for (name, count, meaning) in verdict_rows(figures) {
        let meaning = match name {
            "DIVERGE" if !figures.reasons.is_empty() => format!("{meaning}: {}", listed(&figures.reasons)),
            _ => meaning.to_owned(),
        };
        table.row([name.to_owned(), count.to_string(), meaning]);
    }
    table.write(out, |row, column, cell| match (row, column) {
        (0, _) | (_, 2) => palette.dim(&cell),
        (_, 0) => palette.bold(&cell),
        _ => cell,
    })?;
    writeln!(out)?;
    print_facts(out, palette, figures)?;
    print_divergences(out, palette, figures)?;
    print_epochs(out, palette, &report.epochs)?;
    print_notes(out, palette, report)
}

/// One epoch of one factory that tells nothing is all there is to say of an old log.
fn print_epochs(out: &mut impl Write, palette: ColorChoice, epochs: &[EpochSummary]) -> io::Result<()> {
    if epochs.len() < 2 && epochs.iter().all(|epoch| epoch.policy.is_none()) {
        return Ok(());
    }
    let heading = palette
        .dim("epochs of the evidence, the one seen last at the end; only the present ones are counted");
    writeln!(out, "\n{heading}")?;
    let mut table = TextTable::new(&["EPOCH", "FACTORY", "COORDINATOR", "FROM", "TO", "AGREE", ""]);
    let or_dash = |text: &Option<String>| text.clone().unwrap_or_else(|| String::from("-"));
    for epoch in epochs {
        let name = match epoch.restarts {
            0 => epoch.epoch.clone(),
            restarts => format!("{} (restart {restarts})", epoch.epoch),
        };
        table.row([
            name,
            epoch.factory.clone(),
            or_dash(&epoch.policy),
            or_dash(&epoch.first),
            or_dash(&epoch.last),
            format!("{} of {}", epoch.agree, epoch.of),
            String::from(if epoch.is_current { "present" } else { "" }),
        ]);
    }
    table.write_plain(out, palette)
}

/// What people wrote into the log: each later report says it.
fn print_notes(out: &mut impl Write, palette: ColorChoice, report: &ShadowReport) -> io::Result<()> {
    let when = |at: &Option<String>| {
        at.clone()
            .unwrap_or_else(|| String::from("at a time that is not known"))
    };
    for (label, notes) in [("restarted ", &report.restarts), ("left out  ", &report.left_out)] {
        for note in notes {
            writeln!(out, "{} {}: {}", palette.dim(label), when(&note.at), note.text)?;
        }
    }
    for found in &report.acknowledgements {
        let until = match (found.counts, found.until) {
            (true, None) => String::new(),
            (true, Some(until)) => format!(", until {until}"),
            (false, until) => until.map_or_else(String::new, |until| format!(", over since {until}")),
        };
        let (decision, reason) = (&found.decision, &found.reason);
        writeln!(out, "{} {decision}{until}: {reason}", palette.dim("acknowledged"))?;
    }
    Ok(())
}

fn print_facts(out: &mut impl Write, palette: ColorChoice, figures: &ShadowFigures) -> io::Result<()> {
    let (agreement, coverage) = (&figures.agreement, &figures.coverage);
    let fact = |label: &str| palette.dim(&format!("{label:<10}"));
    let counted = |count: u64, what| counted(u32::try_from(count).unwrap_or(u32::MAX), what);
    for (label, rate, part, of) in [
        (
            "agreement",
            agreement.rate,
            agreement.agree,
            counted(agreement.of, "comparison"),
        ),
        (
            "coverage",
            coverage.rate,
            coverage.compared,
            counted(coverage.of, "decision") + " compared",
        ),
    ] {
        let rate = percent(rate);
        writeln!(out, "{} {rate}  {part} of {of}", fact(label))?;
    }
    for (label, counts) in [("errors", &figures.errors), ("skipped", &figures.skipped)] {
        if !counts.is_empty() {
            writeln!(out, "{} {}", fact(label), listed(counts))?;
        }
    }
    if figures.lines.unreadable > 0 {
        let (unreadable, read) = (figures.lines.unreadable, figures.lines.read);
        let label = fact("unreadable");
        writeln!(out, "{label} {unreadable} of {read} lines, passed over")?;
    }
    if figures.pruned_parts > 0 {
        let since = figures.span.first().map_or_else(String::new, |first| {
            format!(", what is counted begins at {first}")
        });
        let (label, count) = (fact("pruned"), figures.pruned_parts);
        writeln!(out, "{label} {count} of the oldest parts of the log{since}")?;
    }
    Ok(())
}

fn print_divergences(out: &mut impl Write, palette: ColorChoice, figures: &ShadowFigures) -> io::Result<()> {
    if figures.divergences.is_empty() {
        return Ok(());
    }
    let heading = palette.dim("the last that did not agree, oldest first");
    writeln!(out, "\n{heading}")?;
    let mut table = TextTable::new(&["WHEN", "VERDICT", "LOCAL", "COORDINATOR", "REASON", "DECISION"]);
    let or_dash = |text: &Option<String>| text.clone().unwrap_or_else(|| String::from("-"));
    for found in &figures.divergences {
        table.row([
            found.ts.clone(),
            found.verdict.to_string(),
            or_dash(&found.local_job),
            or_dash(&found.coord_job),
            or_dash(&found.reason),
            or_dash(&found.decision),
        ]);
    }
    table.write_plain(out, palette)
}

/// Each verdict, how often it was found, and what it means.
pub(super) fn verdict_rows(figures: &ShadowFigures) -> [(&'static str, u64, &'static str); 4] {
    let verdicts = &figures.verdicts;
    [
        ("AGREE", verdicts.agree, "both named the same job"),
        ("DIVERGE", verdicts.diverge, "they named different jobs"),
        (
            "COORD_EMPTY",
            verdicts.coord_empty,
            "the coordinator had nothing for what ran here",
        ),
        (
            "LOCAL_EMPTY",
            verdicts.local_empty,
            "the coordinator offered work to an idle queue",
        ),
    ]
}

fn listed(counts: &BTreeMap<String, u64>) -> String {
    let counts = counts.iter();
    let parts = counts.map(|(name, count)| format!("{} {count}", escape_control(name)));
    parts.collect::<Vec<_>>().join(", ")
}
