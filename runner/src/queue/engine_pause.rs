//! Engines that are not started for a while: a file each, so that a pause outlives the process that met it (clause
//! O-12). The time of day is what engines tell, and what counts here.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use super::error::if_present;
use super::{Queue, QueueResult, durable_files};
use crate::ids::EngineName;

impl Queue {
    /// From now on, for that long.
    pub(crate) fn pause_engine(&self, engine: &EngineName, length: Duration) -> QueueResult<()> {
        let until_s = now_s().saturating_add(length.as_secs());
        let path = self.paused_folder().join(engine.as_str());
        // Other runners read and write it too: none of them is to find it empty, or gone.
        let scratch = format!("{engine}.paused-{}", std::process::id());
        self.replace(&path, &scratch, until_s.to_string().as_bytes())
    }

    /// The engines that are paused at this moment, each with how long still.
    pub(crate) fn paused_engines(&self) -> QueueResult<BTreeMap<EngineName, Duration>> {
        let path = self.paused_folder();
        let mut paused = BTreeMap::new();
        // None: a queue of an earlier version, that nothing has run yet.
        for name in if_present(&path, self.root.names(&path))?.unwrap_or_default() {
            let Some(engine) = name.to_str().and_then(|name| EngineName::new(name).ok()) else {
                continue;
            };
            let text = durable_files::read_text(&self.root, &path.join(&name)).unwrap_or_default();
            let left = text.trim().parse::<u64>().unwrap_or(0).saturating_sub(now_s());
            if left > 0 {
                paused.insert(engine, Duration::from_secs(left));
            }
        }
        Ok(paused)
    }

    pub(super) fn paused_folder(&self) -> PathBuf {
        self.state().join("paused")
    }
}

fn now_s() -> u64 {
    u64::try_from(jiff::Timestamp::now().as_second()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    #[test]
    #[cfg(target_os = "linux")] // inotify alone shows what happens on the way
    fn a_pause_comes_to_its_place_whole() {
        use std::mem::MaybeUninit;

        use rustix::fs::inotify::{self, CreateFlags, ReadFlags, WatchFlags};
        use rustix::io::Errno;

        use super::*;

        let folder = tempfile::tempdir().unwrap();
        let queue = Queue::create(&folder.path().join("queue")).unwrap();
        let pauses = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK).unwrap();
        let written = WatchFlags::MOVED_TO | WatchFlags::CREATE | WatchFlags::MODIFY | WatchFlags::DELETE;
        inotify::add_watch(&pauses, queue.paused_folder(), written).unwrap();
        let engine = EngineName::new("claude").unwrap();
        for seconds in [60, 3600] {
            queue.pause_engine(&engine, Duration::from_secs(seconds)).unwrap();
            let mut buffer = [MaybeUninit::uninit(); 1024];
            let mut events = inotify::Reader::new(&pauses, &mut buffer);
            assert_eq!(events.next().unwrap().events(), ReadFlags::MOVED_TO);
            assert_eq!(events.next().err(), Some(Errno::AGAIN));
        }
        assert!(queue.paused_engines().unwrap()[&engine] > Duration::from_secs(60));
        assert!(queue.root.names(&queue.scratch_folder()).unwrap().is_empty());
    }
}
