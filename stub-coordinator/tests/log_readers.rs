//! Who reads what the binary writes: readers that leave, that never read, and that can't be written to. None of them
//! costs an answer, or holds up the end.

mod common;

use std::fs::{self, File};
use std::io::{BufRead, BufReader, PipeReader, PipeWriter, Read, Write, pipe};
use std::net::TcpStream;
use std::process::Stdio;

use common::TIME_LIMIT;
use common::program::*;
use rustix::process::Signal;
use serde_json::{Value, json};

/// More than a pipe of this size holds lines for.
const MANY: usize = 3_000;
const PIPE_SIZE: usize = 4_096;

/// A small pipe that nobody reads yet.
fn small_pipe() -> (PipeReader, PipeWriter) {
    let (reader, writer) = pipe().expect("a pipe");
    #[cfg(target_os = "linux")]
    rustix::pipe::fcntl_setpipe_size(&writer, PIPE_SIZE).expect("a size");
    (reader, writer)
}

/// A pipe into which nothing more fits.
fn full_pipe() -> (PipeReader, PipeWriter) {
    let (reader, mut writer) = small_pipe();
    writer.write_all(&[b'\n'; PIPE_SIZE]).expect("it fits");
    (reader, writer)
}

/// A pipe whose reader has left.
fn broken_pipe() -> PipeWriter {
    pipe().expect("a pipe").1
}

fn device(name: &str) -> File {
    File::options().write(true).open(name).expect("a device")
}

fn start_with_errors_to(errors: impl Into<Stdio>, arguments: &[&str]) -> Running {
    let mut command = command(arguments);
    command.stderr(errors);
    start_by(command)
}

/// Asks so often on one connection, and reads every answer.
fn ask(stub: &Running, times: usize) {
    let mut stream = TcpStream::connect(stub.address()).expect("connects");
    stream.set_read_timeout(Some(TIME_LIMIT)).expect("a limit");
    let mut answers = BufReader::new(stream.try_clone().expect("a copy"));
    for _ in 0..times {
        stream
            .write_all(b"GET /v1/health HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n")
            .expect("written");
        let mut length = 0;
        loop {
            let mut line = String::new();
            assert!(answers.read_line(&mut line).expect("an answer") > 0, "no answer");
            if let Some((name, value)) = line.split_once(": ")
                && name.eq_ignore_ascii_case("content-length")
            {
                length = value.trim().parse().expect("a length");
            }
            if line == "\r\n" {
                break;
            }
        }
        let mut body = vec![0; length];
        answers.read_exact(&mut body).expect("a body");
    }
}

/// It answers, and ends at the first signal.
fn lives_and_ends(mut stub: Running, requests: usize) {
    ask(&stub, requests);
    stub.signal(Signal::TERM);
    assert_eq!(stub.code(), Some(143));
}

#[test]
fn a_reader_that_leaves_after_the_first_line_costs_nothing() {
    let (reader, writer) = pipe().expect("a pipe");
    let mut command = command(&[]);
    command.stdout(writer.try_clone().expect("a copy")).stderr(writer);
    let child = command.spawn().expect("it starts");
    // Nor does the command keep the pipe open for the reader.
    drop(command);
    let mut line = String::new();
    BufReader::new(reader).read_line(&mut line).expect("a line");
    let line = serde_json::from_str(&line).expect("the first line is JSON");
    lives_and_ends(Running { child, line }, 3);
}

#[test]
fn a_reader_that_never_reads_costs_nothing() {
    let (reader, writer) = small_pipe();
    lives_and_ends(start_with_errors_to(writer, &[]), MANY);
    drop(reader);
}

#[test]
fn a_reader_that_reads_late_is_told_everything_in_order_and_the_summary_last() {
    let (reader, writer) = small_pipe();
    let mut stub = start_with_errors_to(writer, &[]);
    ask(&stub, MANY);
    let mut lines = BufReader::new(reader).lines().map(|line| line.expect("text"));
    let first = lines.next().expect("a line");
    assert!(first.contains("listening on http://"), "{first}");
    let told = lines
        .by_ref()
        .filter(|line| line.ends_with(" health -> 200"))
        .take(MANY);
    assert_eq!(told.count(), MANY);
    stub.signal(Signal::TERM);
    let rest: Vec<String> = lines.collect();
    let summary = format!("stub-coordinator: ended after {MANY} requests, 0 mutations");
    assert_eq!((stub.code(), rest), (Some(143), vec![summary]));
}

#[test]
#[cfg_attr(not(target_os = "linux"), ignore = "needs /dev/full, a device of Linux")]
fn a_full_device_costs_nothing() {
    lives_and_ends(start_with_errors_to(device("/dev/full"), &[]), 3);
}

#[test]
fn what_can_not_be_written_to_costs_nothing() {
    lives_and_ends(start_with_errors_to(broken_pipe(), &[]), 3);
    let mut closed = std::process::Command::new("sh");
    closed
        .args(["-c", "exec \"$0\" 2>&-", env!("CARGO_BIN_EXE_stub-coordinator")])
        .stdout(Stdio::piped());
    lives_and_ends(start_by(closed), 3);
}

