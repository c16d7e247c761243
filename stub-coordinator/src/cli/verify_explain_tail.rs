//! The commands that ask a running stub and change nothing: what arrived, what was counted, which rule would fire.

use std::error::Error;
use std::io;
use std::ops::ControlFlow;
use std::process::ExitCode;

use serde_json::{Value, json};

use super::LogWriter;
use super::control_commands::{shown, word};
use super::control_target::TargetArguments;
use super::stdout::{ignore_broken_pipe, write_all};

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
    fn put_into(&self, request: &mut Value) {
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

pub(super) fn explain(explain_query: &ExplainArguments) -> Result<(), Box<dyn Error>> {
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

/// What was counted, the mutations first: those are what a dry run must keep at 0.
pub(super) fn counters(target: &TargetArguments) -> Result<(), Box<dyn Error>> {
    let answer = target.get("/_stub/counters")?;
    shown(target, &answer, || {
        let counters = answer["counters"].as_object().cloned().unwrap_or_default();
        let line = |(name, value): (&String, &Value)| {
            let name = name.replace('_', " ");
            match value.as_object() {
                Some(by) if by.is_empty() => format!("{name:<15}none"),
                Some(by) => {
                    let by: Vec<_> = by.iter().map(|(key, count)| format!("{key} {count}")).collect();
                    format!("{name:<15}{}", by.join(", ").escape_debug())
                }
                None => format!("{name:<15}{value}"),
            }
        };
        let total = format!("mutations total {}", answer["mutationsTotal"]);
        let lines = counters.iter().map(line);
        [total].into_iter().chain(lines).collect::<Vec<_>>().join("\n")
    })
}

/// Follows the stub's events and prints a line for each exchange that ends, until either side goes.
pub(super) fn tail(target: &TargetArguments) -> Result<(), Box<dyn Error>> {
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
