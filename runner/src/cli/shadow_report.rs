//! `aq fleet-shadow-report`: what the shadow log amounts to, for people and for programs (clauses R-1 to R-3).

mod gate_table;

use std::collections::BTreeMap;
use std::io::{self, BufReader, Write, stdout};
use std::path::Path;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::error::CliError;
use crate::exit_codes::ProgramExit;
use crate::settings::Settings;
use crate::shadow::gate::{self, GateReport, GateVerdict};
use crate::shadow::log::{self, rotation::open_all};
use crate::shadow::report::{ShadowFigures, summarize};
use crate::terminal::{ColorChoice, TextTable, counted, escape_control, percent};

#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  aq fleet-shadow-report --last 3")]
pub(super) struct ShadowReportArguments {
    /// How many of the last comparisons that did not agree are listed
    #[arg(long, value_name = "N", default_value_t = 10)]
    last: usize,
    /// Decide: exit 0 if the coordinator may take over, 1 if not, 3 if that can't be said yet
    #[arg(long)]
    gate: bool,
    #[command(flatten)]
    format: super::OutputFormat,
}

pub(super) fn run(settings: &Settings, arguments: &ShadowReportArguments) -> Result<ProgramExit, CliError> {
    let path = log::path_in(&settings.queue.value);
    let figures = read(&path, arguments.last)?;
    let none = ShadowFigures::default();
    let decide = || gate::decide(figures.as_ref().unwrap_or(&none), &TimeZone::system());
    let gate = arguments.gate.then(decide);
    let mut out = stdout().lock();
    match (arguments.format.json, figures) {
        (true, figures) => print_json(&mut out, &path, figures.as_ref(), gate.as_ref())?,
        (false, Some(figures)) => print(&mut out, ColorChoice::of(&stdout()), &path, &figures)?,
        (false, None) => {
            let shown = escape_control(&path.display().to_string());
            writeln!(
                out,
                "no shadow log yet: {shown} is written by runs with AQ_FLEET=1 AQ_FLEET_SHADOW=1"
            )?;
        }
    }
    let Some(gate) = gate else {
        return Ok(ProgramExit::Done);
    };
    if !arguments.format.json {
        gate_table::print(&mut out, ColorChoice::of(&stdout()), &gate)?;
    }
    Ok(match gate.verdict {
        GateVerdict::Promote => ProgramExit::Done,
        GateVerdict::Hold => ProgramExit::Failed,
        GateVerdict::Inconclusive => ProgramExit::Inconclusive,
    })
}

/// The figures of the log; none if there is no log.
fn read(path: &Path, last: usize) -> Result<Option<ShadowFigures>, CliError> {
    let failed = |source| CliError::Input {
        name: path.display().to_string(),
        source,
    };
    // The kind of file is read before it is opened: opening a pipe would wait for somebody to write to it.
    match path.metadata() {
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
            ) =>
        {
            return Ok(None);
        }
        Err(error) => return Err(failed(error)),
        Ok(metadata) if !metadata.is_file() => return Err(failed(io::Error::other("it is no regular file"))),
        Ok(_) => {}
    }
    let whole = open_all(path).map_err(failed)?;
    let parts = whole.files.into_iter().map(BufReader::new);
    let mut figures = summarize(parts, last, Timestamp::now()).map_err(failed)?;
    figures.pruned_parts = whole.pruned;
    Ok(Some(figures))
}

fn print_json(
    out: &mut impl Write,
    path: &Path,
    figures: Option<&ShadowFigures>,
    gate: Option<&GateReport>,
) -> io::Result<()> {
    let none = ShadowFigures::default();
    let mut value = serde_json::to_value(figures.unwrap_or(&none))?;
    value["log"] = figures.map(|_| path.display().to_string()).into();
    if let Some(gate) = gate {
        value["gate"] = serde_json::to_value(gate)?;
    }
    writeln!(out, "{value}")
}

fn print(out: &mut impl Write, palette: ColorChoice, path: &Path, figures: &ShadowFigures) -> io::Result<()> {
    let shown = escape_control(&path.display().to_string());
    writeln!(out, "{} {shown}\n", palette.dim("shadow log"))?;
    let verdicts = &figures.verdicts;
    let mut table = TextTable::new(&["VERDICT", "COUNT", "MEANING"]);
    for (name, count, meaning) in [
        ("AGREE", verdicts.agree, String::from("both named the same job")),
        ("DIVERGE", verdicts.diverge, diverge_meaning(&figures.reasons)),
        (
            "COORD_EMPTY",
            verdicts.coord_empty,
            String::from("the coordinator had nothing for what ran here"),
        ),
        (
            "LOCAL_EMPTY",
            verdicts.local_empty,
            String::from("the coordinator offered work to an idle queue"),
        ),
    ] {
        table.row([name.to_owned(), count.to_string(), meaning]);
    }
    table.write(out, |row, column, cell| match (row, column) {
        (0, _) | (_, 2) => palette.dim(&cell),
        (_, 0) => palette.bold(&cell),
        _ => cell,
    })?;
    writeln!(out)?;
    print_facts(out, palette, figures)?;
    print_divergences(out, palette, figures)
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
    let mut table = TextTable::new(&["WHEN", "VERDICT", "LOCAL", "COORDINATOR", "REASON"]);
    let or_dash = |text: &Option<String>| text.clone().unwrap_or_else(|| String::from("-"));
    for found in &figures.divergences {
        table.row([
            found.ts.clone(),
            found.verdict.to_string(),
            or_dash(&found.local_job),
            or_dash(&found.coord_job),
            or_dash(&found.reason),
        ]);
    }
    table.write_plain(out, palette)
}

