//! Where a run's reports go. Files are looked at before anything runs, so that a report that can't be written is reported
//! then; the stream is written as it happens, every other report whole at the end.

use std::fs::File;
use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

use super::event_stream::{RunEndReason, RunEnded, RunEvent, RunStarted};
use super::run_record::RunRecord;
use super::terminal::{self, TerminalReporter, VerdictLines};
use super::{ColourChoice, github_actions, html, json, junit};
use crate::case_result::CaseResult;
use crate::exit_codes::HarnessExit;
use crate::output_file::{OutputError, OutputFile};
use crate::stdio;

/// What was asked for.
#[derive(Debug, Clone, Default)]
pub struct ReportOptions {
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
    pub github: Option<GitHubOptions>,
}

/// What GitHub Actions wants.
#[derive(Debug, Clone, Default)]
pub struct GitHubOptions {
    /// The step's summary is added to this file.
    pub summary: Option<PathBuf>,
    /// The checkout, below which annotations name files.
    pub workspace: Option<String>,
    /// A word that nobody can guess, to switch workflow commands on again by.
    pub word: String,
}

/// All reports of one run.
#[derive(Debug)]
pub struct ReportWriter {
    record: RunRecord,
    terminal: TerminalReporter,
    json: bool,
    github: Option<GitHubOptions>,
    summary: Option<OutputFile>,
    events: Option<OutputFile>,
    /// Open from the beginning of the run on, until it can't be written any more.
    stream: Option<File>,
    files: Vec<PendingReport>,
    trouble: Vec<String>,
}

/// A file to be written at the end.
#[derive(Debug)]
struct PendingReport {
    file: OutputFile,
    render: fn(&RunRecord) -> String,
}

impl ReportWriter {
    /// Looks at every file that was asked for.
    pub fn look_at(wanted: &ReportOptions) -> Result<ReportWriter, OutputError> {
        let file = |option, path: &Option<PathBuf>| {
            let path = path.as_deref();
            path.map(|path| OutputFile::look_at(option, path)).transpose()
        };
        let events = file("--events", &wanted.events)?;
        let waiting = |option, path, render| {
            let file = file(option, path)?;
            Ok::<_, OutputError>(file.map(|file| PendingReport { file, render }))
        };
        let junit = waiting("--junit", &wanted.junit, junit::render)?;
        let html = waiting("--html", &wanted.html, html::render)?;
        let github = wanted.github.clone().unwrap_or_default();
        let summary = file("GITHUB_STEP_SUMMARY", &github.summary)?;
        let files: Vec<PendingReport> = junit.into_iter().chain(html).collect();
        let output = wanted
            .json
            .then(|| OutputFile::standard_output("--json"))
            .flatten();
        let streams = output.iter().chain(&events).chain(&summary);
        OutputFile::are_distinct(streams.chain(files.iter().map(|waiting| &waiting.file)))?;
        let lines = match (wanted.json, wanted.quiet) {
            (true, _) => VerdictLines::None,
            (false, true) => VerdictLines::NotPassed,
            (false, false) => VerdictLines::All,
        };
        Ok(ReportWriter {
            record: RunRecord::default(),
            terminal: TerminalReporter::new(lines),
            json: wanted.json,
            github: wanted.github.clone(),
            summary,
            events,
            stream: None,
            files,
            trouble: Vec::new(),
        })
    }

    /// Reports the beginning of the run, from which on the stream is another one than that of an earlier run.
    pub fn begin(&mut self, started: RunStarted) -> Result<(), OutputError> {
        self.stream = self.events.as_ref().map(OutputFile::stream).transpose()?;
        self.take(RunEvent::RunStarted(Box::new(started)));
        Ok(())
    }

    /// Passes an event to whatever shows it at once, and keeps what the reports of the end are made of.
    pub fn take(&mut self, event: RunEvent) {
        if let (RunEvent::RunStarted(_), Some(github)) = (&event, &self.github) {
            self.tell_github(&github_actions::pause(&github.word));
        }
        if let Some(file) = &mut self.stream
            && let Err(error) = append(file, &event)
        {
            self.trouble
                .push(format!("the stream of `--events` breaks off: {error}"));
            self.stream = None;
        }
        self.terminal.take(&event);
        self.record.take(event);
    }

    /// Passes on the verdict of a case.
    pub fn take_case(&mut self, verdict: CaseResult) {
        self.take(RunEvent::CaseEnded(Box::new(verdict)));
    }

    /// Reports the end of the run, with the exit code that follows from all before it.
    pub fn end(&mut self, why: RunEndReason, took: Duration) {
        let mut ended = RunEnded {
            why,
            took_ms: u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
            exit: 0,
        };
        ended.exit = self.record.exit_at(why).code();
        self.take(RunEvent::RunEnded(ended));
    }

    /// What is known so far.
    pub fn record(&self) -> &RunRecord {
        &self.record
    }

    /// Writes every report and returns the exit code. A report that could not be written is no success.
    pub fn close(mut self) -> HarnessExit {
        for PendingReport { file, render } in std::mem::take(&mut self.files) {
            let written = file.write(&render(&self.record));
            self.trouble.extend(written.err().map(|error| error.to_string()));
        }
        let text = match self.json {
            true => json::render(&self.record),
            false => terminal::summary(&self.record, ColourChoice::of_stdout()),
        };
        stdio::write_stdout(&text);
        self.close_github();
        for trouble in &self.trouble {
            stdio::say(trouble);
        }
        match self.record.exit() {
            HarnessExit::Holds if !self.trouble.is_empty() => HarnessExit::Inconclusive,
            exit => exit,
        }
    }
}

impl ReportWriter {
    fn close_github(&mut self) {
        let Some(github) = &self.github else { return };
        let annotations = github_actions::annotations(&self.record, github.workspace.as_deref());
        self.tell_github(&format!("{}{annotations}", github_actions::resume(&github.word)));
        if let Some(file) = &self.summary {
            let written = file.append(&github_actions::summary(&self.record));
            self.trouble.extend(written.err().map(|error| error.to_string()));
        }
    }

    /// Workflow commands are read off both streams; beside JSON they go to standard error.
    fn tell_github(&self, text: &str) {
        match self.json {
            true => stdio::write_stderr(text),
            false => stdio::write_stdout(text),
        }
    }
}

/// One write a line, so that a reader never sees half of it unless the harness is killed.
fn append(file: &mut File, event: &RunEvent) -> std::io::Result<()> {
    let mut line = serde_json::to_vec(event)?;
    line.push(b'\n');
    file.write_all(&line)
}
