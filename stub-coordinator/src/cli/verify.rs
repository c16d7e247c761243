//! `verify`: whether requests have arrived at a running stub so often.

use std::error::Error;
use std::process::ExitCode;

use serde_json::{Value, json};

use super::LogWriter;
use super::control_commands::{shown, word};
use super::control_target::TargetArguments;

/// What a request says that it can be told by.
#[derive(Debug, clap::Args)]
pub(super) struct MatchArguments {
    /// The factory that it speaks for.
    #[arg(long)]
    factory: Option<String>,
    /// The job that it speaks of.
    #[arg(long)]
    job: Option<String>,
    /// The stage that it reports.
    #[arg(long)]
    stage: Option<String>,
    /// The lease that it holds.
    #[arg(long)]
    lease: Option<String>,
}

/// How often something has to have arrived.
#[derive(Debug, clap::Args)]
pub(super) struct VerifyArguments {
    /// The operation, such as shadow.claim.
    operation: String,
    #[command(flatten)]
    about: MatchArguments,
    /// Exactly so often.
    #[arg(long, value_name = "N", conflicts_with_all = ["at_least", "at_most"], required_unless_present_any = ["at_least", "at_most"])]
    count: Option<u64>,
    /// So often or more.
    #[arg(long, value_name = "N")]
    at_least: Option<u64>,
    /// So often or less.
    #[arg(long, value_name = "N")]
    at_most: Option<u64>,
    #[command(flatten)]
    target: TargetArguments,
}

impl MatchArguments {
    pub(super) fn put_into(&self, request: &mut Value) {
        let said = [
            ("factory", &self.factory),
            ("job", &self.job),
            ("stage", &self.stage),
            ("lease", &self.lease),
        ];
        for (field, value) in said {
            if let Some(value) = value {
                request[field] = json!(value);
            }
        }
    }
}

/// 0 where so many arrived, 1 where not, 2 where nobody can say: the journal forgot, the question got no answer, or the
/// answer can't be printed.
pub(super) fn verify(count_query: &VerifyArguments, log: &LogWriter) -> ExitCode {
    match verdict(count_query) {
        Ok(code) => code,
        Err(error) => {
            log.note(error);
            ExitCode::from(2)
        }
    }
}

fn verdict(count_query: &VerifyArguments) -> Result<ExitCode, Box<dyn Error>> {
    let mut what = json!({"operation": count_query.operation});
    count_query.about.put_into(&mut what);
    let mut question = json!({"match": what});
    for (field, value) in [
        ("count", count_query.count),
        ("at_least", count_query.at_least),
        ("at_most", count_query.at_most),
    ] {
        if let Some(value) = value {
            question[field] = json!(value);
        }
    }
    let answer = count_query.target.post("/_stub/journal/verify", &question)?;
    shown(&count_query.target, &answer, || {
        format!("{}: {}", word(&answer["verdict"]), word(&answer["why"]))
    })?;
    Ok(match answer["verdict"].as_str() {
        Some("holds") => ExitCode::SUCCESS,
        Some("fails") => ExitCode::from(1),
        _ => ExitCode::from(2),
    })
}
