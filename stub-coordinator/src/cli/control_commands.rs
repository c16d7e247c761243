//! The commands that talk to a running stub: each is one request of its control API, and what it answers in words.

use std::fs;
use std::io::{self, Read};
use std::path::PathBuf;

use clap::Subcommand;
use reqwest::Method;
use serde_json::{Value, json};
use stub_coordinator::{PRESETS, PolicyStatement, preset};

use super::argument_parsers;
use super::control_target::TargetArguments;
use super::stdout::say;
use super::{LogWriter, armed_rules};
use crate::exit_codes::CommandFailure;

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
        target: TargetArguments,
    },
}

#[derive(Debug, Subcommand)]
pub(super) enum RuleVerb {
    /// Arm a rule, written as JSON: '{"on": "claim", "fault": {"status": 503}}'.
    Add {
        /// The rule, or `-` to read it from standard input.
        rule: String,
        #[command(flatten)]
        target: TargetArguments,
    },
    /// List the armed rules with their hits.
    List(TargetArguments),
    /// Disarm a rule.
    Remove {
        /// Its id.
        id: String,
        #[command(flatten)]
        target: TargetArguments,
    },
}

#[derive(Debug, Subcommand)]
pub(super) enum GateVerb {
    /// List the gates, and how many wait at each.
    List(TargetArguments),
    /// Let through what waits at a gate, and what comes later, until a rule with that gate is armed.
    Release {
        /// The gate's name.
        name: String,
        #[command(flatten)]
        target: TargetArguments,
    },
}

#[derive(Debug, Subcommand)]
pub(super) enum ClockVerb {
    /// Say which clock it is, and what time it shows.
    Show(TargetArguments),
    /// Move a manual clock, and say what fell due.
    Advance {
        /// By how much: 90s, 15m, 1h30m.
        by: String,
        #[command(flatten)]
        target: TargetArguments,
    },
}

#[derive(Debug, Subcommand)]
pub(super) enum PolicyVerb {
    /// Say which policy and version each answer tells.
    Show(TargetArguments),
    /// Tell this one from now on, as a coordinator of a new version would.
    Set {
        /// The policy, and the version behind an `@`.
        #[arg(value_name = "NAME[@VERSION]", value_parser = argument_parsers::policy)]
        policy: PolicyStatement,
        #[command(flatten)]
        target: TargetArguments,
    },
    /// Tell none from now on.
    Remove(TargetArguments),
}

#[derive(Debug, Subcommand)]
pub(super) enum StateVerb {
    /// Print all state as one JSON document. It holds tokens.
    Export(TargetArguments),
    /// Go on from such a document.
    Import {
        /// The document, or `-` for standard input.
        file: PathBuf,
        #[command(flatten)]
        target: TargetArguments,
    },
}

pub(super) fn presets(verb: &PresetVerb) -> Result<(), CommandFailure> {
    match verb {
        PresetVerb::List => {
            let lines = PRESETS.iter().map(|(name, about)| format!("{name:<14}{about}"));
            Ok(say(&joined(lines))?)
        }
        PresetVerb::Show { name } => {
            let rules = preset(name).map_err(CommandFailure::usage)?;
            Ok(say(
                &serde_json::to_string_pretty(&rules).map_err(io::Error::other)?
            )?)
        }
        PresetVerb::Use { name, target } => {
            let answer = target.post("/_stub/preset", &json!({"name": name}))?;
            target.show(&answer, || {
                format!("{name}: {}", armed_rules(rows(&answer["rules"]).count()))
            })
        }
    }
}

pub(super) fn rules(verb: &RuleVerb, log: &LogWriter) -> Result<(), CommandFailure> {
    match verb {
        RuleVerb::Add { rule, target } => {
            let text = match rule.as_str() {
                "-" => from_standard_input()?,
                rule => rule.to_owned(),
            };
            let rule: Value = serde_json::from_str(&text).map_err(|error| {
                CommandFailure::usage(format!(
                    "the rule is no JSON: {error}; write it like {{\"on\": \"claim\", \"fault\": \"hang\"}}"
                ))
            })?;
            let answer = target.post("/_stub/rules", &rule)?;
            let id = word(&answer["id"]);
            rows(&answer["behind"]).for_each(|earlier| log.note(behind(&id, &word(earlier))));
            target.show(&answer, || id)
        }
        RuleVerb::List(target) => {
            let answer = target.get("/_stub/rules")?;
            let line = |rule: &Value| {
                let behind: String = rows(&rule["behind"])
                    .map(|id| format!(", behind {}", word(id)))
                    .collect();
                format!(
                    "{}  on {}: {}  (matched {}, fired {}{behind})",
                    word(&rule["id"]),
                    word(&rule["rule"]["on"]),
                    word(&rule["rule"]["fault"]),
                    rule["matched"],
                    rule["fired"]
                )
            };
            target.show(&answer, || {
                listed(&answer["rules"], line, "no rule is armed: the stub is honest")
            })
        }
        RuleVerb::Remove { id, target } => {
            let answer = target.ask(Method::DELETE, &format!("/_stub/rules/{}", in_path(id)?), None)?;
            target.show(&answer, || format!("{id} is disarmed"))
        }
    }
}

