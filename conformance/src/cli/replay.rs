//! Runs again what failed in a stream: the same scenarios in the same order, and says of each whether it is put right.
//! The exit code is that of the new run.
//!
//! A stream may be a stranger's. Ids, order, seed and how many run at a time are data and are taken from it. What is run
//! (a profile, a binary, scenario files) is code, which the user names, or trusts the stream to name.

use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};

use clap::Args;
use conformance::case_result::CaseResult;
use conformance::exit_codes::HarnessExit;
use conformance::outcome::Outcome;
use conformance::printable_text::error_chain;
use conformance::profile::{self, ProfileError};
use conformance::report::event_stream::RunStarted;
use conformance::report::run_record::RunRecord;
use conformance::scenario::scenario_files::ScenarioFile;
use conformance::stdio;
use conformance::suite_selection::fail;

use super::{CommonArguments, run};

#[derive(Debug, Args)]
pub(super) struct ReplayArguments {
    /// The stream
    file: PathBuf,
    /// Only these scenarios, whether they failed or not
    ids: Vec<String>,
    /// Run what the stream names: its profile, or what AQ_BIN named then, and its scenarios; it is code of whoever wrote
    /// the stream
    #[arg(long)]
    trust: bool,
}

/// Runs these ids of the stream again, or all that failed in it.
pub(super) fn replay(
    arguments: &ReplayArguments,
    options: &CommonArguments,
) -> Result<HarnessExit, HarnessExit> {
    let ReplayArguments { file, ids, trust } = arguments;
    let wrong = |message: String| fail(HarnessExit::WrongUsage, &message);
    let record = read(file).map_err(wrong)?;
    let code = NamedCode::of(&record.started, options);
    if !trust && let Some(refusal) = code.refusal(file, &record.started) {
        return Err(wrong(refusal));
    }
    let options = &as_then(&record.started, &code, options);
    if options
        .events
        .as_deref()
        .is_some_and(|events| same_file(events, file))
    {
        let message = "--events names the stream that is replayed; name another file";
        return Err(fail(HarnessExit::WrongUsage, message));
    }
    let reports = run::reports(options)?;
    let found = wanted(&record, ids, options).map_err(wrong)?;
    if found.is_empty() {
        let message = "nothing failed in that stream, so there is nothing to replay";
        return Err(fail(HarnessExit::Inconclusive, message));
    }
    let suite = options.selection().suite_around(|| code.aq())?;
    if suite.profile.digest() != record.started.program_digest {
        stdio::say("the runner is another build than then");
    }
    let reports = run::carry_out(&suite, &found, options, "replay", reports)?;
    let text = compared(&record, reports.record());
    let exit = reports.close();
    match options.json {
        true => stdio::write_stderr(&text),
        false => stdio::write_stdout(&text),
    }
    Ok(exit)
}

/// What the stream says to run where the user names nothing else.
struct NamedCode {
    runner: Option<NamedRunner>,
    scenarios: Option<PathBuf>,
}

enum NamedRunner {
    Profile(PathBuf),
    /// What AQ_BIN named then.
    Aq(PathBuf),
}

impl NamedCode {
    fn of(then: &RunStarted, now: &CommonArguments) -> NamedCode {
        let path = |text: &Option<String>| text.as_ref().map(PathBuf::from);
        let runner_is_named = now.profile.is_some() || std::env::var_os("AQ_BIN").is_some();
        let runner = match runner_is_named {
            true => None,
            false => path(&then.profile)
                .map(NamedRunner::Profile)
                .or_else(|| path(&then.aq_bin).map(NamedRunner::Aq)),
        };
        let scenarios = match &now.scenarios {
            Some(_) => None,
            None => path(&then.scenarios),
        };
        NamedCode { runner, scenarios }
    }

    /// What would be run, and what to type, where that is for the user to decide.
    fn refusal(&self, file: &Path, then: &RunStarted) -> Option<String> {
        let shown = |path: &Path| path.to_string_lossy().escape_debug().to_string();
        let program = then.program.join(" ");
        let runner = self.runner.as_ref().map(|runner| match runner {
            NamedRunner::Profile(path) => (
                format!(
                    "the profile `{}` (`{}` then)",
                    shown(path),
                    program.escape_debug()
                ),
                "`--profile FILE`",
            ),
            NamedRunner::Aq(path) => (format!("the binary `{}`", shown(path)), "`AQ_BIN=FILE` before it"),
        });
        let scenarios = self.scenarios.as_ref();
        let scenarios =
            scenarios.map(|path| (format!("the scenarios in `{}`", shown(path)), "`--scenarios DIR`"));
        let (named, instead): (Vec<String>, Vec<&str>) = runner.into_iter().chain(scenarios).unzip();
        (!named.is_empty()).then(|| {
            format!(
                "{file} would run {}: type `conformance replay --trust {file}` if you trust who wrote it, or name your own by {}",
                named.join(" and "),
                instead.join(" and "),
                file = shown(file)
            )
        })
    }

