//! A weekend under way: jobs are added, outages come and go, and people do what they would do.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::time::{Duration, Instant};

use super::evidence_log::{BEGIN, OVER};
use super::generated_jobs::WeekendJob;
use super::outage::{OutageKind, PlannedOutage};
use super::stand_ins;
use super::watched_runner::WatchedRunner;
use super::weekend_host::WeekendHost;
use crate::seeded_rng::SeededRng;

/// Whatever is waited for comes sooner, on a slow machine too.
const LIMIT: Duration = Duration::from_secs(60);
/// So often somebody looks.
pub(super) const GLANCE: Duration = Duration::from_millis(20);
/// So many jobs are added at a time, and as many wait at least while there are any to add.
const BATCH: usize = 40;
/// People look after so many starts, and at least so often.
const ROUND_STARTS: u64 = 80;
const ROUND_TIME: Duration = Duration::from_millis(500);

/// Why a weekend ended before its end.
#[derive(Debug)]
pub(super) enum WeekendStop {
    /// What may never be.
    Wrong(String),
    /// The host or the harness could not go on.
    Broken(io::Error),
}

impl From<io::Error> for WeekendStop {
    fn from(error: io::Error) -> WeekendStop {
        WeekendStop::Broken(error)
    }
}

pub(super) type CourseResult<T = ()> = Result<T, WeekendStop>;

/// What was counted on the way.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CourseCounts {
    pub outages: BTreeMap<OutageKind, u64>,
    /// How often an engine was found paused, by the cause.
    pub pauses: BTreeMap<String, u64>,
    /// What people typed, by the verb.
    pub commands: BTreeMap<&'static str, u64>,
    /// Starts of a runner.
    pub runners: u64,
    /// Those of them in shadow mode.
    pub shadowing: u64,
    /// Batches that a full disk refused as a whole.
    pub refused_batches: u64,
}

pub(super) struct WeekendCourse<'a> {
    pub(super) host: &'a WeekendHost,
    pub(super) jobs: &'a [WeekendJob],
    pub(super) runner: WatchedRunner,
    pub(super) rng: SeededRng,
    pub(super) counts: CourseCounts,
    /// The engine whose pause is waited for, or waited out.
    pub(super) troubled_engine: Option<&'static str>,
    /// Jobs that are enqueued.
    pub(super) added: usize,
    workers: u64,
    evidence: File,
    pub(super) starts: u64,
    /// When something was last seen to happen.
    last_progress: Instant,
    last_round: (Instant, u64),
    /// What a person was last told who was refused something.
    pub(super) last_refusal: String,
}

