//! What an engine tells of a run of it that is over: pure, on its output and on whether its exit code was 0.

use std::io::{self, Read};
use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::adapter::EngineAdapter;
use super::engine_event::ProblemCause;
use super::event_summary::{EventSummary, LastWords};
use super::failure_rules::{last_line, one_line};
use super::usage_limit;
use crate::character_cut::whole_characters;
use crate::terminal::strip_ansi;
use crate::token_usage::TokenUsage;

/// As much of an output is read for its events, from its end.
const EVENT_BYTES_MAX: u64 = 64 * 1024 * 1024;
/// An engine without events tells its end in one line, which can hold its whole answer.
const TEXT_BYTES_MAX: u64 = 256 * 1024;

/// What the output of a run says beside its exit code.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct EngineReport {
    /// None: it says nothing against what the exit code says.
    pub(crate) problem: Option<EngineProblem>,
    pub(crate) usage: Option<TokenUsage>,
}

/// Why the run was no success, in the engine's own words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum EngineProblem {
    Failure(String),
    /// The model will not do it.
    Refusal(String),
    /// The engine is not logged in: no job can be worked on with it.
    LoginFailure {
        message: String,
        /// A member of its events says so, and not its words alone.
        is_typed: bool,
    },
    /// The engine is used up for so long.
    UsageLimit {
        pause: Duration,
        message: String,
    },
}

/// What is known of the moment, for what engines tell of times.
pub(super) struct ReportTime<'a> {
    pub(super) now: Timestamp,
    /// The zone of a time of day that is told without one.
    pub(super) host: &'a TimeZone,
}

impl EngineAdapter {
    /// Whether the output is worth a look.
    pub(super) fn tells(&self, is_success: bool) -> bool {
        let has_words = !self.limit.is_empty() || !self.logged_out.is_empty();
        self.events.is_some() || self.rules.are_any() || (has_words && !is_success)
    }

    /// The output can't be read: where the exit code is not enough for a success, there is none.
    pub(super) fn unread(&self, error: &io::Error) -> EngineReport {
        let message = format!("its output can't be read: {error}");
        EngineReport {
            problem: self.events.is_some().then_some(EngineProblem::Failure(message)),
            usage: None,
        }
    }

    /// `is_success`: by the exit code. `output` gives the last bytes of what was printed, so many at most.
    pub(super) fn report<O: Read>(
        &self,
        is_success: bool,
        output: impl Fn(u64) -> io::Result<O>,
        time: &ReportTime<'_>,
    ) -> io::Result<EngineReport> {
        let Some(format) = self.events else {
            let text = text_of(output(TEXT_BYTES_MAX)?)?;
            let problem = self.problem_of_text(is_success, &text, time);
            return Ok(EngineReport { problem, usage: None });
        };
        let summary = EventSummary::read(format, output(EVENT_BYTES_MAX)?)?;
        let usage = summary.usage;
        let Some(words) = summary.last_words() else {
            return Ok(EngineReport { problem: None, usage });
        };
        let told = match summary
            .text_instead()
            .map(|line| self.problem_of_line(line, time))
        {
            Some(None) if !is_success && !self.login.is_empty() => {
                self.login_words(&text_of(output(TEXT_BYTES_MAX)?)?, time)
            }
            told => told.flatten(),
        };
        let problem = match told {
            Some(problem) => Some(problem),
            // Such a run is no success, whatever its exit code; of a failure the exit code says enough.
            None if !summary.has_ended() && !is_success => None,
            None => Some(self.problem_of(words, time)),
        };
        Ok(EngineReport { problem, usage })
    }

    fn problem_of_text(&self, is_success: bool, text: &str, time: &ReportTime<'_>) -> Option<EngineProblem> {
        let message = self.rules.failure_message(text);
        if is_success && message.is_none() {
            return None;
        }
        self.problem_of_line(&last_line(text), time)
            .or_else(|| message.filter(|_| is_success).map(EngineProblem::Failure))
    }

    /// What the words of the adapter make of a line that an engine without events ends with.
    fn problem_of_line(&self, line: &str, time: &ReportTime<'_>) -> Option<EngineProblem> {
        let words = LastWords {
            cause: ProblemCause::Error,
            message: line.to_owned(),
            limit_end: None,
        };
        Some(self.problem_of(words, time)).filter(|problem| !matches!(problem, EngineProblem::Failure(_)))
    }

    /// The last line that speaks of the login, wherever it stands: the answer to the `login` question decides.
    fn login_words(&self, text: &str, time: &ReportTime<'_>) -> Option<EngineProblem> {
        let lines = text.lines().rev().map(strip_ansi);
        let mut problems = lines.filter_map(|line| self.problem_of_line(&line, time));
        problems.find(|problem| matches!(problem, EngineProblem::LoginFailure { .. }))
    }

    fn problem_of(&self, words: LastWords, time: &ReportTime<'_>) -> EngineProblem {
        let message = one_line(&words.message);
        let cause = match words.cause {
            ProblemCause::Error => self.cause_by_words(&words.message).unwrap_or_default(),
            told => told,
        };
        match cause {
            ProblemCause::Error => EngineProblem::Failure(message),
            ProblemCause::Refusal => EngineProblem::Refusal(message),
            ProblemCause::Login => EngineProblem::LoginFailure {
                message,
                is_typed: words.cause == ProblemCause::Login,
            },
            ProblemCause::Limit => {
                let limit = usage_limit::read(&words.message, words.limit_end, time.now, time.host);
                let message = match limit.unknown_zone {
                    Some(zone) => format!("{message} (the time zone `{zone}` is not known here)"),
                    None => message,
                };
                EngineProblem::UsageLimit {
                    pause: limit.pause,
                    message,
                }
            }
        }
    }

    fn cause_by_words(&self, line: &str) -> Option<ProblemCause> {
        let low = line.to_lowercase();
        let has = |phrases: &[String]| phrases.iter().any(|phrase| low.contains(&phrase.to_lowercase()));
        match (has(&self.limit), has(&self.logged_out)) {
            (true, _) => Some(ProblemCause::Limit),
            (false, true) => Some(ProblemCause::Login),
            (false, false) => None,
        }
    }
}

fn text_of(mut output: impl Read) -> io::Result<String> {
    let mut bytes = Vec::new();
    output.read_to_end(&mut bytes)?;
    Ok(whole_characters(&bytes))
}
