//! `aq prune`: removes old jobs with all that they printed, by age, by count, or by name.

use std::cmp::Reverse;
use std::io::{Write, stdout};
use std::time::Duration;

use super::error::CliError;
use crate::duration_text::parse_duration;
use crate::exit_codes::ProgramExit;
use crate::ids::JobId;
use crate::queue::{PruneRefusal, Queue};
use crate::settings::Settings;
use crate::stage::Stage;
use crate::terminal::{ColorChoice, bytes, duration};

/// The stages that are pruned without a name. A job in quarantine waits for a person.
const STAGES: [Stage; 2] = [Stage::Shipped, Stage::Failed];

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  aq prune --older-than 30d --dry-run
  aq prune --keep 100
  aq prune --older-than 30d --keep 100     older than 30 days, and not among the latest 100 of its stage
  aq prune fix-login                       this job, also from quarantine

Only shipped and failed jobs are removed, others if they are named and final. The name and the stage of a
removed job are kept, so that a coordinator that still has it in its queue doesn't have it run again; `aq add`
may use the name for a new job.")]
#[command(group = clap::ArgGroup::new("what").required(true).multiple(true).args(["ids", "older_than", "keep"]))]
pub(super) struct PruneArguments {
    /// These jobs
    #[arg(value_name = "ID", conflicts_with_all = ["older_than", "keep"])]
    ids: Vec<String>,
    /// Jobs that came to their stage longer ago than that: `30d`, `12h`
    #[arg(long, value_name = "AGE", value_parser = age)]
    older_than: Option<Duration>,
    /// All but the latest N of each stage
    #[arg(long, value_name = "N")]
    keep: Option<usize>,
    /// Only say what would be removed
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    pub(super) inside: super::InsideJob,
    #[command(flatten)]
    format: super::OutputFormat,
}

/// A job that is removed.
struct PruneCandidate {
    id: JobId,
    stage: Stage,
    age: Duration,
}

pub(super) fn run(settings: &Settings, arguments: &PruneArguments) -> Result<ProgramExit, CliError> {
    let queue = Queue::open(&settings.queue.value)?;
    queue.complete()?;
    if !arguments.dry_run {
        queue.finish_prunings()?;
    }
    let candidates = match arguments.ids.is_empty() {
        true => by_age_and_count(&queue, arguments)?,
        false => by_name(&queue, &arguments.ids)?,
    };
    let mut lines = Vec::new();
    let palette = ColorChoice::of(&stdout());
    let (mut removed, mut spared, mut freed) = (Vec::new(), 0, 0_u64);
    for candidate in &candidates {
        let PruneCandidate { id, stage, age } = candidate;
        let outcome = match arguments.dry_run {
            true => Ok(0),
            false => queue.prune(id, *stage)?,
        };
        let line = match outcome {
            Ok(bytes) => {
                freed = freed.saturating_add(bytes);
                removed.push(
                    serde_json::json!({ "id": id.as_str(), "stage": stage.folder(), "ageS": age.as_secs() }),
                );
                let verb = if arguments.dry_run { "would go" } else { "removed" };
                let stage = palette.stage(*stage, stage.folder());
                format!("{verb}: {stage} {} ago", duration(*age))
            }
            Err(refusal) => {
                spared += 1;
                String::from(match refusal {
                    PruneRefusal::HeldElsewhere => "stays: it is in other hands",
                    PruneRefusal::ReportUndelivered => "stays: the coordinator was not told of its end yet",
                })
            }
        };
        lines.push(format!("{}  {line}", palette.bold(id.as_str())));
    }
    lines.push(match arguments.dry_run {
        true => format!("{} would be removed", removed.len()),
        false => format!("{} removed, {} freed", removed.len(), bytes(freed)),
    });
    let value = serde_json::json!({
        "pruned": removed, "spared": spared, "dryRun": arguments.dry_run, "freedBytes": freed,
    });
    let format = arguments.format;
    let done = format.print_done(&value, |out| {
        lines.iter().try_for_each(|line| writeln!(out, "{line}"))
    })?;
    Ok(if spared > 0 { ProgramExit::Failed } else { done })
}

fn by_name(queue: &Queue, names: &[String]) -> Result<Vec<PruneCandidate>, CliError> {
    let mut candidates = Vec::new();
    for name in names {
        let id = JobId::new(name)?;
        let stage = queue.require(&id)?;
        if !stage.is_final() {
            return Err(CliError::Refused(format!(
                "`{id}` is in {stage}: nothing was removed; `aq cancel {id}` gives it up, then it can be pruned"
            )));
        }
        candidates.extend(candidate(queue, id, stage));
    }
    Ok(candidates)
}

fn by_age_and_count(queue: &Queue, arguments: &PruneArguments) -> Result<Vec<PruneCandidate>, CliError> {
    let mut candidates = Vec::new();
    for stage in STAGES {
        let ids = queue.ids(stage)?.into_iter();
        let here = ids.filter_map(|id| candidate(queue, id, stage));
        let mut here: Vec<PruneCandidate> = here.collect();
        here.sort_by(|one, other| (one.age, &one.id).cmp(&(other.age, &other.id)));
        let old = |candidate: &PruneCandidate| arguments.older_than.is_none_or(|limit| candidate.age > limit);
        candidates.extend(here.into_iter().skip(arguments.keep.unwrap_or(0)).filter(old));
    }
    candidates.sort_by_key(|candidate| Reverse(candidate.age));
    Ok(candidates)
}

fn candidate(queue: &Queue, id: JobId, stage: Stage) -> Option<PruneCandidate> {
    let since = queue.arrival(stage, &id)?;
    let age = jiff::Timestamp::now().duration_since(since);
    // A clock that was set back makes no job old.
    let age = Duration::try_from(age).unwrap_or_default();
    Some(PruneCandidate { id, stage, age })
}

fn age(text: &str) -> Result<Duration, String> {
    parse_duration(text).ok_or_else(|| String::from("write an age such as 30d, 12h or 90m"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_age_is_written_in_days_or_like_any_other_length() {
        assert_eq!(age("30d"), Ok(Duration::from_secs(30 * 24 * 3600)));
        assert_eq!(age("1h30m"), Ok(Duration::from_secs(90 * 60)));
        for no_age in ["", "d", "-1d", "1.5d", "soon", "1h1d", "18446744073709551615d"] {
            assert!(age(no_age).is_err(), "{no_age}");
        }
    }
}
