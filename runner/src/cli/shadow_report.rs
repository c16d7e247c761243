//! `aq fleet-shadow-report`: what shadow logs amount to, for people and for programs (clauses R-1 to R-4).

mod figure_tables;
mod gate_table;

use std::io::{self, Write, stdout};
use std::path::{Path, PathBuf};

use jiff::tz::TimeZone;
use jiff::{Span, Timestamp, civil};

use super::error::CliError;
use super::inside_job_guard::InsideJob;
use crate::duration_text::parse_duration;
use crate::exit_codes::ProgramExit;
use crate::settings::{GatePolicy, PolicyName, Settings};
use crate::shadow::decision_stratum::StratumSelector;
use crate::shadow::gate::{self, GateReport, GateVerdict};
use crate::shadow::log::{self, ShadowLog, ShadowLogLine, rotation::open_all};
use crate::shadow::report::{ReportQuestion, ShadowReport, summarize};
use crate::terminal::{ColorChoice, escape_control};

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  aq fleet-shadow-report --last 3\n  aq fleet-shadow-report --gate\n  aq fleet-shadow-report --gate forge-1.log forge-2.log\n  aq fleet-shadow-report --gate --except engine=codex\n  aq fleet-shadow-report --since 7d"
)]
pub(super) struct ShadowReportArguments {
    /// Logs of several factories, read as one; without any, the queue's own
    #[arg(value_name = "LOG")]
    logs: Vec<PathBuf>,
    /// How many of the last comparisons that did not agree are listed
    #[arg(long, value_name = "N", default_value_t = 10)]
    last: usize,
    /// Count what is from then on: a time ago (7d), a day (2026-03-01), or an instant
    #[arg(long, value_name = "TIME", value_parser = since)]
    since: Option<Timestamp>,
    /// Count this epoch and not the present one
    #[arg(long, value_name = "EPOCH")]
    epoch: Option<String>,
    /// Decide: exit 0 if the coordinator may take over, 1 if not, 3 if that can't be said yet
    #[arg(long)]
    gate: bool,
    /// By these numbers, and not by those of [gate] in aq.toml
    #[arg(long, value_enum, value_name = "NAME", requires = "gate")]
    policy: Option<PolicyName>,
    /// Leave one kind of job out of what has to pass alone, such as engine=codex or engine=codex,lock=yes; it is noted
    /// in the log, and each later report of the epoch says it
    #[arg(long, value_name = "KIND", value_parser = StratumSelector::parse, requires = "gate")]
    except: Option<StratumSelector>,
    #[command(flatten)]
    inside: InsideJob,
    #[command(flatten)]
    format: super::OutputFormat,
}

impl ShadowReportArguments {
    /// A report reads; only what it leaves out is noted.
    pub(super) fn inside_if_noted(&self) -> Option<InsideJob> {
        self.except.is_some().then_some(self.inside)
    }
}

pub(super) fn run(settings: &Settings, arguments: &ShadowReportArguments) -> Result<ProgramExit, CliError> {
    let own = log::path_in(&settings.queue.value);
    let policy = match arguments.policy {
        Some(name) => GatePolicy::named(name),
        None => settings.gate.clone(),
    };
    let question = ReportQuestion {
        last: arguments.last,
        since: arguments.since,
        epoch: arguments.epoch.clone(),
        left_out: arguments.except.clone(),
        agreement_min: policy.agreement_min,
        now: Timestamp::now(),
        zone: TimeZone::system(),
    };
    let logs = match arguments.logs.is_empty() {
        true => vec![own.clone()],
        false => arguments.logs.clone(),
    };
    let report = read(&logs, !arguments.logs.is_empty(), &question)?;
    if let Some(except) = &arguments.except {
        leave_out(settings, arguments, except, report.as_ref())?;
    }
    let none = ShadowReport::default();
    let shown = report.as_ref().unwrap_or(&none);
    let gate = arguments
        .gate
        .then(|| gate::decide(&shown.figures, &policy, &question.zone));
    let mut out = stdout().lock();
    let palette = ColorChoice::of(&stdout());
    match (arguments.format.json, &report) {
        (true, _) => print_json(&mut out, &logs, report.as_ref(), gate.as_ref())?,
        (false, report) => {
            if let Some(gate) = &gate {
                gate_table::print(&mut out, palette, gate)?;
            }
            match report {
                Some(report) => figure_tables::print(&mut out, palette, &logs, report)?,
                None => {
                    let shown = escape_control(&own.display().to_string());
                    writeln!(
                        out,
                        "no shadow log yet: {shown} is written by runs with AQ_FLEET=1 AQ_FLEET_SHADOW=1"
                    )?;
                }
            }
        }
    }
    Ok(match gate.map(|gate| gate.verdict) {
        None | Some(GateVerdict::Promote) => ProgramExit::Done,
        Some(GateVerdict::Hold) => ProgramExit::Failed,
        Some(GateVerdict::Inconclusive) => ProgramExit::Inconclusive,
    })
}

