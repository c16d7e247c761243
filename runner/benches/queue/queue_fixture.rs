//! A fresh queue on a real disk, an engine that does nothing or takes a little while, and `aq` started on it.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// The folders of all fixtures so far. For minutes after many files were deleted, ext4 takes long to make a new one: none
/// is deleted before everything was measured.
static FOLDERS: Mutex<Vec<TempDir>> = Mutex::new(Vec::new());

pub fn clear_away() {
    FOLDERS.lock().unwrap_or_else(PoisonError::into_inner).clear();
}

pub struct QueueFixture {
    folder: PathBuf,
}

impl QueueFixture {
    /// Where `BENCH_DIR` says, or beside what was built. Not in a temporary folder of the system's: that may lie in memory,
    /// where durability costs nothing.
    pub fn new() -> io::Result<QueueFixture> {
        let place = std::env::var_os("BENCH_DIR").unwrap_or_else(|| env!("CARGO_TARGET_TMPDIR").into());
        let kept = TempDir::new_in(place)?;
        let folder = kept.path().to_path_buf();
        FOLDERS.lock().unwrap_or_else(PoisonError::into_inner).push(kept);
        let bin = folder.join("bin");
        fs::create_dir(&bin)?;
        symlink(program("true")?, bin.join("devin"))?;
        Ok(QueueFixture { folder })
    }

    /// From now on its engine takes a while.
    pub fn with_work_of(self, length: Duration) -> io::Result<QueueFixture> {
        let engine = self.path("bin/devin");
        fs::remove_file(&engine)?;
        fs::write(
            &engine,
            format!("#!/bin/sh\nexec sleep {}\n", length.as_secs_f64()),
        )?;
        fs::set_permissions(&engine, fs::Permissions::from_mode(0o755))?;
        Ok(self)
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    pub fn queue(&self) -> PathBuf {
        self.path("queue")
    }

    /// The search path of all that is started here.
    pub fn search_path(&self) -> String {
        format!("{}:/usr/bin:/bin", self.path("bin").display())
    }

    pub fn aq(&self, arguments: &[&str]) -> io::Result<Command> {
        let mut command = Command::new(env!("CARGO_BIN_EXE_aq"));
        command
            .args(arguments)
            .current_dir(&self.folder)
            .env_clear()
            .env("PATH", self.search_path())
            .env("AQ_QUEUE", self.queue())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(self.path("stderr"))?);
        Ok(command)
    }

    /// The milliseconds that a command took, which has to succeed.
    pub fn timed(&self, command: &mut Command) -> io::Result<f64> {
        let started = Instant::now();
        let status = command.status()?;
        let took_ms = started.elapsed().as_secs_f64() * 1e3;
        match status.success() {
            true => Ok(took_ms),
            false => Err(io::Error::other(format!(
                "{command:?} ended with {status}: {}",
                fs::read_to_string(self.path("stderr"))?
            ))),
        }
    }

    /// Job files that ask for the engine that does nothing.
    pub fn job_files(&self, prefix: &str, count: usize) -> io::Result<Vec<PathBuf>> {
        let folder = self.path("files");
        fs::create_dir_all(&folder)?;
        (0..count)
            .map(|number| {
                let path = folder.join(format!("{prefix}-{number:06}.md"));
                fs::write(&path, "---\nengine: devin\n---\nDo nothing.\n")?;
                Ok(path)
            })
            .collect()
    }

    pub fn add(&self, files: &[PathBuf]) -> io::Result<()> {
        for some in files.chunks(1000) {
            self.timed(self.aq(&["add"])?.args(some))?;
        }
        Ok(())
    }

    /// Fills stages as `aq` would have, but without waiting for the disk: copies of what it left of two jobs of its own.
    pub fn fill(&self, shipped: usize, waiting: usize) -> io::Result<()> {
        self.add(&self.job_files("model", 1)?)?;
        self.timed(&mut self.aq(&["run", "--drain"])?)?;
        self.copies("shipped", "model-000000", "old", shipped)?;
        self.add(&self.job_files("seed", 1)?)?;
        self.copies("inbox", "seed-000000", "new", waiting)
    }

    fn copies(&self, stage: &str, model: &str, prefix: &str, count: usize) -> io::Result<()> {
        let stage = self.queue().join(stage);
        let jobs = self.queue().join(".state/jobs");
        let file = fs::read(stage.join(format!("{model}.md")))?;
        let history = fs::read(jobs.join(model).join("history.jsonl"))?;
        for number in 0..count {
            let id = format!("{prefix}-{number:06}");
            fs::create_dir(jobs.join(&id))?;
            fs::write(jobs.join(&id).join("history.jsonl"), &history)?;
            fs::write(stage.join(format!("{id}.md")), &file)?;
        }
        Ok(())
    }
}

/// Where the system has a program.
fn program(name: &str) -> io::Result<PathBuf> {
    ["/usr/bin", "/bin"]
        .iter()
        .map(|folder| Path::new(folder).join(name))
        .find(|path| path.exists())
        .ok_or_else(|| io::Error::other(format!("no `{name}` in /usr/bin or /bin")))
}
