//! What a mutant needs beside a runner that has taken its place: the process that keeps the proxy. The runner itself
//! has the mutant's process id, so that a scenario's signals reach it.

use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};

#[cfg(all(target_os = "linux", not(portable)))]
use rustix::event::PollFlags;
use rustix::event::{PollFd, Timespec, poll};
use rustix::process::{Pid, getppid};
#[cfg(all(target_os = "linux", not(portable)))]
use rustix::process::{PidfdFlags, pidfd_open};

use super::proxy_faults::ProxyFaultInjector;
use super::{COMMAND, FaultPlace, Mutant, fault_proxy};
use conformance::exit_codes::HarnessExit;
use conformance::stdio;

/// Where the proxy beside this process listens, and the port of its gate.
pub(super) struct ProxyProcess {
    pub(super) url: String,
    pub(super) gate: u16,
}

/// Starts the proxy of `mutants` in a process that lives as long as this one, whatever this one becomes.
pub(super) fn start(mutant: Mutant, upstream: &str) -> std::io::Result<ProxyProcess> {
    let mut child = Command::new(std::env::current_exe()?)
        .args([COMMAND, "--beside", mutant.name, upstream])
        .arg(std::process::id().to_string())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()?;
    let mut line = String::new();
    if let Some(output) = child.stdout.take() {
        BufReader::new(output).read_line(&mut line)?;
    }
    let said = line.trim().split_once(' ');
    let said = said.and_then(|(url, gate)| Some((url.to_owned(), gate.parse().ok()?)));
    let (url, gate) = said.ok_or_else(|| std::io::Error::other("its proxy did not start"))?;
    Ok(ProxyProcess { url, gate })
}

/// `mutant --beside NAME UPSTREAM PID`: keeps the proxy until its parent, the process of this id, is gone.
pub(super) fn main(arguments: &[String]) -> HarnessExit {
    let kept = match arguments {
        [name, upstream, parent] => keep(name, upstream, parent),
        _ => Err(std::io::Error::other("write `mutant --beside NAME UPSTREAM PID`")),
    };
    match kept {
        Ok(()) => HarnessExit::Holds,
        Err(error) => {
            stdio::say(format_args!("mutant: {error}"));
            HarnessExit::Inconclusive
        }
    }
}

fn keep(name: &str, upstream: &str, parent: &str) -> std::io::Result<()> {
    let unknown = || std::io::Error::other(format!("there is no `{name}` with a proxy beside {parent}"));
    let mutant = Mutant::named(name).filter(|mutant| mutant.place == FaultPlace::Proxy);
    let mutant = mutant.ok_or_else(unknown)?;
    let parent = parent.parse().ok().and_then(Pid::from_raw).ok_or_else(unknown)?;
    if getppid() != Some(parent) {
        return Ok(());
    }
    let proxy = fault_proxy::start(upstream, ProxyFaultInjector::new(mutant.kind))?;
    let mut output = std::io::stdout();
    writeln!(output, "{} {}", proxy.url, proxy.gate)?;
    output.flush()?;
    wait_until_gone(parent)
}

#[cfg(all(target_os = "linux", not(portable)))]
fn wait_until_gone(parent: Pid) -> std::io::Result<()> {
    let ended = pidfd_open(parent, PidfdFlags::empty())?;
    while getppid() == Some(parent) {
        let mut ended = [PollFd::new(&ended, PollFlags::IN)];
        match poll(&mut ended, None::<&Timespec>) {
            Err(rustix::io::Errno::INTR) => {}
            other => return other.map(drop).map_err(Into::into),
        }
    }
    Ok(())
}

/// Nobody tells a process of the end of its parent, so it looks.
#[cfg(any(portable, not(target_os = "linux")))]
fn wait_until_gone(parent: Pid) -> std::io::Result<()> {
    const LOOK_INTERVAL: Timespec = Timespec {
        tv_sec: 0,
        tv_nsec: 50_000_000,
    };
    let nothing: &mut [PollFd<'_>] = &mut [];
    while getppid() == Some(parent) {
        match poll(nothing, Some(&LOOK_INTERVAL)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}
