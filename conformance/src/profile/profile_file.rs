//! Reads the file of a profile strictly.

use std::path::Path;

use super::log_format::LogLineFormat;
use super::{Profile, ProfileError};
use crate::clause;
use crate::scenario::parse;
use crate::scenario::path_guard::StrayPath;

/// Reads and checks the file.
pub fn read(path: &Path) -> Result<Profile, ProfileError> {
    let text = std::fs::read_to_string(path).map_err(|error| ProfileError::Unreadable {
        path: path.to_owned(),
        message: error.to_string(),
    })?;
    let log_path = |profile: &Profile| StrayPath::below("the queue folder", "path", &profile.log.path);
    let read = parse::strictly(&text, log_path, contradiction);
    let mut profile = read.map_err(|(line, message)| ProfileError::Wrong {
        path: path.to_owned(),
        line,
        message,
    })?;
    if profile.command[0].contains('/') {
        let folder = path.parent().unwrap_or(Path::new("."));
        let program = folder.join(&profile.command[0]);
        let program = program.canonicalize().unwrap_or(program);
        profile.command[0] = program.to_string_lossy().into_owned();
    }
    Ok(profile)
}

/// What types alone can't refuse: what to look for in the file, and the message.
fn contradiction(file: &Profile) -> Option<(String, String)> {
    if file.command.is_empty() {
        return Some(("command".into(), "`command` names no program".into()));
    }
    if let Some(id) = file.unsupported.iter().find(|id| clause::named(id).is_none()) {
        let message = format!(
            "`{id}` is no clause; docs/runner-contract.md and docs/coordinator-contract.md have them all"
        );
        return Some((format!("\"{id}\""), message));
    }
    if (file.log.form == LogLineFormat::Tab) == file.log.columns.is_empty() {
        let message = "`columns` goes with `form = \"tab\"`, and with no other form";
        return Some(("form".into(), message.into()));
    }
    let day = |text: &str| text.parse::<jiff::civil::Date>().is_ok() && text.len() == 10;
    let undated = file.known_failures.iter().find(|known| !day(&known.until));
    undated.map(|known| {
        let message = format!("`{}` is no day; write one like `2026-05-01`", known.until);
        (format!("\"{}\"", known.until), message)
    })
}
