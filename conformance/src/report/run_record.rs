//! The fold of the stream: what is known of a run after each event. Every report is made of a record and nothing
//! else, which is why they can't disagree; the exit code is one of its answers.

use std::io::BufRead;

use super::event_stream::{RunEndReason, RunEnded, RunEvent, RunStarted, VERSION};
use crate::case_result::CaseResult;
use crate::exit_codes::HarnessExit;
use crate::outcome::{self, Outcome};

/// A run as far as its events say.
#[derive(Debug, Clone, Default)]
pub struct RunRecord {
    pub started: RunStarted,
    /// In order of their end.
    pub cases: Vec<CaseResult>,
    pub ended: Option<RunEnded>,
}

/// How many came out how.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct OutcomeCounts {
    pub passed: usize,
    pub failed: usize,
    pub broken: usize,
    pub known_failures: usize,
    pub not_applicable: usize,
    pub not_run: usize,
}

impl OutcomeCounts {
    /// Each with the outcome's word in the stream.
    pub fn by_outcome(&self) -> [(&'static str, usize); 6] {
        [
            ("pass", self.passed),
            ("fail", self.failed),
            ("broken", self.broken),
            ("known-failure", self.known_failures),
            ("not-applicable", self.not_applicable),
            ("not-run", self.not_run),
        ]
    }
}

/// Why a stream can't be read.
#[derive(Debug, thiserror::Error)]
pub enum StreamReadError {
    #[error("it can't be read")]
    Io(#[from] std::io::Error),
    #[error("line {line} is no event")]
    NoEvent {
        line: usize,
        #[source]
        source: serde_json::Error,
    },
    #[error(
        "it has version {version} of the form and this is made for {VERSION}; use the harness that wrote it"
    )]
    Version { version: u32 },
    #[error("it does not open with `run-started`; a file that `--events` wrote is wanted")]
    NoStart,
}

impl RunRecord {
    /// Takes the next event.
    pub fn take(&mut self, event: RunEvent) {
        match event {
            RunEvent::RunStarted(started) => self.started = *started,
            RunEvent::CaseStarted { .. } => {}
            RunEvent::CaseEnded(case) => self.cases.push(*case),
            RunEvent::RunEnded(ended) => self.ended = Some(ended),
        }
    }

    /// Folds a stream that was written down. A torn last line is what a killed harness leaves, and no error.
    pub fn read(stream: impl BufRead) -> Result<RunRecord, StreamReadError> {
        let mut record = RunRecord::default();
        let lines: Vec<String> = stream.lines().collect::<Result<_, _>>()?;
        for (index, text) in lines.iter().enumerate() {
            let event: RunEvent = match serde_json::from_str(text) {
                Ok(event) => event,
                Err(error) if index > 0 && index + 1 == lines.len() && error.is_eof() => break,
                Err(source) => {
                    return Err(StreamReadError::NoEvent {
                        line: index + 1,
                        source,
                    });
                }
            };
            match (&event, index) {
                (RunEvent::RunStarted(started), 0) if started.version != VERSION => {
                    return Err(StreamReadError::Version {
                        version: started.version,
                    });
                }
                (RunEvent::RunStarted(_), 0) => {}
                (_, 0) => return Err(StreamReadError::NoStart),
                _ => {}
            }
            record.take(event);
        }
        match lines.is_empty() {
            true => Err(StreamReadError::NoStart),
            false => Ok(record),
        }
    }

    /// How many came out how.
    pub fn counts(&self) -> OutcomeCounts {
        let count = |outcome| self.cases.iter().filter(|case| case.outcome == outcome).count();
        OutcomeCounts {
            passed: count(Outcome::Pass),
            failed: count(Outcome::Fail),
            broken: count(Outcome::Broken),
            known_failures: count(Outcome::KnownFailure),
            not_applicable: count(Outcome::NotApplicable),
            not_run: self.not_run().count(),
        }
    }

    /// What was to be run and came to no verdict.
    pub fn not_run(&self) -> impl Iterator<Item = &String> {
        let ran = |id: &&String| self.cases.iter().any(|case| case.id == **id);
        self.started.cases.iter().filter(move |id| !ran(id))
    }

    /// Why it ended; a stream that breaks off was interrupted.
    pub fn end(&self) -> RunEndReason {
        self.ended
            .as_ref()
            .map_or(RunEndReason::Interrupted, |ended| ended.why)
    }

    /// The exit code that follows.
    pub fn exit(&self) -> HarnessExit {
        self.exit_at(self.end())
    }

    /// The exit code of a run that ends in this way.
    pub fn exit_at(&self, end: RunEndReason) -> HarnessExit {
        match end.signal() {
            Some(signal) => HarnessExit::Ended(signal),
            None => outcome::exit_of(self.cases.iter().map(|case| case.outcome)),
        }
    }

    /// What the reader has to know of the run as a whole, where its verdicts alone would not say it.
    pub fn objection(&self) -> Option<String> {
        let counts = self.counts();
        let ran = self.cases.len();
        let wanted = self.started.cases.len();
        match self.end() {
            RunEndReason::Interrupted | RunEndReason::Terminated => Some(format!(
                "interrupted: {ran} of {wanted} came to a verdict, the others are unknown"
            )),
            RunEndReason::FailFast if counts.not_run > 0 => Some(format!(
                "stopped at the first failure: {} of {wanted} were not run",
                counts.not_run
            )),
            RunEndReason::Complete | RunEndReason::FailFast
                if self.exit() == HarnessExit::Inconclusive && counts.broken == 0 =>
            {
                Some(match wanted {
                    0 => "nothing was run: that is not green".into(),
                    _ => "nothing that was run passed: that is not green".into(),
                })
            }
            RunEndReason::Complete | RunEndReason::FailFast => None,
        }
    }

    /// The cases with the gravest first, and else by id.
    pub fn by_severity(&self) -> Vec<&CaseResult> {
        let mut cases: Vec<&CaseResult> = self.cases.iter().collect();
        cases.sort_by(|one, other| {
            let rank = |case: &CaseResult| outcome::severity(case.outcome);
            rank(other).cmp(&rank(one)).then_with(|| one.id.cmp(&other.id))
        });
        cases
    }

    /// The cases by id.
    pub fn by_id(&self) -> Vec<&CaseResult> {
        let mut cases: Vec<&CaseResult> = self.cases.iter().collect();
        cases.sort_by(|one, other| one.id.cmp(&other.id));
        cases
    }
}
