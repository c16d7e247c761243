//! The host of a weekend: a folder with stand-ins, job files and evidence, and in it a disk that holds nothing but the
//! queue.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc::channel;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use stub_coordinator::{Stub, StubConfig};
use tempfile::TempDir;

use super::generated_jobs::WeekendJob;
use super::small_disk::SmallDisk;
use super::stand_ins;
use super::watched_runner::WatchedRunner;
use crate::leftover_processes::kill_marked;
use conformance::profile::Profile;
use conformance::sandbox::STAGES;

/// No command takes a hundredth of it.
const COMMAND_LIMIT: Duration = Duration::from_secs(60);
const SETTINGS: &str = "grace = \"200ms\"\n";

pub(super) struct WeekendHost {
    // Unmounted before its folder is removed.
    pub(super) disk: SmallDisk,
    pub(super) root: PathBuf,
    pub(super) queue: PathBuf,
    profile: Profile,
    environment: BTreeMap<String, String>,
    /// It is asked in shadow mode.
    coordinator: Stub,
    _folder: TempDir,
}

/// How a command of a person ended.
#[derive(Debug)]
pub(super) struct CommandEnd {
    pub(super) code: Option<i32>,
    pub(super) stdout: String,
    pub(super) stderr: String,
}

/// A job as `aq list --json` shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ListedJob {
    pub(super) id: String,
    pub(super) stage: String,
    pub(super) reason: String,
    /// How often it was started.
    pub(super) attempts: u64,
}

impl WeekendHost {
    pub(super) fn create(profile: &Profile, jobs: &[WeekendJob]) -> io::Result<WeekendHost> {
        let folder = tempfile::Builder::new().prefix("aqweekend-").tempdir()?;
        let root = folder.path().canonicalize()?;
        for name in [
            "bin", "disk", "away", "jobs", "limit", "live", "login", "plans", "tries", "work",
        ] {
            fs::create_dir(root.join(name))?;
        }
        stand_ins::install(&root)?;
        for job in jobs {
            fs::write(root.join("jobs").join(format!("{}.md", job.id)), job.text())?;
            fs::write(root.join("plans").join(&job.id), job.orders())?;
        }
        fs::write(root.join(stand_ins::EVIDENCE), "")?;
        let disk = SmallDisk::mount(&root.join("disk"))?;
        let queue = root.join("disk/queue");
        let text = |path: &Path| path.to_string_lossy().into_owned();
        let environment = BTreeMap::from([
            ("AQ_QUEUE".to_owned(), text(&queue)),
            ("HOME".to_owned(), text(&root)),
            ("PATH".to_owned(), format!("{}/bin:/usr/bin:/bin", root.display())),
            (stand_ins::FOLDER_VARIABLE.to_owned(), text(&root)),
        ]);
        let host = WeekendHost {
            disk,
            root,
            queue,
            environment: profile.renamed(environment),
            profile: profile.clone(),
            coordinator: Stub::start(StubConfig::default()).map_err(io::Error::other)?,
            _folder: folder,
        };
        let made = host.ask(&["init"])?;
        if made.code != Some(0) {
            return Err(io::Error::other(format!("`init` failed: {}", made.stderr)));
        }
        fs::write(host.queue.join("aq.toml"), SETTINGS)?;
        Ok(host)
    }

    fn command(&self, words: &[&str]) -> io::Result<Command> {
        let (program, arguments) = self
            .profile
            .command
            .split_first()
            .ok_or_else(|| io::Error::other("the profile names no command"))?;
        let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        let mut command = Command::new(program);
        command
            .args(arguments)
            .args(self.profile.words(&words))
            .env_clear()
            .envs(&self.environment)
            .current_dir(self.root.join("work"))
            .stdin(Stdio::null());
        Ok(command)
    }

