//! A process that writes a file bit by bit. The test's own process must not do it: whatever another test starts is a
//! copy of the test's process for a moment, and holds its open files too.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

pub struct SlowWriter {
    process: Child,
    path: PathBuf,
}

impl SlowWriter {
    /// Makes or empties the file, and has written a part of it.
    pub fn begin(path: PathBuf, part: &str) -> SlowWriter {
        let mut writer = SlowWriter::open("exec cat > \"$0\"", path);
        writer.write(part);
        let is_written = |path: &Path| fs::metadata(path).is_ok_and(|file| file.len() == part.len() as u64);
        wait_until(|| is_written(&writer.path));
        writer
    }

    /// Has opened a file that is there.
    pub fn append(path: PathBuf) -> SlowWriter {
        SlowWriter::open("exec cat >> \"$0\"", path)
    }

    fn open(script: &str, path: PathBuf) -> SlowWriter {
        let process = Command::new("sh")
            .args(["-c", script])
            .arg(&path)
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        let output = format!("/proc/{}/fd/1", process.id());
        wait_until(|| fs::read_link(&output).is_ok_and(|open| open == path));
        SlowWriter { process, path }
    }

    pub fn pid(&self) -> u32 {
        self.process.id()
    }

    /// Writes the rest, and has closed the file.
    pub fn finish(mut self, rest: &str) {
        self.write(rest);
        drop(self.process.stdin.take());
        assert!(self.process.wait().unwrap().success());
    }

    fn write(&mut self, text: &str) {
        let stdin = self.process.stdin.as_mut().unwrap();
        stdin.write_all(text.as_bytes()).unwrap();
    }
}

impl Drop for SlowWriter {
    fn drop(&mut self) {
        // It has ended already if it was let finish.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn wait_until(is_so: impl Fn() -> bool) {
    while !is_so() {
        std::thread::yield_now();
    }
}