impl<'a> WeekendCourse<'a> {
    pub(super) fn begin(
        host: &'a WeekendHost,
        jobs: &'a [WeekendJob],
        seed: u64,
        workers: u64,
    ) -> io::Result<WeekendCourse<'a>> {
        let now = Instant::now();
        Ok(WeekendCourse {
            host,
            jobs,
            runner: host.start_runner(workers, false)?,
            rng: SeededRng::new(seed ^ 0xc0),
            counts: CourseCounts {
                runners: 1,
                ..CourseCounts::default()
            },
            troubled_engine: None,
            added: 0,
            workers,
            evidence: File::open(host.root.join(stand_ins::EVIDENCE))?,
            starts: 0,
            last_progress: now,
            last_round: (now, 0),
            last_refusal: String::new(),
        })
    }

    /// All outages, and then until every job has come to its end.
    pub(super) fn run(&mut self, outages: &[PlannedOutage]) -> CourseResult {
        for outage in outages {
            let kind = outage.kind.word();
            self.work_until(&format!("the outage {kind} is due"), |course| {
                Ok(course.starts >= outage.after_starts)
            })?;
            self.go_through(outage.kind)?;
            *self.counts.outages.entry(outage.kind).or_default() += 1;
        }
        self.work_until("all jobs have ended", |course| course.has_ended())?;
        self.end_runner()
    }

    pub(super) fn begin_outage(&mut self, kind: OutageKind) -> io::Result<()> {
        self.host.note(&format!("{BEGIN} {}", kind.word()))
    }

    pub(super) fn end_outage(&mut self, kind: OutageKind) -> io::Result<()> {
        self.host.note(&format!("{OVER} {}", kind.word()))
    }

    /// Lets the host work, and people look after it, until this holds; it has to within a minute of the last progress.
    pub(super) fn work_until(
        &mut self,
        what: &str,
        mut holds: impl FnMut(&mut Self) -> CourseResult<bool>,
    ) -> CourseResult {
        self.last_progress = Instant::now();
        loop {
            self.glance()?;
            if holds(self)? {
                return Ok(());
            }
            if self.last_progress.elapsed() > LIMIT {
                return Err(self.hangs(what));
            }
            self.add_batch()?;
            let (at, starts) = self.last_round;
            if at.elapsed() >= ROUND_TIME || self.starts >= starts + ROUND_STARTS {
                self.look_round()?;
                self.last_round = (Instant::now(), self.starts);
            }
        }
    }

    /// The same while nobody does anything.
    pub(super) fn wait_until(
        &mut self,
        what: &str,
        mut holds: impl FnMut(&mut Self) -> CourseResult<bool>,
    ) -> CourseResult {
        let until = Instant::now() + LIMIT;
        while !holds(self)? {
            self.glance()?;
            if Instant::now() > until {
                return Err(self.hangs(what));
            }
        }
        Ok(())
    }

    /// With all that a person would look at then.
    fn hangs(&self, what: &str) -> WeekendStop {
        let shown = ["status", "list"].map(|verb| match self.host.ask(&[verb]) {
            Ok(told) => told.stdout + &told.stderr,
            Err(error) => error.to_string(),
        });
        WeekendStop::Wrong(format!(
            "it hangs: it never comes to that {what}\nthe last refusal: {}\n{}",
            self.last_refusal,
            shown.join("\n")
        ))
    }

    /// A moment passes.
    fn glance(&mut self) -> CourseResult {
        self.runner.listen(GLANCE);
        if let Some(code) = self.runner.exit_code()? {
            self.runner.listen(GLANCE);
            return Err(WeekendStop::Wrong(format!(
                "the runner ended by itself, with {code}"
            )));
        }
        let mut news = String::new();
        let place = self.evidence.stream_position()?;
        self.evidence.read_to_string(&mut news)?;
        let whole = news.rfind('\n').map_or(0, |end| end + 1);
        self.evidence.seek(SeekFrom::Start(place + whole as u64))?;
        if whole > 0 {
            self.last_progress = Instant::now();
        }
        let starts = news[..whole].lines().filter(|line| line.starts_with("start "));
        self.starts += starts.count() as u64;
        Ok(())
    }

    /// The next jobs, where few wait.
    pub(super) fn add_batch(&mut self) -> CourseResult {
        if self.added == self.jobs.len() || self.host.ids_in("inbox").len() >= BATCH {
            return Ok(());
        }
        let end = self.command_add()?;
        match end {
            Some(0) => Ok(()),
            code => Err(WeekendStop::Wrong(format!(
                "`add` of whole jobs ended with {code:?}"
            ))),
        }
    }

    /// Enqueues the next jobs, all or none of them; returned is the exit code.
    pub(super) fn command_add(&mut self) -> CourseResult<Option<i32>> {
        let batch: Vec<&WeekendJob> = self.jobs.iter().skip(self.added).take(BATCH).collect();
        let files = batch.iter().map(|job| format!("../jobs/{}.md", job.id));
        let words: Vec<String> = std::iter::once("add".to_owned()).chain(files).collect();
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let told = self.host.ask(&words)?;
        match told.code {
            Some(0) => self.added += batch.len(),
            _ => {
                let there = batch.iter().find(|job| !self.host.stages_of(&job.id).is_empty());
                if let Some(job) = there {
                    let what = format!("`add` failed and enqueued {}: {}", job.id, told.stderr);
                    return Err(WeekendStop::Wrong(what));
                }
            }
        }
        Ok(told.code)
    }

    /// After its end a service manager starts it again. Every third one compares itself with a coordinator.
    pub(super) fn restart_runner(&mut self) -> io::Result<()> {
        let is_shadowing = self.rng.one_in(3);
        self.runner = self.host.start_runner(self.workers, is_shadowing)?;
        self.counts.runners += 1;
        self.counts.shadowing += u64::from(is_shadowing);
        Ok(())
    }

    /// Waits for the end of the runner, which has to have this exit code.
    pub(super) fn expect_end(&mut self, expected: i32) -> CourseResult {
        match self.runner.wait(LIMIT)? {
            Some(code) if code == expected => Ok(()),
            Some(code) => {
                let what = format!("the runner ended with {code} instead of {expected}");
                Err(WeekendStop::Wrong(what))
            }
            None => Err(self.hangs("the runner ends")),
        }
    }

    fn end_runner(&mut self) -> CourseResult {
        self.runner.signal(rustix::process::Signal::TERM)?;
        self.expect_end(143)
    }
}