#[test]
fn a_mirror_goes_on_though_nobody_hears_what_it_says() {
    let folder = tempfile::tempdir().expect("a folder");
    let inbox = folder.path().join("inbox");
    fs::create_dir(&inbox).expect("a folder");
    let queue = folder.path().to_str().expect("text");
    let stub = start_with_errors_to(broken_pipe(), &["--mirror", queue]);
    fs::write(inbox.join("bad.md"), "no front matter").expect("written");
    fs::write(inbox.join("good.md"), "---\nengine: sh\n---\ntrue\n").expect("written");
    let claim = json!({"factoryId": "f", "caps": ["engine:sh"], "waitMs": 20_000}).to_string();
    let answer = stub.send("POST", "/v1/claims", "", &claim);
    assert!(answer.contains(r#""id":"good""#), "{answer}");
}

#[test]
fn a_start_line_that_nobody_takes_does_not_hold_up_the_end() {
    let folder = tempfile::tempdir().expect("a folder");
    fs::create_dir(folder.path().join("inbox")).expect("a folder");
    fs::write(folder.path().join("inbox/bad.md"), "no front matter").expect("written");
    let (reader, writer) = full_pipe();
    let mut command = command(&["--mirror", folder.path().to_str().expect("text")]);
    command.stdout(writer);
    let child = command.spawn().expect("it starts");
    let mut stub = Running {
        child,
        line: Value::Null,
    };
    // It listens to signals by then.
    let errors = stub.child.stderr.as_mut().expect("a pipe");
    let mut told = String::new();
    BufReader::new(errors).read_line(&mut told).expect("a line");
    assert!(told.contains("bad is not mirrored"), "{told}");
    stub.signal(Signal::TERM);
    assert_eq!(stub.code(), Some(143));
    drop(reader);
}

#[test]
#[cfg_attr(not(target_os = "linux"), ignore = "needs /dev/full, a device of Linux")]
fn a_start_line_that_can_not_be_written_is_a_failure() {
    let mut command = command(&[]);
    command.stdout(device("/dev/full"));
    let output = command.output().expect("it runs");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.code() == Some(3) && errors.contains("can't write to standard output: No space left"),
        "{errors}"
    );
}

#[test]
fn a_reason_not_to_start_that_nobody_takes_does_not_hold_up_the_end() {
    let taken = start(&[]);
    let port = taken.address().rsplit_once(':').expect("a port").1.to_owned();
    let (reader, writer) = full_pipe();
    for errors in [writer, broken_pipe()] {
        let mut command = command(&["--port", &port]);
        command.stderr(errors);
        assert_eq!(code_of(&mut command.spawn().expect("it starts")), Some(2));
    }
    drop(reader);
}

/// Every command, with the exit code that it has while its reader reads.
#[test]
fn a_command_whose_reader_has_left_ends_as_ever() {
    let folder = tempfile::tempdir().expect("a folder");
    let rules = "[[rule]]\non = \"*\"\nwhen = { times = 1 }\nfault = \"reset\"\n\n[[rule]]\non = \"claim\"\nfault = \"empty\"\n";
    let rules = write(folder.path(), "rules.toml", rules);
    let stub = start(&[]);
    let url = format!("http://{}", stub.address());
    for (words, code) in [
        ("--help", 0),
        ("--version", 0),
        ("help rule", 0),
        ("--no-such-flag", 2),
        ("completions bash", 0),
        ("completions fish", 0),
        ("preset list", 0),
        ("preset show 5xx", 0),
        ("preset show 6xx", 2),
        ("validate RULES", 0),
        ("validate /nowhere", 1),
        ("rule list --json --url URL", 0),
        ("gate list --url URL", 0),
        ("clock show --url URL", 0),
        ("counters --url URL", 0),
        ("explain claim --url URL", 0),
        ("verify claim --count 0 --url URL", 0),
        ("verify claim --count 1 --url URL", 1),
        ("verify clam --count 0 --url URL", 2),
        ("state export --url URL", 0),
        ("reset journal --url URL", 0),
        ("rule list --url http://127.0.0.1:1", 3),
    ] {
        let words: Vec<_> = words
            .split(' ')
            .map(|word| match word {
                "URL" => &url,
                "RULES" => &rules,
                word => word,
            })
            .collect();
        let mut command = command(&words);
        command.stdout(broken_pipe()).stderr(broken_pipe());
        assert_eq!(
            code_of(&mut command.spawn().expect("it starts")),
            Some(code),
            "{words:?}"
        );
    }
}

#[test]
fn what_can_not_be_printed_is_a_failure_and_no_verdict() {
    let stub = start(&[]);
    let url = format!("http://{}", stub.address());
    for words in [
        "--help",
        "completions bash",
        "preset list",
        "counters --url URL",
        "verify claim --count 0 --url URL",
    ] {
        let words: Vec<_> = words
            .split(' ')
            .map(|word| if word == "URL" { &url } else { word })
            .collect();
        let mut command = command(&words);
        command.stdout(device("/dev/full"));
        let output = command.output().expect("it runs");
        assert_eq!(output.status.code(), Some(3), "{words:?}: {output:?}");
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(
            errors.contains("can't write to standard output: No space left"),
            "{words:?}: {errors}"
        );
    }
}
