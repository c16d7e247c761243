//! The supervisor: what a runner leaves behind is found and ended, and signals are as a runner expects them.

use std::fs::{File, OpenOptions};
use std::io::Read;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::process::{Command, Stdio};

use conformance::outcome::Outcome;
use conformance::supervise::{ProcessExit, SupervisorReport};

use crate::common::{self, checks};
use crate::{DRAIN, judged};

#[test]
fn whatever_outlives_the_runner_is_found_and_ended() {
    let script = "($(command -v setsid) sh -c 'trap \"\" TERM; sleep 601' >/dev/null 2>&1 &) ; exit 0";
    let verdict = judged(script, DRAIN);
    assert_eq!(
        checks(&verdict, Outcome::Fail),
        ["no-stragglers"],
        "{}",
        verdict.failure_report
    );
    assert!(
        verdict.failure_report.contains("sleep 601"),
        "the report names it\n{}",
        verdict.failure_report
    );
}

/// A pipe that whoever holds it open can be told by: its end shows once nobody does.
fn held_pipe(folder: &Path) -> (std::path::PathBuf, File) {
    let path = folder.join("held");
    let made = Command::new("mkfifo").arg(&path).status().expect("mkfifo");
    assert!(made.success());
    let flags = i32::try_from(rustix::fs::OFlags::NONBLOCK.bits()).expect("a flag");
    let reader = OpenOptions::new().read(true).custom_flags(flags).open(&path);
    (path, reader.expect("a pipe can be opened without a writer"))
}

/// A session of its own (a Mac has no `setsid`: there it is a child), signals ignored, a double fork, stopped, a chain of forks, output closed. Each says on
/// pipe 8 that it is up, and holds pipe 9.
const WAYS: [&str; 6] = [
    "$(command -v setsid) sh -c 'echo up >&8; sleep 605' &",
    "(trap '' TERM INT HUP; echo up >&8; sleep 605) &",
    "($(command -v setsid) sh -c '(trap \"\" HUP TERM; echo up >&8; exec sleep 605) &' &)",
    "(sh -c 'echo up >&8; kill -STOP $$; sleep 605' &)",
    "f() { sleep 0.01; f & }; (echo up >&8; f &)",
    "($(command -v setsid) sh -c 'echo up >&8; exec sleep 605 >/dev/null 2>&1 </dev/null' &)",
];

#[test]
fn no_process_outlives_its_scenario_however_it_tries_and_however_the_runner_ends() {
    let ends = [
        ("exit 0", "no-stragglers"),
        ("sleep 605", "ends-in-time"),
        ("kill -KILL $$", "no-stragglers"),
    ];
    for (end, check) in ends {
        let folder = tempfile::tempdir().expect("a folder");
        let (path, mut held) = held_pipe(folder.path());
        let script = format!(
            "exec 9>{}; mkfifo up; exec 8<>up\n{}\nfor way in 1 2 3 4 5 6; do read up <&8; echo up >&9; done\n{end}",
            path.display(),
            WAYS.join("\n")
        );
        let verdict = judged(&script, DRAIN);
        let mut said = String::new();
        let read = held.read_to_string(&mut said);
        assert!(read.is_ok(), "{end}: something still holds the pipe: {read:?}");
        assert_eq!(
            said,
            "up\n".repeat(WAYS.len()),
            "{end}\n{}",
            verdict.failure_report
        );
        assert!(
            checks(&verdict, Outcome::Fail).contains(&check),
            "{end}\n{}",
            verdict.failure_report
        );
    }
}

#[test]
fn when_the_harness_is_gone_its_supervisor_ends_everything() {
    let folder = tempfile::tempdir().expect("a folder");
    let report = folder.path().join("killed.report");
    let script = "($(command -v setsid) sh -c 'trap \"\" TERM; echo up; sleep 602' &); sleep 602";
    let mut supervisor = Command::new(common::harness())
        .arg("supervise")
        .arg(&report)
        .args(["sh", "-c", script])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the supervisor can be started");
    let mut up = [0; 3];
    supervisor
        .stdout
        .take()
        .expect("a pipe")
        .read_exact(&mut up)
        .expect("the grandchild says that it is up");
    drop(supervisor.stdin.take());
    supervisor.wait().expect("it ends by itself");
    let text = std::fs::read(&report).expect("a report");
    let ended: SupervisorReport = serde_json::from_slice(&text).expect("JSON");
    assert_eq!(ended.exit, ProcessExit::Deadline);
    assert!(
        ended
            .stragglers
            .iter()
            .any(|left| left.command.contains("sleep 602")),
        "{ended:?}"
    );
}

/// What `SigIgn` and `SigBlk` show without the two signals that the C library keeps for itself.
fn mask(status: &str, name: &str) -> u64 {
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    let mask = line.and_then(|line| u64::from_str_radix(line.trim(), 16).ok());
    mask.expect("a mask") & !(0b11 << 31)
}

#[test]
#[cfg_attr(not(target_os = "linux"), ignore = "reads /proc/self/status")]
fn a_runner_is_started_with_the_default_for_every_signal_however_the_harness_was() {
    let folder = tempfile::tempdir().expect("a folder");
    let report = folder.path().join("started.report");
    let numbers = (1..=64).filter(|number| ![9, 19, 32, 33].contains(number));
    let all = numbers
        .map(|number| number.to_string())
        .collect::<Vec<_>>()
        .join(" ");
    let ignoring = format!("trap '' {all}; exec \"$@\"");
    let mut supervisor = Command::new("env")
        .args([
            "--block-signal=HUP,INT,QUIT,TERM,CHLD,USR1,RTMIN",
            "sh",
            "-c",
            &ignoring,
            "sh",
        ])
        .arg(common::harness())
        .arg("supervise")
        .arg(&report)
        .args(["grep", "^Sig", "/proc/self/status"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the supervisor can be started");
    let mut status = String::new();
    let output = supervisor.stdout.as_mut().expect("a pipe");
    output.read_to_string(&mut status).expect("text");
    supervisor.wait().expect("it ends by itself");
    assert_eq!(
        (mask(&status, "SigIgn:"), mask(&status, "SigBlk:")),
        (0, 0),
        "{status}"
    );
    let ended: SupervisorReport =
        serde_json::from_slice(&std::fs::read(&report).expect("a report")).expect("JSON");
    assert_eq!((ended.exit, ended.stragglers), (ProcessExit::Code(0), Vec::new()));
}
