//! Checks what would make jobs fail: settings, engines, the queue folder, the coordinator, waiting jobs.
//!
//! It changes nothing: the file that it writes into the queue folder, to see whether that is possible, has no name
//! there. Each check is bounded in time. The coordinator is asked only where the settings say that there is one
//! (clause F-1), and only what any token may ask.

mod coordinator;
mod engines;
mod inbox_jobs;
mod monitoring;
mod program_probe;
mod queue_folder;
mod rollback;

use serde::Serialize;

use crate::engine::EngineRegistry;
use crate::queue::Queue;
use crate::settings::{Settings, SettingsError};
use crate::terminal::error_chain;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum FindingLevel {
    Ok,
    /// It is not as it could be, and nothing depends on it.
    Note,
    /// Something may go wrong, or a person should look at it.
    Warn,
    /// Something will go wrong.
    Fail,
}

/// The result of one check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct DoctorFinding {
    pub(crate) area: &'static str,
    pub(crate) subject: String,
    pub(crate) level: FindingLevel,
    pub(crate) text: String,
    /// What a person can do about it.
    pub(crate) next: Option<String>,
}

impl DoctorFinding {
    fn ok(area: &'static str, subject: &str, text: impl Into<String>) -> DoctorFinding {
        DoctorFinding {
            area,
            subject: subject.to_owned(),
            level: FindingLevel::Ok,
            text: text.into(),
            next: None,
        }
    }

    fn note(area: &'static str, subject: &str, text: impl Into<String>) -> DoctorFinding {
        DoctorFinding {
            level: FindingLevel::Note,
            ..DoctorFinding::ok(area, subject, text)
        }
    }

    fn warn(area: &'static str, subject: &str, text: impl Into<String>, next: &str) -> DoctorFinding {
        DoctorFinding {
            level: FindingLevel::Warn,
            next: Some(next.to_owned()),
            ..DoctorFinding::ok(area, subject, text)
        }
    }

    fn fail(area: &'static str, subject: &str, text: impl Into<String>, next: &str) -> DoctorFinding {
        DoctorFinding {
            level: FindingLevel::Fail,
            ..DoctorFinding::warn(area, subject, text, next)
        }
    }
}

/// Makes all checks, in the order in which they matter.
pub(crate) fn examine(
    settings: Result<&Settings, &SettingsError>,
) -> Result<Vec<DoctorFinding>, std::io::Error> {
    let settings = match settings {
        Ok(settings) => settings,
        Err(error) => {
            let next = "correct that first; the rest can't be checked without settings";
            return Ok(vec![DoctorFinding::fail(
                "settings",
                "settings",
                error_chain(error),
                next,
            )]);
        }
    };
    let file = settings.queue.value.join("aq.toml");
    let text = match file.exists() {
        true => format!("{} is understood", file.display()),
        false => String::from("no aq.toml: defaults, variables and flags"),
    };
    let mut findings = vec![DoctorFinding::ok("settings", "settings", text)];
    let queue = Queue::open(&settings.queue.value);
    findings.extend(queue_folder::examine(settings, queue.as_ref()));
    findings.extend(monitoring::examine(settings));
    let engines = match EngineRegistry::new(&settings.engines) {
        Ok(engines) => engines,
        Err(error) => {
            let next = "correct the table; `docs/engines.md` has its keys";
            findings.push(DoctorFinding::fail(
                "engines",
                "aq.toml",
                error_chain(&error),
                next,
            ));
            return Ok(findings);
        }
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let waiting = queue.as_ref().map(inbox_jobs::waiting).unwrap_or_default();
    findings.extend(runtime.block_on(engines::examine(settings, &engines, &waiting))?);
    if let Ok(queue) = &queue {
        findings.extend(inbox_jobs::examine(settings, queue, &engines, &waiting)?);
    }
    findings.extend(runtime.block_on(coordinator::examine(settings, &engines)));
    findings.extend(rollback::examine(settings, queue.as_ref().ok()));
    Ok(findings)
}
