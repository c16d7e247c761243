//! Where a case plays: a folder with the queue, the stand-ins and what each job of theirs is to do, and, where the jobs
//! come from a coordinator, that.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use stub_coordinator::{ClockKind, Config, Stub};
use tempfile::TempDir;

use super::Plan;
use super::jobs::{self, Job};
use super::kind::Kind;
use super::worker;
use crate::profile::Profile;

/// Longer than a case takes: a lease ends when the case moves the coordinator's clock, and never by itself.
pub(super) const LEASE_MS: u64 = 600_000;
const GRACE: &str = "grace = \"20ms\"\n";
/// Limits of the runner's own: a busy machine must not make them matter.
const PATIENCE: &str = "30s";

pub(super) struct Ground {
    _folder: TempDir,
    /// The folder's path, as /proc tells it.
    pub(super) root: PathBuf,
    pub(super) queue: PathBuf,
    pub(super) seed: u64,
    pub(super) harness: PathBuf,
    pub(super) profile: Profile,
    pub(super) jobs: Vec<Job>,
    pub(super) workers: u64,
    pub(super) environment: BTreeMap<String, String>,
    pub(super) coordinator: Option<Stub>,
}

impl Ground {
    pub(super) fn lay(plan: &Plan, seed: u64) -> std::io::Result<Ground> {
        let folder = tempfile::Builder::new().prefix("aqsweep-").tempdir()?;
        // Links in the path would make it differ from what /proc tells.
        let root = folder.path().canonicalize()?;
        let (jobs, workers) = jobs::of(seed);
        for name in ["bin", "jobs", "live", "seen", "names", "plans", "deaf", "queue"] {
            fs::create_dir(root.join(name))?;
        }
        fs::write(root.join("queue/aq.toml"), GRACE)?;
        for job in &jobs {
            lay_job(&root, job)?;
        }
        lay_stand_ins(&root, &plan.harness)?;
        let text = |path: &Path| path.to_string_lossy().into_owned();
        let mut environment = BTreeMap::from([
            ("AQ_QUEUE".to_owned(), text(&root.join("queue"))),
            ("HOME".to_owned(), text(&root)),
            ("PATH".to_owned(), format!("{}/bin:/usr/bin:/bin", root.display())),
            (worker::GROUND.to_owned(), text(&root)),
        ]);
        let coordinator = match Kind::of(seed) {
            Kind::Work | Kind::People => None,
            Kind::Routed => Some(coordinator(&jobs)?),
        };
        if let Some(stub) = &coordinator {
            fs::write(root.join(worker::COORDINATOR), stub.url())?;
            let allowed = "[route]\nallow_commands = [\"verify-it\", \"ship-it\"]\n";
            fs::write(root.join("queue/aq.toml"), format!("{GRACE}{allowed}"))?;
            // A queue that nothing was ever added to.
            fs::create_dir(root.join("queue/inbox"))?;
            let url = stub.url();
            let fleet = [
                ("AQ_FLEET", "1"),
                ("AQ_FLEET_ROUTE", "1"),
                ("AQ_FLEET_URL", &url),
                ("AQ_FLEET_TIMEOUT", PATIENCE),
                ("AQ_FACTORY_ID", "swept"),
            ];
            environment.extend(fleet.map(|(name, value)| (name.to_owned(), value.to_owned())));
        }
        Ok(Ground {
            environment: plan.profile.renamed(environment),
            _folder: folder,
            queue: root.join("queue"),
            root,
            seed,
            harness: plan.harness.clone(),
            profile: plan.profile.clone(),
            jobs,
            workers,
            coordinator,
        })
    }
}

fn lay_job(root: &Path, job: &Job) -> std::io::Result<()> {
    fs::write(root.join("jobs").join(format!("{}.md", job.id)), &job.text)?;
    let lock = job.lock.unwrap_or("-");
    let orders = format!(
        "{lock} {} {} {} {}\n",
        job.fails,
        job.verify_fails,
        job.takes_ms,
        job.leaves.word()
    );
    fs::write(root.join("plans").join(&job.id), orders)?;
    if job.is_deaf {
        fs::write(root.join("deaf").join(&job.id), "")?;
    }
    Ok(())
}

fn lay_stand_ins(root: &Path, harness: &Path) -> std::io::Result<()> {
    for (tool, step) in [("devin", "engine"), ("verify-it", "verify"), ("ship-it", "ship")] {
        let deaf = "[ -e \"$AQ_SWEEP/deaf/$AQ_JOB_ID\" ] && trap '' TERM";
        let script = format!(
            "#!/bin/sh\n{deaf}\nexec '{}' sweep-worker {step}\n",
            harness.display()
        );
        let path = root.join("bin").join(tool);
        fs::write(&path, script)?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755))?;
    }
    Ok(())
}

fn coordinator(jobs: &[Job]) -> std::io::Result<Stub> {
    let config = Config {
        jobs: jobs.iter().map(Job::routed).collect(),
        clock: ClockKind::Manual,
        lease_ms: LEASE_MS,
        ..Config::default()
    };
    Stub::start(config).map_err(std::io::Error::other)
}
