//! Where the `aq` to judge is found, or built.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use rustix::fs::Access;

use super::ProfileError;

/// The checkout that this was built from.
const CHECKOUT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

/// The `aq` to test: the one that AQ_BIN names. Else, in the checkout, the workspace's own, built once a process; anywhere
/// else the one beside this program, which came with it, or the one on PATH.
pub fn find_aq() -> Result<PathBuf, ProfileError> {
    static FOUND: OnceLock<Result<PathBuf, ProfileError>> = OnceLock::new();
    FOUND.get_or_init(find).clone()
}

fn find() -> Result<PathBuf, ProfileError> {
    if let Some(named) = std::env::var_os("AQ_BIN") {
        return aq_at(Path::new(&named));
    }
    let own = std::env::current_exe().and_then(|own| own.canonicalize());
    let own = own.unwrap_or_default();
    if is_of_the_checkout(&own) {
        return build();
    }
    let beside = own.parent().map(Path::to_owned).unwrap_or_default();
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::iter::once(beside.clone()).chain(std::env::split_paths(&path));
    let programs = folders.map(|folder| folder.join("aq"));
    let found = programs
        .filter(|program| program.is_file())
        .find(|program| rustix::fs::access(program, Access::EXEC_OK).is_ok());
    found
        .and_then(|program| program.canonicalize().ok())
        .ok_or(ProfileError::NoAq { beside })
}

/// Whether Cargo started this program, or built it where it lies, and its sources are still there. What lies beside it
/// may then be older than they are.
fn is_of_the_checkout(own: &Path) -> bool {
    // The build script writes to `target/PROFILE/build/NAME/out`.
    let built = Path::new(env!("OUT_DIR")).ancestors().nth(3);
    let built = built.and_then(|folder| folder.canonicalize().ok());
    let by_cargo = std::env::var_os("CARGO").is_some();
    let in_target = built.is_some_and(|folder| own.starts_with(folder));
    (by_cargo || in_target) && Path::new(CHECKOUT).join("runner/Cargo.toml").is_file()
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
        .current_dir(CHECKOUT)
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
