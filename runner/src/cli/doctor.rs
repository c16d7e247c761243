//! `aq doctor`: what would go wrong, before it does.

use std::io::{self, Write, stdout};

use super::error::CliError;
use crate::doctor::{Finding, Level, examine};
use crate::exit::Exit;
use crate::settings::{Settings, SettingsError};
use crate::terminal::{Palette, harmless};

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  aq doctor
  aq doctor --json | jq '.findings[] | select(.level == \"fail\")'

Looks at settings, queue folder, engines (their versions, and whether their help knows the switches that are
used), waiting jobs and, with AQ_FLEET=1, the coordinator. It changes nothing. Exit code 1 if something will
go wrong.")]
pub(super) struct Arguments {
    #[command(flatten)]
    format: super::Format,
}

pub(super) fn run(
    settings: &Result<Settings, SettingsError>,
    arguments: &Arguments,
) -> Result<Exit, CliError> {
    let findings = examine(settings.as_ref())?;
    let count = |level| findings.iter().filter(|finding| finding.level == level).count();
    let counts = [Level::Ok, Level::Warn, Level::Fail].map(count);
    let mut out = stdout().lock();
    match arguments.format.json {
        true => {
            let [ok, warn, fail] = counts;
            let value = serde_json::json!({ "findings": findings, "ok": ok, "warn": warn, "fail": fail });
            writeln!(out, "{value}")?;
        }
        false => print(&mut out, &findings, counts)?,
    }
    Ok(match counts {
        [_, _, 0] => Exit::Done,
        _ => Exit::Failed,
    })
}

fn print(out: &mut impl Write, findings: &[Finding], [ok, warn, fail]: [usize; 3]) -> io::Result<()> {
    let palette = Palette::of(&stdout());
    let shown = |finding: &Finding| harmless(&finding.subject);
    let mut area = "";
    for finding in findings {
        if finding.area != area {
            area = finding.area;
            writeln!(out, "{}", palette.bold(area))?;
        }
        let here = findings.iter().filter(|other| other.area == area);
        let width = here.map(|other| shown(other).chars().count()).max().unwrap_or(0);
        let mark = match finding.level {
            Level::Ok => palette.good("ok  "),
            Level::Warn => palette.doubtful("warn"),
            Level::Fail => palette.bad("fail"),
        };
        let subject = shown(finding);
        writeln!(out, "  {mark}  {subject:<width$}  {}", harmless(&finding.text))?;
        if let Some(next) = &finding.next {
            let next = palette.dim(&format!("→ {}", harmless(next)));
            writeln!(out, "        {:<width$}  {next}", "")?;
        }
    }
    writeln!(out, "\n{ok} ok, {warn} to look at, {fail} that will go wrong")
}
