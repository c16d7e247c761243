//! Whether the rules of a file could be armed: a scenario's `[coordinator]`, a TOML file of `[[rule]]`s, or a JSON list.
//! What is wrong is told as `file:line: what`, with the nearest valid name where one is near.

use std::ops::Range;
use std::path::Path;

use serde::Deserialize;
use thiserror::Error;
use toml::Spanned;

use crate::config::CoordinatorTable;
use crate::contract::ids::RuleId;
use crate::contract::name_hint::with_hint;
use crate::contract::timestamp::UtcTimestamp;
use crate::rules::{Rule, RuleEngine};

/// What is wrong with a file, and where.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{file}:{line}: {what}")]
pub struct RulesFileError {
    /// The file.
    pub file: String,
    /// The line, from 1.
    pub line: usize,
    /// What is wrong there, and what to write instead.
    pub what: String,
}

/// A rule of a file, which could be armed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckedRule {
    /// The line on which it begins, from 1; of a JSON list none is known.
    pub line: Option<usize>,
    /// Its name; made up where the file has none.
    pub id: RuleId,
    /// The earlier rules that may fire first on a request that this one matches too.
    pub behind: Vec<RuleId>,
}

/// A scenario as far as its coordinator goes, read strictly.
#[derive(Deserialize)]
struct StrictScenario {
    coordinator: CoordinatorTable,
}

/// A file of rules and nothing else.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RulesFile {
    rule: Vec<Rule>,
}

/// Where each rule of a file stands.
#[derive(Deserialize, Default)]
#[serde(default)]
struct RuleLocations {
    rule: Vec<Spanned<toml::Table>>,
    coordinator: CoordinatorRuleLocations,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct CoordinatorRuleLocations {
    rule: Vec<Spanned<toml::Table>>,
}

/// Reads a file and arms its rules in a rule engine of their own, which tells of each what arming it on a stub would.
pub fn check_rules_file(path: &Path) -> Result<Vec<CheckedRule>, RulesFileError> {
    let file = path.display().to_string();
    let wrong = |line: usize, what: String| RulesFileError {
        file: file.clone(),
        line,
        what,
    };
    let text =
        std::fs::read_to_string(path).map_err(|error| wrong(1, format!("it can't be read: {error}")))?;
    let (rules, lines) = read(&text).map_err(|(line, what)| wrong(line, what))?;
    let rule_engine = RuleEngine::new(Some(0));
    for (at, rule) in rules.iter().enumerate() {
        rule_engine
            .arm(rule.clone(), UtcTimestamp::MANUAL_START)
            .map_err(|error| {
                let line = lines.get(at).copied().unwrap_or(1);
                wrong(line, format!("rule {}: {error}", at + 1))
            })?;
    }
    let checked = rule_engine.rules().into_iter().enumerate();
    let checked = checked.map(|(at, armed)| CheckedRule {
        line: lines.get(at).copied(),
        id: armed.id,
        behind: armed.behind,
    });
    Ok(checked.collect())
}

/// The rules of a file with the lines on which they begin, or a line and what is wrong there.
fn read(text: &str) -> Result<(Vec<Rule>, Vec<usize>), (usize, String)> {
    if text.trim_start().starts_with(['[', '{']) && !text.trim_start().starts_with("[[") && is_json(text) {
        let rules: Vec<Rule> =
            serde_json::from_str(text).map_err(|error| (error.line(), with_hint(&error.to_string())))?;
        return Ok((rules, Vec::new()));
    }
    let failed = |error: toml::de::Error| (line_of(text, error.span()), with_hint(error.message()));
    let table: toml::Table = toml::from_str(text).map_err(failed)?;
    let places: RuleLocations = toml::from_str(text).map_err(failed)?;
    let rules = if table.contains_key("coordinator") {
        let scenario: StrictScenario = toml::from_str(text).map_err(failed)?;
        let config = scenario.coordinator.into_config();
        config.map_err(|error| (1, error.to_string()))?.rules
    } else if table.contains_key("rule") {
        toml::from_str::<RulesFile>(text).map_err(failed)?.rule
    } else {
        let what = "it holds no rules: neither a `[coordinator]` nor a `[[rule]]`, so nothing was checked";
        return Err((1, what.to_owned()));
    };
    let spans = places.coordinator.rule.iter().chain(&places.rule);
    let lines = spans.map(|rule| line_of(text, Some(rule.span()))).collect();
    Ok((rules, lines))
}

/// Whether it is meant to be JSON: a table's header of TOML ends its line with a bracket.
fn is_json(text: &str) -> bool {
    let first = text.trim_start().lines().next().unwrap_or_default().trim();
    !(first.starts_with('[') && first.ends_with(']') && toml::from_str::<toml::Table>(text).is_ok())
}

fn line_of(text: &str, span: Option<Range<usize>>) -> usize {
    let start = span.map_or(0, |span| span.start.min(text.len()));
    1 + text.as_bytes()[..start]
        .iter()
        .filter(|byte| **byte == b'\n')
        .count()
}
