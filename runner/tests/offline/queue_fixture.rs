//! A fresh folder with a queue to be and engines first on PATH; says everything it knows when a test fails.

use std::cell::RefCell;
use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use rustix::fs::{FlockOperation, flock};
use tempfile::TempDir;

use crate::observed_process::{is_alive, make_pipe};
use crate::recorded_engines::{recorded_exit, recorded_output};
use crate::started_command::{CompletedCommand, StartedCommand};

/// No test needs a hundredth of it; it ends those that hang.
pub const LIMIT_S: i64 = 30;

/// What an operator writes who trusts the coordinator with everything.
pub const ROUTE_ANYTHING: &str =
    "[route]\nallow_engines = [\"sh\"]\nallow_commands = \"any\"\nallow_yolo = true\nallow_cwd = [\"/\"]\n";

pub struct QueueFixture {
    folder: TempDir,
    pub(crate) commands: RefCell<Vec<String>>,
}

impl QueueFixture {
    pub fn new() -> QueueFixture {
        // A queue that others can write is refused, and most tests mean another.
        rustix::process::umask(0o022.into());
        let folder = TempDir::new().unwrap();
        for name in ["bin", "work"] {
            fs::create_dir(folder.path().join(name)).unwrap();
        }
        QueueFixture {
            folder,
            commands: RefCell::default(),
        }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn queue(&self, name: &str) -> PathBuf {
        self.path("queue").join(name)
    }

    /// Waits until nobody holds the lock of a job, as a supervisor does until it lets go of it, and then holds it.
    pub fn job_lock(&self, id: &str) -> File {
        let path = self.queue(".state/locks/job").join(id);
        let lock = File::options().write(true).open(path).unwrap();
        flock(&lock, FlockOperation::LockExclusive).unwrap();
        lock
    }

    /// Puts a program on PATH; in it, `$FIXTURE` is this folder.
    pub fn engine(&self, name: &str, script: &str) {
        let path = self.path("bin").join(name);
        fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    /// Puts an engine on PATH that does what the script says, then prints what the real one printed in that case, and ends
    /// like it.
    pub fn stand_in(&self, engine: &str, case: &str, script: &str) {
        let file = format!("{engine}.{case}.out");
        fs::write(self.path(&file), recorded_output(engine, case)).unwrap();
        let exit = recorded_exit(engine, case);
        self.engine(engine, &format!("{script}\ncat $FIXTURE/{file}; exit {exit}"));
    }

    /// Writes a job file into the folder that `aq` is started in. A retry is not waited for unless a test says so.
    pub fn file(&self, id: &str, keys: &str, body: &str) -> String {
        let is_retried = keys.contains("retries:") && !keys.contains("retry_delay:");
        let keys = match (keys, is_retried) {
            ("", _) => String::new(),
            (keys, false) => format!("{keys}\n"),
            (keys, true) => format!("{keys}\nretry_delay: 0s\n"),
        };
        fs::write(
            self.path("work").join(format!("{id}.md")),
            format!("---\n{keys}---\n{body}\n"),
        )
        .unwrap();
        format!("{id}.md")
    }

    /// Enqueues a job that the engine `sh` runs.
    pub fn add(&self, id: &str, keys: &str, script: &str) {
        let name = self.file(id, format!("engine: sh\n{keys}").trim(), script);
        let done = self.aq(&["add", &name]);
        assert_eq!(done.code, 0, "{}", done.stderr);
    }

    pub fn aq(&self, arguments: &[&str]) -> CompletedCommand {
        self.start(arguments, &[]).end()
    }

    pub fn aq_with(&self, variables: &[(&str, &str)], arguments: &[&str]) -> CompletedCommand {
        self.start(arguments, variables).end()
    }

    pub fn start(&self, arguments: &[&str], variables: &[(&str, &str)]) -> StartedCommand<'_> {
        self.program(Path::new(env!("CARGO_BIN_EXE_aq")), arguments, variables)
    }

    /// Starts another program in place of `aq`, one that will start it.
    pub fn program(
        &self,
        program: &Path,
        arguments: &[&str],
        variables: &[(&str, &str)],
    ) -> StartedCommand<'_> {
        crate::signals::hand_none_of_it_on();
        self.allow_routed_jobs(variables);
        let number = self.commands.borrow().len();
        let streams = ["stdout", "stderr"].map(|name| self.path(&format!("{number}.{name}")));
        let path = format!("{}:/usr/local/bin:/usr/bin:/bin", self.path("bin").display());
        let child = Command::new(program)
            .args(arguments)
            .current_dir(self.path("work"))
            .env_clear()
            .env("PATH", path)
            .env("FIXTURE", self.folder.path())
            .env("AQ_QUEUE", self.path("queue"))
            .env("AQ_GRACE", "100ms")
            .envs(variables.iter().copied())
            .stdin(Stdio::null())
            .stdout(File::create(&streams[0]).unwrap())
            .stderr(File::create(&streams[1]).unwrap())
            .spawn()
            .unwrap();
        self.commands.borrow_mut().push(format!(
            "$ {} {} {variables:?}",
            program.display(),
            arguments.join(" ")
        ));
        StartedCommand {
            fixture: self,
            number,
            child: Some(child),
            streams,
        }
    }

