//! What is known of engines that do not work: a file each, so that a pause outlives the process that met it (clauses O-12
//! and O-22). The time of day is what engines tell, and what counts here.
//!
//! A file is replaced as a whole and never locked: of two runners that write at the same time one may miss what the
//! other saw, and the next run of the engine tells it again. That one job alone tries an engine is what a lock is for.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use jiff::Timestamp;

use super::engine_breaker::{EngineHealth, EngineObservation, EnginePause, HealthChange, PauseCause};
use super::error::if_present;
use super::{JobLocks, Queue, QueueError, QueueResult, durable_files, locks};
use crate::ids::{EngineName, JobId};

impl Queue {
    /// What is known of the engines that did not work lately.
    pub(crate) fn engine_health(&self) -> QueueResult<BTreeMap<EngineName, EngineHealth>> {
        let path = self.paused_folder();
        let mut found = BTreeMap::new();
        // None: a queue of an earlier version, that nothing has run yet.
        for name in if_present(&path, self.root.names(&path))?.unwrap_or_default() {
            let Some(engine) = name.to_str().and_then(|name| EngineName::new(name).ok()) else {
                continue;
            };
            let health = self.health_at(&path.join(&name))?;
            if health != EngineHealth::default() {
                found.insert(engine, health);
            }
        }
        Ok(found)
    }

    /// The engines that are paused, also those whose pause is over and that no job has tried since.
    pub(crate) fn paused_engines(&self) -> QueueResult<BTreeMap<EngineName, EnginePause>> {
        let health = self.engine_health()?.into_iter();
        Ok(health
            .filter_map(|(engine, health)| Some((engine, health.pause?)))
            .collect())
    }

    /// A run of the engine is over. `is_trial`: it tried an engine whose pause was over.
    pub(crate) fn record_engine_run(
        &self,
        engine: &EngineName,
        job: &JobId,
        is_trial: bool,
        seen: EngineObservation,
    ) -> QueueResult<HealthChange> {
        let path = self.paused_folder().join(engine.as_str());
        let known = self.health_at(&path)?;
        let change = known
            .clone()
            .after(job, is_trial, seen, Timestamp::now(), fastrand::f64());
        if change.health == EngineHealth::default() {
            if path.symlink_metadata().is_ok() {
                self.remove(&path)?;
            }
        } else if known != change.health {
            let text = serde_json::to_vec(&change.health);
            let text = text.map_err(|error| QueueError::writing(&path)(error.into()))?;
            // Other runners read and write it too: none of them is to find it empty, or gone.
            let scratch = format!("{engine}.paused-{}", std::process::id());
            self.replace(&path, &scratch, &text)?;
        }
        Ok(change)
    }

    /// A person says that the engine may be used; the pause that there was.
    pub(crate) fn resume_engine(&self, engine: &EngineName) -> QueueResult<Option<EnginePause>> {
        let path = self.paused_folder().join(engine.as_str());
        let known = self.health_at(&path)?;
        self.remove(&path)?;
        Ok(known.pause)
    }

    /// Whether a job that is held may start its engine. If that one's pause is over, this job tries it, and no other one
    /// of the queue while the job's locks are held.
    pub(super) fn may_start_engine(&self, engine: &EngineName, hold: &mut JobLocks) -> QueueResult<bool> {
        let path = self.paused_folder().join(engine.as_str());
        if self.health_at(&path)?.pause.is_none() {
            return Ok(true);
        }
        if !hold.acquire_trial_lock(self, engine)? {
            return Ok(false);
        }
        // Looked at again: who had the lock has written down what came of it.
        let is_over = |pause: EnginePause| pause.left(Timestamp::now()).is_none();
        let pause = self.health_at(&path)?.pause;
        let may_start = pause.clone().is_none_or(is_over);
        if !may_start || pause.is_none() {
            hold.release_trial_lock();
        }
        Ok(may_start)
    }

    /// Whether a job tries this engine at this moment.
    pub(crate) fn is_engine_tried(&self, engine: &EngineName) -> QueueResult<bool> {
        locks::is_trial_lock_held(self, engine)
    }

    /// What nobody can read tells nothing: the next run of the engine does.
    fn health_at(&self, path: &Path) -> QueueResult<EngineHealth> {
        let Some(text) = if_present(path, durable_files::read_text(&self.root, path))? else {
            return Ok(EngineHealth::default());
        };
        let health: EngineHealth = match serde_json::from_str(&text) {
            Ok(health) => health,
            Err(_) => text
                .trim()
                .parse()
                .map_or_else(|_| EngineHealth::default(), until_second),
        };
        Ok(health.at(Timestamp::now()))
    }

    pub(super) fn paused_folder(&self) -> PathBuf {
        self.state().join("paused")
    }
}

/// An earlier version wrote no more than when a usage limit ends.
fn until_second(second: i64) -> EngineHealth {
    EngineHealth {
        pause: Timestamp::from_second(second).ok().map(|until| EnginePause {
            cause: PauseCause::UsageLimit,
            detail: String::new(),
            since: Timestamp::UNIX_EPOCH,
            until,
            openings: 0,
        }),
        ..EngineHealth::default()
    }
}

#[cfg(test)]
mod tests {
    #[test]
    #[cfg(target_os = "linux")] // inotify alone shows what happens on the way
    fn a_pause_comes_to_its_place_whole() {
        use std::mem::MaybeUninit;
        use std::time::Duration;

        use rustix::fs::inotify::{self, CreateFlags, ReadFlags, WatchFlags};
        use rustix::io::Errno;

        use super::*;

        let folder = tempfile::tempdir().unwrap();
        let queue = Queue::create(&folder.path().join("queue")).unwrap();
        let pauses = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK).unwrap();
        let written = WatchFlags::MOVED_TO | WatchFlags::CREATE | WatchFlags::MODIFY | WatchFlags::DELETE;
        inotify::add_watch(&pauses, queue.paused_folder(), written).unwrap();
        let (engine, job) = (EngineName::new("claude").unwrap(), JobId::new("a").unwrap());
        for seconds in [60, 3600] {
            let limit = EngineObservation::Unusable {
                cause: PauseCause::UsageLimit,
                detail: String::new(),
                length: Some(Duration::from_secs(seconds)),
            };
            queue.record_engine_run(&engine, &job, true, limit).unwrap();
            let mut buffer = [MaybeUninit::uninit(); 1024];
            let mut events = inotify::Reader::new(&pauses, &mut buffer);
            assert_eq!(events.next().unwrap().events(), ReadFlags::MOVED_TO);
            assert_eq!(events.next().err(), Some(Errno::AGAIN));
        }
        let left = queue.paused_engines().unwrap()[&engine].left(Timestamp::now());
        assert!(left > Some(Duration::from_secs(60)));
        assert!(queue.root.names(&queue.scratch_folder()).unwrap().is_empty());
    }
}
