//! Starts a process. Whatever this process ignores, handles or blocks, the new one has the default action for every
//! signal.
//!
//! `std::process::Command` is no way to that: what is ignored stays ignored across it, as after `nohup`, behind `&` in
//! a script and in some CI agents, and a shell can't set a trap for what was ignored at its start.

use std::collections::BTreeMap;
use std::ffi::{CString, NulError, OsStr};
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::os::unix::ffi::OsStrExt;

use nix::spawn::{PosixSpawnAttr, PosixSpawnFileActions, PosixSpawnFlags, posix_spawnp};
use nix::sys::signal::{SigSet, Signal};
use rustix::process::Pid;

use super::command_request::EnvironmentVariable;

/// Signals that reach a supervisor without being meant for it: `killall aq` and the end of a systemd unit signal every
/// process there is, and a terminal does so until the session is left. The runner gets them too and gives its orders. If
/// a supervisor ended by them, nobody would end what it started. They are blocked from its start on.
pub(super) const BROADCAST_SIGNALS: [Signal; 3] = [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP];

/// A process to be started in the current folder.
pub(super) struct ProcessSpawn<'a> {
    /// A name without a slash is looked for on PATH.
    pub(super) program: &'a OsStr,
    /// The name that it sees as its own, and its arguments.
    pub(super) arguments: Vec<&'a OsStr>,
    /// If two variables have one name, the later counts.
    pub(super) environment: &'a [EnvironmentVariable],
    /// Standard input, output and errors.
    pub(super) streams: [BorrowedFd<'a>; 3],
    pub(super) group: ProcessGroup,
    /// The signals that are blocked at its start.
    pub(super) blocked: SigSet,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ProcessGroup {
    /// The group of this process.
    Inherited,
    Own,
}

impl ProcessSpawn<'_> {
    pub(super) fn start(self) -> io::Result<Pid> {
        let arguments: Vec<CString> = self
            .arguments
            .iter()
            .map(|argument| text(argument))
            .collect::<Result<_, _>>()?;
        let pid = posix_spawnp(
            &text(self.program)?,
            &self.actions()?,
            &self.attributes()?,
            &arguments,
            &variables(self.environment)?,
        )?;
        Pid::from_raw(pid.as_raw()).ok_or_else(|| io::Error::other("the system gave no process id"))
    }

    fn attributes(&self) -> nix::Result<PosixSpawnAttr> {
        let mut attributes = PosixSpawnAttr::init()?;
        let mut flags = PosixSpawnFlags::POSIX_SPAWN_SETSIGDEF | PosixSpawnFlags::POSIX_SPAWN_SETSIGMASK;
        attributes.set_sigdefault(&SigSet::all())?;
        attributes.set_sigmask(&self.blocked)?;
        if self.group == ProcessGroup::Own {
            flags |= PosixSpawnFlags::POSIX_SPAWN_SETPGROUP;
            attributes.set_pgroup(nix::unistd::Pid::from_raw(0))?;
        }
        attributes.set_flags(flags)?;
        Ok(attributes)
    }

    fn actions(&self) -> nix::Result<PosixSpawnFileActions> {
        let mut actions = PosixSpawnFileActions::init()?;
        for (stream, number) in self.streams.iter().zip(0..) {
            actions.add_dup2(stream.as_raw_fd(), number)?;
        }
        Ok(actions)
    }
}

fn text(argument: &OsStr) -> Result<CString, NulError> {
    CString::new(argument.as_bytes())
}

fn variables(environment: &[EnvironmentVariable]) -> Result<Vec<CString>, NulError> {
    let named: BTreeMap<_, _> = environment.iter().map(|(name, value)| (name, value)).collect();
    let joined = named
        .into_iter()
        .map(|(name, value)| [name.as_bytes(), value.as_bytes()].join(&b'='));
    joined.map(CString::new).collect()
}
