//! `aq add`: checks all files first, then enqueues all of them or none.

use std::collections::BTreeSet;
use std::fs::{self, File, Metadata};
use std::io::{self, Read, Write};
use std::path::Path;

use super::error::CliError;
use crate::engine::EngineRegistry;
use crate::exit_codes::ProgramExit;
use crate::job::{self, FILE_BYTES_MAX, FrontMatterOverride, JobDiagnostic, JobIdSource, ParsedJob};
use crate::mode::Mode;
use crate::queue::{FileWriters, JobSubmission, Queue, QueueError};
use crate::settings::Settings;
use crate::terminal;
use crate::work_folder::holds_queue;

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  aq add fix-login.md add-tests.md
  aq add --set priority=5 --set cwd=. fix-login.md
  generate-job | aq add -          (the front matter then needs an `id`)")]
pub(super) struct AddArguments {
    /// Job files, each called NAME.md; `-` reads one from standard input
    #[arg(required = true, value_name = "FILE")]
    files: Vec<String>,
    /// Replace a front matter key of every file; may be repeated
    #[arg(long = "set", value_name = "KEY=VALUE")]
    overrides: Vec<FrontMatterOverride>,
    #[command(flatten)]
    pub(super) inside: super::InsideJob,
    #[command(flatten)]
    format: super::OutputFormat,
}

pub(super) fn run(settings: &Settings, arguments: &AddArguments) -> Result<ProgramExit, CliError> {
    let engines = EngineRegistry::new(&settings.engines)?;
    let mut submissions = Vec::new();
    let mut refusals = Vec::new();
    let mut taken = BTreeSet::new();
    let mut sources = Vec::new();
    for name in &arguments.files {
        match submission(name, &arguments.overrides, &engines, &mut sources)? {
            Ok(submission) if taken.insert(submission.id.clone()) => submissions.push(submission),
            Ok(JobSubmission { id, .. }) => {
                let text = format!("`{id}` is named twice here: give each job a name of its own");
                refusals.push(JobDiagnostic::new(name, 1, text));
            }
            Err(refusal) => refusals.push(refusal),
        }
    }
    refusals.extend(unfinished(&sources));
    if !refusals.is_empty() {
        return Err(CliError::Jobs(refusals));
    }
    let root = &settings.queue.value;
    let is_new = matches!(Queue::open(root), Err(QueueError::Missing { .. }));
    let queue = Queue::create(root)?;
    queue.add(&submissions)?;
    if is_new {
        warn_of_new_queue(root);
    }
    warn_of_overlap(&queue, &submissions)?;
    let ids = submissions.iter().map(|submission| submission.id.as_str());
    let ids: Vec<&str> = ids.collect();
    if settings.mode == Mode::Route {
        warn(
            "AQ_FLEET_ROUTE is 1, so no job starts from the inbox: `aq fleet-submit --inbox` hands what waits there to the \
             coordinator",
        );
    }
    let value = serde_json::json!({ "added": ids });
    arguments.format.print_done(&value, |out| {
        ids.iter().try_for_each(|id| writeln!(out, "{id}  in the inbox"))
    })
}

/// Whoever is in another folder than usual makes another queue, which the usual runner does not look at.
fn warn_of_new_queue(root: &Path) {
    let place = std::path::absolute(root).unwrap_or_else(|_| root.to_owned());
    let above = place.parent().into_iter().flat_map(Path::ancestors).skip(1);
    let above = above.filter_map(|folder| Some(folder.join(place.file_name()?)));
    let other = match above.into_iter().find(|queue| Queue::open(queue).is_ok()) {
        Some(other) => format!("; another one is at {}", other.display()),
        None => String::new(),
    };
    warn(&format!(
        "there was no queue at {}: it was made{other}; `--queue` or AQ_QUEUE names the one that you mean",
        place.display()
    ));
}

/// A job that doesn't name its folder is taken to work here, where the run is most likely to be started.
fn warn_of_overlap(queue: &Queue, submissions: &[JobSubmission]) -> io::Result<()> {
    let here = std::env::current_dir()?;
    let folders = submissions
        .iter()
        .map(|submission| submission.cwd.as_ref().map_or(here.clone(), |cwd| here.join(cwd)));
    for folder in folders.collect::<BTreeSet<_>>() {
        if let Some(warning) = holds_queue(&folder, queue.root()) {
            warn(&warning);
        }
    }
    Ok(())
}

