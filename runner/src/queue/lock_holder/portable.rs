//! A holder writes its process id and its user into the file that it has locked, and takes both out again at its end.

use std::fs::File;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;

use rustix::process::geteuid;

use crate::file_ownership::user;
use crate::queue_root::QueueRoot;

/// What can't be written is a message without a name, and no reason to do without the lock.
pub(in crate::queue) fn record(lock: &File) {
    let text = format!("{} {}\n", std::process::id(), geteuid().as_raw());
    if has_one_name(lock) {
        let _ = lock
            .set_len(0)
            .and_then(|()| lock.write_all_at(text.as_bytes(), 0));
    }
}

pub(in crate::queue) fn forget(lock: &File) {
    if has_one_name(lock) {
        let _ = lock.set_len(0);
    }
}

/// A job may have put a hard link to a file of its choice in the place of the lock file (clause O-18).
fn has_one_name(lock: &File) -> bool {
    lock.metadata()
        .is_ok_and(|file| file.is_file() && file.nlink() <= 1)
}

/// Who holds a lock that lies directly in `.state`, if it is a process of this program.
pub(in crate::queue) fn find(path: &Path) -> Option<String> {
    let file = QueueRoot::of(path).open_regular(path).ok()?;
    let text = std::io::read_to_string(file).ok()?;
    let (pid, owner) = text.trim_end().split_once(' ')?;
    let (pid, owner): (u32, u32) = (pid.parse().ok()?, owner.parse().ok()?);
    Some(format!("process {pid} (aq) of {}", user(owner)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_holder_is_found_by_what_it_wrote_and_not_when_it_is_gone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(".state/queue.lock");
        std::fs::create_dir(folder.path().join(".state")).unwrap();
        let lock = File::create(&path).unwrap();
        assert_eq!(find(&path), None);
        record(&lock);
        let own = format!(
            "process {} (aq) of {}",
            std::process::id(),
            user(geteuid().as_raw())
        );
        assert_eq!(find(&path), Some(own));
        forget(&lock);
        assert_eq!(find(&path), None);
    }

    #[test]
    fn what_has_a_second_name_is_not_written_on() {
        let folder = tempfile::tempdir().unwrap();
        let [theirs, path] = ["theirs", "lock"].map(|name| folder.path().join(name));
        std::fs::write(&theirs, "theirs").unwrap();
        std::fs::hard_link(&theirs, &path).unwrap();
        let lock = File::options().write(true).open(&path).unwrap();
        record(&lock);
        forget(&lock);
        assert_eq!(std::fs::read_to_string(&theirs).unwrap(), "theirs");
    }
}
