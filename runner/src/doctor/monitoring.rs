//! Checks whom a run would tell of what happens, and where it would write its figures.

use std::path::Path;
use std::process::{Command, Stdio};

use rustix::fs::{Access, access};

use super::DoctorFinding;
use crate::engine;
use crate::settings::{NotifyCommand, Settings};

const AREA: &str = "monitoring";

pub(super) fn examine(settings: &Settings) -> Vec<DoctorFinding> {
    let mut findings = Vec::new();
    if let Some(notify) = &settings.notify {
        let missing = match &notify.command {
            NotifyCommand::Line(line) => unknown_word(line, &notify.folder),
            NotifyCommand::Program(name, _) => {
                Some(name.as_str()).filter(|name| engine::find_program(name).is_none())
            }
        };
        findings.push(match missing {
            None => {
                let text = format!("`{}` is told of events", notify.command);
                DoctorFinding::ok(AREA, "notify", text)
            }
            Some(name) => DoctorFinding::fail(
                AREA,
                "notify",
                format!("{name} is no program that can be started"),
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

/// The first word of the line, if it is a plain one that the shell does not know: neither a program nor a word of its own.
fn unknown_word<'a>(line: &'a str, folder: &Path) -> Option<&'a str> {
    let word = line.split_whitespace().next()?;
    let is_plain = |letter: char| letter.is_ascii_alphanumeric() || "_-./+".contains(letter);
    let known = Command::new("/bin/sh")
        .args(["-c", "command -v \"$0\"", word])
        .current_dir(folder)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    Some(word).filter(|word| word.chars().all(is_plain) && known.is_ok_and(|status| !status.success()))
}