/// What is told of a rule that overlaps with an earlier one.
pub(super) fn behind(rule: &str, earlier: &str) -> String {
    format!("{rule} is behind {earlier}: that one goes first where both fire")
}

pub(super) fn gates(verb: &GateVerb) -> Result<(), CommandFailure> {
    match verb {
        GateVerb::List(target) => {
            let answer = target.get("/_stub/gates")?;
            let line = |gate: &Value| format!("{}  {} waiting", word(&gate["name"]), gate["waiting"]);
            let none = "there is no gate; a rule with a gate makes one";
            target.show(&answer, || listed(&answer["gates"], line, none))
        }
        GateVerb::Release { name, target } => {
            let answer = target.post(&format!("/_stub/gates/{}/release", in_path(name)?), &json!({}))?;
            target.show(&answer, || {
                format!("{name} is open; {} were waiting", answer["released"])
            })
        }
    }
}

pub(super) fn clock(verb: &ClockVerb) -> Result<(), CommandFailure> {
    match verb {
        ClockVerb::Show(target) => {
            let answer = target.get("/_stub/clock")?;
            let (now, kind) = (word(&answer["now"]), word(&answer["kind"]));
            target.show(&answer, || format!("it is {now} on a {kind} clock"))
        }
        ClockVerb::Advance { by, target } => {
            let answer = target.post("/_stub/clock", &json!({"advance": by}))?;
            let due = rows(&answer["due"]).map(|due| format!("{}  {}", word(&due["at"]), word(&due["what"])));
            target.show(&answer, || {
                joined(due.chain([format!("it is {}", word(&answer["now"]))]))
            })
        }
    }
}

pub(super) fn policy(verb: &PolicyVerb) -> Result<(), CommandFailure> {
    const PATH: &str = "/_stub/policy";
    let (target, answer) = match verb {
        PolicyVerb::Show(target) => (target, target.get(PATH)?),
        PolicyVerb::Set { policy, target } => {
            let told = json!({"policy": policy.policy(), "version": policy.version()});
            (target, target.ask(Method::PUT, PATH, Some(&told))?)
        }
        PolicyVerb::Remove(target) => (target, target.ask(Method::DELETE, PATH, None)?),
    };
    target.show(&answer, || match &answer["policy"] {
        Value::Null => "it tells no policy".to_owned(),
        policy => format!("{}, version {}", word(policy), word(&answer["version"])),
    })
}

/// Puts back what the scope names.
pub(super) fn reset(scope: &str, target: &TargetArguments) -> Result<(), CommandFailure> {
    let answer = target.post("/_stub/reset", &json!({"scope": scope}))?;
    target.show(&answer, || format!("reset: {}", word(&answer["reset"])))
}

pub(super) fn state(verb: &StateVerb) -> Result<(), CommandFailure> {
    match verb {
        StateVerb::Export(target) => Ok(say(&target.get("/_stub/state")?.to_string())?),
        StateVerb::Import { file, target } => {
            let name = file.display();
            let text = match file.as_os_str() == "-" {
                true => from_standard_input()?,
                false => fs::read_to_string(file)
                    .map_err(|error| CommandFailure::usage(format!("can't read {name}: {error}")))?,
            };
            let document: Value = serde_json::from_str(&text).map_err(|error| {
                let told = format!("{name} is no state: {error}; take one that `state export` wrote");
                CommandFailure::usage(told)
            })?;
            let answer = target.ask(Method::PUT, "/_stub/state", Some(&document))?;
            target.show(&answer, || {
                format!("{} jobs, digest {}", answer["jobs"], word(&answer["digest"]))
            })
        }
    }
}

/// What was counted, the mutations first: those are what a dry run must keep at 0.
pub(super) fn counters(target: &TargetArguments) -> Result<(), CommandFailure> {
    let answer = target.get("/_stub/counters")?;
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
    target.show(&answer, || {
        let total = format!("mutations total {}", answer["mutationsTotal"]);
        let counters = answer["counters"].as_object().into_iter().flatten();
        joined([total].into_iter().chain(counters.map(line)))
    })
}

/// The items of a list in an answer.
pub(super) fn rows(list: &Value) -> impl Iterator<Item = &Value> {
    list.as_array().into_iter().flatten()
}

/// A line for each item of a list, or what there is to say where there is none.
fn listed(list: &Value, line: impl Fn(&Value) -> String, none: &str) -> String {
    match rows(list).next() {
        Some(_) => joined(rows(list).map(line)),
        None => none.to_owned(),
    }
}

pub(super) fn joined(lines: impl Iterator<Item = String>) -> String {
    lines.collect::<Vec<_>>().join("\n")
}

/// Text of somebody else, safe on a terminal; what is no text, as JSON.
pub(super) fn word(value: &Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), |text| text.escape_debug().to_string())
}

/// A name that goes into a path as it is.
fn in_path(name: &str) -> Result<&str, CommandFailure> {
    let fits = !name.is_empty()
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"._:@-".contains(&byte));
    match fits {
        true => Ok(name),
        false => Err(CommandFailure::usage(format!(
            "{name:?} is no name; use letters, digits and `._:@-`"
        ))),
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
