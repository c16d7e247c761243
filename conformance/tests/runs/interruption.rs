//! A run, smoke and a check of a coordinator that a signal ends: all that they started is ended too, and every report is
//! written.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Command, Stdio};

use quick_junit::Report;

use crate::REPORTS;
use crate::test_bench::{PASS, TestBench};

/// The runner holds a pipe open, and so does whatever it started; it ends when the last of them is gone. Where there is
/// a `setsid`, a session of its own does not save what was started.
#[test]
fn an_interrupted_run_ends_what_runs_and_writes_every_report() {
    let script = "exec 9>\"$(dirname \"$0\")/pipe\"; ($(command -v setsid) sh -c 'trap \"\" TERM INT; echo up >&9; sleep 604' &) ; sleep 604";
    let bench = TestBench::new(script, &[("a/hangs", PASS), ("b/waits", PASS)], "");
    let pipe = bench.path("pipe");
    let made = Command::new("mkfifo").arg(&pipe).status().expect("mkfifo");
    assert!(made.success());
    let arguments: Vec<&str> = ["run", "--jobs", "1"].iter().chain(&REPORTS).copied().collect();
    let scratch = bench.path("scratch");
    fs::create_dir(&scratch).expect("a folder");
    let mut harness = bench
        .command(&arguments)
        .env("TMPDIR", &scratch)
        .stdout(Stdio::piped())
        .spawn()
        .expect("the harness");
    let mut held = fs::File::open(&pipe).expect("the runner opens its end");
    let mut up = [0; 3];
    held.read_exact(&mut up)
        .expect("the runner's child says that it is up");
    signal(&harness, "-INT");
    let mut output = String::new();
    let stdout = harness.stdout.as_mut().expect("a pipe");
    stdout.read_to_string(&mut output).expect("text");
    let status = harness.wait().expect("it ends");
    let mut rest = Vec::new();
    held.read_to_end(&mut rest)
        .expect("the last holder of the pipe is gone");
    assert_eq!(status.code(), Some(130), "{output}");
    assert!(output.contains("interrupted: 0 of 2"), "{output}");
    assert!(bench.text("h.html").contains("interrupted: 0 of 2"));
    let junit = Report::deserialize_from_str(&bench.text("j.xml")).expect("XML");
    assert_eq!(
        (junit.errors, junit.tests),
        (1, 3),
        "two that were not run, and the run itself"
    );
    assert!(bench.text("e.ndjson").contains("\"why\":\"interrupted\""));
    assert_eq!(left_over(bench.folder.path()), Vec::<String>::new());
    let folders = fs::read_dir(&scratch).expect("the folder").count();
    assert_eq!(folders, 0, "the scenario's own folder is gone");
}

#[test]
fn terminated_smoke_writes_every_report_and_says_what_was_not_run() {
    let script = "[ \"$1\" = run ] || exit 0; echo up >\"$(dirname \"$0\")/pipe\"; sleep 605";
    let bench = TestBench::new(script, &[], "");
    let pipe = bench.path("pipe");
    let made = Command::new("mkfifo").arg(&pipe).status().expect("mkfifo");
    assert!(made.success());
    let mut command = Command::new(crate::HARNESS);
    command.args(["smoke", "--profile", "profile.toml"]).args(REPORTS);
    bench.at_home(&mut command);
    let mut harness = command.stdout(Stdio::null()).spawn().expect("the harness");
    let told = fs::read_to_string(&pipe).expect("the runner says that it is up");
    assert_eq!(told, "up\n");
    assert_eq!(
        left_over(bench.folder.path()),
        Vec::<String>::new(),
        "while it runs"
    );
    signal(&harness, "-TERM");
    assert_eq!(harness.wait().expect("it ends").code(), Some(143));
    is_told_everywhere(&bench, "interrupted: 0 of 4", "terminated");
}

/// The coordinator is recognised, takes the connection of the first check's request, and never answers.
#[test]
fn an_interrupted_check_of_a_coordinator_writes_every_report() {
    let bench = TestBench::new("exit 0", &[], "");
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    let mut command = Command::new(crate::HARNESS);
    command.args(["coordinator", "--url", &url]).args(REPORTS);
    bench.at_home(&mut command);
    command.stdout(Stdio::null()).stderr(Stdio::piped());
    let mut harness = command.spawn().expect("the harness");
    let (mut recognising, _) = listener.accept().expect("a question whether this is the API");
    recognising.read_exact(&mut [0]).expect("the question begins");
    let health =
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 15\r\n\r\n{\"status\":\"ok\"}";
    recognising.write_all(health.as_bytes()).expect("an answer");
    let (mut asked, _) = listener.accept().expect("a request");
    asked.read_exact(&mut [0]).expect("the request begins");
    signal(&harness, "-INT");
    let mut told = BufReader::new(harness.stderr.take().expect("a pipe"));
    let mut line = String::new();
    told.read_line(&mut line)
        .expect("it says that it was interrupted");
    assert!(line.contains("interrupted"), "{line}");
    drop((asked, listener));
    assert_eq!(harness.wait().expect("it ends").code(), Some(130));
    is_told_everywhere(&bench, "interrupted: 0 of ", "interrupted");
}

fn is_told_everywhere(bench: &TestBench, text: &str, why: &str) {
    assert!(bench.text("h.html").contains(text), "{}", bench.text("h.html"));
    let junit = Report::deserialize_from_str(&bench.text("j.xml")).expect("XML");
    assert_eq!(junit.errors, 1, "the run itself");
    assert!(bench.text("e.ndjson").contains(&format!("\"why\":\"{why}\"")));
    assert_eq!(left_over(bench.folder.path()), Vec::<String>::new());
}

/// Drafts of reports that were not renamed into place.
fn left_over(folder: &Path) -> Vec<String> {
    let names = fs::read_dir(folder).expect("the folder").flatten();
    let names = names.map(|entry| entry.file_name().to_string_lossy().into_owned());
    names.filter(|name| name.starts_with(".tmp")).collect()
}

fn signal(child: &std::process::Child, option: &str) {
    let pid = child.id().to_string();
    let sent = Command::new("kill").args([option, &pid]).status().expect("kill");
    assert!(sent.success());
}
