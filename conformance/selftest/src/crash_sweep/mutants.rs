//! Runners that are wrong on purpose, each of which a sweep has to find by a symptom that is about its fault.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;

use super::{SweepCaseKind, SweepPlan, run};
use conformance::profile::Profile;

/// As many kills as one of them can survive unnoticed.
const KILLS: u64 = 400;

/// A runner that is wrong in one way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SweepMutant {
    pub name: &'static str,
    /// What is wrong with it.
    pub what: &'static str,
    /// The cases in which it has to show.
    pub about: SweepCaseKind,
    /// A piece of shell, carried out in the queue folder before the runner takes its place.
    fault: &'static str,
    /// The sweep has to report one of these.
    symptoms: &'static [&'static str],
}

/// Whether this one is found. An error: it is not, or by something else, or nothing could be traced.
pub fn seek(wrong: &SweepMutant, plan: &SweepPlan) -> Result<(), String> {
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    let profile = around(&plan.profile, wrong, &folder).map_err(|error| error.to_string())?;
    let report = run(&SweepPlan {
        profile,
        kills: KILLS,
        about: Some(wrong.about),
        ..plan.clone()
    })?;
    let Some(failure) = report.failure else {
        return Err(format!("not found in {} kills", report.kills));
    };
    let noted = failure.what.join("\n");
    match wrong.symptoms.iter().any(|symptom| noted.contains(symptom)) {
        true => Ok(()),
        false => Err(format!("found by something else: {noted}")),
    }
}

fn around(base: &Profile, wrong: &SweepMutant, folder: &tempfile::TempDir) -> io::Result<Profile> {
    let path = folder.path().join("runner");
    let real = base.command.first().map_or("aq", String::as_str);
    let script = format!(
        "#!/bin/sh\naq='{real}'\ncd \"$AQ_QUEUE\" && {}\ncd ..\nexec \"$aq\" \"$@\"\n",
        wrong.fault
    );
    fs::write(&path, script)?;
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755))?;
    let command = vec![path.to_string_lossy().into_owned()];
    Ok(Profile {
        command,
        ..base.clone()
    })
}