/// The figures of the logs; none if there is no log. One that was named has to be there.
fn read(
    paths: &[PathBuf],
    is_named: bool,
    question: &ReportQuestion,
) -> Result<Option<ShadowReport>, CliError> {
    let (mut logs, mut pruned) = (Vec::new(), 0);
    for path in paths {
        match open(path)? {
            Some(whole) => {
                pruned += whole.pruned;
                logs.push(whole.files);
            }
            None if is_named => return Err(input(path, io::ErrorKind::NotFound.into())),
            None => return Ok(None),
        }
    }
    let first = paths.first().map_or(Path::new("-"), PathBuf::as_path);
    let mut report = summarize(&mut logs, question).map_err(|error| input(first, error))?;
    report.figures.pruned_parts = pruned;
    Ok(Some(report))
}

/// A log with its parts; none if there is none.
pub(super) fn open(path: &Path) -> Result<Option<log::rotation::RotatedLog>, CliError> {
    // The kind of file is read before it is opened: opening a pipe would wait for somebody to write to it.
    match path.metadata() {
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
            ) =>
        {
            Ok(None)
        }
        Err(error) => Err(input(path, error)),
        Ok(metadata) if !metadata.is_file() => Err(input(path, io::Error::other("it is no regular file"))),
        Ok(_) => open_all(path).map(Some).map_err(|error| input(path, error)),
    }
}

pub(super) fn input(path: &Path, source: io::Error) -> CliError {
    CliError::Input {
        name: path.display().to_string(),
        source,
    }
}

/// Notes in the queue's own log what a person leaves out. Of an epoch that may be one kind of job.
fn leave_out(
    settings: &Settings,
    arguments: &ShadowReportArguments,
    except: &StratumSelector,
    report: Option<&ShadowReport>,
) -> Result<(), CliError> {
    let Some(report) = report else { return Ok(()) };
    let name = except.to_string();
    if let Some(other) = report.left_out.iter().find(|note| note.text != name) {
        return Err(CliError::Refused(format!(
            "{} is left out already, and one kind of job may be: `aq fleet-shadow-restart` begins anew",
            other.text
        )));
    }
    let is_noted = !report.left_out.is_empty();
    // Logs of other factories are read only, and a part of the evidence says nothing about all of it.
    if is_noted || !arguments.logs.is_empty() || arguments.since.is_some() || arguments.epoch.is_some() {
        return Ok(());
    }
    ShadowLog::new(settings)
        .try_append(&ShadowLogLine::left_out(&name))
        .map_err(CliError::ShadowLog)
}

fn print_json(
    out: &mut impl Write,
    logs: &[PathBuf],
    report: Option<&ShadowReport>,
    gate: Option<&GateReport>,
) -> io::Result<()> {
    let none = ShadowReport::default();
    let mut value = serde_json::to_value(report.unwrap_or(&none))?;
    let shown = |path: &PathBuf| path.display().to_string();
    value["log"] = report.and(logs.first()).map(shown).into();
    value["logs"] = report.map(|_| logs.iter().map(shown).collect::<Vec<_>>()).into();
    if let Some(gate) = gate {
        value["gate"] = serde_json::to_value(gate)?;
    }
    writeln!(out, "{value}")
}

