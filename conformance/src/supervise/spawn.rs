//! The start of the runner under test: with the default action for every signal and none blocked, however the harness
//! itself was started.
//!
//! Not by `std::process::Command`: what is ignored stays ignored across it, as after `nohup` or in some CI agents, and a
//! shell can't set a trap for what was ignored at its start.

use std::ffi::{CStr, CString, NulError, OsString};
use std::fs::File;
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;

use nix::spawn::{PosixSpawnAttr, PosixSpawnFileActions, PosixSpawnFlags, posix_spawnp};
use nix::sys::signal::SigSet;
use rustix::process::Pid;

/// Starts a program, found on PATH if it is no path, in a process group of its own and without input. `mark` is a
/// variable that it gets besides those of this process.
pub(super) fn start(program: &str, arguments: &[String], mark: Option<&CStr>) -> std::io::Result<Pid> {
    let null = File::open("/dev/null")?;
    let mut actions = PosixSpawnFileActions::init()?;
    actions.add_dup2(null.as_raw_fd(), 0)?;
    let words = std::iter::once(program).chain(arguments.iter().map(String::as_str));
    let words = words.map(CString::new).collect::<Result<Vec<_>, _>>()?;
    let pid = posix_spawnp(&words[0], &actions, &attributes()?, &words, &environment(mark)?)?;
    Pid::from_raw(pid.as_raw()).ok_or_else(|| std::io::Error::other("the system gave no process id"))
}

fn attributes() -> nix::Result<PosixSpawnAttr> {
    let mut attributes = PosixSpawnAttr::init()?;
    attributes.set_sigdefault(&SigSet::all())?;
    attributes.set_sigmask(&SigSet::empty())?;
    attributes.set_pgroup(nix::unistd::Pid::from_raw(0))?;
    attributes.set_flags(
        PosixSpawnFlags::POSIX_SPAWN_SETSIGDEF
            | PosixSpawnFlags::POSIX_SPAWN_SETSIGMASK
            | PosixSpawnFlags::POSIX_SPAWN_SETPGROUP,
    )?;
    Ok(attributes)
}

fn environment(mark: Option<&CStr>) -> Result<Vec<CString>, NulError> {
    let joined = |(name, value): (OsString, OsString)| [name.as_bytes(), value.as_bytes()].join(&b'=');
    let own = std::env::vars_os().filter(|(name, _)| name != super::MARK);
    let own = own.map(joined).map(CString::new);
    own.chain(mark.map(|mark| Ok(mark.to_owned()))).collect()
}
