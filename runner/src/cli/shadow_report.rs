//! `aq fleet-shadow-report`: what shadow logs amount to, for people and for programs (clauses ).

mod agreement_chart;
mod figure_tables;
mod gate_table;
mod html_page;
mod page_file;

use std::io::{self, Write, stdout};
use std::path::{Path, PathBuf, absolute};

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
    after_help = "Examples:\n  aq fleet-shadow-report --last 3\n  aq fleet-shadow-report --gate\n  aq fleet-shadow-report --gate forge-1.log forge-2.log\n  aq fleet-shadow-report --gate --except engine=codex\n  aq fleet-shadow-report --since 7d\n  aq fleet-shadow-report --html gate.html"
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
    /// Write the gate and all figures as one page, too; `-` writes the page and nothing else to standard output
    #[arg(long, value_name = "FILE", conflicts_with = "json")]
    html: Option<PathBuf>,
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
        true => vec![log::path_in(&settings.queue.value)],
        false => arguments.logs.clone(),
    };
    let report = read(&logs, !arguments.logs.is_empty(), &question)?;
    if let Some(except) = &arguments.except {
        leave_out(settings, arguments, except, report.as_ref())?;
    }
    let none = ShadowReport::default();
    let figures = &report.as_ref().unwrap_or(&none).figures;
    let gate = gate::decide(figures, &policy, &question.zone);
    let is_page_alone = match &arguments.html {
        Some(path) => {
            let page = html_page::render(&logs, report.as_ref(), &gate, &question);
            write_page(path, &page, &logs)?
        }
        None => false,
    };
    let asked = arguments.gate.then_some(&gate);
    if !is_page_alone {
        print(arguments, &logs, report.as_ref(), asked)?;
    }
    Ok(match asked.map(|gate| gate.verdict) {
        None | Some(GateVerdict::Promote) => ProgramExit::Done,
        Some(GateVerdict::Hold) => ProgramExit::Failed,
        Some(GateVerdict::Inconclusive) => ProgramExit::Inconclusive,
    })
}

fn print(
    arguments: &ShadowReportArguments,
    logs: &[PathBuf],
    report: Option<&ShadowReport>,
    gate: Option<&GateReport>,
) -> io::Result<()> {
    let mut out = stdout().lock();
    let palette = ColorChoice::of(&stdout());
    if arguments.format.json {
        return print_json(&mut out, logs, report, gate);
    }
    if let Some(gate) = gate {
        gate_table::print(&mut out, palette, gate)?;
    }
    match report {
        Some(report) => figure_tables::print(&mut out, palette, logs, report),
        None => writeln!(out, "{}", no_log(logs)),
    }
}

fn no_log(logs: &[PathBuf]) -> String {
    let shown = logs
        .first()
        .map_or_else(String::new, |own| own.display().to_string());
    let shown = escape_control(&shown);
    format!("no shadow log yet: {shown} is written by runs with AQ_FLEET=1 AQ_FLEET_SHADOW=1")
}

/// Returns whether the page is all that is to be on standard output.
fn write_page(path: &Path, page: &str, logs: &[PathBuf]) -> Result<bool, CliError> {
    if path == Path::new("-") {
        let mut out = stdout().lock();
        out.write_all(page.as_bytes())?;
        out.flush()?;
        return Ok(true);
    }
    let unwritten = |source| CliError::OutputFile {
        name: path.display().to_string(),
        source,
    };
    page_file::replace(path, page, logs).map_err(unwritten)?;
    Ok(false)
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
        // Its parts are looked for in its folder, which a bare name does not tell.
        Ok(_) => absolute(path)
            .and_then(|whole| open_all(&whole).map(Some))
            .map_err(|error| input(path, error)),
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
mod tests;
