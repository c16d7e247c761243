//! The commands that talk to a running stub: each is one request of its control API, and what it answers in words.

use std::error::Error;
use std::fs;
use std::io::{self, Read, Write};
use std::ops::ControlFlow;
use std::path::PathBuf;

use clap::Subcommand;
use serde_json::{Value, json};
use stub_coordinator::{PRESETS, preset};

use super::remote::Target;

#[derive(Debug, Subcommand)]
pub(super) enum PresetVerb {
    /// List the presets.
    List,
    /// Print the rules of a preset.
    Show {
        /// Its name.
        name: String,
    },
    /// Replace all rules of a running stub by those of a preset.
    Use {
        /// Its name.
        name: String,
        #[command(flatten)]
        target: Target,
    },
}

#[derive(Debug, Subcommand)]
pub(super) enum RuleVerb {
    /// Arm a rule, written as JSON: '{"on": "claim", "fault": {"status": 503}}'.
    Add {
        /// The rule, or `-` to read it from standard input.
        rule: String,
        #[command(flatten)]
        target: Target,
    },
    /// List the armed rules with their hits.
    List {
        #[command(flatten)]
        target: Target,
    },
    /// Disarm a rule.
    Remove {
        /// Its id.
        id: String,
        #[command(flatten)]
        target: Target,
    },
}

#[derive(Debug, Subcommand)]
pub(super) enum GateVerb {
    /// Let through what waits at a gate, and what comes later.
    Release {
        /// The gate's name.
        name: String,
        #[command(flatten)]
        target: Target,
    },
}

#[derive(Debug, Subcommand)]
pub(super) enum ClockVerb {
    /// Move a manual clock, and say what fell due.
    Advance {
        /// By how much: 90s, 15m, 1h30m.
        by: String,
        #[command(flatten)]
        target: Target,
    },
}

#[derive(Debug, Subcommand)]
pub(super) enum StateVerb {
    /// Print all state as one JSON document. It holds tokens.
    Export {
        #[command(flatten)]
        target: Target,
    },
    /// Go on from such a document.
    Import {
        /// The document, or `-` for standard input.
        file: PathBuf,
        #[command(flatten)]
        target: Target,
    },
}

/// A request that is not sent.
#[derive(Debug, clap::Args)]
pub(super) struct Thought {
    /// Its operation, such as shadow.claim.
    operation: String,
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
    #[command(flatten)]
    target: Target,
}

pub(super) fn presets(verb: &PresetVerb) -> Result<(), Box<dyn Error>> {
    match verb {
        PresetVerb::List => {
            let lines: Vec<_> = PRESETS
                .iter()
                .map(|(name, about)| format!("{name:<14}{about}"))
                .collect();
            say(&lines.join("\n"))
        }
        PresetVerb::Show { name } => say(&serde_json::to_string_pretty(&preset(name)?)?),
        PresetVerb::Use { name, target } => {
            let answer = target.post("/_stub/preset", &json!({"name": name}))?;
            shown(target, &answer, || {
                let count = answer["rules"].as_array().map_or(0, Vec::len);
                format!("{name}: {count} rules armed")
            })
        }
    }
}

pub(super) fn rules(verb: &RuleVerb) -> Result<(), Box<dyn Error>> {
    match verb {
        RuleVerb::Add { rule, target } => {
            let text = if rule == "-" {
                from_standard_input()?
            } else {
                rule.clone()
            };
            let rule: Value = serde_json::from_str(&text).map_err(|error| {
                format!(
                    "the rule is no JSON: {error}; write it like {{\"on\": \"claim\", \"fault\": \"hang\"}}"
                )
            })?;
            let answer = target.post("/_stub/rules", &rule)?;
            shown(target, &answer, || word(&answer["id"]))
        }
        RuleVerb::List { target } => {
            let answer = target.get("/_stub/rules")?;
            shown(target, &answer, || {
                let rules = answer["rules"].as_array().cloned().unwrap_or_default();
                let line = |rule: &Value| {
                    format!(
                        "{}  on {}: {}  (matched {}, fired {})",
                        word(&rule["id"]),
                        word(&rule["rule"]["on"]),
                        word(&rule["rule"]["fault"]),
                        rule["matched"],
                        rule["fired"]
                    )
                };
                match rules.is_empty() {
                    true => "no rule is armed: the stub is honest".to_owned(),
                    false => rules.iter().map(line).collect::<Vec<_>>().join("\n"),
                }
            })
        }
        RuleVerb::Remove { id, target } => {
            let answer = target.ask("DELETE", &format!("/_stub/rules/{}", in_path(id)?), None)?;
            shown(target, &answer, || format!("{id} is disarmed"))
        }
    }
}