    /// The `aq` to run where there is no profile.
    fn aq(&self) -> Result<PathBuf, ProfileError> {
        match &self.runner {
            Some(NamedRunner::Aq(named)) => profile::aq_at(named),
            _ => profile::find_aq(),
        }
    }
}

fn read(file: &Path) -> Result<RunRecord, String> {
    let opened =
        File::open(file).map_err(|error| format!("{}: it can't be read: {error}", file.display()))?;
    let record = RunRecord::read(BufReader::new(opened));
    let record =
        record.map_err(|error| format!("{}: {}", file.display(), error_chain(&error).escape_debug()))?;
    match record.started.command.as_str() {
        "run" | "replay" => Ok(record),
        other => Err(format!(
            "{}: it is of `conformance {}`, which is run again as a whole",
            file.display(),
            other.escape_debug()
        )),
    }
}

/// What was asked for then, where nothing else is asked for now.
fn as_then(then: &RunStarted, code: &NamedCode, now: &CommonArguments) -> CommonArguments {
    let profile = match &code.runner {
        Some(NamedRunner::Profile(path)) => Some(path.clone()),
        _ => None,
    };
    CommonArguments {
        profile: now.profile.clone().or(profile),
        scenarios: now.scenarios.clone().or_else(|| code.scenarios.clone()),
        shuffle: now.shuffle.or(then.shuffle),
        jobs: now.jobs.or(Some(then.jobs)),
        ..now.clone()
    }
}

/// The scenarios to run, in the order of the stream.
fn wanted(
    record: &RunRecord,
    ids: &[String],
    options: &CommonArguments,
) -> Result<Vec<ScenarioFile>, String> {
    if let Some(unknown) = ids.iter().find(|id| !record.started.cases.contains(id)) {
        return Err(format!("`{unknown}` is no scenario of that stream"));
    }
    let failed = |id: &String| {
        let mut cases = record.cases.iter();
        cases.any(|case| case.id == *id && case.outcome.is_bad())
    };
    let all = options.selection().all()?;
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
        found.ok_or_else(|| {
            let id = id.escape_debug();
            match &options.scenarios {
                Some(folder) => format!(
                    "{} holds no scenario `{id}`; name the folder that does by --scenarios",
                    folder.display()
                ),
                None => {
                    format!("no scenario `{id}` is built in; name the folder that holds it by --scenarios")
                }
            }
        })
    })
    .collect()
}

/// A line for each: put right, failing as it did, or different.
fn compared(then: &RunRecord, now: &RunRecord) -> String {
    let mut text = String::from("\n");
    for case in now.by_id() {
        let before = then.cases.iter().find(|before| before.id == case.id);
        text.push_str(&format!("{}  {}\n", change(before, case), case.id.escape_debug()));
    }
    text
}

fn change(before: Option<&CaseResult>, now: &CaseResult) -> String {
    let summary_of = |case: &CaseResult| {
        let checks: Vec<&str> = case.bad().map(|finding| finding.check.as_str()).collect();
        format!("{} {}", case.outcome.word(), checks.join(" ").escape_debug())
            .trim_end()
            .to_owned()
    };
    match before {
        None => format!("new: {}", summary_of(now)),
        Some(before) if before.outcome.is_bad() && now.outcome == Outcome::Pass => "FIXED".into(),
        Some(before) if summary_of(before) == summary_of(now) && now.outcome.is_bad() => {
            format!("still {}", summary_of(now))
        }
        Some(before) if summary_of(before) == summary_of(now) => format!("as before: {}", summary_of(now)),
        Some(before) => format!("different: was {}, now {}", summary_of(before), summary_of(now)),
    }
}

fn same_file(one: &Path, other: &Path) -> bool {
    matches!((one.canonicalize(), other.canonicalize()), (Ok(one), Ok(other)) if one == other)
}
