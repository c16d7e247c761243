//! The steps of a rehearsal, in their order: up the ladder, through three kinds of trouble, and down again.

use std::fs;

use super::RehearsalError;
use super::observed_week;
use super::rehearsal_desk::{CommandEnd, RehearsalDesk, failed};

/// Until all answers came through; half of them are lost, so this many attempts fail together about never.
const ATTEMPTS: usize = 60;

/// One step of the ladder.
pub(super) struct RehearsalStep {
    pub(super) name: &'static str,
    pub(super) rung: &'static str,
    /// Whether it has jobs of its own.
    pub(super) has_jobs: bool,
    /// The step whose jobs still wait after it.
    pub(super) leaves_waiting: Option<&'static str>,
    pub(super) act: fn(&mut RehearsalDesk) -> Result<StepWords, RehearsalError>,
}

/// What a step says of itself.
pub(super) struct StepWords {
    pub(super) sentence: String,
    pub(super) faults: Vec<String>,
}

pub(super) const STEPS: [RehearsalStep; 10] = [
    step("offline", "offline", true, None, offline),
    step("observe", "observe", true, None, observe),
    step("gate", "observe", false, None, gate),
    step("route", "route", true, None, route),
    step("split-brain", "route", true, None, split_brain),
    step("lost-replies", "route", true, None, lost_replies),
    step("outage", "route", true, Some("outage"), outage),
    step("back", "observe", true, Some("outage"), back),
    step("recall", "observe", false, None, recall),
    step("end", "offline", false, None, end),
];

const fn step(
    name: &'static str,
    rung: &'static str,
    has_jobs: bool,
    leaves_waiting: Option<&'static str>,
    act: fn(&mut RehearsalDesk) -> Result<StepWords, RehearsalError>,
) -> RehearsalStep {
    RehearsalStep {
        name,
        rung,
        has_jobs,
        leaves_waiting,
        act,
    }
}

type StepResult = Result<StepWords, RehearsalError>;

/// Says a sentence, and what of the commands' exit codes was not as it should be.
fn words(sentence: String, ends: &[(&str, &CommandEnd, i32)]) -> StepResult {
    let wrong = ends.iter().filter(|(_, end, wanted)| end.code != *wanted);
    let faults = wrong.map(|(command, end, wanted)| {
        let last = end.lines.last().map_or("nothing", String::as_str);
        format!(
            "`aq {command}` ended with {} instead of {wanted}; its last line: {last}",
            end.code
        )
    });
    Ok(StepWords {
        sentence,
        faults: faults.collect(),
    })
}

fn jobs(count: usize) -> String {
    match count {
        1 => "1 job".to_owned(),
        _ => format!("{count} jobs"),
    }
}

/// Adds the jobs of this step to the inbox.
fn add(desk: &mut RehearsalDesk, name: &str) -> Result<(usize, CommandEnd), RehearsalError> {
    let ids = desk.batch(name);
    let paths = desk.write(&ids)?;
    let mut command = vec!["add"];
    command.extend(paths.iter().map(String::as_str));
    let end = desk.aq(&command)?;
    desk.ledger.note(&ids, "added to the inbox", "inbox");
    Ok((ids.len(), end))
}

/// Hands the jobs of this step to the coordinator, again and again until every answer came.
fn submit(desk: &mut RehearsalDesk, name: &str) -> Result<(usize, CommandEnd), RehearsalError> {
    let ids = desk.batch(name);
    let paths = desk.write(&ids)?;
    let mut command = vec!["fleet-submit"];
    command.extend(paths.iter().map(String::as_str));
    let mut end = desk.aq(&command)?;
    for _ in 1..ATTEMPTS {
        if end.code != 3 {
            break;
        }
        end = desk.aq(&command)?;
    }
    desk.ledger.note(&ids, "handed to the coordinator", "coordinator");
    Ok((ids.len(), end))
}

fn offline(desk: &mut RehearsalDesk) -> StepResult {
    desk.switch(["0", "0", "0"]);
    let (count, added) = add(desk, "offline")?;
    let drained = desk.aq(&["run", "--drain"])?;
    let calls = desk.stub.journal().len();
    let mut told = words(
        format!(
            "{} ran from the inbox, and the coordinator got {calls} requests",
            jobs(count)
        ),
        &[("add", &added, 0), ("run --drain", &drained, 0)],
    )?;
    if calls > 0 {
        told.faults
            .push(format!("offline made {calls} requests instead of 0"));
    }
    Ok(told)
}

fn observe(desk: &mut RehearsalDesk) -> StepResult {
    desk.switch(["1", "1", "0"]);
    let before = desk.stub.digest();
    let (count, added) = add(desk, "observe")?;
    let drained = desk.aq(&["run", "--drain"])?;
    let mut told = words(
        format!(
            "{} ran from the inbox, each was compared, and the coordinator's state is as before",
            jobs(count)
        ),
        &[("add", &added, 0), ("run --drain", &drained, 0)],
    )?;
    if desk.stub.digest() != before {
        told.faults
            .push("observing changed the coordinator's state".to_owned());
    }
    Ok(told)
}