/// A time ago, a day of the host's calendar, or an instant.
fn since(text: &str) -> Result<Timestamp, String> {
    let ago = parse_duration(text).and_then(|ago| Span::try_from(ago).ok());
    if let Some(ago) = ago {
        return Timestamp::now()
            .checked_sub(ago)
            .map_err(|error| error.to_string());
    }
    if let Ok(day) = text.parse::<civil::Date>() {
        let start = day
            .to_zoned(TimeZone::system())
            .map_err(|error| error.to_string())?;
        return Ok(start.timestamp());
    }
    text.parse().map_err(|_| {
        String::from("write a time ago (7d, 12h), a day (2026-03-01) or an instant (2026-03-01T09:30:00Z)")
    })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::terminal::percent;

    const LOG: &str = concat!(
        r#"{"ts":"2026-03-02T09:30:45.250Z","event":"comparison","localJob":"a","coordJob":"a","verdict":"AGREE","decision":"1"}"#,
        "\n",
        r#"{"ts":"2026-03-02T09:30:46.250Z","event":"comparison","localJob":"b","coordJob":"c","verdict":"DIVERGE","reason":"order","rank":2,"decision":"2"}"#,
        "\n",
        r#"{"ts":"2026-03-02T09:30:47.250Z","event":"skipped","localJob":"d","coordJob":null,"verdict":null,"reason":"exit","decision":"3"}"#,
        "\n",
        "{\"torn\n",
    );

    fn question() -> ReportQuestion {
        ReportQuestion {
            last: 10,
            since: None,
            epoch: None,
            left_out: None,
            agreement_min: 0.99,
            now: Timestamp::now(),
            zone: TimeZone::UTC,
        }
    }

    fn report() -> ShadowReport {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        fs::write(&path, LOG).unwrap();
        read(&[path], true, &question()).unwrap().unwrap()
    }

    #[test]
    fn the_table_shows_counts_reasons_rates_and_what_did_not_agree() {
        let mut text = Vec::new();
        figure_tables::print(&mut text, ColorChoice::Plain, &["log".into()], &report()).unwrap();
        let text = String::from_utf8(text).unwrap();
        for line in [
            "DIVERGE      1      they named different jobs: order 1",
            "agreement  50.0 %  1 of 2 comparisons",
            "coverage   66.6 %  2 of 3 decisions compared",
            "skipped    exit 1",
            "unreadable 1 of 4 lines, passed over",
            "2026-03-02T09:30:46.250Z  DIVERGE  b      c            order   2",
        ] {
            assert!(text.lines().any(|found| found == line), "{line}\n{text}");
        }
        assert!(
            !text.contains("EPOCH"),
            "an old log has one epoch that tells nothing: {text}"
        );
    }

    #[test]
    fn json_has_the_log_beside_the_figures() {
        let mut text = Vec::new();
        print_json(&mut text, &["the/log".into()], Some(&report()), None).unwrap();
        let value: serde_json::Value = serde_json::from_slice(&text).unwrap();
        let expected = serde_json::json!({
            "log": "the/log",
            "logs": ["the/log"],
            "verdicts": {"AGREE": 1, "DIVERGE": 1, "COORD_EMPTY": 0, "LOCAL_EMPTY": 0},
            "reasons": {"order": 1},
            "errors": {},
            "skipped": {"exit": 1},
            "agreement": {"agree": 1, "of": 2, "rate": 0.5},
            "coverage": {"compared": 2, "of": 3, "rate": 2.0 / 3.0},
            "lines": {"read": 4, "unreadable": 1},
            "prunedParts": 0,
            "harmful": 0,
            "acknowledged": 0,
            "divergences": [{"ts": "2026-03-02T09:30:46.250Z", "localJob": "b", "coordJob": "c", "verdict": "DIVERGE",
                "reason": "order", "decision": "2"}],
            "epochs": [{"factory": "", "epoch": "unknown", "policy": null, "restarts": 0,
                "first": "2026-03-02T09:30:45.250Z", "last": "2026-03-02T09:30:46.250Z", "agree": 1, "of": 2,
                "harmful": 0, "isCurrent": true}],
            "acknowledgements": [],
            "restarts": [],
            "leftOut": [],
        });
        assert_eq!(value, expected);
    }

    #[test]
    fn no_log_is_no_error_and_its_rates_are_no_numbers() {
        let folder = tempfile::tempdir().unwrap();
        let none = [folder.path().join("none")];
        assert!(read(&none, false, &question()).unwrap().is_none());
        assert!(matches!(
            read(&none, true, &question()),
            Err(CliError::Input { .. })
        ));
        let mut text = Vec::new();
        print_json(&mut text, &none, None, None).unwrap();
        let value: serde_json::Value = serde_json::from_slice(&text).unwrap();
        assert!(value["log"].is_null() && value["agreement"]["rate"].is_null());
        let folder = [folder.path().to_owned()];
        assert!(matches!(
            read(&folder, false, &question()),
            Err(CliError::Input { .. })
        ));
    }

    #[test]
    fn what_is_nearly_all_is_not_shown_as_all() {
        assert_eq!(percent(Some(0.9999)), "99.9 %");
        assert_eq!(percent(Some(1.0)), "100.0 %");
        assert_eq!(percent(None), "no data");
    }
}
