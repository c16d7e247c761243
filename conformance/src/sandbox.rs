//! The folder that a run gets for itself: queue, work folder, fake engines, home, temporary files, outputs.
//! Nothing of the machine but a shell and the usual tools is visible from inside.

pub mod environment;
pub mod job_file;
pub mod queue_snapshot;
pub mod token_leaks;
mod work_folders;

use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::fake_engine::{COMMAND, SHIP, VERIFY, create_file};
use crate::scenario::{Job, JobPlacement, QueueAtStart, Scenario};

/// The stages of the contract, each a folder of the queue.
pub const STAGES: [&str; 7] = [
    "inbox",
    "building",
    "testing",
    "review",
    "shipped",
    "failed",
    "quarantine",
];
/// Engines that a fake engine can be put in place of.
const ENGINES: [&str; 5] = ["devin", "claude", "codex", "gemini", "opencode"];
/// What the operator of a sandbox allows routed jobs, where the scenario does not say.
const ALLOWED: &str = "[route]
allow_engines = [\"devin\", \"claude\", \"codex\", \"gemini\", \"opencode\", \"sh\"]
allow_commands = \"any\"
allow_yolo = true
allow_cwd = [\"/\"]
";
const FOLDERS: [&str; 7] = ["queue", "work", "jobs", "bin", "home", "tmp", "out"];

/// Times that a scenario can have one line repeated.
const REPEATS_LIMIT: u16 = 10_000;

/// Why a sandbox can't be set up: the harness's trouble, never the runner's.
#[derive(Debug, thiserror::Error)]
#[error("{} can't be set up", path.display())]
pub struct SandboxError {
    path: PathBuf,
    #[source]
    source: std::io::Error,
}

/// What becomes of the folder afterwards.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FolderRetention {
    Folders,
    Nothing,
}

/// A run's own folder.
#[derive(Debug)]
pub struct Sandbox {
    folder: TempDir,
    pub root: PathBuf,
}

impl Sandbox {
    /// Makes the folders, the fake engines, the seeded files and the job files of this scenario.
    pub fn create(
        scenario: &Scenario,
        harness: &Path,
        keep: FolderRetention,
    ) -> Result<Sandbox, SandboxError> {
        let failed = |path: &Path| {
            let path = path.to_owned();
            move |source| SandboxError { path, source }
        };
        // A runner refuses a queue that others can write, and no scenario means one where it does not say so.
        rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o022));
        let parent = std::env::temp_dir();
        let mut folder = tempfile::Builder::new()
            .prefix("aqc-")
            .tempdir_in(&parent)
            .map_err(failed(&parent))?;
        folder.disable_cleanup(keep == FolderRetention::Folders);
        let root = folder.path().canonicalize().map_err(failed(folder.path()))?;
        let sandbox = Sandbox { folder, root };
        let absent = scenario.runner.queue == QueueAtStart::Absent;
        for name in FOLDERS.into_iter().filter(|name| !(absent && *name == "queue")) {
            let path = sandbox.root.join(name);
            fs::create_dir(&path).map_err(failed(&path))?;
        }
        for name in &scenario.runner.folders {
            let path = sandbox.work().join(name);
            fs::create_dir_all(&path).map_err(failed(&path))?;
        }
        // A queue into which nothing is added is an empty one, not one that is not there.
        if !absent && !scenario.jobs.iter().any(|job| job.place == JobPlacement::Add) {
            let kept = |stage: &&&str| !scenario.runner.files.contains_key(**stage);
            for stage in STAGES.iter().chain(&[".state"]).filter(kept) {
                let path = sandbox.queue().join(stage);
                fs::create_dir(&path).map_err(failed(&path))?;
            }
        }
        sandbox.install_fake_engines(scenario, harness)?;
        let mut files = scenario.runner.files.clone();
        if scenario.may_route() && scenario.runner.queue == QueueAtStart::Prepared {
            files.entry("aq.toml".into()).or_insert(ALLOWED.into());
        }
        for lines in &scenario.runner.repeated {
            let line = |number: u16| lines.line.replace("{n}", &number.to_string()) + "\n";
            let text = files.entry(lines.file.clone()).or_default();
            text.extend((1..=lines.times.min(REPEATS_LIMIT)).map(line));
        }
        for (name, text) in &files {
            sandbox.write(&sandbox.queue().join(name), text)?;
        }
        for job in scenario
            .jobs
            .iter()
            .filter(|job| matches!(job.place, JobPlacement::Add | JobPlacement::Aside))
        {
            sandbox.write(&sandbox.job_file(job), &job_file::text(job, &sandbox.work()))?;
        }
        Ok(sandbox)
    }

    pub fn queue(&self) -> PathBuf {
        self.root.join("queue")
    }

    /// Where the runner is started, and so where its jobs work unless they say otherwise.
    pub fn work(&self) -> PathBuf {
        self.root.join("work")
    }

    pub fn socket(&self) -> PathBuf {
        self.root.join("s")
    }

    /// Where the token lies when the runner is given a file.
    pub fn token_file(&self) -> PathBuf {
        self.root.join("token")
    }

    /// The stem of a command's outputs.
    pub fn output(&self, name: &str) -> PathBuf {
        self.root.join("out").join(name)
    }

    pub fn job_file(&self, job: &Job) -> PathBuf {
        self.root.join("jobs").join(format!("{}.md", job.id))
    }

    /// Puts by hand into the inbox what the scenario wants there.
    pub fn fill_inbox(&self, scenario: &Scenario) -> Result<(), SandboxError> {
        for job in scenario
            .jobs
            .iter()
            .filter(|job| job.place == JobPlacement::Inbox)
        {
            self.write(
                &self.queue().join("inbox").join(format!("{}.md", job.id)),
                &job_file::text(job, &self.work()),
            )?;
        }
        Ok(())
    }

    pub fn write(&self, path: &Path, text: &str) -> Result<(), SandboxError> {
        let write = || {
            fs::create_dir_all(path.parent().unwrap_or(&self.root))?;
            create_file(path)?.write_all(text.as_bytes())
        };
        write().map_err(|source| SandboxError {
            path: path.to_owned(),
            source,
        })
    }

    /// The folder as reports show it: whether it is still there to be looked at.
    pub fn kept(&self, keep: FolderRetention) -> Option<PathBuf> {
        (keep == FolderRetention::Folders).then(|| self.folder.path().to_owned())
    }

    /// One script a tool, first on PATH, that hands over to the harness's binary.
    fn install_fake_engines(&self, scenario: &Scenario, harness: &Path) -> Result<(), SandboxError> {
        let engines = scenario
            .jobs
            .iter()
            .filter(|job| job.raw.is_none())
            .map(Job::engine);
        let mut tools: Vec<&str> = engines.filter(|engine| ENGINES.contains(engine)).collect();
        tools.extend([VERIFY, SHIP]);
        tools.extend(scenario.runner.engines.iter().map(String::as_str));
        tools.sort_unstable();
        tools.dedup();
        for tool in tools
            .into_iter()
            .filter(|tool| !scenario.runner.missing.iter().any(|missing| missing == tool))
        {
            let path = self.root.join("bin").join(tool);
            let script = format!(
                "#!/bin/sh\nexec {} {COMMAND} {} {tool} \"$@\"\n",
                shell_word(harness),
                shell_word(&self.socket())
            );
            self.write(&path, &script)?;
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).map_err(|source| SandboxError {
                path: path.clone(),
                source,
            })?;
        }
        Ok(())
    }
}

/// A path as any shell reads it back.
fn shell_word(path: &Path) -> String {
    format!("'{}'", path.to_string_lossy().replace('\'', r"'\''"))
}
