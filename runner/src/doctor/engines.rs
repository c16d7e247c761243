//! Checks the engines: whether each is here, in which version, whether its help names the switches that are used, and
//! whether it will refuse to work.

use std::io;
use std::sync::Arc;

use tokio::task::JoinSet;

use super::inbox_jobs::InboxJob;
use super::program_probe::{ProbeResult, ask};
use super::{DoctorFinding, FindingLevel};
use crate::engine::{EngineProfile, EngineRegistry};
use crate::settings::Settings;

const AREA: &str = "engines";

pub(super) async fn examine(
    settings: &Settings,
    engines: &EngineRegistry,
    waiting: &[InboxJob],
) -> io::Result<Vec<DoctorFinding>> {
    let environment = Arc::new(settings.child_environment());
    let mut checks = JoinSet::new();
    for (place, profile) in engines.profiles().into_iter().enumerate() {
        let demand = demand(&profile, settings, waiting);
        let environment = Arc::clone(&environment);
        checks.spawn(async move { (place, check(&profile, &demand, &environment).await) });
    }
    let mut found = Vec::new();
    while let Some(check) = checks.join_next().await {
        found.push(check.map_err(io::Error::other)?);
    }
    found.sort_by_key(|(place, _)| *place);
    let mut findings = Vec::new();
    for (_, checked) in found {
        findings.extend(checked?);
    }
    Ok(findings)
}

/// How much depends on an engine.
struct EngineDemand {
    /// Its table stands in aq.toml.
    own: bool,
    jobs: usize,
    yolo_jobs: usize,
}

fn demand(profile: &EngineProfile, settings: &Settings, waiting: &[InboxJob]) -> EngineDemand {
    let jobs = || {
        let jobs = waiting.iter().filter_map(|waiting| waiting.job.as_ref().ok());
        jobs.filter(|job| job.engine == profile.name)
    };
    EngineDemand {
        own: settings.engines.contains_key(profile.name.as_str()),
        jobs: jobs().count(),
        yolo_jobs: jobs().filter(|job| job.yolo).count(),
    }
}

async fn check(
    profile: &EngineProfile,
    demand: &EngineDemand,
    environment: &[(std::ffi::OsString, std::ffi::OsString)],
) -> io::Result<Vec<DoctorFinding>> {
    let name = profile.name.as_str();
    let Some(program) = &profile.program else {
        let text = format!("`{}` is not found on PATH", profile.command);
        let finding = match demand.own || demand.jobs > 0 {
            true => DoctorFinding::warn(
                AREA,
                name,
                text,
                "install it, or correct PATH: its jobs wait until then",
            ),
            false => DoctorFinding::note(AREA, name, text + ", and nothing asks for it"),
        };
        return Ok(vec![finding]);
    };
    let place = program.display();
    let mut findings = Vec::new();
    if profile.version.is_empty() {
        findings.push(DoctorFinding::ok(AREA, name, place.to_string()));
    } else {
        let version = ask(program, &profile.version, environment).await?;
        findings.push(match version.version().filter(|_| version.is_success()) {
            Some(line) => DoctorFinding::ok(AREA, name, format!("{line} at {place}")),
            None => DoctorFinding::warn(
                AREA,
                name,
                format!("{place} does not tell its version: {}", version.how()),
                &format!(
                    "start `{} {}` by hand and see what it says",
                    profile.command,
                    profile.version.join(" ")
                ),
            ),
        });
    }
    if !profile.switches.is_empty() {
        let help = ask(program, &profile.help, environment).await?;
        findings.extend(switches(profile, demand, &help));
    }
    findings.extend(login(profile, ask_login(profile, program, environment).await?));
    findings.extend(root(profile, demand));
    Ok(findings)
}

fn switches(profile: &EngineProfile, demand: &EngineDemand, help: &ProbeResult) -> Option<DoctorFinding> {
    let command = format!("{} {}", profile.command, profile.help.join(" "));
    let name = profile.name.as_str();
    if !help.is_success() {
        let text = format!("`{command}` gives no help: {}", help.how());
        return Some(DoctorFinding::warn(
            AREA,
            name,
            text,
            "start it by hand and see what it says",
        ));
    }
    let missing: Vec<&str> = profile
        .switches
        .iter()
        .filter(|switch| !knows(&help.output, switch))
        .map(String::as_str)
        .collect();
    if missing.is_empty() {
        return None;
    }
    let text = format!("`{command}` no longer names {}", missing.join(" and "));
    let next = format!("see what replaced it and say so under [engine.{name}] in aq.toml");
    Some(DoctorFinding {
        // The owner of a table in aq.toml may know that a switch works although no help names it.
        level: if demand.own {
            FindingLevel::Warn
        } else {
            FindingLevel::Fail
        },
        ..DoctorFinding::fail(AREA, name, text, &next)
    })
}

/// Whether a help text names this very switch, and not only one that begins like it.
fn knows(help: &str, switch: &str) -> bool {
    let part = |letter: char| letter.is_ascii_alphanumeric() || letter == '-';
    help.match_indices(switch).any(|(start, _)| {
        let before = help[..start].chars().next_back();
        let after = help[start + switch.len()..].chars().next();
        !before.is_some_and(part) && !after.is_some_and(part)
    })
}

async fn ask_login(
    profile: &EngineProfile,
    program: &std::path::Path,
    environment: &[(std::ffi::OsString, std::ffi::OsString)],
) -> io::Result<Option<ProbeResult>> {
    if profile.login.is_empty() {
        return Ok(None);
    }
    ask(program, &profile.login, environment).await.map(Some)
}

fn login(profile: &EngineProfile, answer: Option<ProbeResult>) -> Option<DoctorFinding> {
    let answer = answer.filter(|answer| !answer.is_success())?;
    let command = format!("{} {}", profile.command, profile.login.join(" "));
    Some(DoctorFinding::warn(
        AREA,
        profile.name.as_str(),
        format!(
            "it seems not to be logged in: `{command}` ended with {}",
            answer.how()
        ),
        "log in as the user that runs `aq run`, or give it its key by the environment",
    ))
}

/// Checks a program that skips no permission questions for root.
fn root(profile: &EngineProfile, demand: &EngineDemand) -> Option<DoctorFinding> {
    let needs = profile.root_needs.as_deref()?;
    let (variable, value) = needs.split_once('=')?;
    let granted = std::env::var(variable).is_ok_and(|found| found == value);
    if !rustix::process::geteuid().is_root() || granted {
        return None;
    }
    let text = "it refuses to skip permission questions for root, so a job with `yolo: true` fails at once";
    let next = format!("run as another user, or set {needs} if this host is a sandbox");
    let name = profile.name.as_str();
    Some(match demand.yolo_jobs {
        0 => DoctorFinding::warn(AREA, name, text, &next),
        _ => DoctorFinding::fail(AREA, name, text, &next),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_switch_is_not_taken_for_one_that_begins_like_it() {
        let help = "  -p, --prompt TEXT\n      --auto-approve\n      --output-format=json\n";
        for known in ["-p", "--prompt", "--auto-approve", "--output-format"] {
            assert!(knows(help, known), "{known}");
        }
        for unknown in ["--auto", "-o", "--prom", "-approve"] {
            assert!(!knows(help, unknown), "{unknown}");
        }
    }
}
