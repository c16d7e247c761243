//! Where the `aq` of this repository is found, or built.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use super::ProfileError;

/// The `aq` to test: the one that `AQ_BIN` names, else the workspace's own, built once a process.
pub fn find_aq() -> Result<PathBuf, ProfileError> {
    static FOUND: OnceLock<Result<PathBuf, ProfileError>> = OnceLock::new();
    FOUND.get_or_init(find).clone()
}

fn find() -> Result<PathBuf, ProfileError> {
    let Some(named) = std::env::var_os("AQ_BIN") else {
        return build();
    };
    aq_at(Path::new(&named))
}

/// The `aq` at this path.
pub fn aq_at(path: &Path) -> Result<PathBuf, ProfileError> {
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
