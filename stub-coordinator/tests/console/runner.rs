//! A real runner beside the page: a folder of jobs, and `aq` in shadow mode on it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use serde_json::Value;
use tempfile::TempDir;

pub struct Factory {
    folder: TempDir,
    url: String,
}

impl Factory {
    /// A factory of this name whose fleet is the stub at `url`.
    pub fn new(url: &str) -> Factory {
        Factory {
            folder: TempDir::new().expect("a folder"),
            url: url.to_owned(),
        }
    }

    /// Enqueues jobs that the engine `sh` runs.
    pub fn add(&self, ids: &[&str]) {
        for id in ids {
            let file = self.folder.path().join(format!("{id}.md"));
            fs::write(file, "---\nengine: sh\n---\necho done\n").expect("a job file");
            self.aq(&["add", &format!("{id}.md")]);
        }
    }

    /// Runs what is in the queue, shadowed.
    pub fn run(&self) {
        self.aq(&["run", "--drain"]);
    }

    /// The lines of the shadow log.
    pub fn log(&self) -> Vec<Value> {
        let path = self.folder.path().join("queue/.state/fleet-shadow.log");
        let text = fs::read_to_string(path).expect("a shadow log");
        text.lines()
            .map(|line| serde_json::from_str(line).expect("a line is JSON"))
            .collect()
    }

    fn aq(&self, arguments: &[&str]) {
        let output = Command::new(aq())
            .args(arguments)
            .current_dir(self.folder.path())
            .env_clear()
            .env("PATH", "/usr/local/bin:/usr/bin:/bin")
            .env("HOME", self.folder.path())
            .env("AQ_QUEUE", self.folder.path().join("queue"))
            .env("AQ_FLEET", "1")
            .env("AQ_FLEET_SHADOW", "1")
            .env("AQ_FLEET_URL", &self.url)
            .stdin(Stdio::null())
            .output()
            .expect("aq starts");
        assert!(output.status.success(), "aq {arguments:?}: {output:?}");
    }
}

/// The `aq` that `AQ_BIN` names, else the workspace's own, built once a process.
fn aq() -> &'static Path {
    static FOUND: OnceLock<PathBuf> = OnceLock::new();
    FOUND.get_or_init(|| std::env::var_os("AQ_BIN").map_or_else(build, PathBuf::from))
}

/// Cargo builds no binary of another package for these tests, so it is asked here.
fn build() -> PathBuf {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["build", "--quiet", "-p", "runner", "--bin", "aq"])
        .arg("--message-format=json-render-diagnostics")
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .expect("cargo runs");
    assert!(
        output.status.success(),
        "the runner can't be built; see cargo's messages above"
    );
    String::from_utf8_lossy(&output.stdout)
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter(|message| message["target"]["name"] == "aq")
        .find_map(|message| message["executable"].as_str().map(PathBuf::from))
        .expect("cargo names the binary")
}
