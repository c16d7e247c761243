//! `conformance wire`: mappings of the API to a wire of one's own.

use std::fs;
use std::path::{Path, PathBuf};

use clap::Subcommand;
use conformance::exit_codes::HarnessExit;
use conformance::stdio;
use conformance::suite_selection::fail;
use stub_coordinator::{RoundTripReport, WIRE_EXAMPLES, WireMapping, check_wire_mapping};

#[derive(Debug, Subcommand)]
pub(crate) enum WireCommand {
    /// Take every example of the API document to the wire of a mapping and back, and say what was lost on the way.
    ///
    /// Exit code 0: nothing was. 1: something was. 2: the file is no mapping.
    Check {
        /// The mapping; docs/wire.md describes the keys
        file: PathBuf,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Print a mapping to begin your own with.
    Example {
        /// `fleet`, a whole service, or `managed-work`, the lease part of another
        #[arg(default_value = "fleet", value_parser = examples())]
        name: String,
    },
}

fn examples() -> clap::builder::PossibleValuesParser {
    clap::builder::PossibleValuesParser::new(WIRE_EXAMPLES.map(|(name, _)| name))
}

pub(super) fn wire(command: &WireCommand) -> Result<HarnessExit, HarnessExit> {
    match command {
        WireCommand::Check { file, json } => check(file, *json),
        WireCommand::Example { name } => {
            let found = WIRE_EXAMPLES.iter().find(|(there, _)| there == name);
            stdio::write_stdout(found.map_or("", |(_, text)| text));
            Ok(HarnessExit::Holds)
        }
    }
}

fn check(file: &Path, json: bool) -> Result<HarnessExit, HarnessExit> {
    let wrong = |error: String| fail(HarnessExit::WrongUsage, &format!("{}: {error}", file.display()));
    let text = fs::read_to_string(file).map_err(|error| wrong(error.to_string()))?;
    let mapping = WireMapping::read(&text).map_err(|error| wrong(error.to_string()))?;
    let report = check_wire_mapping(&mapping);
    stdio::write_stdout(&match json {
        true => as_json(&report),
        false => as_text(file, &mapping, &report),
    });
    Ok(match report.different.is_empty() {
        true => HarnessExit::Holds,
        false => HarnessExit::DoesNotHold,
    })
}

fn as_json(report: &RoundTripReport) -> String {
    let value = serde_json::json!({
        "same": report.same,
        "different": report.different,
        "merged": report.merged,
        "missing": report.missing,
    });
    format!("{value:#}\n")
}

fn as_text(file: &Path, mapping: &WireMapping, report: &RoundTripReport) -> String {
    let mut text = String::new();
    for (word, lines) in [("DIFFERENT", &report.different), ("merged", &report.merged)] {
        for line in lines {
            text.push_str(&format!("{word}  {line}\n"));
        }
    }
    for operation in &report.missing {
        text.push_str(&format!(
            "missing  {operation}: the dialect has no such operation\n"
        ));
    }
    let title = mapping.title().unwrap_or("the dialect");
    let verdict = match report.different.len() {
        0 => format!("{title}: {} examples came back as they were", report.same),
        count => format!(
            "{title}: {} examples came back as they were, and {count} values or examples did not; change {}",
            report.same,
            file.display()
        ),
    };
    text.push_str(&format!("{verdict}\n"));
    text
}
