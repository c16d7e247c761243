//! Runs again what failed in a stream: the same scenarios in the same order, by the same profile, and says of each
//! whether it is put right. The exit code is that of the new run.

use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use conformance::profile;
use conformance::report::event::{Case, Started};
use conformance::report::record::Record;
use conformance::scenario::select::{self, Found};
use conformance::stdio;
use conformance::suite::{self, Suite, chain};
use conformance::verdict::Outcome;

use super::choice::suite_around;
use super::{BROKEN, Options, USAGE, fail, run};

/// Runs these ids of the stream again, or all that failed in it.
pub(super) fn replay(file: &Path, ids: &[String], options: &Options) -> Result<ExitCode, ExitCode> {
    let wrong = |message: String| fail(USAGE, &message);
    let record = read(file).map_err(wrong)?;
    let options = &as_then(&record.started, options);
    if options
        .events
        .as_deref()
        .is_some_and(|events| same_file(events, file))
    {
        let message = "--events names the stream that is replayed; name another file";
        return Err(fail(USAGE, message));
    }
    let reports = run::reports(options)?;
    let found = wanted(&record, ids, options).map_err(wrong)?;
    if found.is_empty() {
        let message = "nothing failed in that stream, so there is nothing to replay";
        return Err(fail(BROKEN, message));
    }
    let suite = suite_then(&record.started, options)?;
    if suite.profile.digest() != record.started.program_digest {
        stdio::say("the runner is another build than then");
    }
    let reports = run::carry_out(&suite, &found, options, "replay", reports)?;
    let text = compared(&record, reports.record());
    let exit = reports.close();
    match options.json {
        true => stdio::put_beside(&text),
        false => stdio::put(&text),
    }
    Ok(ExitCode::from(exit))
}

fn read(file: &Path) -> Result<Record, String> {
    let opened =
        File::open(file).map_err(|error| format!("{}: it can't be read: {error}", file.display()))?;
    let record = Record::read(BufReader::new(opened));
    let record = record.map_err(|error| format!("{}: {}", file.display(), chain(&error)))?;
    match record.started.command.as_str() {
        "run" | "replay" => Ok(record),
        other => Err(format!(
            "{}: it is of `conformance {other}`, which is run again as a whole",
            file.display()
        )),
    }
}

/// What was asked for then, where nothing else is asked for now.
fn as_then(then: &Started, now: &Options) -> Options {
    let path = |text: &Option<String>| text.as_ref().map(PathBuf::from);
    Options {
        profile: now.profile.clone().or_else(|| path(&then.profile)),
        scenarios: now.scenarios.clone().or_else(|| path(&then.scenarios)),
        shuffle: now.shuffle.or(then.shuffle),
        jobs: now.jobs.or(Some(then.jobs)),
        ..now.clone()
    }
}

/// The scenarios to run, in the order of the stream.
fn wanted(record: &Record, ids: &[String], options: &Options) -> Result<Vec<Found>, String> {
    if let Some(unknown) = ids.iter().find(|id| !record.started.cases.contains(id)) {
        return Err(format!("`{unknown}` is no scenario of that stream"));
    }
    let failed = |id: &String| {
        let bad = |case: &&Case| matches!(case.outcome, Outcome::Fail | Outcome::Broken);
        record.cases.iter().filter(bad).any(|case| case.id == *id)
    };
    let folder = options.scenarios.clone().unwrap_or_else(suite::default_folder);
    let all = select::all(&folder).map_err(|error| {
        let folder = folder.display();
        format!("the scenarios in {folder} can't be listed: {error}; name their folder by --scenarios")
    })?;
    let then = record.started.cases.iter();
    then.filter(|id| {
        if ids.is_empty() {
            failed(id)
        } else {
            ids.contains(id)
        }
    })
    .map(|id| {
        let found = all.iter().find(|found| found.id == *id).cloned();
        found.ok_or_else(|| format!("{} holds no scenario `{id}` any more", folder.display()))
    })
    .collect()
}

/// The suite of then, with the runner that AQ_BIN names now, or named then, or that is built.
fn suite_then(then: &Started, options: &Options) -> Result<Suite, ExitCode> {
    let named_now = std::env::var_os("AQ_BIN");
    suite_around(options, || match (&then.aq_bin, named_now) {
        (Some(named), None) => profile::aq_at(Path::new(named)),
        _ => profile::find_aq(),
    })
}

/// A line for each: put right, failing as it did, or different.
fn compared(then: &Record, now: &Record) -> String {
    let mut text = String::from("\n");
    for case in now.by_id() {
        let before = then.cases.iter().find(|before| before.id == case.id);
        text.push_str(&format!("{}  {}\n", change(before, case), case.id.escape_debug()));
    }
    text
}

fn change(before: Option<&Case>, now: &Case) -> String {
    let told = |case: &Case| {
        let checks: Vec<&str> = case.bad().map(|finding| finding.check.as_str()).collect();
        format!("{} {}", case.outcome.word(), checks.join(" "))
            .trim_end()
            .to_owned()
    };
    let failed = |case: &Case| matches!(case.outcome, Outcome::Fail | Outcome::Broken);
    match before {
        None => format!("new: {}", told(now)),
        Some(before) if failed(before) && now.outcome == Outcome::Pass => "FIXED".into(),
        Some(before) if told(before) == told(now) && failed(now) => format!("still {}", told(now)),
        Some(before) if told(before) == told(now) => format!("as before: {}", told(now)),
        Some(before) => format!("different: was {}, now {}", told(before), told(now)),
    }
}

fn same_file(one: &Path, other: &Path) -> bool {
    matches!((one.canonicalize(), other.canonicalize()), (Ok(one), Ok(other)) if one == other)
}