pub(super) fn gates(GateVerb::Release { name, target }: &GateVerb) -> Result<(), Box<dyn Error>> {
    let answer = target.post(&format!("/_stub/gates/{}/release", in_path(name)?), &json!({}))?;
    shown(target, &answer, || {
        format!("{name} is open; {} were waiting", answer["released"])
    })
}

pub(super) fn clock(ClockVerb::Advance { by, target }: &ClockVerb) -> Result<(), Box<dyn Error>> {
    let answer = target.post("/_stub/clock", &json!({"advance": by}))?;
    shown(target, &answer, || {
        let due = answer["due"].as_array().cloned().unwrap_or_default();
        let due = due
            .iter()
            .map(|due| format!("{}  {}", word(&due["at"]), word(&due["what"])));
        due.chain([format!("it is {}", word(&answer["now"]))])
            .collect::<Vec<_>>()
            .join("\n")
    })
}

pub(super) fn explain(thought: &Thought) -> Result<(), Box<dyn Error>> {
    let mut request = json!({"operation": thought.operation});
    let said = [
        ("factory", &thought.factory),
        ("job", &thought.job),
        ("stage", &thought.stage),
        ("lease", &thought.lease),
    ];
    for (field, value) in said {
        if let Some(value) = value {
            request[field] = json!(value);
        }
    }
    let answer = thought.target.post("/_stub/explain", &request)?;
    shown(&thought.target, &answer, || {
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

pub(super) fn state(verb: &StateVerb) -> Result<(), Box<dyn Error>> {
    match verb {
        StateVerb::Export { target } => say(&target.get("/_stub/state")?.to_string()),
        StateVerb::Import { file, target } => {
            let text = match file.as_os_str() == "-" {
                true => from_standard_input()?,
                false => fs::read_to_string(file)
                    .map_err(|error| format!("can't read {}: {error}", file.display()))?,
            };
            let document: Value = serde_json::from_str(&text).map_err(|error| {
                format!(
                    "{} is no state: {error}; take one that `state export` wrote",
                    file.display()
                )
            })?;
            let answer = target.ask("PUT", "/_stub/state", Some(&document))?;
            shown(target, &answer, || {
                format!("{} jobs, digest {}", answer["jobs"], word(&answer["digest"]))
            })
        }
    }
}

/// Follows the stub's events and prints a line for each exchange that ends, until either side goes.
pub(super) fn tail(target: &Target) -> Result<(), Box<dyn Error>> {
    let mut event = String::new();
    target
        .clone()
        .steady()?
        .lines("/_stub/events?heartbeat=10s", |line| {
            if let Some(name) = line.strip_prefix("event: ") {
                event = name.to_owned();
            }
            let Some(data) = line.strip_prefix("data: ").filter(|_| event == "completed") else {
                return ControlFlow::Continue(());
            };
            let told = match target.json {
                true => data.to_owned(),
                false => serde_json::from_str(data)
                    .map_or_else(|_| data.to_owned(), |row: Value| row_in_words(&row)),
            };
            match say(&told) {
                Ok(()) => ControlFlow::Continue(()),
                Err(_) => ControlFlow::Break(()),
            }
        })
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

fn shown(target: &Target, answer: &Value, in_words: impl FnOnce() -> String) -> Result<(), Box<dyn Error>> {
    say(&if target.json {
        answer.to_string()
    } else {
        in_words()
    })
}

/// Text of somebody else, safe on a terminal; what is no text, as JSON.
fn word(value: &Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), |text| text.escape_debug().to_string())
}

/// A name that goes into a path as it is.
fn in_path(name: &str) -> Result<&str, String> {
    let fits = !name.is_empty()
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"._:@-".contains(&byte));
    match fits {
        true => Ok(name),
        false => Err(format!("{name:?} is no name; use letters, digits and `._:@-`")),
    }
}

fn from_standard_input() -> io::Result<String> {
    let mut text = String::new();
    io::stdin()
        .lock()
        .take(64 * 1_048_576)
        .read_to_string(&mut text)?;
    Ok(text)
}

fn say(text: &str) -> Result<(), Box<dyn Error>> {
    let mut out = io::stdout().lock();
    writeln!(out, "{text}")?;
    out.flush()?;
    Ok(())
}
