//! Checks the queue folder: it has to be on one file system that can be written, that locks, and that has room.

use std::io;
use std::path::{Path, PathBuf};

use rustix::fs::statvfs;

use super::DoctorFinding;
use crate::error_scope::ErrorScope;
use crate::queue::{HandoverPhase, Queue, QueueError};
use crate::settings::Settings;
use crate::stage::Stage;
use crate::terminal::{ago, error_chain};

const AREA: &str = "queue";
const MIB: u64 = 1024 * 1024;
/// With less, the output of a single job can fill the disk.
const FREE_BYTES_WARN: u64 = 1024 * MIB;
const FREE_BYTES_FAIL: u64 = 64 * MIB;
const DAMAGED_SHOWN_MAX: usize = 20;

pub(super) fn examine(settings: &Settings, queue: Result<&Queue, &QueueError>) -> Vec<DoctorFinding> {
    let root = settings.queue.value.display().to_string();
    let queue = match queue {
        Ok(queue) => queue,
        Err(QueueError::Missing { .. }) => {
            let next = "`aq init` makes it, so do `aq add FILE` and a run with AQ_FLEET_ROUTE=1; if there should be \
                        one: is the path right, the disk mounted?";
            return vec![DoctorFinding::warn(AREA, &root, "there is no queue yet", next)];
        }
        Err(error) => {
            return vec![DoctorFinding::fail(
                AREA,
                &root,
                error_chain(error),
                "see who owns the folder",
            )];
        }
    };
    let folders: Vec<PathBuf> = Stage::ALL
        .map(|stage| queue.folder(stage))
        .into_iter()
        .chain([settings.queue.value.join(".state")])
        .filter(|folder| folder.exists())
        .collect();
    let mut findings = vec![writable(&root, &folders)];
    findings.push(sound(&root, queue));
    findings.extend(room(&root, &settings.queue.value));
    findings.extend(states(queue));
    findings
}

/// Checks that a file without a name can be made in each of them.
fn writable(root: &str, folders: &[PathBuf]) -> DoctorFinding {
    let refused = folders
        .iter()
        .find_map(|folder| Some((folder, tempfile::tempfile_in(folder).err()?)));
    match refused {
        None => DoctorFinding::ok(AREA, root, format!("{} folders can be written", folders.len())),
        Some((folder, error)) => DoctorFinding::fail(
            AREA,
            root,
            format!("can't write into {}: {error}", folder.display()),
            "correct its owner or permissions, or run as the user that owns it",
        ),
    }
}

/// Tries what a run would refuse to start without.
fn sound(root: &str, queue: &Queue) -> DoctorFinding {
    match queue.check_filesystem() {
        Ok(()) => DoctorFinding::ok(
            AREA,
            root,
            "one file system, which keeps locks and overwrites nothing",
        ),
        Err(QueueError::UnsuitableFolder { path, advice }) => DoctorFinding::fail(
            AREA,
            root,
            format!("{} can't carry a queue", path.display()),
            advice,
        ),
        // The folder for that was not made yet.
        Err(QueueError::Write { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
            DoctorFinding::ok(AREA, root, "folders are missing, which the next run makes")
        }
        Err(error) => {
            let next = match error.scope() {
                ErrorScope::Host(trouble) => trouble.advice(),
                _ => "see who owns the folder",
            };
            DoctorFinding::fail(AREA, root, error_chain(&error), next)
        }
    }
}

fn room(root: &str, folder: &Path) -> Option<DoctorFinding> {
    let found = statvfs(folder).ok()?;
    let free = found.f_bavail.saturating_mul(found.f_frsize);
    let text = format!("{} MiB free", free / MIB);
    let next = "make room; `aq prune` removes old jobs and what they printed";
    Some(match free {
        free if free < FREE_BYTES_FAIL || found.f_favail == 0 && found.f_files > 0 => {
            DoctorFinding::fail(AREA, root, text, next)
        }
        free if free < FREE_BYTES_WARN => DoctorFinding::warn(AREA, root, text, next),
        _ => DoctorFinding::ok(AREA, root, text),
    })
}

/// Names what a person may have forgotten.
fn states(queue: &Queue) -> Vec<DoctorFinding> {
    let mut findings = Vec::new();
    match queue.paused() {
        Ok(Some(pause)) => findings.push(DoctorFinding::warn(
            AREA,
            "pause",
            format!("no job is started, for {} already", ago(&pause.at)),
            "`aq resume`",
        )),
        Ok(None) => {}
        Err(error) => findings.push(DoctorFinding::fail(
            AREA,
            "pause",
            error_chain(&error),
            "see who owns the file",
        )),
    }
    findings.extend(damaged_records(queue));
    findings.extend(handovers(queue));
    if let Ok(ids) = queue.ids(Stage::Quarantine)
        && !ids.is_empty()
    {
        let text = format!("{} in quarantine", ids.len());
        let next = "`aq list` names them, `aq show ID` says why they are there";
        findings.push(DoctorFinding::warn(AREA, "jobs", text, next));
    }
    findings
}

/// Jobs that the coordinator has, and those of which nobody knows.
fn handovers(queue: &Queue) -> Vec<DoctorFinding> {
    let handed = queue.handovers().unwrap_or_default();
    let (known, open): (Vec<_>, Vec<_>) = handed
        .into_iter()
        .partition(|(_, record)| record.phase == HandoverPhase::Handed);
    let mut findings = Vec::new();
    if !known.is_empty() {
        let text = format!("{} with the coordinator", known.len());
        let next = "`aq fleet-recall --all` takes back what nobody works on";
        findings.push(DoctorFinding {
            next: Some(next.to_owned()),
            ..DoctorFinding::note(AREA, "handed", text)
        });
    }
    let open = open.iter().take(DAMAGED_SHOWN_MAX).map(|(id, record)| {
        let next = "nothing starts it until that is settled";
        DoctorFinding::warn(AREA, id.as_str(), record.phase.who_has_it(id), next)
    });
    findings.extend(open);
    findings
}

/// Names each job whose record can't be read.
fn damaged_records(queue: &Queue) -> Vec<DoctorFinding> {
    let ids = Stage::ALL
        .into_iter()
        .flat_map(|stage| queue.ids(stage).unwrap_or_default());
    let damaged = ids.filter_map(|id| {
        let damage = queue.record(&id).ok()?.err()?;
        let next = format!("`aq repair {id}` puts it right, or says who can");
        Some(DoctorFinding::warn(AREA, id.as_str(), damage.to_string(), &next))
    });
    damaged.take(DAMAGED_SHOWN_MAX).collect()
}