fn diverge_meaning(reasons: &BTreeMap<String, u64>) -> String {
    match reasons.is_empty() {
        true => String::from("they named different jobs"),
        false => format!("they named different jobs: {}", listed(reasons)),
    }
}

fn listed(counts: &BTreeMap<String, u64>) -> String {
    let counts = counts.iter();
    let parts = counts.map(|(name, count)| format!("{} {count}", escape_control(name)));
    parts.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    const LOG: &str = concat!(
        r#"{"ts":"2026-03-02T09:30:45.250Z","event":"comparison","localJob":"a","coordJob":"a","verdict":"AGREE","decision":"1"}"#,
        "\n",
        r#"{"ts":"2026-03-02T09:30:46.250Z","event":"comparison","localJob":"b","coordJob":"c","verdict":"DIVERGE","reason":"order","rank":2,"decision":"2"}"#,
        "\n",
        r#"{"ts":"2026-03-02T09:30:47.250Z","event":"skipped","localJob":"d","coordJob":null,"verdict":null,"reason":"exit","decision":"3"}"#,
        "\n",
        "{\"torn\n",
    );

    fn figures() -> (tempfile::TempDir, ShadowFigures) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        fs::write(&path, LOG).unwrap();
        let figures = read(&path, 10).unwrap().unwrap();
        (folder, figures)
    }

    #[test]
    fn the_table_shows_counts_reasons_rates_and_what_did_not_agree() {
        let (_folder, figures) = figures();
        let mut text = Vec::new();
        print(&mut text, ColorChoice::Plain, Path::new("log"), &figures).unwrap();
        let text = String::from_utf8(text).unwrap();
        for line in [
            "DIVERGE      1      they named different jobs: order 1",
            "agreement  50.0 %  1 of 2 comparisons",
            "coverage   66.6 %  2 of 3 decisions compared",
            "skipped    exit 1",
            "unreadable 1 of 4 lines, passed over",
            "2026-03-02T09:30:46.250Z  DIVERGE  b      c            order",
        ] {
            assert!(text.lines().any(|found| found == line), "{line}\n{text}");
        }
    }

    #[test]
    fn json_has_the_log_beside_the_figures() {
        let (_folder, figures) = figures();
        let mut text = Vec::new();
        print_json(&mut text, Path::new("the/log"), Some(&figures), None).unwrap();
        let value: serde_json::Value = serde_json::from_slice(&text).unwrap();
        let expected = serde_json::json!({
            "log": "the/log",
            "verdicts": {"AGREE": 1, "DIVERGE": 1, "COORD_EMPTY": 0, "LOCAL_EMPTY": 0},
            "reasons": {"order": 1},
            "errors": {},
            "skipped": {"exit": 1},
            "agreement": {"agree": 1, "of": 2, "rate": 0.5},
            "coverage": {"compared": 2, "of": 3, "rate": 2.0 / 3.0},
            "lines": {"read": 4, "unreadable": 1},
            "prunedParts": 0,
            "divergences": [{"ts": "2026-03-02T09:30:46.250Z", "localJob": "b", "coordJob": "c", "verdict": "DIVERGE", "reason": "order"}],
        });
        assert_eq!(value, expected);
    }

    #[test]
    fn no_log_is_no_error_and_its_rates_are_no_numbers() {
        let folder = tempfile::tempdir().unwrap();
        assert!(read(&folder.path().join("none"), 10).unwrap().is_none());
        let mut text = Vec::new();
        print_json(&mut text, Path::new("none"), None, None).unwrap();
        let value: serde_json::Value = serde_json::from_slice(&text).unwrap();
        assert!(value["log"].is_null() && value["agreement"]["rate"].is_null());
        assert!(matches!(read(folder.path(), 10), Err(CliError::Input { .. })));
    }

    #[test]
    fn what_is_nearly_all_is_not_shown_as_all() {
        assert_eq!(percent(Some(0.9999)), "99.9 %");
        assert_eq!(percent(Some(1.0)), "100.0 %");
        assert_eq!(percent(None), "no data");
    }
}
