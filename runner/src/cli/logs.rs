//! `aq logs`: what the commands of a job printed, also while they print it.

use std::fs::File;
use std::io::{self, IsTerminal, Read, Seek, SeekFrom, Take, Write, stdout};
use std::path::{Path, PathBuf};

use super::error::CliError;
use super::log_watch::LogWatch;
use crate::exit_codes::ProgramExit;
use crate::ids::JobId;
use crate::queue::{Queue, QueueError};
use crate::queue_root::QueueRoot;
use crate::run::outputs;
use crate::settings::Settings;
use crate::stage::Stage;
use crate::terminal::escape_control;

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  aq logs fix-login\n  aq logs -f fix-login")]
pub(super) struct LogsArguments {
    /// The job
    id: String,
    /// Go on until the job has left its work
    #[arg(short, long)]
    follow: bool,
    /// An earlier attempt instead of the last one
    #[arg(long, value_name = "N")]
    attempt: Option<u32>,
}

pub(super) fn run(settings: &Settings, arguments: &LogsArguments) -> Result<ProgramExit, CliError> {
    let id = JobId::new(&arguments.id)?;
    let queue = Queue::open(&settings.queue.value)?;
    queue
        .find(&id)?
        .ok_or_else(|| QueueError::Unknown { id: id.clone() })?;
    let attempt = arguments.attempt.unwrap_or(queue.history(&id)?.attempt());
    if arguments.follow {
        follow(&queue, &id, attempt.max(1))?;
        return Ok(ProgramExit::Done);
    }
    let mut printer = LogPrinter::new(&queue, outputs(&queue, &id, attempt));
    if printer.print_new()? == LogProgress::Nothing && attempt == 0 {
        return Err(CliError::Refused(format!(
            "`{id}` was not started yet: `aq logs -f {id}` waits for it"
        )));
    }
    Ok(ProgramExit::Done)
}

fn follow(queue: &Queue, id: &JobId, attempt: u32) -> Result<(), CliError> {
    let watch = LogWatch::start(queue)?;
    let mut printer = LogPrinter::new(queue, outputs(queue, id, attempt));
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
            return Ok(());
        }
        watch.wait()?;
    }
}

#[derive(Debug, PartialEq, Eq)]
enum LogProgress {
    Nothing,
    Something,
}

/// Prints the output files of an attempt one after the other, and remembers how far.
struct LogPrinter {
    root: QueueRoot,
    files: Vec<(PathBuf, u64)>,
}

impl LogPrinter {
    fn new(queue: &Queue, paths: impl IntoIterator<Item = PathBuf>) -> LogPrinter {
        LogPrinter {
            root: queue.below().clone(),
            files: paths.into_iter().map(|path| (path, 0)).collect(),
        }
    }

    /// Prints what there is at this moment and was not printed yet. Output that comes meanwhile is left, because a job
    /// that prints its own log would never end.
    fn print_new(&mut self) -> Result<LogProgress, CliError> {
        let found = self
            .files
            .iter()
            .map(|(path, offset)| open(&self.root, path, *offset))
            .collect::<Result<Vec<_>, _>>()?;
        let mut printed = LogProgress::Nothing;
        for ((path, offset), new) in self.files.iter_mut().zip(found) {
            let Some(mut new) = new else { continue };
            let mut chunk = vec![0; 64 * 1024];
            loop {
                let count = new.read(&mut chunk).map_err(|error| unreadable(path, error))?;
                if count == 0 {
                    break;
                }
                *offset += count as u64;
                printed = LogProgress::Something;
                write_output(&chunk[..count])?;
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

/// Writes what can't steer a terminal to a terminal, and the bytes as they are to anything else.
fn write_output(bytes: &[u8]) -> io::Result<()> {
    let mut out = stdout().lock();
    if !out.is_terminal() {
        return out.write_all(bytes);
    }
    let text = String::from_utf8_lossy(bytes);
    let parts = text.split_inclusive(['\n', '\t']).map(|part| {
        let plain = part.trim_end_matches(['\n', '\t']);
        escape_control(plain.strip_suffix('\r').unwrap_or(plain)) + &part[plain.len()..]
    });
    out.write_all(parts.collect::<String>().as_bytes())
}
