//! What stands in for an engine, `verify-it` and `ship-it` in a sweep: it proves that it is alone, and says when it
//! starts and ends.
//!
//! Everything that is alive of a job holds a shared lock on one file of the ground. Whoever starts asks for it alone
//! first: if it can't be had, something of an earlier start is alive, and that is written down as an overlap. The same
//! for the lock that a job names.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::Duration;

use rustix::event::{PollFd, Timespec, poll};
use rustix::fs::{FlockOperation, flock};

/// The variable that says where a case plays.
pub(super) const GROUND: &str = "AQ_SWEEP";
/// What is left of a case that went wrong ends by itself.
const LIFE_LIMIT: Duration = Duration::from_secs(60);

/// What a job's processes are to do, as its file below `plans/` says it in words.
struct Orders {
    lock: Option<String>,
    fails: u64,
    verify_fails: u64,
    takes: Duration,
    leaves: String,
}

/// The hidden subcommand: `sweep-worker engine|verify|ship`, or `sweep-worker straggler setsid|double_fork`.
pub fn main(arguments: &[String]) -> ExitCode {
    let ground = PathBuf::from(std::env::var_os(GROUND).unwrap_or_default());
    let id = std::env::var("AQ_JOB_ID").unwrap_or_default();
    let done = match arguments {
        [step, kind] if step == "straggler" => straggle(&ground, &id, kind),
        [step] => work(&ground, &id, step),
        _ => Err(std::io::Error::other("it was called with other words")),
    };
    match done {
        Ok(code) => code,
        Err(error) => {
            note(&ground, &format!("broken {id} {error}"));
            ExitCode::from(97)
        }
    }
}

fn work(ground: &Path, id: &str, step: &str) -> std::io::Result<ExitCode> {
    let orders = orders(ground, id)?;
    let attempt: u64 = std::env::var("AQ_ATTEMPT")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(0);
    let mut held = vec![alone(ground, "live", id, id)?];
    if let Some(lock) = &orders.lock {
        held.push(alone(ground, "names", lock, id)?);
    }
    note(ground, &format!("start {id} {step} {attempt}"));
    if step == "engine" && orders.leaves != "nothing" {
        leave_behind(&orders.leaves)?;
    }
    pass(orders.takes);
    let fails = match step {
        "engine" => orders.fails,
        "verify" => orders.verify_fails,
        _ => 0,
    };
    let code = u8::from(attempt <= fails);
    note(ground, &format!("end {id} {step} {attempt} {code}"));
    Ok(ExitCode::from(code))
}

/// Holds the file, shared with what belongs to the same start; says so if it could not be had alone.
fn alone(ground: &Path, kind: &str, name: &str, id: &str) -> std::io::Result<File> {
    let file = open(ground, kind, name)?;
    if flock(&file, FlockOperation::NonBlockingLockExclusive).is_err() {
        note(ground, &format!("overlap {id} {kind} {name}"));
    }
    flock(&file, FlockOperation::LockShared)?;
    Ok(file)
}

pub(super) fn open(ground: &Path, kind: &str, name: &str) -> std::io::Result<File> {
    OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(ground.join(kind).join(name))
}

fn orders(ground: &Path, id: &str) -> std::io::Result<Orders> {
    let text = std::fs::read_to_string(ground.join("plans").join(id))?;
    let words: Vec<&str> = text.split_whitespace().collect();
    let [lock, fails, verify_fails, takes_ms, leaves] = words[..] else {
        return Err(std::io::Error::other("its orders are not five words"));
    };
    let number = |word: &str| word.parse().unwrap_or(0);
    Ok(Orders {
        lock: (lock != "-").then(|| lock.to_owned()),
        fails: number(fails),
        verify_fails: number(verify_fails),
        takes: Duration::from_millis(number(takes_ms)),
        leaves: leaves.to_owned(),
    })
}

fn leave_behind(kind: &str) -> std::io::Result<()> {
    let mut child = Command::new(std::env::current_exe()?)
        .args(["sweep-worker", "straggler", kind])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()?;
    // Its first byte says that it stands where it should.
    if let Some(mut output) = child.stdout.take() {
        let _ = output.read(&mut [0]);
    }
    Ok(())
}

fn straggle(ground: &Path, id: &str, kind: &str) -> std::io::Result<ExitCode> {
    if kind == "double_fork" {
        Command::new(std::env::current_exe()?)
            .args(["sweep-worker", "straggler", "setsid"])
            .spawn()?;
        return Ok(ExitCode::SUCCESS);
    }
    rustix::process::setsid()?;
    let file = open(ground, "live", id)?;
    flock(&file, FlockOperation::LockShared)?;
    print!("!");
    std::io::stdout().flush()?;
    pass(LIFE_LIMIT);
    Ok(ExitCode::SUCCESS)
}

/// One whole line at the end of the ground's log.
fn note(ground: &Path, line: &str) {
    let log = OpenOptions::new()
        .append(true)
        .create(true)
        .open(ground.join("log"));
    if let Ok(mut log) = log {
        let _ = log.write_all(format!("{line}\n").as_bytes());
    }
}

fn pass(time: Duration) {
    let limit = Timespec {
        tv_sec: i64::try_from(time.as_secs()).unwrap_or(0),
        tv_nsec: i64::from(time.subsec_nanos()),
    };
    let nothing: &mut [PollFd<'_>] = &mut [];
    let _ = poll(nothing, Some(&limit));
}
