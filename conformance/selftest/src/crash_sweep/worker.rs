//! What stands in for an engine, `verify-it` and `ship-it` in a sweep: it proves that it is alone, and says when it
//! starts and ends.
//!
//! Everything that is alive of a job holds a shared lock on one file of the fixture. Whoever starts asks for it alone
//! first: if it can't be had, something of an earlier start is alive, and that is written down as an overlap. The same
//! for the lock that a job names. Whoever only looks whether anything is alive has a second file for that: a look at the
//! first would itself be taken for something alive by whoever starts in that moment.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use rustix::event::{PollFd, Timespec, poll};
use rustix::fs::{FlockOperation, flock};

use super::long_output;
use conformance::coordinator::http_client::CoordinatorClient;
use conformance::exit_codes::HarnessExit;
use conformance::fake_engine::engine_process::start_until_ready;

/// The hidden command of a worker.
pub const COMMAND: &str = "sweep-worker";
/// How a worker ends that could not do its work: no engine of a sweep ends so.
const BROKEN: HarnessExit = HarnessExit::Relayed(97);
/// The variable with the folder in which a case is run.
pub(super) const FIXTURE_VARIABLE: &str = "AQ_SWEEP";
/// The file with the coordinator's address, where there is one.
pub(super) const COORDINATOR: &str = "coordinator";
/// What is left of a case that went wrong ends by itself.
const LIFE_LIMIT: Duration = Duration::from_secs(60);

/// What a job's processes are to do, as its file below `plans/` says it in words.
struct WorkerPlan {
    lock: Option<String>,
    fails: u64,
    verify_fails: u64,
    duration: Duration,
    leaves: String,
}

/// `sweep-worker engine|verify|ship`, or `sweep-worker straggler setsid|double_fork`.
pub fn main(arguments: &[String]) -> HarnessExit {
    let folder = PathBuf::from(std::env::var_os(FIXTURE_VARIABLE).unwrap_or_default());
    let id = std::env::var("AQ_JOB_ID").unwrap_or_default();
    let done = match arguments {
        [step, kind] if step == "straggler" => run_straggler(&folder, &id, kind),
        [step] => work(&folder, &id, step),
        _ => Err(std::io::Error::other("it was called with other words")),
    };
    match done {
        Ok(code) => code,
        Err(error) => {
            note(&folder, &format!("broken {id} {error}"));
            BROKEN
        }
    }
}

fn work(folder: &Path, id: &str, step: &str) -> std::io::Result<HarnessExit> {
    let plan = plan(folder, id)?;
    let attempt: u64 = std::env::var("AQ_ATTEMPT")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(0);
    let mut held = vec![alone(folder, "live", id, id)?, shared(folder, "seen", id)?];
    if let Some(lock) = &plan.lock {
        held.push(alone(folder, "names", lock, id)?);
    }
    let token = std::env::var("AQ_FENCING_TOKEN").ok();
    let of_lease = token.as_deref().unwrap_or("-");
    note(folder, &format!("start {id} {step} {attempt} {of_lease}"));
    if let Some(what) = without_lease(folder, id, token.as_deref())? {
        note(
            folder,
            &format!("unleased {id} {step} {attempt} {of_lease}: {what}"),
        );
    }
    if step == "engine" && plan.leaves != "nothing" {
        let mut straggler = Command::new(std::env::current_exe()?);
        start_until_ready(straggler.args([COMMAND, "straggler", &plan.leaves]))?;
    }
    if step == "engine" && folder.join(long_output::FOLDER).join(id).exists() {
        long_output::print(id, attempt);
    }
    pass(plan.duration);
    let fails = match step {
        "engine" => plan.fails,
        "verify" => plan.verify_fails,
        _ => 0,
    };
    let code = u8::from(attempt <= fails);
    note(folder, &format!("end {id} {step} {attempt} {code}"));
    Ok(HarnessExit::Relayed(code))
}

/// Of a job that a coordinator has: whether it can't be shown that it may be worked on at this moment.
fn without_lease(folder: &Path, id: &str, token: Option<&str>) -> std::io::Result<Option<String>> {
    let Ok(address) = std::fs::read_to_string(folder.join(COORDINATOR)) else {
        return Ok(None);
    };
    // Engine and `verify` get no variable of their lease.
    let asked = CoordinatorClient::new(&address, None, None).and_then(|client| client.get("/_stub/state"));
    let state = asked.map_err(std::io::Error::other)?.body;
    let leases = state["leases"].as_array().cloned().unwrap_or_default();
    if was_begun_before_the_end_of_leases(folder, id) {
        return Ok(None);
    }
    let of_job = leases.iter().find(|lease| lease["job"] == id);
    let live = of_job.and_then(|lease| lease["fencing_token"].as_u64());
    Ok(match (live, token.map(str::parse::<u64>)) {
        (None, _) => Some("the coordinator knows no lease of it".to_owned()),
        (Some(live), Some(Ok(token))) if live != token => Some(format!("the live lease has token {live}")),
        _ => None,
    })
}

/// The file that says when leases were made to end, in the kernel's ticks.
const ENDED: &str = "ended";
const TICKS_PER_SECOND: f64 = 100.0;

