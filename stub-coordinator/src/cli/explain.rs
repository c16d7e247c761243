//! `explain`: which rule of a running stub would fire on a request, and why not the others. Nothing is sent or changed.

use serde_json::{Value, json};

use super::control_commands::{shown, word};
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
    let mut request = json!({"operation": explain_query.operation});
    explain_query.about.put_into(&mut request);
    let answer = explain_query.target.post("/_stub/explain", &request)?;
    shown(&explain_query.target, &answer, || {
        let rules = answer["rules"].as_array().cloned().unwrap_or_default();
        let line = |rule: &Value| {
            let mark = if rule["fires"] == true { "fires " } else { "passes" };
            format!("{mark}  {}: {}", word(&rule["id"]), word(&rule["why"]))
        };
        let verdict = match &answer["fires"] {
            Value::Null => "no rule would fire: the answer would be honest".to_owned(),
            rule => format!("`{}` would fire", word(rule)),
        };
        rules
            .iter()
            .map(line)
            .chain([verdict])
            .collect::<Vec<_>>()
            .join("\n")
    })
}
