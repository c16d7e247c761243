//! What the events of a run come to: pure, one event after the other.

use std::io::{self, Read};

use jiff::Timestamp;

use super::engine_event::{EngineEvent, ProblemCause, WorkEnd};
use super::event_format::EventFormat;
use super::output_lines::{LineSplitter, OutputLine};
use crate::character_cut::whole_characters;
use crate::terminal::strip_ansi;
use crate::token_usage::TokenUsage;

/// How much of a line that is no event is kept.
const LAST_LINE_BYTES: usize = 4096;

#[derive(Debug, Default)]
pub(super) struct EventSummary {
    /// How the work ended, if it did.
    end: Option<WorkEnd>,
    /// What went wrong before that.
    cause: ProblemCause,
    limit_end: Option<Timestamp>,
    /// The last thing that the engine told beside its work.
    notice: Option<String>,
    has_answered: bool,
    has_events: bool,
    pub(super) usage: Option<TokenUsage>,
    /// The last line that is no event.
    last_line: String,
}

/// What the engine's own last words are.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct LastWords {
    pub(super) cause: ProblemCause,
    pub(super) message: String,
    pub(super) limit_end: Option<Timestamp>,
}

impl EventSummary {
    pub(super) fn read(format: EventFormat, mut output: impl Read) -> io::Result<EventSummary> {
        let mut summary = EventSummary::default();
        let mut splitter = LineSplitter::default();
        let mut piece = vec![0; 64 * 1024];
        let mut take = |line: OutputLine<'_>| summary.take_line(format, &line);
        loop {
            match output.read(&mut piece)? {
                0 => break,
                count => splitter.push(&piece[..count], &mut take),
            }
        }
        splitter.finish(&mut take);
        Ok(summary)
    }

    /// None: the run ended with the engine's event of success.
    pub(super) fn last_words(&self) -> Option<LastWords> {
        let words = |cause, message: &str| {
            let message = message.to_owned();
            let limit_end = self.limit_end;
            Some(LastWords {
                cause,
                message,
                limit_end,
            })
        };
        match &self.end {
            Some(WorkEnd::Success) => None,
            Some(WorkEnd::SuccessIfAnswered) if self.has_answered => None,
            Some(WorkEnd::SuccessIfAnswered) => words(ProblemCause::Refusal, "it ended without an answer"),
            Some(WorkEnd::Failure { cause, message }) => {
                let cause = match cause {
                    ProblemCause::Error => self.cause,
                    told => *told,
                };
                let notice = self.notice.as_deref().filter(|_| message.is_empty());
                words(cause, notice.unwrap_or(message))
            }
            None => words(ProblemCause::Error, "its output ends without an event of success"),
        }
    }

    /// What it printed in place of events; none if there is any event.
    pub(super) fn text_instead(&self) -> Option<&str> {
        (!self.has_events && !self.last_line.is_empty()).then_some(self.last_line.as_str())
    }

    pub(super) fn has_ended(&self) -> bool {
        self.end.is_some()
    }

    fn take_line(&mut self, format: EventFormat, line: &OutputLine<'_>) {
        let OutputLine::Whole(line) = line else {
            return;
        };
        match format.read(line) {
            Some(events) => {
                self.has_events = true;
                events.into_iter().for_each(|event| self.take(event));
            }
            None => {
                let text = whole_characters(&line[..line.len().min(LAST_LINE_BYTES)]);
                let text = strip_ansi(&text);
                if !text.is_empty() {
                    self.last_line = text;
                }
            }
        }
    }

    fn take(&mut self, event: EngineEvent) {
        match event {
            EngineEvent::Began => (self.end, self.cause) = (None, ProblemCause::Error),
            EngineEvent::Text { text, .. } => self.has_answered |= !text.trim().is_empty(),
            EngineEvent::Notice(text) => self.notice = Some(text),
            EngineEvent::Cause(cause) => self.cause = cause,
            EngineEvent::LimitEnd(at) => self.limit_end = Some(at),
            EngineEvent::UsedMore(more) => {
                self.usage = Some(self.usage.unwrap_or_default().plus(more));
            }
            EngineEvent::UsedInAll(all) => self.usage = Some(all),
            EngineEvent::Ended(end) => self.end = Some(end),
            EngineEvent::ToolCall { .. } | EngineEvent::ToolFailed(_) => {}
        }
    }
}
