//! `explain`: which rule of a running stub would fire on a request, and why not the others. Nothing is sent or changed.

use serde_json::{Value, json};

use super::control_commands::{joined, rows, word};
use super::control_target::TargetArguments;
use super::verify::MatchArguments;
use crate::exit_codes::CommandFailure;

/// A request that is not sent.
#[derive(Debug, clap::Args)]
pub(super) struct ExplainArguments {
    /// Its operation, such as shadow.claim.
    operation: String,
    #[command(flatten)]
    about: MatchArguments,
    #[command(flatten)]
    target: TargetArguments,
}

pub(super) fn explain(explain_query: &ExplainArguments) -> Result<(), CommandFailure> {
    let ExplainArguments {
        operation,
        about,
        target,
    } = explain_query;
    let mut request = json!({"operation": operation});
    about.put_into(&mut request);
    let answer = target.post("/_stub/explain", &request)?;
    let line = |rule: &Value| {
        let mark = if rule["fires"] == true { "fires " } else { "passes" };
        format!("{mark}  {}: {}", word(&rule["id"]), word(&rule["why"]))
    };
    let verdict = match &answer["fires"] {
        Value::Null => "no rule would fire: the answer would be honest".to_owned(),
        rule => format!("`{}` would fire", word(rule)),
    };
    target.show(&answer, || {
        joined(rows(&answer["rules"]).map(line).chain([verdict]))
    })
}
