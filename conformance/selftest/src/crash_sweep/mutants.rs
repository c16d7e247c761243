//! Runners that are wrong on purpose, each of which a sweep has to find by a symptom that is about its fault.

use super::{SweepCaseKind, SweepPlan, run};
use crate::scripted_fault;

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
    let profile = scripted_fault::behind(&plan.profile, wrong.fault, folder.path())
        .map_err(|error| error.to_string())?;
    let report = run(&SweepPlan {
        profile,
        kills: KILLS,
        about: Some(wrong.about),
        ..plan.clone()
    })?;
    let Some(failure) = report.failure else {
        return Err(format!("not found in {} kills", report.kills));
    };
    scripted_fault::explains(&failure.what.join("\n"), wrong.symptoms)
}

/// Every one of them: the cases in which it has to show, its name, what is wrong with it, its fault, its symptoms.
macro_rules! sweep_mutants {
    ($($about:ident $name:literal $what:literal, $fault:literal [$($symptom:literal),*])*) => {
        pub const ALL: &[SweepMutant] = &[$(SweepMutant {
            name: $name, what: $what, about: SweepCaseKind::$about, fault: $fault, symptoms: &[$($symptom),*],
        }),*];
    };
}

sweep_mutants! {
    Work "requeues-what-runs" "what lies in `building` is taken for something that waits, whatever is alive of it and was known of it",
        "case $1 in run) for f in building/*.md; do [ -e $f ] && mv $f inbox/ && rm -rf .state/locks .state/jobs; done;; esac"
        ["overlap", "was started", "ended in"]
    Work "throws-away-the-interrupted" "what was interrupted is thrown away",
        "case $1 in run) rm -f building/*.md;; esac" ["is in no stage", "was added", "nowhere"]
    Work "keeps-twice" "what was published is kept twice",
        "for f in shipped/*.md; do [ -e $f ] && cp $f failed/; done" ["at once", "is in", "ended in"]
    Work "leaves-its-engine" "an engine is left to itself, and called done",
        "case $AQ_FLEET$1 in run) for f in inbox/*.md; do [ -e $f ] || exit 0; id=$(basename $f .md); AQ_JOB_ID=$id \
             AQ_ATTEMPT=1 setsid devin >../output 2>&1 & mv $f shipped/; done; while ! [ -e ../log ]; do :; done; exit 0;; esac"
        ["and the runner said that it was done"]
    Work "loses-the-end" "of a long output the beginning is kept alone",
        "case $1 in logs) rm -f .state/jobs/*/attempt-*/*.out.*;; esac" ["its end is not there"]
    Work "loses-the-beginning" "of a long output the end is kept alone",
        "case $1 in logs) for f in .state/jobs/*/attempt-*/*.out; do [ -e $f ] && : >$f; done;; esac" ["stands where line 0 belongs"]
    Operator "cancels-nothing" "nobody is asked to stop, and the command says that all were",
        "case $1 in cancel) exit 0;; esac" ["was cancelled"]
    Operator "pauses-nothing" "a pause that is agreed to and not made",
        "case $1 in pause) exit 0;; esac" ["after `pause` the pause is null"]
    Operator "resumes-nothing" "the end of a pause that is agreed to and not made",
        "case $1 in resume) exit 0;; esac" ["after `resume` the pause is"]
    Operator "runs-when-paused" "a pause that counts for nothing",
        "case $1 in run) rm -f .state/pause/queue;; esac" ["a paused queue was run"]
    Operator "forgets-the-pause" "a pause that is written anew forgets what it said",
        "case $1 in pause) rm -f .state/pause/queue;; esac" ["the pause was"]
    Operator "forgets-a-cancel" "a cancellation of what runs is taken, and forgotten",
        "case $1 in cancel) cd ..; \"$aq\" \"$@\"; told=$?; rm -f queue/.state/cancel/*; exit $told;; esac"
        ["was cancelled while its engine ran"]
    Operator "throws-away-the-retried" "what is to be tried again is thrown away",
        "case $1 in retry) rm -f failed/*.md;; esac" ["is in no stage"]
    Operator "forgets-pruned-names" "a job is pruned, and its name with it",
        "case $1 in prune) rm -rf .state/pruned;; esac" ["its name is not kept"]
    Operator "prunes-the-history-first" "the history goes before the job does",
        "case $1 in prune) rm -f .state/jobs/*/history.jsonl;; esac" ["was pruned and is there"]
    Operator "keeps-a-pruned-history" "what is left of a pruned job is taken for the new one's",
        "case $1 in prune) cp -r .state/jobs/. ../kept;; add) [ -e ../kept ] && cp -r ../kept/. .state/jobs;; esac"
        ["is new and has a history of"]
    Operator "starts-what-it-handed-over" "what the coordinator was given is kept, and is free to start",
        "case $* in *fleet-submit*) cp -r inbox ../given; cd ..; \"$aq\" \"$@\"; told=$?; rm -rf queue/.state/handed; \
             cp given/* queue/inbox/; exit $told;; esac"
        ["has two authorities"]
    Routed "runs-without-its-lease" "what a dead runner had under a lease is run as if it were the queue's own",
        "case $AQ_FLEET$1 in 1run) for f in building/*.md; do [ -e $f ] && mv $f inbox/ && rm -rf .state/locks \
             .state/jobs/* && AQ_FLEET=0; done;; esac"
        ["unleased", "was started", "overlap"]
    Routed "begins-again" "it is begun again whenever the coordinator still has it",
        "case $AQ_FLEET$1 in 1run) rm -rf building/*.md quarantine/*.md .state/jobs .state/locks .state/outbox;; esac"
        ["was started", "overlap", "ended in"]
    Routed "asks-for-nothing" "nothing is ever asked for",
        "case $AQ_FLEET$1 in 1run) exit 0;; esac" ["never came to its end"]
    Routed "says-otherwise" "what was published is said to have failed",
        "case $AQ_FLEET$1 in 1run) for f in shipped/*.md; do [ -e $f ] && mv $f failed/; done;; esac"
        ["ended in Some(\"shipped\") there and in Some(\"failed\") here"]
}
