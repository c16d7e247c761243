//! A case about an operator: each command that changes a queue is killed at each of its steps, and is done or not done
//! then, never half.

use std::ops::ControlFlow;

use serde_json::Value;

use super::crash_case::CrashCase;
use super::kill_plan::{CANCEL_IN_REVIEW, CANCEL_RUNNING, ORDERED, planned_kill};
use super::kill_point::{KillVictim, TraceScope};
use super::queue_state_checks::CANCELLED;
use super::tracer::TraceResult;
use super::worker_log::WorkerLog;

const MESSAGE: &str = "new disk";

impl CrashCase<'_> {
    pub(super) fn run_operator_case(&mut self) -> std::io::Result<()> {
        self.add()?;
        self.pause()?;
        self.cancel_in("cancel", "inbox")?;
        self.resume()?;
        self.hand_over_and_recall()?;
        self.cancel_running()?;
        self.work()?;
        self.cancel_in(CANCEL_IN_REVIEW, "review")?;
        self.ship()?;
        self.check_endings()?;
        self.retry()?;
        self.work()?;
        self.ship()?;
        self.check_endings()?;
        self.prune()?;
        self.add_anew()
    }

    /// The command until it has come to its end once, and `checks` after each of its lives.
    pub(super) fn retry_until_done(
        &mut self,
        name: &'static str,
        words: &[&str],
        check: impl Fn(&CrashCase<'_>, &TraceResult) -> std::io::Result<Option<String>>,
    ) -> std::io::Result<()> {
        let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        self.repeat(name, |case| {
            let traced = case.command(name, &words)?;
            case.look(&traced);
            let wrong = check(case, &traced)?;
            case.record_failures(wrong.into_iter().collect());
            Ok(match traced.is_hit {
                true => ControlFlow::Continue(()),
                false => ControlFlow::Break(()),
            })
        })
    }

    /// In force as a whole or not at all; a pause that there is keeps what it says.
    fn pause(&mut self) -> std::io::Result<()> {
        self.retry_until_done("pause", &["pause", "--message", MESSAGE], |case, traced| {
            Ok(match &case.shown_pause()? {
                Value::Null if traced.is_hit => None,
                pause if is_whole(pause) && ended_well(traced) => None,
                pause => Some(format!("after `pause` the pause is {pause}")),
            })
        })?;
        let before = self.shown_pause()?;
        self.retry_until_done("pause", &["pause"], |case, traced| {
            let pause = case.shown_pause()?;
            let kept = pause == before && ended_well(traced);
            Ok((!kept).then(|| format!("the pause was {before} and is {pause}")))
        })?;
        if self.has_failed() {
            return Ok(());
        }
        let started = WorkerLog::read(&self.fixture.root).starts();
        let held = self.ask(&self.run_words())?;
        if held.status.code() != Some(1) || WorkerLog::read(&self.fixture.root).starts() != started {
            self.wrong(format!("a paused queue was run: {:?}", held.status.code()));
        }
        Ok(())
    }

    fn resume(&mut self) -> std::io::Result<()> {
        self.retry_until_done("resume", &["resume"], |case, traced| {
            Ok(match &case.shown_pause()? {
                Value::Null if ended_well(traced) => None,
                pause if traced.is_hit && is_whole(pause) => None,
                pause => Some(format!("after `resume` the pause is {pause}")),
            })
        })
    }

    fn shown_pause(&self) -> std::io::Result<Value> {
        let status = self.ask(&["status".into(), "--json".into()])?;
        let status: Value = serde_json::from_slice(&status.stdout).unwrap_or_default();
        Ok(status.get("pause").cloned().unwrap_or(Value::from("unknown")))
    }

    /// One job that waits there: it is still there, as it was, or it is given up.
    fn cancel_in(&mut self, name: &'static str, stage: &'static str) -> std::io::Result<()> {
        let Some(id) = self.checker.first_in(stage) else {
            return Ok(());
        };
        self.checker.cancelled.insert(id.clone());
        self.retry_until_done(name, &["cancel", &id], |case, traced| {
            let (now, reason) = (case.checker.stage_of(&id), case.reason(&id)?);
            Ok(match now {
                Some(now) if now == stage && traced.is_hit => None,
                Some("failed") if reason == CANCELLED => None,
                now => Some(format!(
                    "{id} was cancelled in {stage}; it is in {now:?}: `{reason}`"
                )),
            })
        })
    }

    /// A job whose engine was just started, while its runner stands still; and then that is killed, or goes on.
    fn cancel_running(&mut self) -> std::io::Result<()> {
        if self.has_failed() {
            return Ok(());
        }
        let words = self.run_words();
        let victim = [KillVictim::Runner, KillVictim::Both][usize::from(self.fixture.seed % 8 < 4)];
        let (_, target) = planned_kill("run", ORDERED, 0, victim);
        let fixture = self.fixture;
        let mut run = CrashCase::start(fixture, &words, TraceScope::Main)?;
        let Some(id) = run
            .go_on(Some(&target))?
            .then(|| self.checker.first_in("building"))
            .flatten()
        else {
            let traced = run.end()?;
            self.note("run", &words, None, &traced);
            return Ok(());
        };
        self.checker.cancelled.insert(id.clone());
        self.retry_until_done(CANCEL_RUNNING, &["cancel", &id], |case, traced| {
            let is_asked = traced.is_hit || traced.code == Some(0);
            let in_work = case.checker.stage_of(&id) == Some("building");
            Ok((!is_asked || !in_work).then(|| format!("{id} was running; `cancel`: {:?}", traced.code)))
        })?;
        // Two in three are killed: of those that go on the scenarios have more to say.
        let is_killed = !self.fixture.seed.is_multiple_of(3);
        if is_killed {
            run.kill(victim)?;
        }
        let traced = run.end()?;
        self.note("run", &words, None, &traced);
        self.look_after_run(&traced);
        while !self.has_failed() && matches!(self.checker.stage_of(&id), Some("inbox" | "building")) {
            let traced = self.command("run", &words)?;
            self.look_after_run(&traced);
        }
        // What was finished before its runner noticed the command is finished; nothing more was begun.
        let starts = WorkerLog::read(&self.fixture.root).starts_of(&id);
        let is_right = match (self.checker.stage_of(&id), starts) {
            (Some("failed"), 0 | 1) => self.reason(&id)? == CANCELLED,
            (Some("shipped" | "review"), 1) => !is_killed,
            _ => false,
        };
        if !self.has_failed() && !is_right {
            let now = self.checker.stage_of(&id);
            self.wrong(format!(
                "{id} was cancelled while its engine ran; it is in {now:?} after {starts} starts"
            ));
        }
        Ok(())
    }

    /// Every job that failed: where it was and as it was, or at the end of the order.
    fn retry(&mut self) -> std::io::Result<()> {
        let failed = self.checker.names("failed");
        for id in failed.iter().filter_map(|name| name.strip_suffix(".md")) {
            let before = self.reason(id)?;
            self.checker.cancelled.remove(id);
            WorkerLog::note_restart(&self.fixture.root, id);
            // One that was killed after its last step is refused by the next: the job waits already.
            self.retry_until_done("retry", &["retry", id], |case, traced| {
                let (now, reason) = (case.checker.stage_of(id), case.reason(id)?);
                Ok(match now {
                    Some("inbox") => None,
                    Some("failed") if traced.is_hit && reason == before => None,
                    now => Some(format!(
                        "{id} had failed and was retried; it is in {now:?}: `{reason}`"
                    )),
                })
            })?;
        }
        Ok(())
    }

    /// All of them: each is whole, or gone and its name kept.
    fn prune(&mut self) -> std::io::Result<()> {
        while let Some((id, _)) = self.checker.endings().into_iter().next() {
            if self.has_failed() {
                return Ok(());
            }
            let before = self.show(&id)?;
            self.checker.pruned.insert(id.clone());
            self.retry_until_done("prune", &["prune", &id], |case, traced| {
                let now = match case.checker.stage_of(&id) {
                    None => return Ok(None),
                    Some(_) => case.show(&id)?,
                };
                let is_whole = now["history"] == before["history"] && now["logs"] == before["logs"];
                Ok((!traced.is_hit || !is_whole).then(|| format!("{id} was pruned and is there: {now}")))
            })?;
        }
        Ok(())
    }

    /// The name of a job that is gone is free, and nothing of the old one is taken for the new one's.
    fn add_anew(&mut self) -> std::io::Result<()> {
        for id in &self.checker.pruned {
            WorkerLog::note_restart(&self.fixture.root, id);
        }
        self.checker.pruned.clear();
        self.checker.cancelled.clear();
        self.all_added = false;
        self.add()?;
        if self.has_failed() {
            return Ok(());
        }
        for (id, _) in self.checker.endings() {
            let shown = self.show(&id)?;
            let changes = shown["history"].as_array().map_or(1, Vec::len);
            if changes != 1 {
                self.wrong(format!("{id} is new and has a history of {changes} changes"));
            }
        }
        self.work()?;
        self.ship()?;
        self.check_endings()
    }
}

fn is_whole(pause: &Value) -> bool {
    pause["message"] == MESSAGE
}

/// Or was killed.
pub(super) fn ended_well(traced: &TraceResult) -> bool {
    traced.is_hit || traced.code == Some(0)
}
