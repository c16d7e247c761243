//! The commands that judge a runner by scenarios: their events go into one stream, and every report comes of it.

use std::path::Path;
use std::time::Instant;

use conformance::case_result::{CaseResult, SourceLine};
use conformance::exit_codes::HarnessExit;
use conformance::report::event_stream::{RunEndReason, RunEvent, RunStarted, VERSION};
use conformance::report::report_writer::{GitHubOptions, ReportOptions, ReportWriter};
use conformance::sandbox::token_leaks::RunTokens;
use conformance::scenario::scenario_files::ScenarioFile;
use conformance::suite::{self, Suite, SuiteControl, SuiteEvent};
use conformance::suite_selection::fail;

use super::CommonArguments;

/// Runs the scenarios that the globs name.
pub(super) fn run(globs: &[String], options: &CommonArguments) -> Result<HarnessExit, HarnessExit> {
    let reports = reports(options)?;
    let (found, suite) = options.selection().chosen(globs)?;
    if let Some(unknown) = suite.profile.known_failures.iter().find(|known| {
        let names = |found: &ScenarioFile| found.id == known.scenario;
        globs.is_empty() && !found.iter().any(names)
    }) {
        return Err(fail(
            HarnessExit::WrongUsage,
            &format!(
                "the profile knows a failure of `{}`, which is no scenario",
                unknown.scenario
            ),
        ));
    }
    let reports = carry_out(&suite, &found, options, "run", reports)?;
    Ok(reports.close())
}

/// The reports that are asked for; where one can't be had, why is said already.
pub(super) fn reports(options: &CommonArguments) -> Result<ReportWriter, HarnessExit> {
    ReportWriter::look_at(&wanted(options)).map_err(|error| fail(HarnessExit::WrongUsage, &error.to_string()))
}

/// Begins the reports of a run; where one can't be had, why is said already.
pub(super) fn begin(reports: &mut ReportWriter, started: RunStarted) -> Result<(), HarnessExit> {
    let begun = reports.begin(started);
    begun.map_err(|error| fail(HarnessExit::WrongUsage, &error.to_string()))
}

/// Runs these scenarios and passes their events to the reports, up to the end of the run.
pub(super) fn carry_out(
    suite: &Suite,
    found: &[ScenarioFile],
    options: &CommonArguments,
    command: &str,
    mut reports: ReportWriter,
) -> Result<ReportWriter, HarnessExit> {
    let jobs = options.jobs.unwrap_or_else(suite::default_jobs);
    let ids = found.iter().map(|found| found.id.clone()).collect();
    let there = options.selection().all().ok().map(|all| all.len());
    let started = RunStarted {
        scenarios_found: there,
        ..started(suite, command, jobs, ids, options)
    };
    begin(&mut reports, started)?;
    let began = Instant::now();
    suite.stop.stop_at_signals();
    let invocation = options.invocation();
    let mut failed_fast = false;
    suite.stream(found, jobs, |event| {
        match event {
            SuiteEvent::Started(found) => reports.take(RunEvent::CaseStarted { id: found.id.clone() }),
            SuiteEvent::Finished(found, verdict) => {
                let ends_run = options.fail_fast && verdict.outcome.is_bad();
                let place = place(found, &verdict);
                reports.take_case(verdict.reported(Some(place), invocation.alone(&found.id)));
                if ends_run {
                    failed_fast = true;
                    return SuiteControl::Finish;
                }
            }
        }
        SuiteControl::Continue
    });
    let end = match RunEndReason::of_stop(suite.stop.signal()) {
        RunEndReason::Complete if failed_fast => RunEndReason::FailFast,
        other => other,
    };
    reports.end(end, began.elapsed());
    Ok(reports)
}

/// Where the reports of a run go, by these options and by what the CI around it says.
fn wanted(options: &CommonArguments) -> ReportOptions {
    ReportOptions {
        events: options.events.clone(),
        json: options.json,
        quiet: options.quiet,
        junit: options.junit.clone(),
        html: options.html.clone(),
        github: (options.github || variable("GITHUB_ACTIONS").as_deref() == Some("true")).then(github),
    }
}

fn github() -> GitHubOptions {
    GitHubOptions {
        summary: variable("GITHUB_STEP_SUMMARY").map(Into::into),
        workspace: variable("GITHUB_WORKSPACE"),
        word: RunTokens::random().map_or_else(|_| std::process::id().to_string(), |secret| secret.token),
    }
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// The opening of a run's stream.
pub(super) fn started(
    suite: &Suite,
    command: &str,
    jobs: usize,
    cases: Vec<String>,
    options: &CommonArguments,
) -> RunStarted {
    let text = |path: &Path| path.to_string_lossy().into_owned();
    RunStarted {
        version: VERSION,
        command: command.to_owned(),
        harness: env!("CARGO_PKG_VERSION").into(),
        at: suite::now(),
        subject: suite.profile.name.clone(),
        program: suite.profile.command.clone(),
        program_digest: suite.profile.digest(),
        aq_bin: std::env::var("AQ_BIN").ok(),
        profile: options.profile.as_deref().map(text),
        scenarios: options.scenarios.as_deref().map(text),
        scenarios_found: None,
        jobs,
        shuffle: options.shuffle,
        cases,
    }
}

/// The line of the scenario that the first failing check is about, or else where its expectations begin.
fn place(file: &ScenarioFile, verdict: &CaseResult) -> SourceLine {
    let text = file.text().unwrap_or_default();
    let check = verdict.bad().next();
    let line_with = |wanted: &dyn Fn(&str) -> bool| text.lines().position(|line| wanted(line.trim_start()));
    let expect = line_with(&|line| line.starts_with("[expect]"));
    let key = check.and_then(|finding| {
        line_with(&|line| {
            let rest = line.strip_prefix(&finding.check);
            rest.is_some_and(|rest| rest.trim_start().starts_with('='))
        })
    });
    SourceLine {
        file: file.path.to_string_lossy().into_owned(),
        line: key.or(expect).unwrap_or(0) + 1,
    }
}
