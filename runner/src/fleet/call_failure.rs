//! Why a call brought no answer that can be used, and whether it is certain that it had no effect.
//!
//! *Definite* is what the coordinator itself said, as problem+json with a status that means "refused". All else is
//! *indefinite*: the call may have had its effect, and only a repetition with the same key can tell.

use std::error::Error as _;
use std::fmt;
use std::io;
use std::time::Duration;

use serde::Serialize;

/// A call that brought no usable answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum CallFailure {
    #[error("the coordinator refused: {0}")]
    Definite(CoordinatorRefusal),
    #[error("{kind}: {detail}")]
    Indefinite {
        kind: FailureKind,
        /// For people; escaped and cut, it never holds the token.
        detail: String,
        retry_after: Option<Duration>,
    },
}

/// A refusal by the coordinator itself, as its problem+json has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CoordinatorRefusal {
    pub(crate) status: u16,
    /// What a program decides by; escaped and cut.
    pub(crate) code: String,
    pub(crate) detail: String,
    pub(crate) retry_after: Option<Duration>,
}

impl fmt::Display for CoordinatorRefusal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} {}", self.status, self.code)?;
        match self.detail.is_empty() {
            true => Ok(()),
            false => write!(formatter, " ({})", self.detail),
        }
    }
}

/// What went wrong, by the names that the shadow log has for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum FailureKind {
    ConnectionRefused,
    ConnectFailed,
    ConnectionReset,
    ConnectionClosed,
    Timeout,
    Truncated,
    NotJson,
    WrongContentType,
    WrongShape,
    TooLarge,
    Redirect,
    Status(u16),
}

impl fmt::Display for FailureKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FailureKind::Status(status) => write!(formatter, "status-{status}"),
            named => named.serialize(formatter),
        }
    }
}

/// Which part of an answer was being waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AnswerPhase {
    Head,
    Body,
}

impl CallFailure {
    pub(crate) fn indefinite(kind: FailureKind, detail: &str) -> CallFailure {
        CallFailure::Indefinite {
            kind,
            detail: shown(detail),
            retry_after: None,
        }
    }

    pub(crate) fn kind(&self) -> FailureKind {
        match self {
            CallFailure::Definite(refusal) => FailureKind::Status(refusal.status),
            CallFailure::Indefinite { kind, .. } => *kind,
        }
    }

    /// The HTTP status, where there was one other than success.
    pub(crate) fn status(&self) -> Option<u16> {
        match self.kind() {
            FailureKind::Status(status) => Some(status),
            _ => None,
        }
    }

    /// Whether the coordinator refuses the token, or that there is none.
    pub(crate) fn is_credential_refused(&self) -> bool {
        matches!(self.status(), Some(401 | 403))
    }

    /// Whether the coordinator has no such operation.
    pub(crate) fn is_unsupported(&self) -> bool {
        matches!(self.status(), Some(404 | 405 | 501))
    }

    /// The coordinator itself says that it has no such job.
    pub(crate) fn is_definitely_unknown(&self) -> bool {
        matches!(self, CallFailure::Definite(refusal) if refusal.status == 404 && refusal.code == "unknown_job")
    }

    pub(crate) fn retry_after(&self) -> Option<Duration> {
        match self {
            CallFailure::Definite(refusal) => refusal.retry_after,
            CallFailure::Indefinite { retry_after, .. } => *retry_after,
        }
    }

    pub(crate) fn detail(&self) -> String {
        match self {
            CallFailure::Definite(refusal) => format!("{}: {}", refusal.code, refusal.detail),
            CallFailure::Indefinite { detail, .. } => detail.clone(),
        }
    }

    /// What the HTTP client's error says about the connection. Time-outs come first: a body that took too long
    /// calls itself a decoding error.
    pub(crate) fn of_transport(error: &reqwest::Error, phase: AnswerPhase) -> CallFailure {
        let kind = if error.is_timeout() {
            FailureKind::Timeout
        } else {
            let broken = causes(error).find_map(|cause| cause_kind(cause, phase));
            match (broken, error.is_connect(), phase) {
                (Some(FailureKind::ConnectionRefused), _, _) => FailureKind::ConnectionRefused,
                (_, true, _) => FailureKind::ConnectFailed,
                (Some(kind), false, _) => kind,
                (None, false, AnswerPhase::Body) => FailureKind::Truncated,
                (None, false, AnswerPhase::Head) => FailureKind::ConnectFailed,
            }
        };
        let innermost = causes(error).last().map(ToString::to_string);
        CallFailure::indefinite(kind, &innermost.unwrap_or_else(|| error.to_string()))
    }
}

/// An error and what caused it, outermost first.
fn causes(error: &reqwest::Error) -> impl Iterator<Item = &(dyn std::error::Error + 'static)> {
    std::iter::successors(error.source(), |&cause| cause.source())
}

fn cause_kind(cause: &(dyn std::error::Error + 'static), phase: AnswerPhase) -> Option<FailureKind> {
    if let Some(error) = cause.downcast_ref::<io::Error>() {
        return match (error.kind(), phase) {
            (io::ErrorKind::ConnectionRefused, _) => Some(FailureKind::ConnectionRefused),
            (io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe, _) => {
                Some(FailureKind::ConnectionReset)
            }
            (io::ErrorKind::UnexpectedEof, AnswerPhase::Body) => Some(FailureKind::Truncated),
            (io::ErrorKind::UnexpectedEof, AnswerPhase::Head) => Some(FailureKind::ConnectionClosed),
            _ => None,
        };
    }
    let error = cause.downcast_ref::<hyper::Error>()?;
    if error.is_parse() {
        // Endless headers are known by the text of the error alone, because hyper has the question for servers only.
        // Anything else that can't be parsed is not even HTTP.
        let endless = error.to_string().contains("too large");
        return Some(if endless {
            FailureKind::TooLarge
        } else {
            FailureKind::NotJson
        });
    }
    error.is_incomplete_message().then_some(match phase {
        AnswerPhase::Head => FailureKind::ConnectionClosed,
        AnswerPhase::Body => FailureKind::Truncated,
    })
}

/// So many characters of a text are shown.
const SHOWN_MAX: usize = 128;

/// Text from outside as it may be logged: escaped, and cut to 128 characters.
pub(crate) fn shown(text: &str) -> String {
    text.escape_debug().take(SHOWN_MAX).collect()
}

/// The same of what may have been escaped before, or needs it not: that stays as it is.
pub(crate) fn shown_once(text: &str) -> String {
    match text.chars().any(char::is_control) || text.chars().count() > SHOWN_MAX {
        true => shown(text),
        false => text.to_owned(),
    }
}