/// A file that was named, and what it is as a job; or what is wrong with it.
pub(super) fn submission(
    name: &str,
    overrides: &[FrontMatterOverride],
    engines: &EngineRegistry,
    sources: &mut Vec<(String, Metadata)>,
) -> Result<Result<JobSubmission, JobDiagnostic>, CliError> {
    let (shown, bytes) = match name {
        "-" => ("standard input", read(io::stdin().lock(), "standard input")?),
        path => {
            let unreadable = |source| CliError::Input {
                name: path.to_owned(),
                source,
            };
            let file = File::open(path).map_err(unreadable)?;
            sources.push((path.to_owned(), file.metadata().map_err(unreadable)?));
            (path, read(file, path)?)
        }
    };
    Ok(check(name, shown, bytes, overrides, engines))
}

/// Files that were not whole when they were read: somebody has them open for writing, or has changed them meanwhile.
pub(super) fn unfinished(sources: &[(String, Metadata)]) -> Vec<JobDiagnostic> {
    let writers = FileWriters::of(sources.iter().map(|(_, file)| file));
    let failure_message = |(path, file): &(String, Metadata)| {
        let text = match (writers.writer(file), fs::metadata(path)) {
            (Some(writer), _) => format!("{writer} is still writing it: add it when that has closed it"),
            (None, Ok(now)) if (now.modified().ok(), now.len()) != (file.modified().ok(), file.len()) => {
                String::from("it was changed while it was read: add it again")
            }
            (None, _) => return None,
        };
        Some(JobDiagnostic::new(path, 1, text))
    };
    sources.iter().filter_map(failure_message).collect()
}

fn check(
    name: &str,
    shown: &str,
    bytes: Vec<u8>,
    overrides: &[FrontMatterOverride],
    engines: &EngineRegistry,
) -> Result<JobSubmission, JobDiagnostic> {
    let file_name = Path::new(name)
        .file_name()
        .and_then(|name| name.to_str())
        .unwrap_or_default();
    let naming = match (name, file_name.strip_suffix(".md")) {
        ("-", _) => JobIdSource::IdKey,
        (_, Some(stem)) => JobIdSource::FileName(stem),
        (_, None) => {
            let text = "a job file is called NAME.md: rename it";
            return Err(JobDiagnostic::new(shown, 1, text));
        }
    };
    let bytes = edited(shown, bytes, overrides)?;
    let ParsedJob { job, warnings } = job::parse(naming, shown, &bytes)?;
    for warning in warnings {
        warn(&warning.to_string());
    }
    if !engines.knows(&job.engine) {
        let known: Vec<&str> = engines.names().map(|name| name.as_str()).collect();
        warn(&format!(
            "{shown}: no engine `{}` is known here, so the job will wait; known: {} ([engine.NAME] in aq.toml adds others)",
            job.engine,
            known.join(", ")
        ));
    }
    Ok(JobSubmission {
        id: job.id,
        bytes,
        cwd: job.cwd,
    })
}

/// Returns the bytes as they came unless something has to be replaced.
fn edited(shown: &str, bytes: Vec<u8>, overrides: &[FrontMatterOverride]) -> Result<Vec<u8>, JobDiagnostic> {
    match (overrides.is_empty(), std::str::from_utf8(&bytes)) {
        (false, Ok(text)) => Ok(job::with_overrides(shown, text, overrides)?.into_bytes()),
        // What isn't UTF-8 is refused when it is parsed, with its line.
        _ => Ok(bytes),
    }
}

fn read(stream: impl Read, name: &str) -> Result<Vec<u8>, CliError> {
    let mut bytes = Vec::new();
    let limit = FILE_BYTES_MAX as u64 + 1;
    let read = stream.take(limit).read_to_end(&mut bytes);
    read.map_err(|source| CliError::Input {
        name: name.to_owned(),
        source,
    })?;
    Ok(bytes)
}

fn warn(text: &str) {
    let _ = writeln!(io::stderr(), "aq: {}", terminal::escape_control(text));
}
