//! `aq doctor`: what would go wrong, before it does.

use std::io::{self, Write, stdout};

use super::OutputFormat;
use super::error::CliError;
use crate::doctor::{DoctorFinding, FindingLevel, examine};
use crate::exit_codes::ProgramExit;
use crate::platform_limits::LIMITS;
use crate::settings::{Settings, SettingsError};
use crate::terminal::{ColorChoice, escape_control};

pub(super) const AFTER_HELP: &str = "Examples:
  aq doctor
  aq doctor --json | jq '.findings[] | select(.level == \"fail\")'

Looks at settings, queue folder, engines (their versions, and whether their help knows the switches that are
used), waiting jobs and, with AQ_FLEET=1, the coordinator. It changes nothing. Exit code 1 if something will
go wrong.";

pub(super) fn run(
    settings: &Result<Settings, SettingsError>,
    format: OutputFormat,
) -> Result<ProgramExit, CliError> {
    let findings = examine(settings.as_ref())?;
    let count = |level| findings.iter().filter(|finding| finding.level == level).count();
    let counts = [FindingLevel::Ok, FindingLevel::Warn, FindingLevel::Fail].map(count);
    let [ok, warn, fail] = counts;
    let value = serde_json::json!({
        "findings": findings, "ok": ok, "warn": warn, "fail": fail, "limits": LIMITS,
    });
    let exit = format.print(&value, |out| print(out, &findings, counts))?;
    Ok(if fail == 0 { exit } else { ProgramExit::Failed })
}

fn print(out: &mut impl Write, findings: &[DoctorFinding], [ok, warn, fail]: [usize; 3]) -> io::Result<()> {
    let palette = ColorChoice::of(&stdout());
    let shown = |finding: &DoctorFinding| escape_control(&finding.subject);
    let mut area = "";
    for finding in findings {
        if finding.area != area {
            area = finding.area;
            writeln!(out, "{}", palette.bold(area))?;
        }
        let here = findings.iter().filter(|other| other.area == area);
        let width = here.map(|other| shown(other).chars().count()).max().unwrap_or(0);
        let mark = match finding.level {
            FindingLevel::Ok => palette.success("ok  "),
            FindingLevel::Note => palette.dim("note"),
            FindingLevel::Warn => palette.warning("warn"),
            FindingLevel::Fail => palette.failure("fail"),
        };
        let subject = shown(finding);
        writeln!(
            out,
            "  {mark}  {subject:<width$}  {}",
            escape_control(&finding.text)
        )?;
        if let Some(next) = &finding.next {
            let next = palette.dim(&format!("→ {}", escape_control(next)));
            writeln!(out, "        {:<width$}  {next}", "")?;
        }
    }
    print_limits(out, palette)?;
    writeln!(out, "\n{ok} ok, {warn} to look at, {fail} that will go wrong")
}

/// No findings: nobody can do anything about them here.
fn print_limits(out: &mut impl Write, palette: ColorChoice) -> io::Result<()> {
    if LIMITS.is_empty() {
        return Ok(());
    }
    writeln!(
        out,
        "{}",
        palette.bold("what this system can't keep of the contract")
    )?;
    for limit in LIMITS {
        let clause = limit.clause.unwrap_or("-");
        writeln!(out, "  note  {clause:<4}  {}: {}", limit.part, limit.effect)?;
    }
    Ok(())
}