/// Every one of them.
pub const ALL: &[SweepMutant] = &[
    SweepMutant {
        name: "requeues-what-runs",
        what: "what lies in `building` is taken for something that waits, whatever is alive of it and was known of it",
        about: SweepCaseKind::Work,
        fault: "case $1 in run) for f in building/*.md; do [ -e $f ] && mv $f inbox/ && rm -rf .state/locks .state/jobs; done;; esac",
        symptoms: &["overlap", "was started", "ended in"],
    },
    SweepMutant {
        name: "throws-away-the-interrupted",
        what: "what was interrupted is thrown away",
        about: SweepCaseKind::Work,
        fault: "case $1 in run) rm -f building/*.md;; esac",
        symptoms: &["is in no stage", "was added", "nowhere"],
    },
    SweepMutant {
        name: "keeps-twice",
        what: "what was published is kept twice",
        about: SweepCaseKind::Work,
        fault: "for f in shipped/*.md; do [ -e $f ] && cp $f failed/; done",
        symptoms: &["at once", "is in", "ended in"],
    },
    SweepMutant {
        name: "leaves-its-engine",
        what: "an engine is left to itself, and called done",
        about: SweepCaseKind::Work,
        fault: "case $AQ_FLEET$1 in run) for f in inbox/*.md; do [ -e $f ] || exit 0; id=$(basename $f .md); AQ_JOB_ID=$id \
             AQ_ATTEMPT=1 setsid devin >../output 2>&1 & mv $f shipped/; done; while ! [ -e ../log ]; do :; done; exit 0;; esac",
        symptoms: &["and the runner said that it was done"],
    },
    SweepMutant {
        name: "cancels-nothing",
        what: "nobody is asked to stop, and the command says that all were",
        about: SweepCaseKind::Operator,
        fault: "case $1 in cancel) exit 0;; esac",
        symptoms: &["was cancelled"],
    },
    SweepMutant {
        name: "pauses-nothing",
        what: "a pause that is agreed to and not made",
        about: SweepCaseKind::Operator,
        fault: "case $1 in pause) exit 0;; esac",
        symptoms: &["after `pause` the pause is null"],
    },
    SweepMutant {
        name: "resumes-nothing",
        what: "the end of a pause that is agreed to and not made",
        about: SweepCaseKind::Operator,
        fault: "case $1 in resume) exit 0;; esac",
        symptoms: &["after `resume` the pause is"],
    },
    SweepMutant {
        name: "runs-when-paused",
        what: "a pause that counts for nothing",
        about: SweepCaseKind::Operator,
        fault: "case $1 in run) rm -f .state/pause/queue;; esac",
        symptoms: &["a paused queue was run"],
    },
    SweepMutant {
        name: "forgets-the-pause",
        what: "a pause that is written anew forgets what it said",
        about: SweepCaseKind::Operator,
        fault: "case $1 in pause) rm -f .state/pause/queue;; esac",
        symptoms: &["the pause was"],
    },
    SweepMutant {
        name: "forgets-a-cancel",
        what: "a cancellation of what runs is taken, and forgotten",
        about: SweepCaseKind::Operator,
        fault: "case $1 in cancel) cd ..; \"$aq\" \"$@\"; told=$?; rm -f queue/.state/cancel/*; exit $told;; esac",
        symptoms: &["was cancelled while its engine ran"],
    },
    SweepMutant {
        name: "throws-away-the-retried",
        what: "what is to be tried again is thrown away",
        about: SweepCaseKind::Operator,
        fault: "case $1 in retry) rm -f failed/*.md;; esac",
        symptoms: &["is in no stage"],
    },
    SweepMutant {
        name: "forgets-pruned-names",
        what: "a job is pruned, and its name with it",
        about: SweepCaseKind::Operator,
        fault: "case $1 in prune) rm -rf .state/pruned;; esac",
        symptoms: &["its name is not kept"],
    },
    SweepMutant {
        name: "prunes-the-history-first",
        what: "the history goes before the job does",
        about: SweepCaseKind::Operator,
        fault: "case $1 in prune) rm -f .state/jobs/*/history.jsonl;; esac",
        symptoms: &["was pruned and is there"],
    },
    SweepMutant {
        name: "keeps-a-pruned-history",
        what: "what is left of a pruned job is taken for the new one's",
        about: SweepCaseKind::Operator,
        fault: "case $1 in prune) cp -r .state/jobs/. ../kept;; add) [ -e ../kept ] && cp -r ../kept/. .state/jobs;; esac",
        symptoms: &["is new and has a history of"],
    },
    SweepMutant {
        name: "runs-without-its-lease",
        what: "what a dead runner had under a lease is run as if it were the queue's own",
        about: SweepCaseKind::Routed,
        fault: "case $AQ_FLEET$1 in 1run) for f in building/*.md; do [ -e $f ] && mv $f inbox/ && rm -rf .state/locks \
             .state/jobs/* && AQ_FLEET=0; done;; esac",
        symptoms: &["unleased", "was started", "overlap"],
    },
    SweepMutant {
        name: "begins-again",
        what: "it is begun again whenever the coordinator still has it",
        about: SweepCaseKind::Routed,
        fault: "case $AQ_FLEET$1 in 1run) rm -rf building/*.md quarantine/*.md .state/jobs .state/locks .state/outbox;; esac",
        symptoms: &["was started", "overlap", "ended in"],
    },
    SweepMutant {
        name: "asks-for-nothing",
        what: "nothing is ever asked for",
        about: SweepCaseKind::Routed,
        fault: "case $AQ_FLEET$1 in 1run) exit 0;; esac",
        symptoms: &["never came to its end"],
    },
    SweepMutant {
        name: "says-otherwise",
        what: "what was published is said to have failed",
        about: SweepCaseKind::Routed,
        fault: "case $AQ_FLEET$1 in 1run) for f in shipped/*.md; do [ -e $f ] && mv $f failed/; done;; esac",
        symptoms: &["ended in Some(\"shipped\") there and in Some(\"failed\") here"],
    },
];