fn gate(desk: &mut RehearsalDesk) -> StepResult {
    let today = desk.aq(&["fleet-shadow-report", "--gate"])?;
    let log = fs::read_to_string(desk.shadow_log()).map_err(failed("reading the shadow log"))?;
    let Some((week, count)) = observed_week::retold(&log) else {
        return Ok(StepWords {
            sentence: "the shadow log has no comparison".to_owned(),
            faults: vec!["nothing was compared".to_owned()],
        });
    };
    let path = desk.file("retold-week.log");
    fs::write(&path, week).map_err(failed("writing the log of a week"))?;
    let promoted = desk.aq(&["fleet-shadow-report", "--gate", &path.to_string_lossy()])?;
    words(
        format!(
            "the gate says inconclusive to today's log, and promote to a file that tells these comparisons again as {count} \
             over a week"
        ),
        &[
            ("fleet-shadow-report --gate", &today, 3),
            ("fleet-shadow-report --gate retold-week.log", &promoted, 0),
        ],
    )
}

fn route(desk: &mut RehearsalDesk) -> StepResult {
    desk.switch(["1", "1", "1"]);
    let (count, submitted) = submit(desk, "route")?;
    let drained = desk.aq(&["run", "--drain"])?;
    let known = desk.batch("observe");
    let again = drained
        .lines
        .iter()
        .filter(|line| line.contains("reported, not run again"))
        .count();
    let mut told = words(
        format!(
            "{} ran under leases; of those that ran while observing, {again} were assigned and none ran again",
            jobs(count)
        ),
        &[("fleet-submit", &submitted, 0), ("run --drain", &drained, 0)],
    )?;
    if again != known.len() {
        told.faults.push(format!(
            "{again} jobs were reported and not run again, instead of {}",
            known.len()
        ));
    }
    Ok(told)
}

fn split_brain(desk: &mut RehearsalDesk) -> StepResult {
    let (count, submitted) = submit(desk, "split-brain")?;
    desk.arm("split-brain")?;
    let drained = desk.aq(&["run", "--drain"])?;
    let fired = desk.fired();
    desk.arm("agree")?;
    words(
        format!(
            "{} ran while the coordinator broke its promise of one lease a job (its rule fired {fired} times)",
            jobs(count)
        ),
        &[("fleet-submit", &submitted, 0), ("run --drain", &drained, 0)],
    )
}

fn lost_replies(desk: &mut RehearsalDesk) -> StepResult {
    desk.lose_replies()?;
    let (count, submitted) = submit(desk, "lost-replies")?;
    let drained = desk.aq(&["run", "--drain"])?;
    let fired = desk.fired();
    desk.arm("agree")?;
    let settled = desk.aq(&["run", "--drain"])?;
    words(
        format!(
            "{} ran while the coordinator did its work and lost {fired} of its answers",
            jobs(count)
        ),
        &[
            ("fleet-submit", &submitted, 0),
            ("run --drain", &drained, 0),
            ("run --drain", &settled, 0),
        ],
    )
}

fn outage(desk: &mut RehearsalDesk) -> StepResult {
    let (count, submitted) = submit(desk, "outage")?;
    desk.arm("outage")?;
    let ended = desk.aq_until(&["run", "--drain"], Some("trouble with the coordinator"))?;
    words(
        format!(
            "nobody answered, {} waited at the coordinator, and the runner took nothing else",
            jobs(count)
        ),
        &[("fleet-submit", &submitted, 0), ("run --drain", &ended, 143)],
    )
}

fn back(desk: &mut RehearsalDesk) -> StepResult {
    desk.switch(["1", "1", "0"]);
    let (count, added) = add(desk, "back")?;
    let drained = desk.aq(&["run", "--drain"])?;
    words(
        format!(
            "routing is off: {} ran from the inbox although nobody answered",
            jobs(count)
        ),
        &[("add", &added, 0), ("run --drain", &drained, 0)],
    )
}

fn recall(desk: &mut RehearsalDesk) -> StepResult {
    desk.arm("agree")?;
    let recalled = desk.aq(&["fleet-recall", "--all"])?;
    let ids = desk.batch("outage");
    desk.ledger.note(&ids, "recalled to the inbox", "inbox");
    let drained = desk.aq(&["run", "--drain"])?;
    words(
        format!(
            "the coordinator gave {} back, and the inbox ran what came",
            jobs(ids.len())
        ),
        &[("fleet-recall --all", &recalled, 0), ("run --drain", &drained, 0)],
    )
}

fn end(desk: &mut RehearsalDesk) -> StepResult {
    desk.switch(["0", "0", "0"]);
    let drained = desk.aq(&["run", "--drain"])?;
    let leased = desk.stub.jobs().iter().filter(|job| job.lease.is_some()).count();
    let mut told = words(
        format!(
            "all {} ran once and shipped once, and no lease is left",
            jobs(desk.ledger.len())
        ),
        &[("run --drain", &drained, 0)],
    )?;
    if leased > 0 {
        told.faults
            .push(format!("{leased} leases are left at the coordinator"));
    }
    Ok(told)
}
