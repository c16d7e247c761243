//! Whether somebody else than this user can change a file or a folder (clause O-19), as `sshd` asks it of the files
//! that it relies on (its `StrictModes`).
//!
//! Root is trusted. A group that may write is a stranger, but for the user's own: where each user has a group of the
//! same name and nobody else is in it, the usual umask leaves everything writable for that group.

use std::fmt::{self, Display, Formatter};
use std::fs::Metadata;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use nix::unistd::{Gid, Group, Uid, User};
use rustix::process::geteuid;

const GROUP_WRITES: u32 = 0o020;
const OTHERS_WRITE: u32 = 0o002;
const STICKY: u32 = 0o1000;

/// Who can change a file besides this user and root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ForeignWriter {
    /// It belongs to that user.
    Owner(u32),
    Group(u32),
    Everybody,
}

impl ForeignWriter {
    pub(crate) fn of(file: &Metadata) -> Option<ForeignWriter> {
        if file.uid() != geteuid().as_raw() && file.uid() != 0 {
            return Some(ForeignWriter::Owner(file.uid()));
        }
        if file.mode() & OTHERS_WRITE != 0 {
            return Some(ForeignWriter::Everybody);
        }
        let shared = file.mode() & GROUP_WRITES != 0 && !is_own_group(file.gid());
        shared.then(|| ForeignWriter::Group(file.gid()))
    }

    /// Who owns a file, root included, if that is not this user.
    pub(crate) fn owner_of(file: &Metadata) -> Option<ForeignWriter> {
        (file.uid() != geteuid().as_raw()).then(|| ForeignWriter::Owner(file.uid()))
    }

    /// The command to type.
    pub(crate) fn advice(&self, path: &Path) -> String {
        let path = path.display();
        match self {
            ForeignWriter::Owner(uid) => {
                let name = user_name(*uid).unwrap_or_else(|| format!("'#{uid}'"));
                format!(
                    "run aq as that user (`sudo -u {name} aq …`), or make it yours: `chown -R {} {path}`",
                    own_name()
                )
            }
            ForeignWriter::Group(_) | ForeignWriter::Everybody => format!("`chmod go-w {path}`"),
        }
    }
}

impl Display for ForeignWriter {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        match self {
            ForeignWriter::Owner(uid) => write!(formatter, "it belongs to {}", user(*uid)),
            ForeignWriter::Group(gid) => {
                let group = Group::from_gid(Gid::from_raw(*gid)).ok().flatten();
                let name = group.map_or_else(|| gid.to_string(), |group| group.name);
                write!(formatter, "everyone in the group {name} can write to it")
            }
            ForeignWriter::Everybody => formatter.write_str("everyone on this host can write to it"),
        }
    }
}

/// `sam (uid 1001)`, for messages.
pub(crate) fn user(uid: u32) -> String {
    match user_name(uid) {
        Some(name) => format!("{name} (uid {uid})"),
        None => format!("uid {uid}"),
    }
}

/// The folder on the way to `path` in which everybody could replace it; none if nobody can.
pub(crate) fn open_ancestor(path: &Path) -> io::Result<Option<std::path::PathBuf>> {
    let place = path.canonicalize()?;
    for folder in place.ancestors().skip(1) {
        let mode = folder.metadata()?.mode();
        if mode & OTHERS_WRITE != 0 && mode & STICKY == 0 {
            return Ok(Some(folder.to_owned()));
        }
    }
    Ok(None)
}

/// Whether a group has the name of this user, and no other member.
fn is_own_group(gid: u32) -> bool {
    let user = User::from_uid(Uid::from_raw(geteuid().as_raw())).ok().flatten();
    let group = Group::from_gid(Gid::from_raw(gid)).ok().flatten();
    let (Some(user), Some(group)) = (user, group) else {
        return false;
    };
    user.gid.as_raw() == gid && user.name == group.name && group.mem.iter().all(|name| *name == user.name)
}

fn user_name(uid: u32) -> Option<String> {
    let user = User::from_uid(Uid::from_raw(uid)).ok().flatten();
    user.map(|user| user.name)
}

fn own_name() -> String {
    let uid = geteuid().as_raw();
    user_name(uid).unwrap_or_else(|| uid.to_string())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{PermissionsExt, chown};

    use super::*;

    fn with_mode(mode: u32) -> Option<ForeignWriter> {
        let folder = tempfile::tempdir().unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(mode)).unwrap();
        ForeignWriter::of(&folder.path().metadata().unwrap())
    }

    #[test]
    fn who_can_write_is_told_from_owner_and_mode() {
        assert_eq!(with_mode(0o755), None);
        assert_eq!(with_mode(0o777), Some(ForeignWriter::Everybody));
        assert_eq!(
            with_mode(0o1777),
            Some(ForeignWriter::Everybody),
            "a sticky folder lets everybody add files"
        );
        assert_eq!(with_mode(0o702), Some(ForeignWriter::Everybody));
        let advice = ForeignWriter::Everybody.advice(Path::new("queue/inbox"));
        assert_eq!(advice, "`chmod go-w queue/inbox`");
    }

    #[test]
    fn the_group_of_ones_own_name_is_oneself_and_any_other_is_not() {
        let folder = tempfile::tempdir().unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o775)).unwrap();
        let own = folder.path().metadata().unwrap().gid();
        if is_own_group(own) {
            assert_eq!(ForeignWriter::of(&folder.path().metadata().unwrap()), None);
        }
        let other = own + 1;
        if chown(folder.path(), None, Some(other)).is_ok() {
            fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o775)).unwrap();
            let found = ForeignWriter::of(&folder.path().metadata().unwrap());
            assert_eq!(found, Some(ForeignWriter::Group(other)));
        }
    }

    #[test]
    fn what_belongs_to_another_user_is_a_strangers() {
        let folder = tempfile::tempdir().unwrap();
        let other = geteuid().as_raw() + 4321;
        if chown(folder.path(), Some(other), None).is_ok() {
            let found = ForeignWriter::of(&folder.path().metadata().unwrap());
            assert_eq!(found, Some(ForeignWriter::Owner(other)));
        }
    }
}
