//! Checks the jobs in the inbox: whether they can start here, or would fail at once.

use std::collections::BTreeSet;
use std::path::Path;

use jiff::Timestamp;

use super::DoctorFinding;
use crate::engine::{self, EngineRegistry};
use crate::ids::{Capability, EngineName, JobId};
use crate::job::Job;
use crate::queue::{EnginePause, Queue, QueueError};
use crate::settings::Settings;
use crate::stage::Stage;
use crate::terminal::{duration, error_chain};
use crate::work_folder::holds_queue;

const AREA: &str = "jobs";
/// How many jobs are checked, so that `doctor` ends soon in a long queue too.
const JOBS_CHECKED_MAX: usize = 1000;

/// A file in the inbox.
pub(super) struct InboxJob {
    pub(super) id: JobId,
    pub(super) job: Result<Job, QueueError>,
}

pub(super) fn waiting(queue: &Queue) -> Vec<InboxJob> {
    let mut ids = queue.ids(Stage::Inbox).unwrap_or_default();
    ids.sort();
    let looked_at = ids.into_iter().take(JOBS_CHECKED_MAX);
    looked_at
        .map(|id| InboxJob {
            job: queue.job(Stage::Inbox, &id),
            id,
        })
        .collect()
}

pub(super) fn examine(
    settings: &Settings,
    queue: &Queue,
    engines: &EngineRegistry,
    waiting: &[InboxJob],
) -> Result<Vec<DoctorFinding>, std::io::Error> {
    let here = std::env::current_dir()?;
    let available = engines.available();
    let caps: BTreeSet<Capability> = settings
        .factory_caps
        .iter()
        .cloned()
        .chain(engine::capabilities(&available))
        .collect();
    let mut findings = Vec::new();
    let mut overlaps = BTreeSet::new();
    let writers = queue.writers().unwrap_or_default();
    for InboxJob { id, job } in waiting {
        match job {
            _ if writers.contains_key(id) => {
                let text = format!("{} is still writing its file", writers[id]);
                let next = "it is a job once that is closed; end the process if it hangs";
                findings.push(DoctorFinding::warn(AREA, id.as_str(), text, next));
            }
            Ok(job) => {
                findings.extend(missing_requirements(job, &here, &caps, &available));
                let folder = job.cwd.as_ref().map_or(here.clone(), |cwd| here.join(cwd));
                overlaps.extend(holds_queue(&folder, queue.root()));
            }
            Err(error) => {
                let next = "correct the file: as it is, the next run moves it to failed";
                findings.push(DoctorFinding::fail(AREA, id.as_str(), error_chain(error), next));
            }
        }
    }
    for overlap in overlaps {
        let next = "`export AQ_QUEUE=FOLDER` in your shell's profile, and `aq init` there";
        findings.push(DoctorFinding::warn(AREA, "queue", overlap, next));
    }
    findings.extend(paused_engines(queue));
    if findings.is_empty() {
        let text = match waiting.len() {
            0 => String::from("none waits"),
            1 => String::from("the one that waits can run here"),
            count => format!("all {count} that wait can run here"),
        };
        findings.push(DoctorFinding::ok(AREA, "inbox", text));
    }
    Ok(findings)
}

/// The engines whose jobs wait, whether there are any now or not.
fn paused_engines(queue: &Queue) -> Vec<DoctorFinding> {
    let now = Timestamp::now();
    let paused = queue.paused_engines().unwrap_or_default().into_iter();
    let warning = |(engine, pause): (EngineName, EnginePause)| {
        let length = match pause.left(now) {
            Some(left) => format!("for {} more, its jobs wait", duration(left)),
            None => String::from("until its next job has tried it"),
        };
        let text = format!("{engine} {} {length}", pause.cause.what());
        DoctorFinding::warn(AREA, engine.as_str(), text, &pause.cause.advice(&engine))
    };
    paused.map(warning).collect()
}

/// What this host lacks to run a job.
fn missing_requirements(
    job: &Job,
    here: &Path,
    caps: &BTreeSet<Capability>,
    engines: &BTreeSet<EngineName>,
) -> Vec<DoctorFinding> {
    let name = job.id.as_str();
    let mut findings = Vec::new();
    if !engines.contains(&job.engine) {
        let text = format!("its engine `{}` is not here, so it waits", job.engine);
        let next = "install the engine, or name it under [engine.NAME] in aq.toml";
        findings.push(DoctorFinding::fail(AREA, name, text, next));
    }
    let cwd = job.cwd.as_ref().map(|cwd| here.join(cwd));
    if let Some(cwd) = cwd.filter(|cwd| !cwd.is_dir()) {
        let text = format!("its folder {} is not there, so it would fail", cwd.display());
        let next = "make the folder, or correct `cwd` (relative ones start where `aq run` is started)";
        findings.push(DoctorFinding::fail(AREA, name, text, next));
    }
    let lacking = job.caps.iter().filter(|cap| !caps.contains(*cap));
    let lacking: Vec<&str> = lacking.map(|cap| cap.as_str()).collect();
    if !lacking.is_empty() {
        let text = format!("it asks for {}, which this factory lacks", lacking.join(", "));
        findings.push(DoctorFinding::fail(
            AREA,
            name,
            text,
            "set AQ_FACTORY_CAPS, or run it elsewhere",
        ));
    }
    findings
}
