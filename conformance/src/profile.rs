//! What the harness has to know of a runner in order to drive it: how it is called and where its evidence
//! lies. `aq` is one such runner; a test's wrapper around it is another.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use crate::known::KnownFailure;

/// A runner under test.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Profile {
    /// The name that reports give it.
    pub name: String,
    /// Program and leading arguments; a command's own arguments follow.
    pub command: Vec<String>,
    /// Arguments that put job files into the queue; the files follow.
    pub add: Vec<String>,
    /// Arguments that print the shadow report as JSON.
    pub report: Vec<String>,
    /// Arguments that print one job as JSON; the id follows in place of `{id}`.
    pub show: Vec<String>,
    /// The shadow log, below the queue folder.
    pub shadow_log: String,
    /// What it is known to get wrong, for a time.
    pub known_failures: Vec<KnownFailure>,
}

/// Why there is no runner to test.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ProfileError {
    #[error("`{path}`, named by AQ_BIN, is no file; build the runner, or unset AQ_BIN to have it built")]
    NoSuchBinary { path: String },
    #[error("the runner can't be built: {message}")]
    Build { message: String },
}

impl Profile {
    /// The profile of `aq` at this path.
    pub fn aq(binary: &Path) -> Profile {
        let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
        Profile {
            name: "aq".into(),
            command: vec![binary.to_string_lossy().into_owned()],
            add: words(&["add"]),
            report: words(&["fleet-shadow-report", "--json"]),
            show: words(&["show", "{id}", "--json"]),
            shadow_log: ".state/fleet-shadow.log".into(),
            known_failures: Vec::new(),
        }
    }
}

/// The `aq` to test: the one that `AQ_BIN` names, else the workspace's own, built once a process.
pub fn find_aq() -> Result<PathBuf, ProfileError> {
    static FOUND: OnceLock<Result<PathBuf, ProfileError>> = OnceLock::new();
    FOUND.get_or_init(find).clone()
}

fn find() -> Result<PathBuf, ProfileError> {
    let Some(named) = std::env::var_os("AQ_BIN") else {
        return build();
    };
    let path = PathBuf::from(&named);
    match path.canonicalize() {
        Ok(path) if path.is_file() => Ok(path),
        _ => Err(ProfileError::NoSuchBinary {
            path: path.to_string_lossy().into_owned(),
        }),
    }
}

/// Cargo builds no binary of another package for `cargo test -p conformance`, so it is asked here.
fn build() -> Result<PathBuf, ProfileError> {
    let failed = |message: String| ProfileError::Build { message };
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args([
            "build",
            "--quiet",
            "-p",
            "runner",
            "--bin",
            "aq",
            "--message-format=json-render-diagnostics",
        ])
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| failed(format!("cargo can't be run: {error}")))?;
    if !output.status.success() {
        return Err(failed("see cargo's messages above".into()));
    }
    String::from_utf8_lossy(&output.stdout)
        .lines()
        .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok())
        .filter(|message| message["target"]["name"] == "aq")
        .find_map(|message| message["executable"].as_str().map(PathBuf::from))
        .ok_or_else(|| failed("cargo names no binary `aq`".into()))
}
