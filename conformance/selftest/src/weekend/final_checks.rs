//! What has to hold at the end of a weekend, by what was really run and by what the runner has on record: no job is lost,
//! none was run twice, and none failed for the host's fault.

use std::collections::BTreeMap;
use std::fs;
use std::io;

use super::evidence_log::{EvidenceLog, JobLife, JobTrace};
use super::explanations::{SeenAttempt, is_published_for_nobody_to_say, killed};
use super::generated_jobs::{JobPurpose, WeekendJob};
use super::job_records::JobRecord;
use super::outage::OutageKind;
use super::weekend_host::{ListedJob, WeekendHost};

/// How the jobs ended, and what was started for it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FinalCounts {
    /// Jobs by their end, in words.
    pub ends: BTreeMap<&'static str, u64>,
    /// Started commands by their step.
    pub starts: BTreeMap<String, u64>,
    /// Returns to the inbox that cost no retry, by their reason.
    pub uncounted: BTreeMap<String, u64>,
    /// Returns to the inbox that did, by their reason.
    pub counted: BTreeMap<String, u64>,
    /// Attempts that were made again, by the outage that cut the one before off.
    pub cut_off: BTreeMap<OutageKind, u64>,
    /// Attempts that were made again although all of the one before was done, by the outage that fell before that could be
    /// written down.
    pub repeated: BTreeMap<OutageKind, u64>,
}

/// What was counted, and what may not be.
pub(super) struct FinalChecks<'a> {
    host: &'a WeekendHost,
    log: &'a EvidenceLog,
    pub(super) counts: FinalCounts,
    pub(super) wrong: Vec<String>,
}

/// Everything, once nothing is run any more.
pub(super) fn check<'a>(
    host: &'a WeekendHost,
    jobs: &[WeekendJob],
    log: &'a EvidenceLog,
) -> io::Result<FinalChecks<'a>> {
    let mut checks = FinalChecks {
        host,
        log,
        counts: FinalCounts {
            starts: log.starts.clone(),
            ..FinalCounts::default()
        },
        wrong: log.noticed.clone(),
    };
    let listed = host.list()?;
    for job in jobs {
        let before = checks.wrong.len();
        let row = listed.iter().find(|row| row.id == job.id);
        let started = row.map_or(0, |row| row.attempts);
        checks.place(job, row);
        checks.runs(job, started);
        checks.record(job, started, &JobRecord::read(host, &job.id)?);
        if let Some(what) = checks.wrong[before..].last_mut() {
            *what += &story(host, log, &job.id);
        }
    }
    let strangers = log.ids().filter(|id| jobs.iter().all(|job| job.id != *id));
    checks
        .wrong
        .extend(strangers.map(|id| format!("{id} was run, and nobody added it")));
    Ok(checks)
}

/// All that there is to see of a job.
pub(super) fn story(host: &WeekendHost, log: &EvidenceLog, id: &str) -> String {
    let record = fs::read_to_string(host.record(id)).unwrap_or_default();
    let record = record.lines().map(|line| format!("record| {line}"));
    let evidence = log.story(id).into_iter().map(|line| format!("evidence| {line}"));
    let lines: Vec<String> = evidence.chain(record).map(|line| format!("\n  {line}")).collect();
    lines.concat()
}

