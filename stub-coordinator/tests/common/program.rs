//! The binary under test: started, asked, ended.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::channel;

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, waitid};
use serde_json::{Value, json};

use super::TIME_LIMIT;

/// A stub that was started; killed where a test forgets to end it.
pub struct Running {
    pub child: Child,
    pub line: Value,
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_stub-coordinator"));
    command
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

pub fn run(arguments: &[&str]) -> Output {
    command(arguments).output().expect("it runs")
}

pub fn start(arguments: &[&str]) -> Running {
    start_by(command(arguments))
}

/// Starts it with its standard output in a pipe, and all else as the command says.
pub fn start_by(mut command: Command) -> Running {
    let mut child = command.spawn().expect("it starts");
    let mut line = String::new();
    BufReader::new(child.stdout.as_mut().expect("a pipe"))
        .read_line(&mut line)
        .expect("a line");
    let line = serde_json::from_str(&line).unwrap_or_else(|error| {
        let mut errors = String::new();
        if let Some(stderr) = child.stderr.as_mut() {
            stderr.read_to_string(&mut errors).expect("text");
        }
        panic!("{error}: {line:?}: {errors}")
    });
    Running { child, line }
}

impl Running {
    pub fn address(&self) -> String {
        let url = self.line["url"].as_str().expect("a url");
        // Whoever listens everywhere listens here.
        url.trim_start_matches("http://").replace("0.0.0.0", "127.0.0.1")
    }

    pub fn send(&self, method: &str, path: &str, headers: &str, body: &str) -> String {
        let mut stream = TcpStream::connect(self.address()).expect("connects");
        let length = body.len();
        let head = format!("{method} {path} HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n{headers}");
        write!(
            stream,
            "{head}content-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
        )
        .expect("written");
        let mut text = String::new();
        stream.read_to_string(&mut text).expect("an answer");
        text
    }

    pub fn interrupt(mut self) -> (Option<i32>, String) {
        self.signal(Signal::INT);
        let mut errors = String::new();
        self.child
            .stderr
            .as_mut()
            .expect("a pipe")
            .read_to_string(&mut errors)
            .expect("text");
        (self.child.wait().expect("it ends").code(), errors)
    }

    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).expect("it lives");
    }

    /// Its exit code, once it has ended by itself; none where a signal ended it.
    pub fn code(&mut self) -> Option<i32> {
        code_of(&mut self.child)
    }
}

/// The exit code of a program that ends by itself.
pub fn code_of(child: &mut Child) -> Option<i32> {
    let pid = Pid::from_child(child);
    let (sender, ended) = channel();
    std::thread::spawn(move || {
        // It stays to be waited for below.
        let _ = waitid(WaitId::Pid(pid), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT);
        // The test may have given up.
        let _ = sender.send(());
    });
    let in_time = ended.recv_timeout(TIME_LIMIT).is_ok();
    if !in_time {
        // A test that fails leaves nothing behind.
        let _ = child.kill();
    }
    assert!(in_time, "it does not end");
    child.wait().expect("it ends").code()
}

pub fn dry_run(stub: &Running, engine: &str) -> String {
    let body = json!({"factoryId": "f", "caps": [format!("engine:{engine}")], "shadow": 1}).to_string();
    stub.send("POST", "/v1/shadow/claims", "", &body)
}

pub fn write(folder: &Path, name: &str, text: &str) -> String {
    let path = folder.join(name);
    fs::write(&path, text).expect("written");
    path.to_str().expect("text").to_owned()
}

/// What a command says that is sent to a running stub.
pub fn told(stub: &Running, arguments: &[&str]) -> (bool, String) {
    let url = format!("http://{}", stub.address());
    let mut all = arguments.to_vec();
    all.extend(["--url", &url]);
    let output = run(&all);
    let text = [output.stdout, output.stderr].concat();
    (
        output.status.success(),
        String::from_utf8_lossy(&text).into_owned(),
    )
}

/// A loopback address that no other test has at the same time: each port of it is free.
#[cfg(target_os = "linux")]
pub fn own_address() -> Ipv4Addr {
    let [_, high, middle, low] = std::process::id().to_be_bytes();
    Ipv4Addr::new(127, 64 | (high & 63), middle, low)
}

/// There is one loopback address alone, and each test names ports of its own.
#[cfg(not(target_os = "linux"))]
pub fn own_address() -> Ipv4Addr {
    Ipv4Addr::LOCALHOST
}

pub fn place(port: u16) -> String {
    format!("{}:{port}", own_address())
}

pub fn serve(listen: &str, more: &[&str]) -> Running {
    start(&[&["--listen", listen], more].concat())
}

pub fn control_of(stub: &Running) -> String {
    stub.line["controlUrl"].as_str().expect("a url").to_owned()
}

pub fn is_refused(address: &str) -> bool {
    TcpStream::connect(address).is_err()
}

pub fn say(words: &[&str], url: &str) -> (bool, String) {
    let output = run(&[words, &["--url", url]].concat());
    (output.status.success(), all_of(&output))
}

pub fn told_by(stub: &Running) -> String {
    stub.send("GET", "/v1/health", "", "")
}

pub fn all_of(output: &Output) -> String {
    String::from_utf8_lossy(&[&*output.stdout, &*output.stderr].concat()).into_owned()
}

/// Why it does not start.
pub fn refusal(arguments: &[&str]) -> String {
    let mut child = command(arguments).spawn().expect("it runs");
    let code = code_of(&mut child);
    let output = child.wait_with_output().expect("its output");
    assert_eq!(code, Some(2), "configuration: {output:?}");
    assert!(output.stdout.is_empty(), "nothing was promised: {output:?}");
    all_of(&output)
}
