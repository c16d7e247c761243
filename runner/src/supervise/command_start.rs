//! Starts the command of a job, in its folder and in a process group of its own.

use std::ffi::OsString;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::sys::signal::SigSet;
use rustix::process::Pid;

use super::command_request::{CommandOutcome, CommandSpec, EnvironmentVariable};
use super::process_spawn::{ProcessGroup, ProcessSpawn};
use crate::error_scope::HostTrouble;
use crate::work_folder::{WorkFolder, is_within};

/// Starts the command in a process group of its own, or returns how it ended instead. `output`: where it prints to.
pub(super) fn start(
    order: &CommandSpec,
    environment: &[EnvironmentVariable],
    stdin: OwnedFd,
    output: BorrowedFd<'_>,
) -> Result<Pid, CommandOutcome> {
    let folder = work_folder(order)?;
    folder.enter().map_err(|error| not_entered(order, &error))?;
    let arguments = std::iter::once(&order.program).chain(&order.args);
    let spawn = ProcessSpawn {
        program: &order.program,
        arguments: arguments.map(OsString::as_os_str).collect(),
        environment,
        streams: [stdin.as_fd(), output, output],
        group: ProcessGroup::Own,
        blocked: SigSet::empty(),
    };
    spawn.start().map_err(|source| {
        let error = format!(
            "{} can't be started: {source}",
            Path::new(&order.program).display()
        );
        match is_of_program(&source) {
            true => CommandOutcome::ProgramUnusable { error },
            false => CommandOutcome::NotStarted {
                error,
                trouble: HostTrouble::of(&source),
            },
        }
    })
}

/// Whether the program is at fault, or its interpreter, and neither its arguments nor what the system has left.
fn is_of_program(error: &std::io::Error) -> bool {
    let errno = error.raw_os_error().map(Errno::from_raw);
    matches!(
        errno,
        Some(
            Errno::ENOENT
                | Errno::EACCES
                | Errno::EPERM
                | Errno::ENOEXEC
                | Errno::ENOTDIR
                | Errno::EISDIR
                | Errno::ELOOP
                | Errno::ETXTBSY
        )
    )
}

/// Opens the folder, which stays open until the command is started in it.
fn work_folder(order: &CommandSpec) -> Result<WorkFolder, CommandOutcome> {
    let path = Path::new(&order.cwd);
    let missing = |error: std::io::Error| not_entered(order, &error);
    let folder = WorkFolder::open(path).map_err(missing)?;
    let Some(within) = &order.within else {
        return Ok(folder);
    };
    let place = folder.place().map_err(missing)?;
    let within: Vec<PathBuf> = within.iter().map(PathBuf::from).collect();
    match is_within(&place, &within) {
        true => Ok(folder),
        false => Err(CommandOutcome::Elsewhere { place: place.into() }),
    }
}

fn not_entered(order: &CommandSpec, error: &std::io::Error) -> CommandOutcome {
    CommandOutcome::NotStarted {
        error: format!(
            "its folder {} can't be entered ({error}): correct `cwd`",
            Path::new(&order.cwd).display()
        ),
        trouble: HostTrouble::of(error),
    }
}