    /// Where the coordinator decides, the operator of a queue allows its jobs everything, unless the test says what.
    fn allow_routed_jobs(&self, variables: &[(&str, &str)]) {
        let settings = self.queue("aq.toml");
        let is_routed = variables.contains(&("AQ_FLEET_ROUTE", "1"));
        if is_routed && self.path("queue").is_dir() && !settings.exists() {
            fs::write(settings, ROUTE_ANYTHING).unwrap();
        }
    }

    /// The stage of a job, which must be in one stage alone.
    pub fn stage(&self, id: &str) -> String {
        let stages = [
            "inbox",
            "building",
            "testing",
            "review",
            "shipped",
            "failed",
            "quarantine",
        ];
        let found: Vec<_> = stages
            .iter()
            .filter(|stage| self.queue(stage).join(format!("{id}.md")).exists())
            .collect();
        assert!(found.len() <= 1, "{id} is in {found:?}");
        found.first().map_or("nowhere", |stage| stage).to_string()
    }

    /// The reason of the job's last change, as a code.
    pub fn reason(&self, id: &str) -> String {
        self.shown(id, "reason")
    }

    /// What people are told of that reason.
    pub fn detail(&self, id: &str) -> String {
        self.shown(id, "detail")
    }

    fn shown(&self, id: &str, key: &str) -> String {
        let shown = self.aq(&["show", "--json", id]);
        let shown: serde_json::Value = serde_json::from_str(&shown.stdout).unwrap();
        shown[key].as_str().unwrap_or("none").to_owned()
    }

    /// The lines of a file in this folder; none if there is no such file.
    pub fn lines(&self, name: &str) -> Vec<String> {
        fs::read_to_string(self.path(name))
            .unwrap_or_default()
            .lines()
            .map(str::to_owned)
            .collect()
    }

    /// A pipe with a name: writer and reader wait for each other, which is how a test and an engine meet.
    pub fn pipe(&self, name: &str) -> PathBuf {
        let path = self.path(name);
        make_pipe(&path);
        path
    }

    /// Waits for an engine to write into a pipe, and returns what it wrote.
    pub fn wait_for(&self, name: &str) -> String {
        let path = self.path(name);
        bounded(&format!("hearing {name}"), move || {
            fs::read_to_string(path).unwrap()
        })
    }

    /// Makes these pipes, for who writes into each of them once it is where the test wants it.
    pub fn pipes(&self, names: &[&str]) {
        names.iter().for_each(|name| drop(self.pipe(name)));
    }

    /// Waits until each of these was written into.
    pub fn wait_for_all(&self, names: &[&str]) {
        names.iter().for_each(|name| drop(self.wait_for(name)));
    }

    /// None of those that noted their process ids in these files lives.
    pub fn assert_none_lives(&self, notes: &[&str]) {
        for note in notes {
            let pid = fs::read_to_string(self.path(note)).unwrap();
            assert!(!is_alive(&pid), "{note} is alive");
        }
    }

    /// Whether its job `a` was published nobody can tell, and it was not tried again.
    pub fn assert_ship_unknown(&self) {
        let told = (self.stage("a"), self.reason("a"));
        assert_eq!(told, ("quarantine".into(), "ship_unknown".into()));
        assert_eq!(self.lines("runs").len(), 1);
    }

    /// Waits for an engine to read from a pipe, and lets it go on.
    pub fn release(&self, name: &str) {
        let path = self.path(name);
        bounded(&format!("releasing {name}"), move || {
            fs::OpenOptions::new()
                .write(true)
                .open(path)
                .unwrap()
                .write_all(b"go\n")
                .unwrap();
        });
    }
}

/// On a thread of its own, so that a wait for someone who never comes ends the test after a limit.
fn bounded<T: Send + 'static>(what: &str, wait: impl FnOnce() -> T + Send + 'static) -> T {
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || sender.send(wait()));
    receiver
        .recv_timeout(Duration::from_secs(LIMIT_S as u64))
        .unwrap_or_else(|_| panic!("{what}: nobody came"))
}

impl Drop for QueueFixture {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            return;
        }
        for line in self.commands.borrow().iter() {
            eprintln!("{line}");
        }
        print_tree(self.folder.path(), self.folder.path());
    }
}

fn print_tree(root: &Path, folder: &Path) {
    let mut entries: Vec<PathBuf> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    entries.sort();
    for path in entries {
        let kind = path.symlink_metadata().unwrap().file_type();
        eprintln!("--- {}", path.strip_prefix(root).unwrap().display());
        if kind.is_dir() {
            print_tree(root, &path);
        } else if kind.is_file() {
            let bytes = fs::read(&path).unwrap();
            eprintln!("{}", String::from_utf8_lossy(&bytes[..bytes.len().min(2000)]));
        }
    }
}
