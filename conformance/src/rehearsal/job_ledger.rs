//! What is known of each job: who had it when, and the marks that it left itself when it ran and when it was shipped.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Instant, SystemTime};

use serde::Serialize;

use super::RehearsalError;

/// A job's life, in order of time.
#[derive(Debug, Clone, Serialize)]
pub struct JobLife {
    pub id: String,
    pub moments: Vec<LifeMoment>,
    /// How often it ran.
    pub ran: usize,
    /// How often it was shipped.
    pub shipped: usize,
}

/// Something that happened to a job.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LifeMoment {
    pub at_ms: u64,
    pub what: &'static str,
    /// Who has the job from then on.
    pub authority: &'static str,
}

/// The books of a rehearsal.
#[derive(Debug)]
pub(super) struct JobLedger {
    marks: PathBuf,
    began: Instant,
    began_at: SystemTime,
    jobs: Vec<JobLife>,
}

impl JobLedger {
    pub(super) fn open(marks: &Path, began: Instant) -> JobLedger {
        JobLedger {
            marks: marks.to_owned(),
            began,
            began_at: SystemTime::now()
                .checked_sub(began.elapsed())
                .unwrap_or(SystemTime::UNIX_EPOCH),
            jobs: Vec::new(),
        }
    }

    pub(super) fn now_ms(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// Writes down that these jobs are somebody's from now on.
    pub(super) fn note(&mut self, ids: &[String], what: &'static str, authority: &'static str) {
        let at_ms = self.now_ms();
        for id in ids {
            let moment = LifeMoment {
                at_ms,
                what,
                authority,
            };
            match self.jobs.iter_mut().find(|job| job.id == *id) {
                Some(job) => job.moments.push(moment),
                None => self.jobs.push(JobLife {
                    id: id.clone(),
                    moments: vec![moment],
                    ran: 0,
                    shipped: 0,
                }),
            }
        }
    }

    /// The path at which a job leaves a line when it runs (`ran`) or is shipped (`shipped`).
    pub(super) fn mark(&self, id: &str, what: &str) -> PathBuf {
        self.marks.join(format!("{id}.{what}"))
    }

    /// How many jobs there are so far.
    pub(super) fn len(&self) -> usize {
        self.jobs.len()
    }

    /// What is wrong now: each job has run and was shipped exactly once, but those of the step that waits.
    pub(super) fn count(&self, waiting: Option<&str>) -> Result<Vec<String>, RehearsalError> {
        let mut wrong = Vec::new();
        for job in &self.jobs {
            let waits = waiting.is_some_and(|step| job.id.starts_with(step));
            let wanted = usize::from(!waits);
            for what in ["ran", "shipped"] {
                let (times, _) = self.read(&job.id, what)?;
                if times != wanted {
                    wrong.push(format!("{} {what} {times} times instead of {wanted}", job.id));
                }
            }
        }
        Ok(wrong)
    }

    /// All lives, with what the marks say.
    pub(super) fn lives(&self) -> Result<Vec<JobLife>, RehearsalError> {
        let mut lives = self.jobs.clone();
        for job in &mut lives {
            for what in ["ran", "shipped"] {
                let (times, at_ms) = self.read(&job.id, what)?;
                match what {
                    "ran" => job.ran = times,
                    _ => job.shipped = times,
                }
                let before = job.moments.iter().rev().find(|moment| moment.at_ms <= at_ms);
                let authority = before
                    .or(job.moments.last())
                    .map_or("", |moment| moment.authority);
                if times > 0 {
                    job.moments.push(LifeMoment {
                        at_ms,
                        what,
                        authority,
                    });
                }
            }
            job.moments.sort_by_key(|moment| moment.at_ms);
        }
        Ok(lives)
    }

    /// How many lines a mark has, and when the last was written.
    fn read(&self, id: &str, what: &str) -> Result<(usize, u64), RehearsalError> {
        let path = self.mark(id, what);
        let failed = |source| RehearsalError::Io {
            what: format!("reading {}", path.display()),
            source,
        };
        let text = match fs::read_to_string(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok((0, 0)),
            read => read.map_err(failed)?,
        };
        let written = fs::metadata(&path)
            .and_then(|about| about.modified())
            .map_err(failed)?;
        let at = written.duration_since(self.began_at).unwrap_or_default();
        Ok((
            text.lines().count(),
            u64::try_from(at.as_millis()).unwrap_or(u64::MAX),
        ))
    }
}
