//! `aq repair`: puts the damaged record of a job right, or says who can.

use std::io::Write;

use super::JobArguments;
use super::error::CliError;
use crate::exit_codes::ProgramExit;
use crate::ids::JobId;
use crate::queue::{Queue, RepairOutcome};
use crate::settings::Settings;
use crate::stage::Stage;
use crate::terminal::{counted, escape_control};

pub(super) fn run(settings: &Settings, arguments: &JobArguments) -> Result<ProgramExit, CliError> {
    let id = JobId::new(&arguments.id)?;
    let queue = Queue::open(&settings.queue.value)?;
    queue.require(&id)?;
    queue.complete()?;
    let Some(hold) = queue.hold(&id)? else {
        return Err(CliError::Refused(format!(
            "`{id}` is in other hands: repair it when they are done"
        )));
    };
    let stage = queue.require(&id)?;
    match queue.repair(&hold, stage)? {
        RepairOutcome::Sound => {
            let text = format!("{stage}: nothing is wrong with its record");
            arguments.format.print_job(&id, stage, &text)
        }
        RepairOutcome::Repaired { kept, lines } => {
            let (count, kept) = (
                u32::try_from(lines).unwrap_or(u32::MAX),
                kept.display().to_string(),
            );
            let next = match stage {
                Stage::Quarantine | Stage::Failed => {
                    format!("\n  look at it with `aq show {id}`, then `aq retry {id}` or `aq cancel {id}`")
                }
                _ => String::new(),
            };
            let value = serde_json::json!({
                "id": id.as_str(), "stage": stage.folder(), "kept": kept, "lines": count,
            });
            let (lines, kept) = (counted(count, "line"), escape_control(&kept));
            arguments.format.print_done(&value, |out| {
                writeln!(
                    out,
                    "{id}  repaired, in {stage}: {lines} of its record could be read"
                )?;
                writeln!(out, "  what was there is kept in {kept}{next}")
            })
        }
        RepairOutcome::Foreign { path, owner } => Err(CliError::Refused(format!(
            "the record of `{id}` can't be repaired from here: {} {owner}, so {}, and then `aq repair {id}` again",
            path.display(),
            owner.advice(&path)
        ))),
    }
}