    /// What a person types, to its end.
    pub(super) fn ask(&self, words: &[&str]) -> io::Result<CommandEnd> {
        let mut command = self.command(words)?;
        let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
        let pid = Pid::from_child(&child);
        let (sender, ended) = channel();
        std::thread::spawn(move || sender.send(child.wait_with_output()));
        let Ok(output) = ended.recv_timeout(COMMAND_LIMIT) else {
            kill_process(pid, Signal::KILL)?;
            return Err(io::Error::other(format!("`{}` hung", words.join(" "))));
        };
        let output = output?;
        Ok(CommandEnd {
            code: output.status.code(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        })
    }

    /// A runner that goes on until it is ended.
    pub(super) fn start_runner(&self, workers: u64, is_shadowing: bool) -> io::Result<WatchedRunner> {
        let mut command = self.command(&["run", "--workers", &workers.to_string()])?;
        if is_shadowing {
            let fleet = [
                ("AQ_FLEET", "1"),
                ("AQ_FLEET_SHADOW", "1"),
                ("AQ_FLEET_URL", &self.coordinator.url()),
                ("AQ_FACTORY_ID", "weekend"),
            ];
            let fleet = fleet.map(|(name, value)| (name.to_owned(), value.to_owned()));
            command.envs(self.profile.renamed(fleet.into()));
        }
        command.stdout(Stdio::null()).stderr(Stdio::piped());
        Ok(WatchedRunner::new(command.spawn()?))
    }

    /// What `status` tells a program; null where that failed.
    pub(super) fn status(&self) -> io::Result<Value> {
        let told = self.ask(&["status", "--json"])?;
        Ok(serde_json::from_str(&told.stdout).unwrap_or_default())
    }

    /// Every job that there is, as a person sees it.
    pub(super) fn list(&self) -> io::Result<Vec<ListedJob>> {
        let told = self.ask(&["list", "--all", "--json"])?;
        let rows: Vec<Value> = serde_json::from_str(&told.stdout).map_err(|error| {
            io::Error::other(format!(
                "`list --all --json` told no list ({error}): {}",
                told.stderr
            ))
        })?;
        let text = |row: &Value, key: &str| row[key].as_str().unwrap_or_default().to_owned();
        Ok(rows
            .iter()
            .map(|row| ListedJob {
                id: text(row, "id"),
                stage: text(row, "stage"),
                reason: text(row, "reason"),
                attempts: row["attempts"].as_u64().unwrap_or(0),
            })
            .collect())
    }

    /// The job files of a stage, by the ids of their jobs.
    pub(super) fn ids_in(&self, stage: &str) -> Vec<String> {
        let entries = fs::read_dir(self.queue.join(stage))
            .into_iter()
            .flatten()
            .flatten();
        let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
        let mut ids: Vec<String> = names
            .filter_map(|name| Some(name.strip_suffix(".md")?.to_owned()))
            .collect();
        ids.sort();
        ids
    }

    /// The stages in which a job file of that name lies.
    pub(super) fn stages_of(&self, id: &str) -> Vec<&'static str> {
        let lies_in = |stage: &&str| self.job_file(stage, id).exists();
        STAGES.into_iter().filter(lies_in).collect()
    }

    pub(super) fn job_file(&self, stage: &str, id: &str) -> PathBuf {
        self.queue.join(stage).join(format!("{id}.md"))
    }

    pub(super) fn record(&self, id: &str) -> PathBuf {
        self.queue.join(".state/jobs").join(id).join("history.jsonl")
    }

    /// The pause of an engine is as when its time has passed: fast motion. Nothing that a runner does at the end of a pause
    /// is left out by it.
    pub(super) fn let_pause_pass(&self, engine: &str) -> io::Result<()> {
        let path = self.queue.join(".state/paused").join(engine);
        let mut health: Value = serde_json::from_slice(&fs::read(&path)?)?;
        health["pause"]["until"] = health["pause"]["since"].clone();
        let scratch = self.root.join("disk/pause");
        fs::write(&scratch, serde_json::to_vec(&health)?)?;
        fs::rename(scratch, path)
    }

    /// Adds a whole line to the evidence.
    pub(super) fn note(&self, line: &str) -> io::Result<()> {
        let path = self.root.join(stand_ins::EVIDENCE);
        let mut file = OpenOptions::new().append(true).open(path)?;
        file.write_all(format!("{line}\n").as_bytes())
    }

    /// The processes that this one started and that have not ended.
    pub(super) fn children_of(parent: Pid) -> Vec<Pid> {
        let parent = parent.as_raw_nonzero().get().to_string();
        let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
        let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
        let of_parent = pids.filter(|pid| {
            let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
            let words = stat.rsplit_once(')').map(|(_, rest)| rest.split_whitespace());
            words.and_then(|mut words| words.nth(1)) == Some(parent.as_str())
        });
        of_parent.filter_map(Pid::from_raw).collect()
    }

    /// Ends what a weekend that went wrong may have left.
    pub(super) fn kill_leftovers(&self) {
        kill_marked(stand_ins::FOLDER_VARIABLE, &self.root.to_string_lossy());
    }
}
