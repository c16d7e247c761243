//! The file of figures about a queue, for Prometheus. It is its own memory: whoever writes it next counts on from what
//! stands there, so that counters survive runners, and several runners share one file.

use std::fs::Permissions;
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, RenameFlags, flock};

use super::Queue;

/// Who collects it is another user.
const MODE: u32 = 0o644;

/// Where the figures of a queue are written.
#[derive(Debug)]
pub(crate) struct MetricsFile {
    queue: Queue,
    /// None: below `.state`.
    elsewhere: Option<PathBuf>,
}

impl MetricsFile {
    pub(crate) fn new(queue: &Queue, elsewhere: Option<&Path>) -> MetricsFile {
        MetricsFile {
            queue: queue.clone(),
            elsewhere: elsewhere.map(Path::to_owned),
        }
    }

    /// Replaces the text by what is made of it. Two runners do so one after the other. No reader finds half of it, and
    /// where it can't be written the earlier one stays.
    pub(crate) fn update(&self, make: impl FnOnce(&str) -> Option<String>) -> io::Result<()> {
        let lock = self
            .queue
            .below()
            .open_lock(&self.queue.state().join("metrics.lock"))?;
        flock(&lock, FlockOperation::LockExclusive)?;
        let earlier = match self.read() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            read => read?,
        };
        match make(&earlier) {
            Some(text) => self.replace(text.as_bytes()),
            None => Ok(()),
        }
    }

    fn read(&self) -> io::Result<String> {
        let bytes = match &self.elsewhere {
            Some(path) => std::fs::read(path)?,
            None => {
                let mut bytes = Vec::new();
                let mut file = self.queue.below().open_regular(&self.inside())?;
                io::Read::read_to_end(&mut file, &mut bytes)?;
                bytes
            }
        };
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    fn inside(&self) -> PathBuf {
        self.queue.state().join("metrics.prom")
    }

    fn replace(&self, text: &[u8]) -> io::Result<()> {
        match &self.elsewhere {
            Some(path) => replace_elsewhere(path, text),
            None => {
                let scratch = self
                    .queue
                    .scratch_folder()
                    .join(format!("metrics-{}", std::process::id()));
                let written = self.write_inside(&scratch, text);
                if written.is_err() {
                    let _ = self.queue.below().remove(&scratch);
                }
                written
            }
        }
    }

    fn write_inside(&self, scratch: &Path, text: &[u8]) -> io::Result<()> {
        let root = self.queue.below();
        let mut file = root.create(scratch)?;
        file.set_permissions(Permissions::from_mode(MODE))?;
        file.write_all(text)?;
        root.rename(scratch, &self.inside(), RenameFlags::empty())
    }
}

/// In the same folder, under a name that no collector takes for a file of figures.
fn replace_elsewhere(path: &Path, text: &[u8]) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let mut file = tempfile::Builder::new()
        .prefix(".aq-metrics-")
        .suffix(".tmp")
        .permissions(Permissions::from_mode(MODE))
        .tempfile_in(folder)?;
    // The umask may have taken something away.
    file.as_file().set_permissions(Permissions::from_mode(MODE))?;
    file.write_all(text)?;
    file.persist(path)?;
    Ok(())
}
