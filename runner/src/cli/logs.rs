//! `aq logs`: what the commands of a job printed, also while they print it.

mod event_display;
mod safe_text;

use std::fs::File;
use std::io::{self, IsTerminal, Read, Seek, SeekFrom, Take, Write, stdout};
use std::path::{Path, PathBuf};

use event_display::EventDisplay;
use safe_text::SafeText;

use super::error::CliError;
use super::log_watch::LogWatch;
use crate::engine::EngineRegistry;
use crate::exit_codes::ProgramExit;
use crate::ids::JobId;
use crate::queue::{Queue, QueueError};
use crate::queue_root::QueueRoot;
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
    /// The bytes as they were printed, also of an engine that prints events
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
    let views = match arguments.raw {
        true => [const { LogView::Raw }; 3],
        false => views(settings, &queue, &id)?,
    };
    if arguments.follow {
        follow(&queue, &id, attempt.max(1), views)?;
        return Ok(ProgramExit::Done);
    }
    let mut printer = LogPrinter::new(&queue, outputs(&queue, &id, attempt), views);
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

/// How the outputs of engine, `verify` and `ship` are shown.
fn views(settings: &Settings, queue: &Queue, id: &JobId) -> Result<[LogView; 3], CliError> {
    let palette = ColorChoice::of(&stdout());
    let text = || match stdout().is_terminal() {
        true => LogView::Text(SafeText::new(palette == ColorChoice::Coloured)),
        false => LogView::Raw,
    };
    let engines = EngineRegistry::new(&settings.engines)?;
    // Of a file that is no job any more, what was printed is shown as it is.
    let job = queue.find(id)?.and_then(|stage| queue.job(stage, id).ok());
    let format = job.and_then(|job| engines.event_format(&job.engine));
    let engine = match format {
        Some(format) => LogView::Events(EventDisplay::new(format, palette)),
        None => text(),
    };
    Ok([engine, text(), text()])
}

fn follow(queue: &Queue, id: &JobId, attempt: u32, views: [LogView; 3]) -> Result<(), CliError> {
    let watch = LogWatch::start(queue);
    let mut printer = LogPrinter::new(queue, outputs(queue, id, attempt), views);
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

/// How an output is shown.
#[derive(Debug)]
enum LogView {
    /// As it is.
    Raw,
    /// Nothing in it steers the terminal.
    Text(SafeText),
    /// What its events tell.
    Events(EventDisplay),
}

impl LogView {
    fn write(&mut self, piece: &[u8]) -> io::Result<()> {
        let text = match self {
            LogView::Raw => return stdout().lock().write_all(piece),
            LogView::Text(text) => text.push(piece),
            LogView::Events(events) => events.push(piece),
        };
        stdout().lock().write_all(text.as_bytes())
    }

    /// Nothing more comes.
    fn finish(&mut self) -> io::Result<()> {
        let text = match self {
            LogView::Raw => return Ok(()),
            LogView::Text(text) => text.finish(),
            LogView::Events(events) => events.finish(),
        };
        stdout().lock().write_all(text.as_bytes())
    }
}

/// One output file, and how far it was shown.
#[derive(Debug)]
struct LogFile {
    path: PathBuf,
    offset: u64,
    view: LogView,
}

/// Prints the output files of an attempt one after the other, and remembers how far.
struct LogPrinter {
    root: QueueRoot,
    files: Vec<LogFile>,
}

impl LogPrinter {
    fn new(queue: &Queue, paths: [PathBuf; 3], views: [LogView; 3]) -> LogPrinter {
        let files = paths.into_iter().zip(views);
        LogPrinter {
            root: queue.below().clone(),
            files: files
                .map(|(path, view)| LogFile {
                    path,
                    offset: 0,
                    view,
                })
                .collect(),
        }
    }

    fn finish(&mut self) -> Result<(), CliError> {
        for file in &mut self.files {
            file.view.finish()?;
        }
        stdout().flush()?;
        Ok(())
    }

    /// Prints what there is at this moment and was not printed yet. Output that comes meanwhile is left, because a job
    /// that prints its own log would never end.
    fn print_new(&mut self) -> Result<LogProgress, CliError> {
        let found = self
            .files
            .iter()
            .map(|file| open(&self.root, &file.path, file.offset))
            .collect::<Result<Vec<_>, _>>()?;
        let mut printed = LogProgress::Nothing;
        for (place, new) in found.into_iter().enumerate() {
            let Some(mut new) = new.filter(|new| new.limit() > 0) else {
                continue;
            };
            let (before, rest) = self.files.split_at_mut(place);
            // A command begins when the one before it is over.
            before.iter_mut().try_for_each(|file| file.view.finish())?;
            let Some(file) = rest.first_mut() else { continue };
            let mut chunk = vec![0; 64 * 1024];
            loop {
                let count = new
                    .read(&mut chunk)
                    .map_err(|error| unreadable(&file.path, error))?;
                if count == 0 {
                    break;
                }
                file.offset += count as u64;
                printed = LogProgress::Something;
                file.view.write(&chunk[..count])?;
            }
        }
        stdout().flush()?;
        Ok(printed)
    }
}

/// Opens a file at the place where it was left; none if there is no such file.
fn open(root: &QueueRoot, path: &Path, offset: u64) -> Result<Option<Take<File>>, CliError> {
    let open = || -> io::Result<Take<File>> {
        let mut file = root.open_regular(path)?;
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(offset))?;
        Ok(file.take(length.saturating_sub(offset)))
    };
    match open() {
        Ok(new) => Ok(Some(new)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(unreadable(path, error)),
    }
}

fn unreadable(path: &Path, source: io::Error) -> CliError {
    CliError::Input {
        name: path.display().to_string(),
        source,
    }
}
