//! The process that the runner starts in place of an engine, `verify-it` or `ship-it`: says how it was
//! started, asks what to do, does it.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use signal_hook::consts::SIGTERM;
use signal_hook::iterator::Signals;

use super::create_file;
use super::{COMMAND, EngineHello, EngineInstructions, EngineMessage, SpawnInstruction, StdinState};
use crate::exit_codes::HarnessExit;
#[cfg(any(portable, not(target_os = "linux")))]
use crate::process_list;
use crate::signal_dispositions::SignalDispositions;
use crate::stdio;
use crate::supervise::{self, ignoring};

/// How long an open, silent standard input is put up with.
const STDIN_LIMIT: Duration = Duration::from_secs(2);
/// A fake-engine left to itself ends after this, whatever becomes of the harness.
const LIFE_LIMIT: Duration = Duration::from_secs(120);
/// How a fake engine ends that learns of nobody what to do: no engine of a scenario ends so.
const UNREACHED: HarnessExit = HarnessExit::Relayed(97);
const PROMPT_LIMIT: u64 = 2 << 20;

/// `fake-engine SOCKET TOOL ARGUMENT...`.
pub fn main(arguments: &[String]) -> HarnessExit {
    let [socket, tool, rest @ ..] = arguments else {
        stdio::say("write `fake-engine SOCKET TOOL ARGUMENT...`");
        return HarnessExit::WrongUsage;
    };
    if tool == "--straggler" {
        return run_straggler(socket, rest.first().map_or("child", String::as_str));
    }
    match act(socket, tool, rest) {
        Ok(code) => HarnessExit::Relayed(u8::try_from(code).unwrap_or(1)),
        Err(error) => {
            stdio::say(format_args!(
                "fake-engine {tool}: the harness can't be reached: {error}"
            ));
            UNREACHED
        }
    }
}

fn act(socket: &str, tool: &str, arguments: &[String]) -> std::io::Result<i32> {
    let (tool, resumes) = match tool.split_once('#') {
        Some((tool, run)) => (tool, run.parse().ok()),
        None => (tool, None),
    };
    let hello = hello(tool, arguments, resumes);
    let mut stream = UnixStream::connect(socket)?;
    // A signal that comes before the hello is out is reported after it.
    let term = Signals::new([SIGTERM])?;
    say(&mut stream, &hello)?;
    report_sigterm(term, stream.try_clone()?, resumes.is_some())?;
    let mut lines = BufReader::new(stream.try_clone()?);
    let mut line = String::new();
    if lines.read_line(&mut line)? == 0 {
        return Err(std::io::Error::other("it hung up without saying what to do"));
    }
    let instructions: EngineInstructions = serde_json::from_str(&line)?;
    if instructions.ignores_term && resumes.is_none() {
        say(&mut stream, &EngineMessage::Resumes)?;
        let own = std::env::current_exe()?;
        let again = [COMMAND, socket, &format!("{tool}#{}", instructions.run)];
        return Err(ignoring_term(own)
            .args(again)
            .args(arguments)
            .stdin(Stdio::null())
            .exec());
    }
    if let Some(spawned) = instructions.spawns {
        start_straggler(socket, spawned, instructions.ignores_term)?;
    }
    write_files(socket, tool, &instructions.writes)?;
    let mut output = std::io::stdout().lock();
    output.write_all(instructions.prints.as_bytes())?;
    output.flush()?;
    drop(output);
    if instructions.duration_ms > 0 {
        work(
            &mut stream,
            Duration::from_millis(instructions.duration_ms).min(LIFE_LIMIT),
        )?;
    }
    say(&mut stream, &EngineMessage::Exits(instructions.exit))?;
    Ok(instructions.exit)
}

/// Leaves these files in the job's folder; the socket lies in the sandbox's, and outside of that nothing is written.
fn write_files(socket: &str, tool: &str, names: &[String]) -> std::io::Result<()> {
    if names.is_empty() {
        return Ok(());
    }
    let sandbox = Path::new(socket)
        .parent()
        .unwrap_or(Path::new("/"))
        .canonicalize()?;
    let here = std::env::current_dir()?;
    if !here.starts_with(&sandbox) {
        let message = format!(
            "{} lies outside of the sandbox, so nothing is written",
            here.display()
        );
        return Err(std::io::Error::other(message));
    }
    for name in names {
        create_file(Path::new(name))?.write_all(format!("written by {tool}\n").as_bytes())?;
    }
    Ok(())
}

/// Reports each SIGTERM, and then ends of it like a process that has no handler, unless it ignores SIGTERM.
fn report_sigterm(mut term: Signals, mut stream: UnixStream, ignores_term: bool) -> std::io::Result<()> {
    let report = move || {
        for signal in term.forever() {
            // The harness may be gone; ended is ended.
            let _ = say(&mut stream, &EngineMessage::GotTerm);
            if !ignores_term {
                let _ = signal_hook::low_level::emulate_default_handler(signal);
            }
        }
    };
    std::thread::Builder::new()
        .name("term".into())
        .spawn(report)
        .map(drop)
}

/// Lets the time pass, or the harness be gone, so that nobody needs the work. A signal ends no wait.
fn work(stream: &mut UnixStream, duration: Duration) -> std::io::Result<()> {
    let end = Instant::now() + duration;
    loop {
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(());
        }
        stream.set_read_timeout(Some(left))?;
        match stream.read(&mut [0]) {
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            _ => return Ok(()),
        }
    }
}

fn say<T: serde::Serialize>(stream: &mut UnixStream, message: &T) -> std::io::Result<()> {
    let mut line = serde_json::to_vec(message)?;
    line.push(b'\n');
    stream.write_all(&line)
}

