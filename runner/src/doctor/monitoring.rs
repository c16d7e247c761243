//! Checks whom a run would tell of what happens, and where it would write its figures.

use std::path::Path;

use rustix::fs::{Access, access};

use super::DoctorFinding;
use crate::engine;
use crate::settings::Settings;

const AREA: &str = "monitoring";

pub(super) fn examine(settings: &Settings) -> Vec<DoctorFinding> {
    let mut findings = Vec::new();
    if let Some(notify) = &settings.notify {
        findings.push(match engine::find_program(&notify.command) {
            Some(program) => {
                let text = format!("{} is told of events", program.display());
                DoctorFinding::ok(AREA, "notify", text)
            }
            None => DoctorFinding::fail(
                AREA,
                "notify",
                format!("{} is no program that can be started", notify.command),
                "correct `command` under [notify] in aq.toml",
            ),
        });
    }
    if let Some(file) = &settings.metrics.file {
        let folder = file.parent().unwrap_or(Path::new("."));
        findings.push(match access(folder, Access::WRITE_OK | Access::EXEC_OK) {
            Ok(()) => DoctorFinding::ok(AREA, "metrics", format!("{} is written", file.display())),
            Err(error) => DoctorFinding::fail(
                AREA,
                "metrics",
                format!("can't write into {}: {error}", folder.display()),
                "correct `file` under [metrics] in aq.toml, or the permissions of that folder",
            ),
        });
    }
    findings
}