/// To be called before they end. The file is there as a whole, or not yet: a worker reads it at any moment.
pub(super) fn note_end_of_leases(folder: &Path) -> std::io::Result<()> {
    let uptime = std::fs::read_to_string("/proc/uptime")?;
    let seconds = uptime.split(' ').next().and_then(|text| text.parse::<f64>().ok());
    let ticks = seconds.ok_or(std::io::ErrorKind::InvalidData)? * TICKS_PER_SECOND;
    let scratch = folder.join("ended.new");
    std::fs::write(&scratch, format!("{ticks:.0}"))?;
    std::fs::rename(scratch, folder.join(ENDED))
}

/// This command had its lease when it was begun; it took its time, and had no runner any more who would have ended it.
fn was_begun_before_the_end_of_leases(folder: &Path, id: &str) -> bool {
    let ended = std::fs::read_to_string(folder.join(ENDED)).ok();
    let ended = ended.and_then(|text| text.trim().parse::<u64>().ok());
    matches!((begun(id), ended), (Some(begun), Some(ended)) if begun <= ended)
}

/// When this command was begun, in ticks: this process, or the shell that was given its words and leads its group.
fn begun(id: &str) -> Option<u64> {
    let leader = rustix::process::getpgrp().as_raw_nonzero().get();
    let environment = std::fs::read(format!("/proc/{leader}/environ")).unwrap_or_default();
    let of_job = format!("AQ_JOB_ID={id}");
    let mut variables = environment.split(|byte| *byte == 0);
    // A runner that gives its commands no group of their own leads it, and was there before any lease.
    let leads_command = variables.any(|variable| variable == of_job.as_bytes());
    let of_leader = leads_command.then(|| start_ticks(leader)).flatten();
    of_leader.or_else(|| start_ticks(rustix::process::getpid().as_raw_nonzero().get()))
}

/// The second word of the line, a name in brackets, may have blanks in it; the start is the twenty-second.
fn start_ticks(pid: i32) -> Option<u64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, rest) = stat.rsplit_once(')')?;
    rest.split_whitespace().nth(19)?.parse().ok()
}

/// Holds the file, shared with what belongs to the same start; says so if it could not be had alone.
fn alone(folder: &Path, kind: &str, name: &str, id: &str) -> std::io::Result<File> {
    let file = open(folder, kind, name)?;
    if flock(&file, FlockOperation::NonBlockingLockExclusive).is_err() {
        note(folder, &format!("overlap {id} {kind} {name}"));
    }
    flock(&file, FlockOperation::LockShared)?;
    Ok(file)
}

fn shared(folder: &Path, kind: &str, name: &str) -> std::io::Result<File> {
    let file = open(folder, kind, name)?;
    flock(&file, FlockOperation::LockShared)?;
    Ok(file)
}

/// Whether anything of a job is alive.
pub(super) fn is_alive(folder: &Path, id: &str) -> bool {
    let seen = open(folder, "seen", id);
    seen.is_ok_and(|seen| flock(&seen, FlockOperation::NonBlockingLockExclusive).is_err())
}

fn open(folder: &Path, kind: &str, name: &str) -> std::io::Result<File> {
    OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(folder.join(kind).join(name))
}

fn plan(folder: &Path, id: &str) -> std::io::Result<WorkerPlan> {
    let text = std::fs::read_to_string(folder.join("plans").join(id))?;
    let words: Vec<&str> = text.split_whitespace().collect();
    let [lock, fails, verify_fails, duration_ms, leaves] = words[..] else {
        return Err(std::io::Error::other("its plan is not five words"));
    };
    let number = |word: &str| word.parse().unwrap_or(0);
    Ok(WorkerPlan {
        lock: (lock != "-").then(|| lock.to_owned()),
        fails: number(fails),
        verify_fails: number(verify_fails),
        duration: Duration::from_millis(number(duration_ms)),
        leaves: leaves.to_owned(),
    })
}

fn run_straggler(folder: &Path, id: &str, kind: &str) -> std::io::Result<HarnessExit> {
    if kind == "double_fork" {
        Command::new(std::env::current_exe()?)
            .args([COMMAND, "straggler", "setsid"])
            .spawn()?;
        return Ok(HarnessExit::Holds);
    }
    rustix::process::setsid()?;
    let _held = [shared(folder, "live", id)?, shared(folder, "seen", id)?];
    // Whoever waits for it may have been killed meanwhile, which is nothing that is wrong here.
    let _ = std::io::stdout().write_all(b"!");
    let _ = std::io::stdout().flush();
    pass(LIFE_LIMIT);
    Ok(HarnessExit::Holds)
}

/// Adds one whole line to the log of the fixture.
pub(super) fn note(folder: &Path, line: &str) {
    let log = OpenOptions::new()
        .append(true)
        .create(true)
        .open(folder.join("log"));
    if let Ok(mut log) = log {
        let _ = log.write_all(format!("{line}\n").as_bytes());
    }
}

pub(super) fn pass(time: Duration) {
    let limit = Timespec {
        tv_sec: i64::try_from(time.as_secs()).unwrap_or(0),
        tv_nsec: i64::from(time.subsec_nanos()),
    };
    let nothing: &mut [PollFd<'_>] = &mut [];
    let _ = poll(nothing, Some(&limit));
}
