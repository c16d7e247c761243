//! Tokens that stand in a file or in the environment, where `ps` does not show them.

use std::fs::OpenOptions;
use std::io::Read;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;
use stub_coordinator::Scope;

/// Far more than any token; a file beyond it is some other file.
const LIMIT: u64 = 64 * 1024;
const VARIABLE: &str = "STUB_TOKEN";

/// A file with a token, and what the token may do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct GrantFile {
    pub(super) path: PathBuf,
    pub(super) scopes: Vec<Scope>,
}

/// The token in a file. `warn` hears of a file that others can read.
pub(super) fn warned(path: &Path, warn: impl FnOnce(String)) -> Result<String, String> {
    let name = path.display();
    let unread =
        |error: std::io::Error| format!("can't read the token file {name}: {error}; put the token there");
    // A pipe that nobody writes to is an error instead of a wait.
    let nonblocking = OFlags::NONBLOCK.bits().cast_signed();
    let opened = OpenOptions::new().read(true).custom_flags(nonblocking).open(path);
    let file = opened.map_err(unread)?;
    if file.metadata().map_err(unread)?.mode() & 0o077 != 0 {
        warn(format!(
            "others can read the token file {name}: `chmod 600 {name}` keeps it to its owner"
        ));
    }
    let mut text = String::new();
    file.take(LIMIT).read_to_string(&mut text).map_err(unread)?;
    sound(&text).map_err(|why| format!("the token file {name} holds no token: {why}"))
}

/// The token in the environment, where there is one.
pub(super) fn from_environment() -> Result<Option<String>, String> {
    match std::env::var(VARIABLE) {
        Ok(text) if text.trim().is_empty() => Ok(None),
        Ok(text) => sound(&text)
            .map(Some)
            .map_err(|why| format!("{VARIABLE} holds no token: {why}")),
        Err(std::env::VarError::NotPresent) => Ok(None),
        Err(std::env::VarError::NotUnicode(_)) => Err(format!("{VARIABLE} holds no token: it is no text")),
    }
}

/// The text without the white space around it, where a header can carry it.
pub(super) fn sound(text: &str) -> Result<String, &'static str> {
    let text = text.trim();
    match text.bytes().all(|byte| byte.is_ascii_graphic()) {
        true if text.is_empty() => Err("it is empty"),
        true => Ok(text.to_owned()),
        false => Err(
            "it has white space or a character in it that a header can't carry; write one token on one line",
        ),
    }
}
