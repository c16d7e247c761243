//! What has to hold before a runner is judged: a folder for programs, a port of our own, and a runner that can be
//! started. What fails here is the environment's fault, so nothing is judged and the run is inconclusive.

use std::env;
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::net::{TcpListener, TcpStream};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use rustix::fs::{Access, access};

use crate::profile::Profile;

/// How much of a program is read to see what it is.
const HEAD: u64 = 512;
/// What the program in the temporary folder ends with.
const PROBE_CODE: i32 = 7;

/// Looks at all of it; an error is one sentence that says what to do.
pub fn check(profile: &Profile) -> Result<(), String> {
    temporary_folder(&env::temp_dir())?;
    loopback().map_err(|error| {
        format!("no port can be had on 127.0.0.1 ({error}): the fake coordinator listens there, so allow it loopback")
    })?;
    runner(profile)
}

/// The fake engines are programs in a folder below, and that folder is on PATH.
fn temporary_folder(parent: &Path) -> Result<(), String> {
    let shown = parent.display();
    if parent.as_os_str().as_bytes().contains(&b':') {
        return Err(format!(
            "TMPDIR is `{shown}`: a folder with a `:` in its name can't be on PATH, where the engines have to be; set \
             TMPDIR to another folder"
        ));
    }
    let ended = probe(parent).map_err(|error| match error.kind() {
        io::ErrorKind::PermissionDenied => format!(
            "no program can be made and run in `{shown}` ({error}): is it mounted with noexec? set TMPDIR to a folder \
             of yours in which programs may run"
        ),
        _ => format!("nothing can be made in `{shown}` ({error}): set TMPDIR to a folder with free space"),
    })?;
    match ended {
        Some(PROBE_CODE) => Ok(()),
        _ => Err(format!(
            "a program in `{shown}` does not run as it should: set TMPDIR to another folder"
        )),
    }
}

fn probe(parent: &Path) -> io::Result<Option<i32>> {
    let folder = tempfile::Builder::new().prefix("aqc-").tempdir_in(parent)?;
    let program = folder.path().join("probe");
    fs::write(&program, format!("#!/bin/sh\nexit {PROBE_CODE}\n"))?;
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755))?;
    let mut command = Command::new(&program);
    command.stdin(Stdio::null());
    Ok(command.status()?.code())
}

fn loopback() -> io::Result<()> {
    let listener = TcpListener::bind(("127.0.0.1", 0))?;
    let client = TcpStream::connect(listener.local_addr()?)?;
    let (server, _) = listener.accept()?;
    match server.peer_addr()? == client.local_addr()? {
        true => Ok(()),
        false => Err(io::Error::other("somebody else answered")),
    }
}

/// Whether the runner can be started; it is not started for that, as nobody knows what it would do.
fn runner(profile: &Profile) -> Result<(), String> {
    let Some(named) = profile.command.first() else {
        return Err("the profile's `command` is empty: write the program and its first arguments".to_owned());
    };
    let program = match named.contains('/') {
        true => PathBuf::from(named),
        false => on_path(named).ok_or_else(|| {
            format!("`{named}`, the runner, is not on PATH: install it, or write its path into `command`")
        })?,
    };
    let cannot = |why: String| format!("`{}`, the runner, can't be started: {why}", program.display());
    let metadata = fs::metadata(&program).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => cannot("there is no such file; build it, or name another one".to_owned()),
        _ => cannot(error.to_string()),
    })?;
    if !metadata.is_file() {
        return Err(cannot("it is no file; name the program itself".to_owned()));
    }
    if access(&program, Access::EXEC_OK).is_err() {
        return Err(cannot(format!(
            "it may not be executed; type `chmod +x {}`",
            program.display()
        )));
    }
    if let Ok(head) = head_of(&program) {
        loadable(&head).map_err(cannot)?;
    }
    Ok(())
}

fn on_path(name: &str) -> Option<PathBuf> {
    let folders = env::var_os("PATH")?;
    let there = |folder: PathBuf| Some(folder.join(name)).filter(|path| path.is_file());
    env::split_paths(&folders).find_map(there)
}

fn head_of(program: &Path) -> io::Result<Vec<u8>> {
    let mut head = Vec::new();
    File::open(program)?.take(HEAD).read_to_end(&mut head)?;
    Ok(head)
}

/// Whether the system can load a program that begins like this.
fn loadable(head: &[u8]) -> Result<(), String> {
    if let Some(script) = head.strip_prefix(b"#!") {
        return interpreter(script);
    }
    if let (Some(theirs), Some(own)) = (elf_machine(head), own_machine()) {
        return match theirs == own {
            true => Ok(()),
            false => Err("it is built for another kind of machine; build it for this one".to_owned()),
        };
    }
    match !head.contains(&0) && std::str::from_utf8(head).is_ok() {
        true => Err("it is a text without `#!`; begin it with `#!/bin/sh` or the like".to_owned()),
        false => Ok(()),
    }
}

fn interpreter(script: &[u8]) -> Result<(), String> {
    let line = script.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let line = String::from_utf8_lossy(line);
    if line.ends_with('\r') {
        return Err(
            "its first line ends with a carriage return, which the system takes for a part of the interpreter's name; \
             save it with the line ends of Unix"
                .to_owned(),
        );
    }
    let mut words = line.split_whitespace();
    let Some(program) = words.next() else {
        return Err("its first line names no interpreter".to_owned());
    };
    if !Path::new(program).exists() {
        return Err(format!("its interpreter `{program}` is not there; install it"));
    }
    let by_env = program.ends_with("/env");
    let wanted = words.find(|word| !word.starts_with('-') && !word.contains('='));
    match wanted {
        Some(wanted) if by_env && !wanted.contains('/') && on_path(wanted).is_none() => {
            Err(format!("its interpreter `{wanted}` is not on PATH; install it"))
        }
        _ => Ok(()),
    }
}

/// The kind of machine that an ELF file is for (`e_machine`).
fn elf_machine(head: &[u8]) -> Option<[u8; 2]> {
    let rest = head.strip_prefix(b"\x7fELF")?;
    rest.get(14..16)?.try_into().ok()
}

fn own_machine() -> Option<[u8; 2]> {
    elf_machine(&head_of(&env::current_exe().ok()?).ok()?)
}
