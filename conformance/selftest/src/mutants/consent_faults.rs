//! Faults about what a routed job may do: a runner that does not look is one whose operator allowed more than was
//! written down, and one that looks too hard is one whose operator allowed nothing.

use std::fs;

use toml::{Table, Value};

use super::{MutantKind, fired, queue};

/// Writes into `aq.toml` what this mutant behaves as if it stood there.
pub(super) fn rewrite(kind: MutantKind) -> std::io::Result<()> {
    let any = |texts: &[&str]| Value::Array(texts.iter().map(|text| Value::from(*text)).collect());
    let engines = ["devin", "claude", "codex", "gemini", "opencode", "sh", "agent"];
    let (key, value) = match kind {
        MutantKind::LetsAnyEngineIn => ("allow_engines", any(&engines)),
        MutantKind::LetsAnyCommandIn => ("allow_commands", Value::from("any")),
        MutantKind::LetsYoloIn => ("allow_yolo", Value::from(true)),
        _ => ("allow_cwd", any(&["/"])),
    };
    let (table, key, value) = match kind {
        MutantKind::IgnoresHarm => ("fleet", "rollback", Value::from("off")),
        _ => ("route", key, value),
    };
    let path = queue().join("aq.toml");
    let text = fs::read_to_string(&path).unwrap_or_default();
    let mut settings: Table = text.parse().map_err(std::io::Error::other)?;
    let mut changed = match settings.remove(table) {
        Some(Value::Table(changed)) => changed,
        _ => Table::new(),
    };
    if kind != MutantKind::ForgetsItsConsent {
        changed.insert(key.into(), value);
        settings.insert(table.into(), Value::Table(changed));
    }
    fs::write(&path, settings.to_string())?;
    fired(kind)
}
