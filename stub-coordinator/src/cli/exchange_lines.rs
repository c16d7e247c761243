//! A line for a person about each exchange: when, what was asked, what came of it, and which rule had a hand in it.

use std::io::{self, IsTerminal};
use std::sync::mpsc::Receiver;
use std::thread::JoinHandle;

use stub_coordinator::{Exchange, ExchangeOutcome, RecordedAnswer, StubEvent};

use super::LogWriter;

/// Logs a line for each exchange that ends, until the stub does.
pub(super) fn follow(events: Receiver<StubEvent>, log: LogWriter) -> JoinHandle<()> {
    let colours =
        io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    std::thread::spawn(move || {
        for event in events {
            let StubEvent::Completed(exchange) = event else {
                continue;
            };
            log.line(line(&exchange, colours));
        }
    })
}

fn line(exchange: &Exchange, colours: bool) -> String {
    let time = exchange.at.get(11..23).unwrap_or(&exchange.at);
    let asked = match &exchange.operation {
        Some(operation) => operation.clone(),
        None => format!("{} {}", exchange.method, printable(&exchange.path)),
    };
    let about = [
        ("factory", &exchange.factory),
        ("job", &exchange.job),
        ("stage", &exchange.stage),
        ("lease", &exchange.lease),
    ];
    let about: String = about
        .iter()
        .filter_map(|(name, value)| Some(format!(" {name}={}", printable(value.as_ref()?))))
        .collect();
    let result = result(exchange);
    let rule = match (&exchange.rule, &exchange.fault) {
        (Some(rule), Some(fault)) => format!("  [{rule}: {}]", printable(fault)),
        _ => String::new(),
    };
    let changed = if exchange.mutated { "  CHANGED STATE" } else { "" };
    let colour = match exchange.outcome {
        _ if !colours => None,
        _ if exchange.mutated => Some("33"),
        ExchangeOutcome::Answered => None,
        _ => Some("31"),
    };
    let text = format!("{time} {asked}{about} -> {result}{rule}{changed}");
    colour.map_or_else(
        || text.clone(),
        |colour| format!("\u{1b}[{colour}m{text}\u{1b}[0m"),
    )
}

fn result(exchange: &Exchange) -> String {
    match (&exchange.wire_answer, exchange.outcome) {
        (Some(answer), _) => format!("{}{}", answer.status, summary(answer)),
        (None, ExchangeOutcome::AbortedByClient) => "the client left".to_owned(),
        (None, _) => "no answer".to_owned(),
    }
}

/// What an answer says in a word: a problem's code, a job's name, a stage.
fn summary(answer: &RecordedAnswer) -> String {
    let Some(body) = &answer.body else {
        return String::new();
    };
    let word = ["/code", "/job/id", "/lease/jobId", "/stage", "/id"]
        .iter()
        .find_map(|pointer| body.pointer(pointer)?.as_str());
    word.map_or(String::new(), |word| format!(" {}", printable(word)))
}

/// Text of somebody else, safe on a terminal and of bounded length.
fn printable(text: &str) -> String {
    let short: String = text.chars().take(120).collect();
    short.escape_debug().to_string()
}
