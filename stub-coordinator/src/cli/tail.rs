//! `tail`: a line for each exchange of a running stub that ends.

use std::io;
use std::ops::ControlFlow;

use serde_json::Value;

use super::control_commands::word;
use super::control_target::TargetArguments;
use super::stdout::{ignore_broken_pipe, write_all};
use crate::exit_codes::CommandFailure;

/// Follows the stub's events and prints a line for each exchange that ends, until either side goes.
pub(super) fn tail(target: &TargetArguments) -> Result<(), CommandFailure> {
    let mut event = String::new();
    let ended = target.lines("/_stub/events?heartbeat=10s", |line| {
        if let Some(name) = line.strip_prefix("event: ") {
            event = name.to_owned();
        }
        let Some(data) = line.strip_prefix("data: ").filter(|_| event == "completed") else {
            return ControlFlow::Continue(());
        };
        let told = match target.json {
            true => data.to_owned(),
            false => {
                serde_json::from_str(data).map_or_else(|_| data.to_owned(), |row: Value| row_in_words(&row))
            }
        };
        match write_all(io::stdout(), format!("{told}\n").as_bytes()) {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => ControlFlow::Break(error),
        }
    })?;
    match ended {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(error) => Ok(ignore_broken_pipe(error)?),
    }
}

fn row_in_words(row: &Value) -> String {
    let asked = match &row["operation"] {
        Value::Null => format!("{} {}", word(&row["method"]), word(&row["path"])),
        operation => word(operation),
    };
    let about: String = ["factory", "job", "stage", "lease"]
        .iter()
        .filter_map(|field| Some(format!(" {field}={}", row[field].as_str()?.escape_debug())))
        .collect();
    let status = match &row["wire_status"] {
        Value::Null => word(&row["outcome"]),
        status => status.to_string(),
    };
    let rule = row["rule"]
        .as_str()
        .map_or(String::new(), |rule| format!("  [{}]", rule.escape_debug()));
    let changed = if row["mutated"] == true {
        "  CHANGED STATE"
    } else {
        ""
    };
    format!("{} {asked}{about} -> {status}{rule}{changed}", word(&row["at"]))
}