fn hello(tool: &str, arguments: &[String], resumes: Option<usize>) -> EngineHello {
    let (stdin, piped) = read_stdin();
    let named = arguments
        .iter()
        .filter_map(|argument| fs::read_to_string(argument).ok());
    let prompt = if piped.is_empty() {
        named.collect::<Vec<_>>().join("\n")
    } else {
        piped
    };
    EngineHello {
        tool: tool.to_owned(),
        pid: std::process::id(),
        arguments: arguments.to_vec(),
        environment: std::env::vars_os()
            .filter(|(name, _)| name != supervise::MARK)
            .map(|(name, value)| {
                (
                    name.to_string_lossy().into_owned(),
                    value.to_string_lossy().into_owned(),
                )
            })
            .collect::<BTreeMap<_, _>>(),
        folder: std::env::current_dir()
            .map(|path| path.to_string_lossy().into_owned())
            .unwrap_or_default(),
        stdin,
        signals: SignalDispositions::of_this_process(),
        prompt,
        ancestors: ancestors(),
        resumes,
    }
}

/// Reads standard input to its end, or until it was silent for too long.
fn read_stdin() -> (StdinState, String) {
    let input = std::io::stdin();
    let deadline = Instant::now() + STDIN_LIMIT;
    let mut text = Vec::new();
    let mut buffer = vec![0_u8; 64 << 10];
    while (text.len() as u64) < PROMPT_LIMIT {
        let left = deadline.saturating_duration_since(Instant::now());
        let limit = Timespec {
            tv_sec: left.as_secs() as i64,
            tv_nsec: i64::from(left.subsec_nanos()),
        };
        let mut watched = [PollFd::from_borrowed_fd(input.as_fd(), PollFlags::IN)];
        if poll(&mut watched, Some(&limit)).unwrap_or(0) == 0 {
            return (StdinState::Open, String::from_utf8_lossy(&text).into_owned());
        }
        match rustix::io::read(input.as_fd(), &mut buffer) {
            Ok(0) | Err(_) => break,
            Ok(read) => text.extend_from_slice(&buffer[..read]),
        }
    }
    (StdinState::Ended, String::from_utf8_lossy(&text).into_owned())
}

/// The argument lists of the processes above this one, up to the harness's supervisor.
fn ancestors() -> Vec<String> {
    let mut found = Vec::new();
    let mut pid = std::os::unix::process::parent_id();
    while pid > 1 && found.len() < 16 {
        let (command, parent) = command_and_parent(pid);
        let supervisor =
            command.split(' ').nth(1) == Some(supervise::COMMAND) && command.contains(".report ");
        found.push(command);
        match parent {
            Some(parent) if !supervisor => pid = parent,
            _ => break,
        }
    }
    found
}

#[cfg(all(target_os = "linux", not(portable)))]
fn command_and_parent(pid: u32) -> (String, Option<u32>) {
    let command = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let command = String::from_utf8_lossy(&command)
        .replace('\0', " ")
        .trim()
        .to_owned();
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let parent = stat
        .rsplit_once(") ")
        .and_then(|(_, rest)| rest.split(' ').nth(1)?.parse().ok());
    (command, parent)
}

#[cfg(any(portable, not(target_os = "linux")))]
fn command_and_parent(pid: u32) -> (String, Option<u32>) {
    let Some(process) = process_list::find(pid) else {
        return (String::new(), None);
    };
    let parent = process
        .parent
        .and_then(|parent| u32::try_from(parent.as_raw_nonzero().get()).ok());
    (process.command, parent)
}

/// A program that ignores SIGTERM from its beginning on.
fn ignoring_term(program: PathBuf) -> Command {
    let [shell, arguments @ ..] = ignoring("TERM INT HUP");
    let mut command = Command::new(shell);
    command.args(arguments).arg(program);
    command
}

fn start_straggler(socket: &str, spawned: SpawnInstruction, ignores_term: bool) -> std::io::Result<()> {
    let word = match spawned {
        SpawnInstruction::Child => "child",
        SpawnInstruction::Setsid => "setsid",
        SpawnInstruction::DoubleFork => "double_fork",
    };
    let own = std::env::current_exe()?;
    // What is caught is not ignored by a child, so it has to ignore SIGTERM from its start.
    let mut command = match ignores_term {
        true => ignoring_term(own),
        false => Command::new(own),
    };
    start_until_ready(command.args([COMMAND, socket, "--straggler", word]))
}

/// Starts a straggler and waits for its first byte, which says that it stands where it should: in its own session, its
/// parent gone.
pub fn start_until_ready(command: &mut Command) -> std::io::Result<()> {
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?;
    if let Some(mut output) = child.stdout.take() {
        let _ = output.read(&mut [0]);
    }
    Ok(())
}

/// A process that nobody waits for. It ends when the harness's socket closes.
fn run_straggler(socket: &str, kind: &str) -> HarnessExit {
    if kind == "double_fork" {
        let again = std::env::current_exe().and_then(|own| {
            Command::new(own)
                .args([COMMAND, socket, "--straggler", "setsid"])
                .spawn()
        });
        return if again.is_ok() {
            HarnessExit::Holds
        } else {
            HarnessExit::Inconclusive
        };
    }
    if kind == "setsid" {
        let _ = rustix::process::setsid();
    }
    let Ok(mut stream) = UnixStream::connect(socket) else {
        return HarnessExit::Inconclusive;
    };
    stdio::write_stdout("!");
    let _ = stream.set_read_timeout(Some(LIFE_LIMIT));
    let _ = stream.read(&mut [0]);
    HarnessExit::Holds
}
