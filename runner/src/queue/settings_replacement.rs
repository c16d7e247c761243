//! Puts another text in the place of `aq.toml`, so that a reader finds the one or the other, and a crash leaves one of
//! them whole (clause F-21).
//!
//! The file is a person's. Whatever shows that they do not want it changed, or that it would not be the same file
//! afterwards, is an obstacle.

use std::fs::{File, Metadata, Permissions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};

use rustix::fs::RenameFlags;

use super::Queue;
use crate::file_ownership::ForeignWriter;

const OWNER_WRITES: u32 = 0o200;
const PERMISSION_BITS: u32 = 0o7777;

/// Why `aq.toml` is left as it is.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SettingsObstacle {
    #[error("{0}, and a file of somebody else is not changed")]
    Foreign(ForeignWriter),
    #[error("it is read-only")]
    ReadOnly,
    #[error("it is known by another name as well (a hard link), which would keep the old text")]
    HardLink,
    #[error("somebody wrote it at that moment")]
    Changed,
    #[error(transparent)]
    System(#[from] io::Error),
}

impl Queue {
    /// Whether `aq.toml` could be replaced, as far as that can be told without a try.
    pub(crate) fn check_settings_replaceable(&self) -> Result<(), SettingsObstacle> {
        self.open_replaceable().map(drop)
    }

    /// Replaces the text of `aq.toml`, if it is `text` still. Its permissions stay, and the change is durable.
    pub(crate) fn replace_settings(&self, text: &str, new: &str) -> Result<(), SettingsObstacle> {
        let (mut file, found) = self.open_replaceable()?;
        let mut held = Vec::new();
        file.read_to_end(&mut held)?;
        if held != text.as_bytes() {
            return Err(SettingsObstacle::Changed);
        }
        let scratch = self
            .scratch_folder()
            .join(format!("settings-{}", std::process::id()));
        let replaced = self
            .write_settings(&scratch, new, &found)
            .and_then(|()| self.move_settings(&scratch, &found));
        if replaced.is_err() {
            let _ = self.root.remove(&scratch);
        }
        replaced
    }

    fn settings_path(&self) -> PathBuf {
        self.root().join("aq.toml")
    }

    fn open_replaceable(&self) -> Result<(File, Metadata), SettingsObstacle> {
        let file = self.root.open_regular(&self.settings_path())?;
        let found = file.metadata()?;
        match ForeignWriter::owner_of(&found) {
            Some(owner) => Err(SettingsObstacle::Foreign(owner)),
            None if found.nlink() > 1 => Err(SettingsObstacle::HardLink),
            None if found.mode() & OWNER_WRITES == 0 => Err(SettingsObstacle::ReadOnly),
            None => Ok((file, found)),
        }
    }

    fn write_settings(&self, scratch: &Path, text: &str, like: &Metadata) -> Result<(), SettingsObstacle> {
        let mut file = self.root.create(scratch)?;
        if file.metadata()?.gid() != like.gid() {
            fchown(&file, None, Some(like.gid()))?;
        }
        file.set_permissions(Permissions::from_mode(like.mode() & PERMISSION_BITS))?;
        file.write_all(text.as_bytes())?;
        Ok(file.sync_all()?)
    }

    /// The last look is as near to the move as it can be.
    fn move_settings(&self, scratch: &Path, known: &Metadata) -> Result<(), SettingsObstacle> {
        let (_, found) = self.open_replaceable()?;
        let state = |file: &Metadata| {
            (
                file.dev(),
                file.ino(),
                file.size(),
                file.ctime(),
                file.ctime_nsec(),
            )
        };
        if state(&found) != state(known) {
            return Err(SettingsObstacle::Changed);
        }
        let path = self.settings_path();
        self.root.rename(scratch, &path, RenameFlags::empty())?;
        Ok(self.root.sync_folder(self.root())?)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{chown, symlink};

    use super::*;

    fn queue(text: &str) -> (tempfile::TempDir, Queue) {
        let folder = tempfile::tempdir().unwrap();
        let queue = Queue::create(&folder.path().join("queue")).unwrap();
        fs::write(queue.settings_path(), text).unwrap();
        (folder, queue)
    }

    fn leftovers(queue: &Queue) -> usize {
        fs::read_dir(queue.scratch_folder()).unwrap().count()
    }

    #[test]
    fn the_text_is_replaced_and_the_permissions_stay() {
        let (_folder, queue) = queue("old");
        for mode in [0o600, 0o640, 0o644] {
            fs::write(queue.settings_path(), "old").unwrap();
            fs::set_permissions(queue.settings_path(), Permissions::from_mode(mode)).unwrap();
            queue.check_settings_replaceable().unwrap();
            queue.replace_settings("old", "new").unwrap();
            let found = queue.settings_path().metadata().unwrap();
            assert_eq!(found.mode() & PERMISSION_BITS, mode);
            assert_eq!(fs::read_to_string(queue.settings_path()).unwrap(), "new");
        }
        assert_eq!(leftovers(&queue), 0);
    }

    #[test]
    fn what_is_not_this_users_own_plain_file_is_left_alone() {
        let (folder, queue) = queue("old");
        let path = queue.settings_path();
        let obstacle = || queue.replace_settings("old", "new").unwrap_err().to_string();
        assert!(queue.replace_settings("other", "new").is_err());
        fs::set_permissions(&path, Permissions::from_mode(0o444)).unwrap();
        assert_eq!(obstacle(), "it is read-only");
        fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
        let second = folder.path().join("second");
        fs::hard_link(&path, &second).unwrap();
        assert!(obstacle().contains("another name"), "{}", obstacle());
        fs::remove_file(&path).unwrap();
        symlink(&second, &path).unwrap();
        assert!(obstacle().contains("link"), "{}", obstacle());
        fs::remove_file(&path).unwrap();
        assert!(queue.check_settings_replaceable().is_err());
        assert_eq!(fs::read_to_string(&second).unwrap(), "old");
        fs::rename(&second, &path).unwrap();
        // Where there is no room for the new text, for instance.
        fs::remove_dir(queue.scratch_folder()).unwrap();
        assert!(matches!(
            queue.replace_settings("old", "new"),
            Err(SettingsObstacle::System(_))
        ));
        fs::create_dir(queue.scratch_folder()).unwrap();
        // Root alone can give a file away.
        if chown(&path, Some(12_345), None).is_ok() {
            assert!(obstacle().contains("somebody else"), "{}", obstacle());
        }
        assert_eq!(fs::read_to_string(&path).unwrap(), "old");
        assert_eq!(leftovers(&queue), 0);
    }
}
