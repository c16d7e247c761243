//! `verify`: whether requests have arrived at a running stub so often.

use serde_json::{Value, json};

use super::control_commands::word;
use super::control_target::TargetArguments;
use crate::exit_codes::{CommandFailure, ProgramExit};

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

/// Whether so many arrived; inconclusive where nobody can say: the journal forgot, or the question got no answer.
pub(super) fn verify(count_query: &VerifyArguments) -> Result<ProgramExit, CommandFailure> {
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
    let (verdict, why) = (word(&answer["verdict"]), word(&answer["why"]));
    count_query.target.show(&answer, || format!("{verdict}: {why}"))?;
    Ok(match answer["verdict"].as_str() {
        Some("holds") => ProgramExit::Holds,
        Some("fails") => ProgramExit::Fails,
        _ => ProgramExit::Inconclusive,
    })
}
