//! What a run draws for someone who looks at a terminal.

use std::fs::{File, OpenOptions};
use std::io::Read;
use std::os::unix::fs::OpenOptionsExt;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

use crate::rig::Rig;

/// What comes out at the other side of a terminal, as it comes.
struct Screen {
    pieces: mpsc::Receiver<Vec<u8>>,
    text: String,
}

impl Screen {
    fn open() -> (Screen, File) {
        let near = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&near).unwrap();
        unlockpt(&near).unwrap();
        let path = ptsname(&near, Vec::new()).unwrap().into_string().unwrap();
        let far = OpenOptions::new()
            .read(true)
            .write(true)
            .custom_flags(OpenptFlags::NOCTTY.bits() as i32)
            .open(path)
            .unwrap();
        let (sender, pieces) = mpsc::channel();
        std::thread::spawn(move || {
            let (mut near, mut piece) = (File::from(near), [0; 4096]);
            // Ends with an error when the last one on the other side is gone.
            while let Ok(count @ 1..) = near.read(&mut piece) {
                if sender.send(piece[..count].to_vec()).is_err() {
                    return;
                }
            }
        });
        let text = String::new();
        (Screen { pieces, text }, far)
    }

    /// Until that is seen, or to the end.
    fn read_until(&mut self, what: Option<&str>) {
        while what.is_none_or(|what| !self.text.contains(what)) {
            match self.pieces.recv_timeout(Duration::from_secs(30)) {
                Ok(piece) => self.text += &String::from_utf8_lossy(&piece),
                Err(mpsc::RecvTimeoutError::Disconnected) if what.is_none() => return,
                Err(error) => panic!("{what:?}: {error}: {:?}", self.text),
            }
        }
    }
}

/// Does not outlive a test that fails.
struct Run(Child);

impl Drop for Run {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_running_job_has_a_line_with_its_last_output_that_is_gone_when_the_run_ends() {
    let rig = Rig::new();
    rig.pipe("go");
    rig.add(
        "a",
        "",
        "printf '\\033[31mhalfway\\033[0m there\\n'; read x < $RIG/go",
    );
    let (mut screen, far) = Screen::open();
    let run = Command::new(env!("CARGO_BIN_EXE_aq"))
        .args(["run", "--drain"])
        .current_dir(rig.path("work"))
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .env("RIG", rig.path(""))
        .env("TERM", "xterm")
        .env("NO_COLOR", "1")
        .env("AQ_QUEUE", rig.path("queue"))
        .stdin(Stdio::null())
        .stdout(far.try_clone().unwrap())
        .stderr(far)
        .spawn()
        .unwrap();
    let mut run = Run(run);
    screen.read_until(Some("  halfway there"));
    rig.release("go");
    assert!(run.0.wait().unwrap().success());
    screen.read_until(None);
    let after = screen.text.rsplit("\x1b[1A\r\x1b[J").next().unwrap();
    assert!(!after.contains("halfway"), "{:?}", screen.text);
    assert!(after.contains("1 shipped"), "{:?}", screen.text);
    assert!(!screen.text.contains("\x1b[3"), "NO_COLOR: {:?}", screen.text);
}
