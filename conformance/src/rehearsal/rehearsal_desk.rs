//! The desk of a rehearsal: a folder with a queue, the fake coordinator, and how `aq` is called there.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use stub_coordinator::{FiringCondition, NewJob, Stub, StubConfig, preset};
use tempfile::TempDir;

use super::job_ledger::JobLedger;
use super::{RehearsalError, RehearsalPlan};

/// How long a command may be silent; on a busy machine all take longer.
const SILENCE: Duration = Duration::from_secs(120);

/// What a command did.
#[derive(Debug)]
pub(super) struct CommandEnd {
    /// -1 where a signal ended it.
    pub(super) code: i32,
    /// Standard output and standard error, line by line as they came.
    pub(super) lines: Vec<String>,
}

/// All that the steps work with.
pub(super) struct RehearsalDesk {
    aq: PathBuf,
    root: PathBuf,
    pub(super) stub: Stub,
    pub(super) ledger: JobLedger,
    /// The jobs of each step, by the step's name.
    batches: BTreeMap<&'static str, Vec<String>>,
    switches: [(&'static str, &'static str); 3],
    /// Dropped last: what is above works in it.
    _folder: TempDir,
}

impl RehearsalDesk {
    /// Makes the folder and starts the fake, which knows the jobs that will be observed. `owners`: the steps that have jobs.
    pub(super) fn set_up(
        plan: &RehearsalPlan,
        owners: &[&'static str],
        began: Instant,
    ) -> Result<RehearsalDesk, RehearsalError> {
        let folder = tempfile::Builder::new()
            .prefix("aq-rehearsal-")
            .tempdir()
            .map_err(failed("making a folder for the rehearsal"))?;
        let root = folder
            .path()
            .canonicalize()
            .map_err(failed("finding that folder"))?;
        for name in ["queue", "work", "marks", "home", "jobs"] {
            fs::create_dir(root.join(name)).map_err(failed("making a folder for the rehearsal"))?;
        }
        // A runner refuses a queue that others can write, whatever the umask was.
        let rights = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        fs::set_permissions(root.join("queue"), rights).map_err(failed("keeping the queue private"))?;
        let settings = format!(
            "[route]\nallow_engines = [\"sh\"]\nallow_commands = \"any\"\nallow_cwd = [\"{}\"]\n",
            root.join("work").display()
        );
        fs::write(root.join("queue/aq.toml"), settings).map_err(failed("writing aq.toml"))?;
        let ledger = JobLedger::open(&root.join("marks"), began);
        let batches = batches(plan, owners);
        let known = batches.get("observe").into_iter().flatten();
        let config = StubConfig {
            jobs: known.map(|id| new_job(id, &root, &ledger)).collect(),
            seed: Some(plan.seed),
            ..StubConfig::default()
        };
        let stub = Stub::start(config).map_err(|error| RehearsalError::Fake(error.to_string()))?;
        Ok(RehearsalDesk {
            aq: plan.aq.clone(),
            root,
            stub,
            ledger,
            batches,
            switches: [
                ("AQ_FLEET", "0"),
                ("AQ_FLEET_SHADOW", "0"),
                ("AQ_FLEET_ROUTE", "0"),
            ],
            _folder: folder,
        })
    }

    /// Sets the three switches of the ladder: fleet, shadow, route.
    pub(super) fn switch(&mut self, values: [&'static str; 3]) {
        for (switch, value) in self.switches.iter_mut().zip(values) {
            switch.1 = value;
        }
    }

    /// The ids of a step's jobs.
    pub(super) fn batch(&self, step: &str) -> Vec<String> {
        self.batches.get(step).cloned().unwrap_or_default()
    }

    /// Writes the job files of a step; what comes back are their paths.
    pub(super) fn write(&self, ids: &[String]) -> Result<Vec<String>, RehearsalError> {
        let mut paths = Vec::new();
        for id in ids {
            let path = self.root.join("jobs").join(format!("{id}.md"));
            let job = new_job(id, &self.root, &self.ledger);
            let (ship, cwd) = (job.ship.unwrap_or_default(), job.cwd.unwrap_or_default());
            let text = format!("---\nengine: sh\ncwd: {cwd}\nship: {ship}\n---\n{}\n", job.body);
            fs::write(&path, text).map_err(failed("writing a job"))?;
            paths.push(path.to_string_lossy().into_owned());
        }
        Ok(paths)
    }

    /// Where the queue's shadow log is.
    pub(super) fn shadow_log(&self) -> PathBuf {
        self.root.join("queue/.state/fleet-shadow.log")
    }

    pub(super) fn file(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    /// Arms a preset of the fake in place of what is armed.
    pub(super) fn arm(&self, name: &str) -> Result<(), RehearsalError> {
        let rules = preset(name).map_err(RehearsalError::Fake)?;
        let armed = self.stub.replace_rules(rules);
        armed
            .map(drop)
            .map_err(|error| RehearsalError::Fake(error.to_string()))
    }

    /// Loses the first answers of each operation but renewals, which are asked for again after a third of a lease. The
    /// preset loses them by chance, so many in a row at times that a lease ends meanwhile, and then the runner rightly
    /// gives the job up.
    pub(super) fn lose_replies(&self) -> Result<(), RehearsalError> {
        const LOST: u64 = 2;
        let mut rules = preset("lost-replies").map_err(RehearsalError::Fake)?;
        rules.retain(|rule| rule.on != "lease.renew");
        for rule in &mut rules {
            rule.when = FiringCondition {
                times: Some(LOST),
                ..FiringCondition::default()
            };
        }
        let armed = self.stub.replace_rules(rules);
        armed
            .map(drop)
            .map_err(|error| RehearsalError::Fake(error.to_string()))
    }

    /// How often the armed rules have fired.
    pub(super) fn fired(&self) -> u64 {
        self.stub.rules().iter().map(|status| status.fired).sum()
    }

    /// Runs `aq` to its end.
    pub(super) fn aq(&self, words: &[&str]) -> Result<CommandEnd, RehearsalError> {
        self.aq_until(words, None)
    }

    /// Runs `aq` to its end, or ends it by SIGTERM once it says this.
    pub(super) fn aq_until(&self, words: &[&str], said: Option<&str>) -> Result<CommandEnd, RehearsalError> {
        let mut command = Command::new(&self.aq);
        let own = std::env::var_os("PATH").unwrap_or_default();
        command
            .args(words)
            .current_dir(self.root.join("work"))
            .env_clear()
            .env("PATH", own)
            .env("HOME", self.root.join("home"))
            .env("TMPDIR", std::env::temp_dir())
            .env("TZ", "UTC")
            .env("LC_ALL", "C")
            .env("AQ_QUEUE", self.root.join("queue"))
            .env("AQ_FACTORY_ID", "rehearsal")
            .env("AQ_FLEET_URL", self.stub.url())
            .env("AQ_FLEET_TIMEOUT", "15s")
            .env("AQ_FLEET_DRAIN", "15s")
            .envs(self.switches)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().map_err(failed("starting aq"))?;
        let receiver = printed_lines(&mut child);
        let mut lines = Vec::new();
        let mut awaited = said;
        let pid = i32::try_from(child.id()).map(Pid::from_raw);
        loop {
            match receiver.recv_timeout(SILENCE) {
                Ok(line) => {
                    if awaited.is_some_and(|said| line.contains(said)) {
                        awaited = None;
                        if let Ok(pid) = pid {
                            kill(pid, Signal::SIGTERM).map_err(|error| failed("ending aq")(error.into()))?;
                        }
                    }
                    lines.push(line);
                }
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => {
                    child.kill().map_err(failed("ending aq"))?;
                    child.wait().map_err(failed("waiting for aq"))?;
                    return Err(RehearsalError::Silent {
                        command: words.join(" "),
                        seconds: SILENCE.as_secs(),
                    });
                }
            }
        }
        let status = child.wait().map_err(failed("waiting for aq"))?;
        Ok(CommandEnd {
            code: status.code().unwrap_or(-1),
            lines,
        })
    }
}

/// What a program prints on either stream, line by line; disconnected once both have ended.
fn printed_lines(child: &mut Child) -> Receiver<String> {
    let (sender, receiver) = channel();
    let stdout = child
        .stdout
        .take()
        .map(|stream| Box::new(stream) as Box<dyn Read + Send>);
    let stderr = child
        .stderr
        .take()
        .map(|stream| Box::new(stream) as Box<dyn Read + Send>);
    for stream in [stdout, stderr].into_iter().flatten() {
        let sender = sender.clone();
        thread::spawn(move || {
            for line in BufReader::new(stream).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
    }
    receiver
}

/// What a failed call is told as.
pub(super) fn failed(what: &str) -> impl Fn(std::io::Error) -> RehearsalError {
    move |source| RehearsalError::Io {
        what: what.to_owned(),
        source,
    }
}

/// One job for each step, and the rest where the seed puts them.
fn batches(plan: &RehearsalPlan, owners: &[&'static str]) -> BTreeMap<&'static str, Vec<String>> {
    let mut batches: BTreeMap<&'static str, Vec<String>> = BTreeMap::new();
    let mut dice = plan.seed;
    for number in 0..plan.jobs {
        let place = match number < owners.len() {
            true => number,
            false => {
                // Knuth's multiplier: enough to spread jobs, and the same on every machine.
                dice = dice
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1_442_695_040_888_963_407);
                usize::try_from(dice >> 33).unwrap_or(0) % owners.len()
            }
        };
        let batch = batches.entry(owners[place]).or_default();
        batch.push(format!("{}-{}", owners[place], batch.len() + 1));
    }
    batches
}

/// A job that leaves a line when it runs and another when it is shipped.
fn new_job(id: &str, root: &Path, ledger: &JobLedger) -> NewJob {
    let leave = |what| format!("echo $AQ_JOB_ID >> {}", ledger.mark(id, what).display());
    NewJob {
        cwd: Some(root.join("work").to_string_lossy().into_owned()),
        ship: Some(leave("shipped")),
        body: leave("ran"),
        ..NewJob::named(id, "sh")
    }
}
