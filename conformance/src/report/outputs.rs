//! Where a run's reports go. Files are tried before anything runs, so that a report that can't be written is told
//! then; the stream is written as it happens, every other report whole and in one rename at the end.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tempfile::NamedTempFile;

use super::event::{End, Ended, Event};
use super::record::Record;
use super::terminal::{self, Lines, Terminal};
use super::{Colour, github, html, json, junit};
use crate::verdict;

/// What was asked for.
#[derive(Debug, Clone, Default)]
pub struct Wanted {
    /// The stream, as it happens.
    pub events: Option<PathBuf>,
    /// JSON on standard output, and nothing else there.
    pub json: bool,
    /// Only what did not pass gets a line.
    pub quiet: bool,
    pub junit: Option<PathBuf>,
    /// A page of one file.
    pub html: Option<PathBuf>,
    /// Annotations for GitHub Actions.
    pub github: Option<GitHub>,
}

/// What GitHub Actions wants.
#[derive(Debug, Clone, Default)]
pub struct GitHub {
    /// The step's summary is added to this file.
    pub summary: Option<PathBuf>,
    /// The checkout, below which annotations name files.
    pub workspace: Option<String>,
    /// A word that nobody can guess, to switch workflow commands on again by.
    pub word: String,
}

/// Why a report can't be had.
#[derive(Debug, thiserror::Error)]
#[error("`{option} {}`: it can't be written; name a file in a folder that is there", path.display())]
pub struct Unwritable {
    pub option: &'static str,
    pub path: PathBuf,
    #[source]
    pub source: std::io::Error,
}

/// All reports of one run.
#[derive(Debug)]
pub struct Reports {
    record: Record,
    terminal: Terminal,
    json: bool,
    github: Option<GitHub>,
    summary: Option<File>,
    events: Option<File>,
    files: Vec<Waiting>,
    trouble: Vec<String>,
}

/// A file to be written at the end.
#[derive(Debug)]
struct Waiting {
    path: PathBuf,
    render: fn(&Record) -> String,
}

impl Reports {
    /// Tries every file that was asked for.
    pub fn open(wanted: &Wanted) -> Result<Reports, Unwritable> {
        let events = wanted.events.as_deref().map(|path| {
            let file = File::create(path);
            file.map_err(|source| unwritable("--events", path, source))
        });
        let mut files = Vec::new();
        if let Some(path) = &wanted.junit {
            files.push(Waiting::open("--junit", path, junit::render)?);
        }
        if let Some(path) = &wanted.html {
            files.push(Waiting::open("--html", path, html::render)?);
        }
        let github = wanted.github.clone();
        let summary = github.as_ref().and_then(|github| github.summary.as_deref());
        let summary = summary.map(|path| {
            let file = OpenOptions::new().append(true).create(true).open(path);
            file.map_err(|source| unwritable("GITHUB_STEP_SUMMARY", path, source))
        });
        let lines = match (wanted.json, wanted.quiet) {
            (true, _) => Lines::None,
            (false, true) => Lines::NotPassed,
            (false, false) => Lines::All,
        };
        Ok(Reports {
            record: Record::default(),
            terminal: Terminal::new(lines),
            json: wanted.json,
            github,
            summary: summary.transpose()?,
            events: events.transpose()?,
            files,
            trouble: Vec::new(),
        })
    }

    /// Passes an event to whatever shows it at once, and keeps what the reports of the end are made of.
    pub fn take(&mut self, event: Event) {
        if let (Event::RunStarted(_), Some(github)) = (&event, &self.github) {
            self.tell_github(&github::pause(&github.word));
        }
        if let Some(file) = &mut self.events
            && let Err(error) = append(file, &event)
        {
            self.trouble.push(format!("the stream breaks off: {error}"));
            self.events = None;
        }
        self.terminal.take(&event);
        self.record.take(event);
    }

    /// Tells the end of the run, with the exit code that follows from all before it.
    pub fn end(&mut self, why: End, took: Duration) {
        let mut ended = Ended {
            why,
            took_ms: u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
            exit: 0,
        };
        ended.exit = self.record.exit_at(why);
        self.take(Event::RunEnded(ended));
    }

    /// What was told so far.
    pub fn record(&self) -> &Record {
        &self.record
    }

    /// Writes every report and returns the exit code. A report that could not be written is no success.
    pub fn close(mut self) -> u8 {
        for file in std::mem::take(&mut self.files) {
            let path = file.path.clone();
            if let Err(error) = file.write(&self.record) {
                self.trouble
                    .push(format!("{} can't be written: {error}", path.display()));
            }
        }
        let text = match self.json {
            true => json::render(&self.record),
            false => terminal::summary(&self.record, Colour::of_stdout()),
        };
        terminal::put(&text);
        self.close_github();
        for trouble in &self.trouble {
            eprintln!("conformance: {trouble}");
        }
        match self.record.exit() {
            0 if !self.trouble.is_empty() => verdict::BROKEN,
            exit => exit,
        }
    }
}

impl Reports {
    fn close_github(&mut self) {
        let Some(github) = &self.github else { return };
        let annotations = github::annotations(&self.record, github.workspace.as_deref());
        self.tell_github(&format!("{}{annotations}", github::resume(&github.word)));
        if let Some(file) = &mut self.summary
            && let Err(error) = file.write_all(github::summary(&self.record).as_bytes())
        {
            self.trouble
                .push(format!("the step's summary can't be written: {error}"));
        }
    }

    /// Workflow commands are read off both streams; beside JSON they go to standard error.
    fn tell_github(&self, text: &str) {
        match self.json {
            true => eprint!("{text}"),
            false => terminal::put(text),
        }
    }
}

impl Waiting {
    /// Whether it could be written is tried with a draft that is gone again at once: one that lay there for the length
    /// of the run would outlive a run that is killed.
    fn open(option: &'static str, path: &Path, render: fn(&Record) -> String) -> Result<Waiting, Unwritable> {
        let failed = |source| unwritable(option, path, source);
        if path.is_dir() {
            return Err(failed(std::io::Error::from(std::io::ErrorKind::IsADirectory)));
        }
        draft_beside(path).map(drop).map_err(failed)?;
        Ok(Waiting {
            path: path.to_owned(),
            render,
        })
    }

    fn write(self, record: &Record) -> std::io::Result<()> {
        let text = (self.render)(record);
        let mut draft = draft_beside(&self.path)?;
        draft.write_all(text.as_bytes())?;
        draft.persist(&self.path)?;
        Ok(())
    }
}

/// In the folder of the file, so that it can be renamed into its place.
fn draft_beside(path: &Path) -> std::io::Result<NamedTempFile> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    // What others may read of any new file, they may read of a report.
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o666);
    tempfile::Builder::new().permissions(mode).tempfile_in(folder)
}

fn unwritable(option: &'static str, path: &Path, source: std::io::Error) -> Unwritable {
    Unwritable {
        option,
        path: path.to_owned(),
        source,
    }
}

/// One write a line, so that a reader never sees half of it unless the harness is killed.
fn append(file: &mut File, event: &Event) -> std::io::Result<()> {
    let mut line = serde_json::to_vec(event)?;
    line.push(b'\n');
    file.write_all(&line)
}
