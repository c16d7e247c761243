//! Where the commands of each job are to work.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Component, Path, PathBuf};

use super::{Sandbox, job_file};
use crate::scenario::{JobPlacement, Scenario};

impl Sandbox {
    /// By job: the folder as its file names it, and where that really lies when this is asked, if links lead there. A job
    /// may change its links while it runs, so its commands may have worked in either.
    pub fn work_folders(&self, scenario: &Scenario) -> BTreeMap<String, Vec<PathBuf>> {
        let jobs = scenario.jobs.iter().filter(|job| job.raw.is_none());
        let folders = jobs.map(|job| {
            let base = match job.place {
                JobPlacement::Coordinator => self.routed_folder(scenario),
                _ => self.work(),
            };
            let named = base.join(job_file::cwd(job, &self.work()).unwrap_or_default());
            let real = fs::canonicalize(&named).ok();
            (job.id.clone(), [plain(&named)].into_iter().chain(real).collect())
        });
        folders.collect()
    }

    /// Where jobs of the coordinator begin, as `aq.toml` says it.
    fn routed_folder(&self, scenario: &Scenario) -> PathBuf {
        let settings = scenario.runner.files.get("aq.toml");
        let table = settings.and_then(|text| text.parse::<toml::Table>().ok());
        let cwd = table
            .as_ref()
            .and_then(|table| table.get("route")?.get("cwd")?.as_str());
        cwd.map_or_else(|| self.work(), |cwd| self.queue().join(cwd))
    }
}

/// The path without its detours, as a process tells where it is.
fn plain(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => {
                plain.pop();
            }
            part => plain.push(part),
        }
    }
    plain
}
