//! What a test sees of processes and files that it did not make: as `/proc` and inotify tell it on Linux, elsewhere as
//! `ps` tells it and by looking again.

use std::path::Path;

#[cfg(target_os = "linux")]
pub use linux::{FileWatch, is_alive, only_child, wait_for_end};
#[cfg(not(target_os = "linux"))]
pub use other_systems::{FileWatch, is_alive, only_child, wait_for_end};

/// Makes a pipe with a name. The call for it is not there on every system, and the program is.
pub fn make_pipe(path: &Path) {
    let made = std::process::Command::new("mkfifo").arg(path).status().unwrap();
    assert!(made.success(), "mkfifo {}", path.display());
}

#[cfg(target_os = "linux")]
mod linux {
    use std::fs;
    use std::os::fd::OwnedFd;
    use std::path::Path;

    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    use rustix::fs::inotify::{self, CreateFlags, WatchFlags};
    use rustix::process::{Pid, PidfdFlags, pidfd_open};

    use crate::queue_fixture::LIMIT_S;

    const LIMIT: Timespec = Timespec {
        tv_sec: LIMIT_S,
        tv_nsec: 0,
    };

    /// Tells when a file is written to.
    pub struct FileWatch(OwnedFd);

    impl FileWatch {
        pub fn of(path: &Path) -> FileWatch {
            let watch = inotify::init(CreateFlags::CLOEXEC).unwrap();
            inotify::add_watch(&watch, path, WatchFlags::MODIFY | WatchFlags::MOVED_TO).unwrap();
            FileWatch(watch)
        }

        /// False: nothing was written for too long.
        pub fn wait(&mut self) -> bool {
            let mut told = [PollFd::new(&self.0, PollFlags::IN)];
            if poll(&mut told, Some(&LIMIT)).unwrap() == 0 {
                return false;
            }
            rustix::io::read(&self.0, &mut [0; 1024]).unwrap();
            true
        }
    }

    /// The one process that this one started itself.
    pub fn only_child(pid: u32) -> Pid {
        let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap();
        Pid::from_raw(children.trim().parse().unwrap()).unwrap()
    }

    /// Whether a process that wrote its id into a file is alive.
    pub fn is_alive(pid: &str) -> bool {
        let status = fs::read_to_string(format!("/proc/{}/stat", pid.trim())).unwrap_or_default();
        !status.is_empty() && !status.contains(") Z ")
    }

    /// Waits for the end of a process that wrote its id into a file.
    pub fn wait_for_end(pid: &str) {
        let number = Pid::from_raw(pid.trim().parse().unwrap()).unwrap();
        let Ok(handle) = pidfd_open(number, PidfdFlags::empty()) else {
            return;
        };
        let mut ended = [PollFd::new(&handle, PollFlags::IN)];
        assert_eq!(
            poll(&mut ended, Some(&LIMIT)).unwrap(),
            1,
            "{number} does not end"
        );
    }
}

#[cfg(not(target_os = "linux"))]
mod other_systems {
    use std::path::Path;
    use std::process::Command;
    use std::time::{Duration, Instant};

    use rustix::event::{Timespec, poll};
    use rustix::process::Pid;

    use crate::queue_fixture::LIMIT_S;

    /// Between two looks.
    const PAUSE: Timespec = Timespec {
        tv_sec: 0,
        tv_nsec: 20_000_000,
    };

    /// Tells when to look at a file again.
    pub struct FileWatch(Instant);

    impl FileWatch {
        pub fn of(_path: &Path) -> FileWatch {
            FileWatch(Instant::now())
        }

        /// False: it took too long.
        pub fn wait(&mut self) -> bool {
            poll(&mut [], Some(&PAUSE)).unwrap();
            self.0.elapsed() < Duration::from_secs(LIMIT_S as u64)
        }
    }

    fn printed(program: &str, arguments: &[&str]) -> String {
        let done = Command::new(program).args(arguments).output().unwrap();
        String::from_utf8(done.stdout).unwrap().trim().to_owned()
    }

    /// The one process that this one started itself.
    pub fn only_child(pid: u32) -> Pid {
        let children = printed("pgrep", &["-P", &pid.to_string()]);
        Pid::from_raw(children.parse().unwrap()).unwrap()
    }

    /// Whether a process that wrote its id into a file is alive.
    pub fn is_alive(pid: &str) -> bool {
        let state = printed("ps", &["-o", "stat=", "-p", pid.trim()]);
        !state.is_empty() && !state.starts_with('Z')
    }

    /// Waits for the end of a process that wrote its id into a file.
    pub fn wait_for_end(pid: &str) {
        let mut looks = FileWatch(Instant::now());
        while is_alive(pid) {
            assert!(looks.wait(), "{pid} does not end");
        }
    }
}
