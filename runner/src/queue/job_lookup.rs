//! Which stage a job is in. Its id counts letter by letter, also where the file system takes two names that differ by
//! case alone for one, as a Mac's usually does.

use std::path::Path;

use super::case_conflict::{CaseConflict, differ_by_case};
use super::error::if_present;
use super::{Queue, QueueError, QueueResult};
use crate::ids::JobId;
use crate::stage::Stage;

impl Queue {
    /// The stage that a job is in, if the queue has it.
    pub(crate) fn find(&self, id: &JobId) -> QueueResult<Option<Stage>> {
        // A move between two looks could hide a job, so an empty round is repeated against the direction of travel.
        self.find_in(id, Stage::ALL.into_iter().chain(Stage::ALL.into_iter().rev()))
    }

    /// The stage past the inbox that has a job of that name.
    pub(super) fn find_past_inbox(&self, id: &JobId) -> QueueResult<Option<Stage>> {
        self.find_in(id, Stage::ALL.into_iter().filter(|stage| *stage != Stage::Inbox))
    }

    fn find_in(&self, id: &JobId, stages: impl Iterator<Item = Stage>) -> QueueResult<Option<Stage>> {
        let name = id.file_name();
        for stage in stages {
            if self.has_name(&self.folder(stage), &name)? {
                return Ok(Some(stage));
            }
        }
        Ok(None)
    }

    /// Whether a folder has exactly this name.
    pub(super) fn has_name(&self, folder: &Path, name: &str) -> QueueResult<bool> {
        let path = folder.join(name);
        if if_present(&path, path.symlink_metadata())?.is_none() {
            return Ok(false);
        }
        if !self.root.folds_case() {
            return Ok(true);
        }
        let names = self.root.names(folder);
        let names = names.map_err(|source| QueueError::Read { path, source })?;
        Ok(names.iter().any(|found| found == name))
    }

    /// The job that would have its name taken by this one; none where the file system tells the two apart.
    pub(crate) fn case_conflict(&self, id: &JobId) -> QueueResult<Option<CaseConflict>> {
        if !self.root.folds_case() {
            return Ok(None);
        }
        for stage in Stage::ALL {
            let mut others = self.ids(stage)?.into_iter();
            if let Some(other) = others.find(|other| differ_by_case(id, other)) {
                return Ok(Some(CaseConflict { other, stage }));
            }
        }
        // What the coordinator has comes back there.
        let mut handed = self.handovers()?.into_iter().map(|(other, _)| other);
        let stage = Stage::Inbox;
        Ok(handed
            .find(|other| differ_by_case(id, other))
            .map(|other| CaseConflict { other, stage }))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::ffi::OsStr;
    use std::fs;

    use super::*;
    use crate::job_reason::ReasonCode;
    use crate::queue::JobSubmission;
    use crate::queue::classify::{FileClass, classify};
    use crate::queue::reject::reject;

    const JOB: &str = "---\nengine: sh\n---\ntrue\n";

    /// On a file system that takes names that differ by case alone for one, or as if it did.
    fn queue() -> (tempfile::TempDir, Queue) {
        let folder = tempfile::tempdir().unwrap();
        let queue = Queue::create(&folder.path().join("queue")).unwrap();
        queue.root.assume_folded_case();
        (folder, queue)
    }

    fn id(text: &str) -> JobId {
        JobId::new(text).unwrap()
    }

    fn submissions(ids: &[&str]) -> Vec<JobSubmission> {
        let submission = |text: &&str| JobSubmission {
            id: id(text),
            bytes: JOB.into(),
            cwd: None,
        };
        ids.iter().map(submission).collect()
    }

    #[test]
    fn the_file_system_is_asked_whether_it_tells_the_two_apart() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("name"), "").unwrap();
        let folds = folder.path().join("NAME").exists();
        let queue = Queue::create(&folder.path().join("queue")).unwrap();
        assert_eq!(queue.root.folds_case(), folds);
        if !folds {
            queue.add(&submissions(&["alpha", "Alpha"])).unwrap();
        }
    }

    #[test]
    fn a_job_whose_id_differs_by_case_alone_is_not_enqueued_and_neither_is_what_comes_with_it() {
        let (_folder, queue) = queue();
        queue.add(&submissions(&["alpha"])).unwrap();
        for (ids, taken) in [(["beta", "ALPHA"], "ALPHA"), (["beta", "Beta"], "Beta")] {
            let refused = queue.add(&submissions(&ids)).unwrap_err();
            let message = format!("there can be no job `{taken}`: a job `");
            assert!(refused.to_string().starts_with(&message), "{refused}");
            assert_eq!(queue.find(&id("beta")).unwrap(), None);
        }
        queue.add(&submissions(&["alpha-2"])).unwrap();
        assert_eq!(queue.find(&id("Alpha")).unwrap(), None, "it is another job");
    }

    #[test]
    fn a_file_placed_by_hand_is_refused_under_a_name_that_nobody_has() {
        let (_folder, queue) = queue();
        fs::write(queue.job_path(Stage::Shipped, &id("alpha")), JOB).unwrap();
        let name = OsStr::new("Alpha.md");
        fs::write(queue.folder(Stage::Inbox).join(name), JOB).unwrap();
        let class = classify(&queue, name, &HashMap::new()).unwrap();
        let FileClass::Invalid(reason) = class else {
            panic!("it counts");
        };
        assert_eq!(reason.code, ReasonCode::IdTaken);
        let refused = reject(&queue, name, reason).unwrap().unwrap();
        assert_eq!(
            (refused.stage, refused.id),
            (Stage::Failed, id("Alpha.refused-1"))
        );
        assert_eq!(queue.find(&id("alpha")).unwrap(), Some(Stage::Shipped));
    }
}