impl FinalChecks<'_> {
    /// Where it lies, whole, and that it is told so.
    fn place(&mut self, job: &WeekendJob, row: Option<&ListedJob>) {
        let id = &job.id;
        let stages = self.host.stages_of(id);
        let [stage] = stages[..] else {
            let what = match stages.is_empty() {
                true => format!("{id} is lost: it was added and is in no stage"),
                false => format!("{id} is in {stages:?} at once"),
            };
            return self.wrong.push(what);
        };
        if fs::read_to_string(self.host.job_file(stage, id)).ok() != Some(job.text()) {
            self.wrong.push(format!("{stage}/{id}.md is not what was added"));
        }
        let Some(row) = row else {
            return self.wrong.push(format!("{id} is in {stage} and is not listed"));
        };
        if row.stage != stage {
            self.wrong
                .push(format!("{id} is in {stage} and listed in {}", row.stage));
        }
        self.end(job, row);
    }

    /// That it ended as its seed says.
    fn end(&mut self, job: &WeekendJob, row: &ListedJob) {
        let is_meant = row.stage == job.end() && (row.stage == "shipped" || job.fails_with(&row.reason));
        let is_unknown = row.stage == "quarantine" && row.reason == "ship_unknown";
        let end = match (row.stage.as_str(), job.purpose) {
            ("shipped", _) if is_meant => "shipped",
            ("failed", JobPurpose::FailEngine | JobPurpose::FailVerify) if is_meant => "failed on purpose",
            ("failed", _) if is_meant => "cancelled",
            _ if is_unknown && is_published_for_nobody_to_say(job, self.log) == Some(true) => {
                "published, and its end not known to the runner (O-7)"
            }
            _ => {
                return self.wrong.push(format!(
                    "{} ended in {} with the reason `{}`, and was to end in {}",
                    job.id,
                    row.stage,
                    row.reason,
                    job.end()
                ));
            }
        };
        *self.counts.ends.entry(end).or_default() += 1;
    }

    /// What was started of it, life for life. `started`: how often the runner says that it was.
    fn runs(&mut self, job: &WeekendJob, started: u64) {
        let nothing = JobTrace::default();
        let trace = self.log.job(&job.id).unwrap_or(&nothing);
        let lives = self.log.lives(&job.id);
        for life in &lives {
            let attempts = life.attempts();
            self.starts_in_life(job, &attempts);
            for pair in attempts.windows(2) {
                self.repetition(job, trace, &pair[0], &pair[1]);
            }
        }
        if let Some(life) = lives.last() {
            self.last_life(job, life, started);
        }
    }

    /// Each command once an attempt, and `ship` once a life.
    fn starts_in_life(&mut self, job: &WeekendJob, attempts: &[SeenAttempt<'_>]) {
        for attempt in attempts {
            for (index, command) in attempt.commands.iter().enumerate() {
                let is_second = attempt.commands[..index]
                    .iter()
                    .any(|earlier| earlier.step == command.step);
                if is_second {
                    self.wrong.push(format!(
                        "{} was run twice: {} of attempt {} was started again",
                        job.id, command.step, command.attempt
                    ));
                }
            }
        }
        let ships = attempts
            .iter()
            .filter(|attempt| attempt.command("ship").is_some());
        if ships.count() > 1 {
            self.wrong
                .push(format!("{} was run twice: it was published again", job.id));
        }
    }

    /// Why an attempt followed another one.
    fn repetition(
        &mut self,
        job: &WeekendJob,
        trace: &JobTrace,
        before: &SeenAttempt<'_>,
        after: &SeenAttempt<'_>,
    ) {
        if after.number() <= before.number() && !trace.was_touched_between(0, after.from()) {
            self.wrong.push(format!(
                "{} was run twice: attempt {} followed attempt {}",
                job.id,
                after.number(),
                before.number()
            ));
        }
        let has_ended = before.has_failed()
            || before.ended_with("engine", "login")
            || before.ended_with("engine", "limit");
        if has_ended || trace.was_touched_between(before.from(), after.from()) {
            return;
        }
        let cause = self
            .log
            .outage_between(before.from(), after.from(), OutageKind::may_cut_off);
        let is_done = before.has_succeeded(job);
        match cause {
            None => {
                let how = if is_done { "had succeeded" } else { "was cut off" };
                self.wrong.push(format!(
                    "{} was run twice: attempt {} {how}, no outage fell, and attempt {} was made",
                    job.id,
                    before.number(),
                    after.number()
                ));
            }
            Some(kind) => {
                let counts = match is_done {
                    true => &mut self.counts.repeated,
                    false => &mut self.counts.cut_off,
                };
                *counts.entry(kind).or_default() += 1;
            }
        }
    }

    /// That its end follows from what was run.
    fn last_life(&mut self, job: &WeekendJob, life: &JobLife<'_>, started: u64) {
        let attempts = life.attempts();
        let has = |step: &str, word: &str| attempts.iter().any(|attempt| attempt.ended_with(step, word));
        let has_started = |step: &str| attempts.iter().any(|attempt| attempt.command(step).is_some());
        let is_right = match job.purpose {
            JobPurpose::Succeed => {
                let last = attempts.last();
                last.is_some_and(|last| last.has_succeeded(job)) && (!job.is_shipped || has("ship", "ok"))
            }
            JobPurpose::FailEngine => !has("engine", "ok") && !has_started("verify") && !has_started("ship"),
            JobPurpose::FailVerify => !has("verify", "ok") && !has_started("ship"),
            JobPurpose::CancelWaiting => attempts.is_empty(),
            JobPurpose::CancelRunning => !has("engine", "ok"),
        };
        if !is_right {
            self.wrong.push(format!(
                "{} did not end by what was run of it: {attempts:?}",
                job.id
            ));
        }
        if matches!(job.purpose, JobPurpose::FailEngine | JobPurpose::FailVerify) {
            let failed = attempts.iter().filter(|attempt| attempt.has_failed()).count() as u64;
            let due = u64::from(job.retries) + 1;
            if failed + u64::from(killed(life, started, self.log)) < due {
                self.wrong.push(format!(
                    "{} was given up after {failed} failures, and is worth {due}",
                    job.id
                ));
            }
        }
    }

    /// What went back to the inbox, and what that cost.
    fn record(&mut self, job: &WeekendJob, started: u64, record: &JobRecord) {
        let lives = self.log.lives(&job.id);
        let killed: u32 = lives.iter().map(|life| killed(life, started, self.log)).sum();
        let mut interrupted = 0;
        for (reason, is_counted) in record.returns() {
            let counts = match is_counted {
                true => &mut self.counts.counted,
                false => &mut self.counts.uncounted,
            };
            *counts.entry(reason.to_owned()).or_default() += 1;
            interrupted += u32::from(is_counted && reason == "interrupted");
            if is_counted && ["usage_limit", "engine_paused", "host_trouble"].contains(&reason) {
                self.wrong.push(format!(
                    "{} paid for the host's fault: its return for `{reason}` counts",
                    job.id
                ));
            }
        }
        if interrupted > killed {
            self.wrong.push(format!(
                "{} paid for the host's fault: {interrupted} interruptions count, and {killed} kills fell",
                job.id
            ));
        }
    }
}
