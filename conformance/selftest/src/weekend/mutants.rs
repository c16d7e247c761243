//! Runners that are wrong on purpose, each of which a weekend has to find by a symptom that is about its fault.

use super::{WeekendPlan, run};
use crate::scripted_fault;

/// As many jobs as all outages need once.
const JOBS: usize = 240;

/// A runner that is wrong in one way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WeekendMutant {
    pub name: &'static str,
    /// What is wrong with it.
    pub what: &'static str,
    /// A piece of shell, carried out in the queue folder before the runner takes its place.
    fault: &'static str,
    /// The weekend has to report one of these.
    symptoms: &'static [&'static str],
}

/// Whether this one is found. An error: it is not, or by something else, or nothing could be judged.
pub fn seek(wrong: &WeekendMutant, plan: &WeekendPlan) -> Result<(), String> {
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    let profile = scripted_fault::behind(&plan.profile, wrong.fault, folder.path())
        .map_err(|error| error.to_string())?;
    let report = run(&WeekendPlan {
        profile,
        jobs: JOBS,
        ..plan.clone()
    })?;
    if report.wrong.is_empty() {
        return Err(format!("not found with {JOBS} jobs"));
    }
    scripted_fault::explains(&report.wrong.join("\n"), wrong.symptoms)
}

/// Every one of them: its name, what is wrong with it, its fault, its symptoms.
macro_rules! weekend_mutants {
    ($($name:literal $what:literal, $fault:literal [$($symptom:literal),*])*) => {
        pub const ALL: &[WeekendMutant] = &[$(WeekendMutant {
            name: $name, what: $what, fault: $fault, symptoms: &[$($symptom),*],
        }),*];
    };
}

weekend_mutants! {
    "throws-away-the-interrupted" "what a killed runner had in work is thrown away",
        "case $1 in run) rm -f building/*.md testing/*.md;; esac" ["is lost", "is in no stage"]
    "fails-the-interrupted" "what a killed runner had in work is given up, whatever its retries",
        "case $1 in run) for f in building/*.md; do [ -e $f ] && id=$(basename $f .md) && mv $f failed/ && \
         h=.state/jobs/$id/history.jsonl && tail -n 1 $h | sed 's/\"stage\":\"[a-z]*\"/\"stage\":\"failed\",\"reason\":\"signal\"/' >> $h; \
         done;; esac"
        ["is in failed with the reason `signal`, and nothing explains that"]
    "runs-the-finished-again" "what is shipped goes back to the inbox at a start, with all that was known of it",
        "case $1 in run) for f in shipped/*.md; do [ -e $f ] && mv $f inbox/; break; done;; esac"
        ["was run twice"]
    "forgets-the-finished" "what is shipped is new at the next start",
        "case $1 in run) for f in shipped/*.md; do [ -e $f ] || break; id=$(basename $f .md); rm -rf .state/jobs/$id; \
         mv $f inbox/; break; done;; esac"
        ["was run twice"]
    "lets-two-run" "what lies in work is taken for something that waits, whatever is alive of it",
        "case $1 in run) for f in building/*.md; do [ -e $f ] && mv $f inbox/ && rm -rf .state/locks .state/jobs/$(basename $f .md); \
         done;; esac"
        ["overlap", "was run twice"]
    "charges-the-interrupted" "an attempt that a signal ended counts",
        "case $1 in run) for h in .state/jobs/*/history.jsonl; do case $(tail -n 1 $h) in *'\"spent\":0'*interrupted*) \
         sed -i '$s/\"spent\":0/\"spent\":1/' $h;; esac; done;; esac"
        ["paid for the host's fault", "nothing explains that"]
    "charges-the-paused" "a login that has ended costs the job that met it a retry",
        "case $1 in resume|list) for h in .state/jobs/*/history.jsonl; do case $(tail -n 1 $h) in \
         *'\"spent\":0'*engine_paused*) sed -i '$s/\"spent\":0/\"spent\":1/' $h;; esac; done;; esac"
        ["paid for the host's fault", "nothing explains that"]
    "resumes-nothing" "the end of a pause that is agreed to and not made",
        "case $1 in resume) exit 0;; esac" ["after `resume` it is still paused"]
    "keeps-half-a-batch" "a batch that a full disk refuses is enqueued in part",
        "case $1 in add) \"$aq\" status --json | grep -q disk-full && { shift; cp \"$here/$1\" inbox/; exit 1; };; esac"
        ["`add` failed and enqueued"]
    "ends-with-its-queue" "a run ends well where its queue is away",
        "case $1 in run) cd \"$here\"; \"$aq\" \"$@\" & trap 'kill -TERM $!' TERM HUP; wait $!; code=$?; \
         [ -e \"$AQ_QUEUE\" ] || exit 0; wait $!; exit $code;; esac"
        ["the runner ended with"]
}
