//! Shows which engines are paused: why, since when, for how long still, and what to do.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::ids::EngineName;
use crate::queue::EnginePause;
use crate::terminal::{duration, escape_control, instant};

pub(super) fn json(paused: &BTreeMap<EngineName, EnginePause>) -> Vec<serde_json::Value> {
    let now = Timestamp::now();
    let one = |(engine, pause): (&EngineName, &EnginePause)| {
        let left = pause.left(now).unwrap_or_default();
        serde_json::json!({
            "engine": engine.as_str(),
            "cause": pause.cause,
            "detail": pause.detail,
            "since": pause.since.to_string(),
            "until": pause.until.to_string(),
            "leftMs": u64::try_from(left.as_millis()).unwrap_or(u64::MAX),
            "advice": pause.cause.advice(engine),
        })
    };
    paused.iter().map(one).collect()
}

/// A line for each, without the word that they all begin with.
pub(super) fn lines(paused: &BTreeMap<EngineName, EnginePause>) -> impl Iterator<Item = String> {
    let now = Timestamp::now();
    paused.iter().map(move |(engine, pause)| {
        let length = match pause.left(now) {
            Some(left) => format!("for {} more", duration(left)),
            None => String::from("until its next job has tried it"),
        };
        let since = match pause.since == Timestamp::UNIX_EPOCH {
            // An earlier version did not note it.
            true => String::new(),
            false => format!(", since {}", instant(&pause.since.to_string())),
        };
        let words = match pause.detail.as_str() {
            "" => String::new(),
            words => format!(" ({})", escape_control(words)),
        };
        let (what, advice) = (pause.cause.what(), pause.cause.advice(engine));
        format!("{engine} {what} {length}{since}{words}: {advice}")
    })
}
