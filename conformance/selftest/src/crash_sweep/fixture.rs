//! Where a case is run: a folder with the queue, the fake engines and what each job of theirs is to do, and, where the jobs
//! come from a coordinator, that.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use stub_coordinator::{ClockKind, Stub, StubConfig};
use tempfile::TempDir;

use super::SweepPlan;
use super::generated_jobs::{self, SweepJob};
use super::kill_plan::SweepCaseKind;
use super::long_output;
use super::worker;
use conformance::profile::Profile;

/// Longer than a case takes: a lease ends when the case moves the coordinator's clock, and never by itself.
pub(super) const LEASE_MS: u64 = 600_000;
const GRACE: &str = "grace = \"20ms\"\n";
/// Limits of the runner's own: a busy machine must not make them matter.
const RUNNER_TIMEOUT: &str = "30s";

pub(super) struct CrashFixture {
    _folder: TempDir,
    /// The folder's path, as /proc has it.
    pub(super) root: PathBuf,
    pub(super) queue: PathBuf,
    pub(super) seed: u64,
    pub(super) harness: PathBuf,
    pub(super) profile: Profile,
    pub(super) jobs: Vec<SweepJob>,
    pub(super) workers: u64,
    pub(super) environment: BTreeMap<String, String>,
    pub(super) coordinator: Option<Stub>,
}

impl CrashFixture {
    pub(super) fn create(plan: &SweepPlan, seed: u64) -> std::io::Result<CrashFixture> {
        let folder = tempfile::Builder::new().prefix("aqsweep-").tempdir()?;
        // Links in the path would make it differ from what /proc has.
        let root = folder.path().canonicalize()?;
        let (jobs, workers) = generated_jobs::of(seed);
        for name in [
            "bin",
            "jobs",
            "live",
            "seen",
            "names",
            "plans",
            "deaf",
            long_output::FOLDER,
            "queue",
        ] {
            fs::create_dir(root.join(name))?;
        }
        let settings = format!("{GRACE}{}", long_output::SETTING);
        fs::write(root.join("queue/aq.toml"), &settings)?;
        for job in &jobs {
            write_job(&root, job)?;
        }
        install_fake_tools(&root, &plan.harness)?;
        let text = |path: &Path| path.to_string_lossy().into_owned();
        let mut environment = BTreeMap::from([
            ("AQ_QUEUE".to_owned(), text(&root.join("queue"))),
            ("HOME".to_owned(), text(&root)),
            ("PATH".to_owned(), format!("{}/bin:/usr/bin:/bin", root.display())),
            (worker::FIXTURE_VARIABLE.to_owned(), text(&root)),
        ]);
        let kind = SweepCaseKind::of(seed);
        let coordinator = match kind {
            SweepCaseKind::Work => None,
            // It has what is handed to it.
            SweepCaseKind::Operator => Some(coordinator(&[])?),
            SweepCaseKind::Routed => Some(coordinator(&jobs)?),
        };
        if let Some(stub) = &coordinator {
            environment.insert("AQ_FLEET_URL".to_owned(), stub.url());
            environment.insert("AQ_FLEET_TIMEOUT".to_owned(), RUNNER_TIMEOUT.to_owned());
        }
        if let (SweepCaseKind::Routed, Some(stub)) = (kind, &coordinator) {
            fs::write(root.join(worker::COORDINATOR), stub.url())?;
            let allowed = "[route]\nallow_commands = [\"verify-it\", \"ship-it\"]\n";
            fs::write(root.join("queue/aq.toml"), format!("{settings}{allowed}"))?;
            // A queue that nothing was ever added to.
            fs::create_dir(root.join("queue/inbox"))?;
            let fleet = [
                ("AQ_FLEET", "1"),
                ("AQ_FLEET_ROUTE", "1"),
                ("AQ_FACTORY_ID", "swept"),
            ];
            environment.extend(fleet.map(|(name, value)| (name.to_owned(), value.to_owned())));
        }
        Ok(CrashFixture {
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

fn write_job(root: &Path, job: &SweepJob) -> std::io::Result<()> {
    fs::write(root.join("jobs").join(format!("{}.md", job.id)), &job.text)?;
    let lock = job.lock.unwrap_or("-");
    let orders = format!(
        "{lock} {} {} {} {}\n",
        job.fails,
        job.verify_fails,
        job.duration_ms,
        job.leaves.word()
    );
    fs::write(root.join("plans").join(&job.id), orders)?;
    if job.ignores_sigterm {
        fs::write(root.join("deaf").join(&job.id), "")?;
    }
    if job.has_long_output {
        fs::write(root.join(long_output::FOLDER).join(&job.id), "")?;
    }
    Ok(())
}

fn install_fake_tools(root: &Path, harness: &Path) -> std::io::Result<()> {
    for (tool, step) in [("devin", "engine"), ("verify-it", "verify"), ("ship-it", "ship")] {
        let deaf = "[ -e \"$AQ_SWEEP/deaf/$AQ_JOB_ID\" ] && trap '' TERM";
        let script = format!(
            "#!/bin/sh\n{deaf}\nexec '{}' {} {step}\n",
            harness.display(),
            worker::COMMAND
        );
        let path = root.join("bin").join(tool);
        fs::write(&path, script)?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755))?;
    }
    Ok(())
}

fn coordinator(jobs: &[SweepJob]) -> std::io::Result<Stub> {
    let config = StubConfig {
        jobs: jobs.iter().map(SweepJob::routed).collect(),
        clock: ClockKind::Manual,
        lease_ms: LEASE_MS,
        ..StubConfig::default()
    };
    Stub::start(config).map_err(std::io::Error::other)
}
