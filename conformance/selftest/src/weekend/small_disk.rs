//! A disk that can be filled: a `tmpfs` of its own, mounted where nobody else sees it.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, unshare};
use rustix::process::{getgid, getuid};

/// The files of some thousand jobs fit, and it is filled in a moment.
const SIZE: &str = "size=192m,mode=755";
/// The least that a disk gives away.
const PAGE: usize = 4096;

/// It is gone when this is dropped.
pub(super) struct SmallDisk {
    path: PathBuf,
}

/// From here on this process, and what it starts, can mount what nobody else sees. To be called before there are threads.
pub fn enter_namespace() -> Result<(), String> {
    let (user, group) = (getuid().as_raw(), getgid().as_raw());
    let entered = match unshare(CloneFlags::CLONE_NEWNS) {
        Err(Errno::EPERM) => unshare(CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_NEWUSER)
            .map_err(|error| error.to_string())
            .and_then(|()| keep_identity(user, group).map_err(|error| error.to_string())),
        other => other.map_err(|error| error.to_string()),
    };
    let private = entered.and_then(|()| {
        let flags = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
        mount(None::<&str>, "/", None::<&str>, flags, None::<&str>).map_err(|error| error.to_string())
    });
    private.map_err(|error| {
        format!(
            "this host lets nobody mount a disk that could be filled ({error}), so nothing was run: run it as root, or where \
             user namespaces are allowed (`unshare -Urm true` tells)"
        )
    })
}

/// Inside, user and group are called as outside.
fn keep_identity(user: u32, group: u32) -> std::io::Result<()> {
    fs::write("/proc/self/setgroups", "deny")?;
    fs::write("/proc/self/uid_map", format!("{user} {user} 1"))?;
    fs::write("/proc/self/gid_map", format!("{group} {group} 1"))
}

impl SmallDisk {
    pub(super) fn mount(path: &Path) -> std::io::Result<SmallDisk> {
        let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV;
        mount(Some("weekend"), path, Some("tmpfs"), flags, Some(SIZE))?;
        Ok(SmallDisk {
            path: path.to_owned(),
        })
    }

    fn ballast(&self) -> PathBuf {
        self.path.join("ballast")
    }

    /// Until not a page is left.
    pub(super) fn fill(&self) -> std::io::Result<()> {
        let mut file = File::create(self.ballast())?;
        for size in [256 * PAGE, PAGE] {
            while file.write_all(&vec![0; size]).is_ok() {}
        }
        Ok(())
    }

    pub(super) fn free(&self) -> std::io::Result<()> {
        fs::remove_file(self.ballast())
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = umount2(&self.path, MntFlags::MNT_DETACH);
    }
}
