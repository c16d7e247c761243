//! Scripts that a mutant puts in front of the engines, and edits of the jobs that wait.

use std::ffi::OsStr;
use std::fs;
use std::io::Read;
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use super::{queue, variable};
use conformance::exit_codes::HarnessExit;
use conformance::fake_engine::SHIP;

/// A mutant that waits does not wait for ever.
const WAIT_LIMIT: Duration = Duration::from_secs(15);

/// Puts a script in front of every engine that does `first`, then becomes the engine, its PATH restored.
pub(super) fn shim(command: &mut Command, first: &str) -> std::io::Result<()> {
    shim_tools(command, |tool| tool != SHIP, first)
}

/// Puts a script in front of `ship-it` alone, which takes the fencing token from it.
pub(super) fn drop_token(command: &mut Command) -> std::io::Result<()> {
    shim_tools(command, |tool| tool == SHIP, "unset AQ_FENCING_TOKEN")
}

fn shim_tools(command: &mut Command, is_wanted: fn(&OsStr) -> bool, first: &str) -> std::io::Result<()> {
    let path = variable("PATH");
    let real = PathBuf::from(path.split(':').next().unwrap_or_default());
    let folder = PathBuf::from(variable("TMPDIR")).join("shims");
    fs::create_dir_all(&folder)?;
    for entry in fs::read_dir(&real)?
        .flatten()
        .filter(|entry| is_wanted(&entry.file_name()))
    {
        let script = folder.join(entry.file_name());
        let real = entry.path();
        let lines = [
            "#!/bin/sh",
            &format!("PATH='{path}'"),
            "export PATH",
            &format!("real='{}'", real.display()),
            first,
        ];
        fs::write(&script, format!("{}\nexec \"$real\" \"$@\"\n", lines.join("\n")))?;
        fs::set_permissions(&script, fs::Permissions::from_mode(0o755))?;
    }
    command.env("PATH", format!("{}:{path}", folder.display()));
    Ok(())
}

/// Takes a key out of the jobs that wait.
pub(super) fn without(key: &str) -> std::io::Result<()> {
    reword(|text| {
        let lines: Vec<&str> = text.lines().filter(|line| !line.starts_with(key)).collect();
        lines.join("\n") + "\n"
    })
}

/// Takes the wait from the retries of the jobs that wait.
pub(super) fn retry_at_once() -> std::io::Result<()> {
    reword(|text| {
        let lines = text.lines().map(|line| match line.starts_with("retry_delay:") {
            true => "retry_delay: 0s",
            false => line,
        });
        lines.collect::<Vec<_>>().join("\n") + "\n"
    })
}

/// Has the scripts of the jobs that wait go on after a line that fails.
pub(super) fn go_on_after_failures() -> std::io::Result<()> {
    reword(|text| {
        let commands = text
            .replace("\nverify: \"", "\nverify: \"set +e; ")
            .replace("\nship: \"", "\nship: \"set +e; ");
        commands.replacen("\n---\n", "\n---\nset +e\n", 1)
    })
}

/// Writes this of each job that waits in its place.
fn reword(other: impl Fn(&str) -> String) -> std::io::Result<()> {
    for entry in fs::read_dir(queue().join("inbox"))?.flatten() {
        let text = fs::read_to_string(entry.path())?;
        fs::write(entry.path(), other(&text))?;
    }
    Ok(())
}

/// `mutant --wait PORT`: returns when the proxy's gate opens.
pub(super) fn wait(arguments: &[String]) -> HarnessExit {
    let port = arguments
        .first()
        .and_then(|port| port.parse::<u16>().ok())
        .unwrap_or(0);
    if let Ok(mut gate) = TcpStream::connect(("127.0.0.1", port)) {
        let _ = gate.set_read_timeout(Some(WAIT_LIMIT));
        let _ = gate.read(&mut [0]);
    }
    HarnessExit::Holds
}
