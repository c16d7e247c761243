//! Each outage: how it comes, what has to be seen of it, and how it ends.

use std::fs;
use std::io;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustix::process::{Signal, kill_process};

use super::evidence_log::{EvidenceLog, TOUCH};
use super::generated_jobs::JobPurpose;
use super::outage::OutageKind;
use super::stand_ins::{self, ENGINES};
use super::weekend_course::{CourseResult, WeekendCourse, WeekendStop};
use super::weekend_host::WeekendHost;

/// So much later an engine that is used up says that it may be used again.
const LIMIT_LENGTH: Duration = Duration::from_secs(3 * 60 * 60);
/// Commands that are started while a file is away.
const STARTS_AWAY: u64 = 12;

impl WeekendCourse<'_> {
    pub(super) fn go_through(&mut self, kind: OutageKind) -> CourseResult {
        self.add_batch()?;
        self.begin_outage(kind)?;
        match kind {
            OutageKind::FullDisk => self.fill_disk()?,
            OutageKind::LoginExpired => self.expire_login()?,
            OutageKind::UsageLimit => self.use_up()?,
            OutageKind::BrokenProgram => self.break_program()?,
            OutageKind::HangUp => self.end_by(Signal::HUP)?,
            OutageKind::Terminated => self.end_by(Signal::TERM)?,
            OutageKind::KilledRunner => self.kill(false)?,
            OutageKind::KilledSupervisors => self.kill(true)?,
            OutageKind::VanishedWaiting => self.hide_waiting()?,
            OutageKind::VanishedInWork => self.remove_in_work()?,
            OutageKind::VanishedQueue => self.hide_queue()?,
            OutageKind::DamagedRecord => self.damage_record()?,
        }
        self.end_outage(kind)?;
        Ok(())
    }

    /// Until the runner has told of it; a batch that is added meanwhile is refused as a whole.
    fn fill_disk(&mut self) -> CourseResult {
        // It takes longer than a few jobs do, and one has to wait that can't be started.
        self.runner.signal(Signal::STOP)?;
        self.add_batch()?;
        self.host.disk.fill()?;
        self.runner.signal(Signal::CONT)?;
        self.wait_until("the full disk is told", |course| {
            course.has_host_trouble("disk-full")
        })?;
        if self.added < self.jobs.len() && self.command_add()? != Some(0) {
            self.counts.refused_batches += 1;
        }
        self.host.disk.free()?;
        self.wait_until("jobs are started after the full disk", |course| {
            Ok(course.told_host_trouble()?.is_none())
        })
    }

    fn has_host_trouble(&mut self, kind: &str) -> CourseResult<bool> {
        Ok(self.told_host_trouble()?.is_some_and(|told| told == kind))
    }

    /// What keeps the runner from starting jobs, as `status` tells.
    fn told_host_trouble(&mut self) -> CourseResult<Option<String>> {
        let status = self.host.status()?;
        let runners = status["runners"].as_array().cloned().unwrap_or_default();
        let kinds = runners
            .iter()
            .map(|runner| runner["hostTrouble"]["kind"].as_str());
        Ok(kinds.flatten().next().map(str::to_owned))
    }

    fn any_engine(&mut self) -> &'static str {
        self.rng.pick(&ENGINES)
    }

    /// A person logs in again, and says so or leaves it to a job that tries the engine; some try before that, in vain.
    fn expire_login(&mut self) -> CourseResult {
        let engine = self.any_engine();
        let mark = self.host.root.join("login").join(engine);
        fs::write(&mark, "")?;
        self.meet_pause(engine, "login")?;
        if self.rng.one_in(2) {
            self.host.let_pause_pass(engine)?;
            self.work_until("an engine is tried in vain", |course| {
                course.is_paused_anew(engine)
            })?;
        }
        fs::remove_file(mark)?;
        match self.rng.one_in(2) {
            true => self.end_pause(engine),
            false => self.outlast_pause(engine),
        }
    }

    fn break_program(&mut self) -> CourseResult {
        let engine = self.any_engine();
        stand_ins::break_engine(&self.host.root, engine)?;
        self.meet_pause(engine, "not_started")?;
        stand_ins::install_engine(&self.host.root, engine)?;
        self.end_pause(engine)
    }

    /// It ends by itself.
    fn use_up(&mut self) -> CourseResult {
        let engine = self.any_engine();
        let mark = self.host.root.join("limit").join(engine);
        let since_1970 = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_err(io::Error::other)?;
        fs::write(&mark, format!("{}\n", (since_1970 + LIMIT_LENGTH).as_secs()))?;
        self.meet_pause(engine, "usage_limit")?;
        fs::remove_file(mark)?;
        self.outlast_pause(engine)
    }

    /// The time of the pause passes, and the engine works again without anybody's help.
    fn outlast_pause(&mut self, engine: &'static str) -> CourseResult {
        self.host.let_pause_pass(engine)?;
        self.work_until(&format!("{engine} works again after its pause"), |course| {
            Ok(course.paused()?.iter().all(|pause| pause.engine != engine))
        })?;
        self.troubled_engine = None;
        Ok(())
    }

    /// A job has tried the engine, and that is paused again.
    fn is_paused_anew(&mut self, engine: &str) -> CourseResult<bool> {
        let paused = self.paused()?;
        Ok(paused
            .iter()
            .any(|pause| pause.engine == engine && !pause.is_over))
    }

    /// Works on until the engine is paused for that cause.
    fn meet_pause(&mut self, engine: &'static str, cause: &str) -> CourseResult {
        self.troubled_engine = Some(engine);
        self.work_until(&format!("{engine} is paused ({cause})"), |course| {
            let paused = course.paused()?;
            Ok(paused
                .iter()
                .any(|pause| pause.engine == engine && pause.cause == cause))
        })?;
        *self.counts.pauses.entry(cause.to_owned()).or_default() += 1;
        Ok(())
    }

    fn end_pause(&mut self, engine: &'static str) -> CourseResult {
        self.troubled_engine = None;
        let paused = self.paused()?;
        match paused.iter().find(|pause| pause.engine == engine) {
            Some(pause) => self.resume(engine, &pause.since),
            None => Err(WeekendStop::Wrong(format!(
                "{engine} is not paused any more, and nothing ended that"
            ))),
        }
    }

    /// As a service manager or a closed terminal does; jobs go back uncounted.
    fn end_by(&mut self, signal: Signal) -> CourseResult {
        self.runner.signal(signal)?;
        self.expect_end(143)?;
        self.take_up()
    }

    fn kill(&mut self, with_supervisors: bool) -> CourseResult {
        let supervisors = match with_supervisors {
            true => WeekendHost::children_of(self.runner.pid()),
            false => Vec::new(),
        };
        self.runner.signal(Signal::KILL)?;
        for pid in supervisors {
            // It may have ended meanwhile.
            let _ = kill_process(pid, Signal::KILL);
        }
        self.expect_end(128 + Signal::KILL.as_raw())?;
        self.take_up()
    }

    /// The next runner takes up what the one before it left in work: until then the outage is not over.
    fn take_up(&mut self) -> CourseResult {
        let in_work = ["building", "testing"].map(|stage| self.host.ids_in(stage));
        let left: Vec<(String, u64)> = in_work
            .into_iter()
            .flatten()
            .map(|id| {
                let length = self.record_length(&id);
                (id, length)
            })
            .collect();
        self.restart_runner()?;
        self.wait_until("the next runner has taken up what was left in work", |course| {
            let is_taken_up = |(id, length): &(String, u64)| {
                // A move that was announced leaves no further line.
                let is_in_work = ["building", "testing"]
                    .iter()
                    .any(|stage| course.host.job_file(stage, id).exists());
                !is_in_work || course.record_length(id) != *length
            };
            Ok(left.iter().all(is_taken_up))
        })
    }

    /// It grows with each change.
    fn record_length(&self, id: &str) -> u64 {
        fs::metadata(self.host.record(id)).map_or(0, |record| record.len())
    }

    /// Somebody takes the file of a waiting job away and brings it back.
    fn hide_waiting(&mut self) -> CourseResult {
        let away = self.host.root.join("disk/away.md");
        let waiting = self.host.ids_in("inbox");
        let Some(id) = self.first_done("inbox", waiting, |path| fs::rename(path, &away))? else {
            return Err(WeekendStop::Wrong(String::from(
                "no job waits whose file could be away",
            )));
        };
        let until = self.starts + STARTS_AWAY;
        self.work_until("jobs are started while a file is away", |course| {
            Ok(course.starts >= until || course.host.ids_in("inbox").is_empty())
        })?;
        Ok(fs::rename(&away, self.host.job_file("inbox", &id))?)
    }

    /// The file of a job is gone while its command runs; the runner puts it aside, and people have it begin anew.
    fn remove_in_work(&mut self) -> CourseResult {
        let mut removed = None;
        self.work_until("something is in work whose file can vanish", |course| {
            let log = EvidenceLog::read(&course.host.root)?;
            let in_work = course.host.ids_in("building").into_iter();
            // What a dead runner left is known to nobody as long as no other one has taken it up.
            let known = in_work.filter(|id| !course.is_endless(id) && log.runs_since_last_cut(id));
            removed = course.first_done("building", known.collect(), |path| fs::remove_file(path))?;
            Ok(removed.is_some())
        })?;
        let id = removed.unwrap_or_default();
        self.wait_until(&format!("{id} is put aside, whose file was removed"), |course| {
            Ok(course.host.stages_of(&id) == ["quarantine"])
        })
    }

    /// The last of these jobs to whose file this could be done.
    fn first_done(
        &mut self,
        stage: &str,
        ids: Vec<String>,
        act: impl Fn(&Path) -> io::Result<()>,
    ) -> CourseResult<Option<String>> {
        for id in ids.into_iter().rev() {
            match act(&self.host.job_file(stage, &id)) {
                Ok(()) => {
                    self.host.note(&format!("{TOUCH} {id}"))?;
                    return Ok(Some(id));
                }
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(None)
    }

    /// That its file is away is noticed when its command ends, and that of such a job does not.
    fn is_endless(&self, id: &str) -> bool {
        let mut jobs = self.jobs.iter();
        jobs.any(|job| job.id == id && job.purpose == JobPurpose::CancelRunning)
    }

    /// The folder is elsewhere, as after a wrong `mv`, and comes back once the runner has ended.
    fn hide_queue(&mut self) -> CourseResult {
        let away = self.host.root.join("disk/queue.away");
        fs::rename(&self.host.queue, &away)?;
        self.expect_end(1)?;
        fs::rename(&away, &self.host.queue)?;
        self.take_up()
    }

    /// The last job that waits loses its record, as on a disk that lost what was written to it.
    fn damage_record(&mut self) -> CourseResult {
        let Some(id) = self.host.ids_in("inbox").pop() else {
            return Err(WeekendStop::Wrong(String::from(
                "no job waits whose record could be damaged",
            )));
        };
        fs::write(self.host.record(&id), [0; 512])?;
        Ok(self.host.note(&format!("{TOUCH} {id}"))?)
    }
}
