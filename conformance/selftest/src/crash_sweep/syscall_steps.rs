//! Which system calls of a runner are steps, and what each is called: the call and the place in the queue folder that it
//! is about, with ids and numbers taken out, so that the same step of two jobs has one name.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use nix::libc;

const PATH_BYTES_MAX: usize = 4096;
/// As much of a request as says what is asked.
const REQUEST_BYTES_MAX: usize = 128;

/// A stopped process, and the queue that it works on.
pub(super) struct StoppedProcess<'a> {
    pub(super) pid: i32,
    pub(super) queue: &'a Path,
}

impl StoppedProcess<'_> {
    /// The step that the process is about to make; none if the call changes nothing that outlives it.
    pub(super) fn step(&self) -> Option<String> {
        let text = fs::read_to_string(format!("/proc/{}/syscall", self.pid)).ok()?;
        let mut words = text.split_whitespace();
        let call: i64 = words.next()?.parse().ok()?;
        let arguments: Vec<u64> = words
            .filter_map(|word| u64::from_str_radix(word.strip_prefix("0x")?, 16).ok())
            .collect();
        self.named(call, &arguments)
    }

    fn named(&self, call: i64, arguments: &[u64]) -> Option<String> {
        let at = |index: usize| arguments.get(index).copied().unwrap_or(0);
        let of_file = |what: &str| Some(format!("{what} {}", self.place(&self.descriptor(at(0))?)?));
        match call {
            libc::SYS_renameat2 | libc::SYS_renameat => {
                let (from, to) = (self.path_at(at(0), at(1))?, self.path_at(at(2), at(3))?);
                Some(format!("rename {} to {}", self.place(&from)?, self.place(&to)?))
            }
            libc::SYS_openat => self.opened(&self.path_at(at(0), at(1))?, at(2)),
            // Its flags are the first word of its arguments.
            libc::SYS_openat2 => self.opened(&self.path_at(at(0), at(1))?, self.number(at(2))?),
            libc::SYS_unlinkat => Some(format!("remove {}", self.place(&self.path_at(at(0), at(1))?)?)),
            libc::SYS_mkdirat => self.folder(&self.path_at(at(0), at(1))?),
            #[cfg(target_arch = "x86_64")]
            libc::SYS_rename => {
                let (from, to) = (self.path(at(0))?, self.path(at(1))?);
                Some(format!("rename {} to {}", self.place(&from)?, self.place(&to)?))
            }
            #[cfg(target_arch = "x86_64")]
            libc::SYS_unlink => Some(format!("remove {}", self.place(&self.path(at(0))?)?)),
            #[cfg(target_arch = "x86_64")]
            libc::SYS_mkdir => self.folder(&self.path(at(0))?),
            libc::SYS_write | libc::SYS_sendto => of_file("write").or_else(|| self.said(at(0), at(1))),
            libc::SYS_writev => of_file("write").or_else(|| self.said(at(0), self.number(at(1))?)),
            libc::SYS_pwrite64 => of_file("write"),
            libc::SYS_ftruncate => of_file("cut"),
            libc::SYS_fsync | libc::SYS_fdatasync => of_file("sync"),
            libc::SYS_flock => of_file("lock"),
            libc::SYS_close => of_file("close").filter(|name| name.contains("lock")),
            libc::SYS_fcntl if at(1) == libc::F_SETFD as u64 => of_file("share"),
            libc::SYS_sendmsg => Some("hand over to a supervisor".to_owned()),
            libc::SYS_recvmsg => Some("take over from the runner".to_owned()),
            libc::SYS_pidfd_send_signal => Some("signal a process".to_owned()),
            libc::SYS_ppoll => Some("watch".to_owned()),
            libc::SYS_clone | libc::SYS_clone3 => Some("start a process".to_owned()),
            #[cfg(target_arch = "x86_64")]
            libc::SYS_vfork | libc::SYS_fork => Some("start a process".to_owned()),
            libc::SYS_wait4 | libc::SYS_waitid => Some("collect a process".to_owned()),
            #[cfg(target_arch = "x86_64")]
            libc::SYS_epoll_wait => Some("wait".to_owned()),
            libc::SYS_epoll_pwait => Some("wait".to_owned()),
            _ => None,
        }
    }

    fn opened(&self, path: &Path, flags: u64) -> Option<String> {
        let makes = flags & (libc::O_CREAT | libc::O_TRUNC) as u64 != 0;
        let place = self.place(path)?;
        makes.then(|| format!("create {place}"))
    }

    /// All those that each command makes sure of have one name.
    fn folder(&self, path: &Path) -> Option<String> {
        let place = self.place(path)?;
        Some(match place.contains("ID") {
            true => format!("make {place}"),
            false => "make a folder".to_owned(),
        })
    }

    /// What is said over a socket: a request to the coordinator, or a word between runner and supervisor.
    fn said(&self, descriptor: u64, address: u64) -> Option<String> {
        let file = self.descriptor(descriptor)?;
        if !file.to_string_lossy().starts_with("socket:") {
            return None;
        }
        let bytes = self.bytes(address, REQUEST_BYTES_MAX)?;
        let text = String::from_utf8_lossy(&bytes);
        let mut words = text.split(' ');
        match (words.next(), words.next()) {
            (Some(method @ ("POST" | "GET" | "PUT" | "DELETE")), Some(path)) => {
                let path = path.strip_prefix("/v1/").unwrap_or(path);
                Some(format!("ask {method} {}", general(path)))
            }
            _ => Some("say a word".to_owned()),
        }
    }

    /// The path, from the folder of that descriptor where it is none of its own.
    fn path_at(&self, folder: u64, address: u64) -> Option<PathBuf> {
        let path = self.path(address)?;
        // A descriptor is a whole word, whatever the register holds besides.
        match path.is_absolute() || folder as i32 == libc::AT_FDCWD {
            true => Some(path),
            false => Some(self.descriptor(u64::from(folder as u32))?.join(path)),
        }
    }

    fn path(&self, address: u64) -> Option<PathBuf> {
        let bytes = self.bytes(address, PATH_BYTES_MAX)?;
        let end = bytes.iter().position(|byte| *byte == 0)?;
        let text = String::from_utf8(bytes[..end].to_vec()).ok()?;
        Some(PathBuf::from(text))
    }

    /// The word at that address.
    fn number(&self, address: u64) -> Option<u64> {
        let bytes = self.bytes(address, size_of::<u64>())?;
        Some(u64::from_ne_bytes(bytes.try_into().ok()?))
    }

    /// As many bytes as there are, up to the limit.
    fn bytes(&self, address: u64, limit: usize) -> Option<Vec<u8>> {
        let memory = File::open(format!("/proc/{}/mem", self.pid)).ok()?;
        let mut bytes = vec![0; limit];
        let read = memory.read_at(&mut bytes, address).ok()?;
        bytes.truncate(read);
        Some(bytes)
    }

    fn descriptor(&self, number: u64) -> Option<PathBuf> {
        fs::read_link(format!("/proc/{}/fd/{number}", self.pid)).ok()
    }

    /// Where in the queue folder; none for a path outside of it.
    fn place(&self, path: &Path) -> Option<String> {
        let inside = path.strip_prefix(self.queue).ok()?;
        let parts = inside.iter().map(|part| general(&part.to_string_lossy()));
        let place = parts.collect::<Vec<_>>().join("/");
        Some(match place.is_empty() {
            true => ".".to_owned(),
            false => place,
        })
    }
}

/// `job-3.md` → `ID.md`, `left` → `LOCK`, `attempt-12` → `attempt-N`.
fn general(part: &str) -> String {
    let text = part.replace("left", "LOCK").replace("right", "LOCK");
    let mut general = String::new();
    for letter in text.chars() {
        match (letter.is_ascii_digit(), general.ends_with('N')) {
            (true, true) => {}
            (true, false) => general.push('N'),
            (false, _) => general.push(letter),
        }
    }
    general.replace("job-N", "ID")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_step_of_two_jobs_has_one_name() {
        assert_eq!(general("job-12.md"), "ID.md");
        assert_eq!(general("attempt-3"), "attempt-N");
        assert_eq!(general("left"), "LOCK");
        assert_eq!(general("00000012-job-1.json"), "N-ID.json");
    }
}
