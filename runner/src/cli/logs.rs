//! `aq logs`: what the commands of a job printed, also while they print it.

mod event_display;
mod log_view;
mod safe_text;

use std::io::{self, Write, stdout};

use event_display::EventDisplay;
use log_view::{LogView, ShownOutput};
use safe_text::SafeText;

use super::error::CliError;
use super::log_watch::LogWatch;
use crate::engine::{EngineRegistry, EventFormat};
use crate::exit_codes::ProgramExit;
use crate::ids::JobId;
use crate::queue::{Queue, QueueError};
use crate::run::outputs;
use crate::settings::Settings;
use crate::stage::Stage;
use crate::terminal::{ColorChoice, counted, escape_control};

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  aq logs fix-login\n  aq logs -f fix-login\n  aq logs --raw fix-login | jq .type"
)]
pub(super) struct LogsArguments {
    /// The job
    id: String,
    /// Go on until the job has left its work
    #[arg(short, long)]
    follow: bool,
    /// The bytes as they were printed, with escape sequences and events
    #[arg(long)]
    raw: bool,
    /// An earlier attempt instead of the last one
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    attempt: Option<u32>,
}

pub(super) fn run(settings: &Settings, arguments: &LogsArguments) -> Result<ProgramExit, CliError> {
    let id = JobId::new(&arguments.id)?;
    let queue = Queue::open(&settings.queue.value)?;
    let stage = queue
        .find(&id)?
        .ok_or_else(|| QueueError::Unknown { id: id.clone() })?;
    let history = queue.history(&id)?;
    let attempt = arguments.attempt.unwrap_or(history.attempt());
    let (had, may_come) = (history.attempt(), arguments.follow && !stage.is_final());
    if (1..attempt).contains(&had) && !may_come {
        let had = counted(had, "attempt");
        return Err(CliError::Refused(format!(
            "`{id}` had {had}: there is no attempt {attempt}"
        )));
    }
    if arguments.follow {
        let attempt = attempt.max(1);
        let outputs = shown_outputs(settings, &queue, &id, attempt, arguments.raw)?;
        follow(&queue, &id, attempt, outputs)?;
        return Ok(ProgramExit::Done);
    }
    let outputs = shown_outputs(settings, &queue, &id, attempt, arguments.raw)?;
    let mut printer = LogPrinter { outputs };
    let printed = printer.print_new()?;
    printer.finish()?;
    if printed == LogProgress::Nothing && attempt == 0 {
        return Err(CliError::Refused(format!(
            "`{id}` was not started yet: `aq logs -f {id}` waits for it"
        )));
    }
    if printed == LogProgress::Nothing {
        let why = history.lines.iter().rev().find(|line| line.attempt == attempt);
        let why = why.map_or(String::new(), |line| {
            format!("; {} {}", line.stage, line.remark())
        });
        let text = format!("attempt {attempt} of `{id}` printed nothing{why}");
        writeln!(io::stderr(), "aq: {}", escape_control(text.trim_end()))?;
    }
    Ok(ProgramExit::Done)
}

/// The outputs of engine, `verify` and `ship`, none of them shown yet.
fn shown_outputs(
    settings: &Settings,
    queue: &Queue,
    id: &JobId,
    attempt: u32,
    is_raw: bool,
) -> Result<[ShownOutput; 3], CliError> {
    let palette = ColorChoice::of(&stdout());
    let mut views = match is_raw {
        true => [const { LogView::Raw }; 3],
        false => [(); 3].map(|()| LogView::Text(SafeText::new(palette == ColorChoice::Coloured))),
    };
    if !is_raw && let Some(format) = event_format(settings, queue, id)? {
        views[0] = LogView::Events(EventDisplay::new(format, palette));
    }
    let [engine, verify, ship] = views;
    let [of_engine, of_verify, of_ship] = outputs(queue, id, attempt);
    Ok([
        ShownOutput::new(of_engine, engine, palette),
        ShownOutput::new(of_verify, verify, palette),
        ShownOutput::new(of_ship, ship, palette),
    ])
}

/// How the engine of a job tells events, if it does. Of a file that is no job any more, what was printed is shown as it is.
fn event_format(settings: &Settings, queue: &Queue, id: &JobId) -> Result<Option<EventFormat>, CliError> {
    let engines = EngineRegistry::new(&settings.engines)?;
    let job = queue.find(id)?.and_then(|stage| queue.job(stage, id).ok());
    Ok(job.and_then(|job| engines.event_format(&job.engine)))
}

fn follow(queue: &Queue, id: &JobId, attempt: u32, outputs: [ShownOutput; 3]) -> Result<(), CliError> {
    let watch = LogWatch::start(queue);
    let mut printer = LogPrinter { outputs };
    loop {
        for folder in [queue.job_folder(id), queue.attempt_folder(id, attempt)] {
            // The second folder is made when the attempt starts.
            watch.watch_output(&folder);
        }
        // This is asked before the output is read, so that the last output is read after the end.
        let in_work = matches!(
            queue.find(id)?,
            Some(Stage::Inbox | Stage::Building | Stage::Testing)
        );
        printer.print_new()?;
        if !in_work || queue.history(id)?.attempt() > attempt {
            return printer.finish();
        }
        watch.wait()?;
    }
}

#[derive(Debug, PartialEq, Eq)]
enum LogProgress {
    Nothing,
    Something,
}

/// Prints the outputs of an attempt one after the other, and remembers how far.
struct LogPrinter {
    outputs: [ShownOutput; 3],
}

impl LogPrinter {
    fn finish(&mut self) -> Result<(), CliError> {
        for output in &mut self.outputs {
            output.finish()?;
        }
        stdout().flush()?;
        Ok(())
    }

    /// Prints what there is at this moment and was not printed yet. Output that comes meanwhile is left, because a job
    /// that prints its own log would never end.
    fn print_new(&mut self) -> Result<LogProgress, CliError> {
        let found = self.outputs.iter().map(ShownOutput::new_parts);
        let found = found.collect::<Result<Vec<_>, _>>()?;
        let mut printed = LogProgress::Nothing;
        for (place, parts) in found.into_iter().enumerate() {
            let (before, rest) = self.outputs.split_at_mut(place);
            let Some(output) = rest.first_mut().filter(|_| !parts.is_empty()) else {
                continue;
            };
            // A command begins when the one before it is over.
            before.iter_mut().try_for_each(ShownOutput::finish)?;
            printed = LogProgress::Something;
            parts.into_iter().try_for_each(|part| output.show(part))?;
        }
        stdout().flush()?;
        Ok(printed)
    }
}
