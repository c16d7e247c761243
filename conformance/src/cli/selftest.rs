//! The commands that are about the suite itself: what it covers, and whether its checks can fail.

use std::path::Path;
use std::process::ExitCode;

use conformance::clause::{self, coverage, coverage::ClauseReferences, coverage_gaps};
use conformance::crash_sweep;
use conformance::mutants::matrix_cases;
use conformance::mutants::matrix_runner::{self, MatrixOutcome};
use conformance::output_file::OutputFile;
use conformance::property;
use conformance::scenario::parse;
use conformance::stdio;
use conformance::suite::{self, chain};

use super::suite_selection::{chosen, select, suite_for};
use super::{BROKEN, CommonArguments, USAGE, fail};

/// Prints clause × check; exit 1 where a MUST has no check or no mutant, a check no clause, or an excuse rots.
pub(super) fn coverage(options: &CommonArguments) -> Result<ExitCode, ExitCode> {
    let found = select(&[], options)?;
    let mut scenarios = Vec::new();
    for found in found {
        match parse::read(&found.path) {
            Ok(scenario) => scenarios.push(ClauseReferences {
                name: found.id,
                clauses: scenario.clauses,
            }),
            Err(error) => return Err(fail(BROKEN, &chain(&error))),
        }
    }
    let (checks, mutants) = (coverage::checks(), coverage::mutants());
    let rows = coverage::of(clause::all(), &scenarios, &checks, &mutants);
    stdio::write_stdout(&coverage::render(&rows));
    let namings: Vec<ClauseReferences> = scenarios.into_iter().chain(checks).chain(mutants).collect();
    let objections = coverage_gaps::objections(&rows, &namings, coverage_gaps::EXCUSES);
    for objection in &objections {
        stdio::say(objection);
    }
    Ok(ExitCode::from(u8::from(!objections.is_empty())))
}

/// Runs generated cases; the first that fails is made small, left as a file, and told.
pub(super) fn property(
    seed: u64,
    cases: u64,
    out: &Path,
    options: &CommonArguments,
) -> Result<ExitCode, ExitCode> {
    OutputFile::look_into("--out", out).map_err(|error| fail(USAGE, &error.to_string()))?;
    let suite = suite_for(options)?;
    let jobs = options.jobs.unwrap_or_else(suite::default_jobs);
    let Some(failure) = property::run(&suite, seed, cases, jobs) else {
        stdio::write_stdout(&format!("{cases} cases from seed {seed}: as without a fleet\n"));
        return match cases {
            0 => Err(ExitCode::from(BROKEN)),
            _ => Ok(ExitCode::SUCCESS),
        };
    };
    let file = out.join(format!("property-{}.toml", failure.seed));
    let written = OutputFile::look_at("--out", &file).and_then(|output| output.write(&failure.scenario));
    if let Err(error) = written {
        stdio::say(error);
    }
    stdio::write_stdout(&format!(
        "seed {} fails; made small it is {}:\n\n{}\n{}\nthe case as generated again:\n  conformance property --seed {} --cases 1\n",
        failure.seed,
        file.display(),
        failure.scenario,
        failure.story,
        failure.seed
    ));
    Ok(ExitCode::FAILURE)
}

/// What a sweep is to look for.
#[derive(Debug, clap::Args)]
pub(super) struct SweepArguments {
    /// How many kills
    #[arg(long, default_value_t = 1000)]
    kills: u64,
    /// The seed of the first case; case N of seed S is case 0 of seed S+N
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Cases of one kind alone: the runner's own work, what people do to a queue, or jobs under leases
    #[arg(long)]
    about: Option<crash_sweep::SweepCaseKind>,
    /// Seek the runners that are wrong on purpose instead; 1 if one is not found
    #[arg(long, conflicts_with_all = ["kills", "about"])]
    wrong: bool,
}

/// Kills the runner at one step after the other; 1 if something was lost or run twice, 3 if nothing was killed.
pub(super) fn sweep(sought: &SweepArguments, options: &CommonArguments) -> Result<ExitCode, ExitCode> {
    let suite = suite_for(options)?;
    let plan = crash_sweep::SweepPlan {
        profile: suite.profile,
        harness: suite.harness,
        kills: sought.kills,
        seed: sought.seed,
        about: sought.about,
        jobs: options.jobs.unwrap_or_else(suite::default_jobs),
    };
    if sought.wrong {
        return Ok(seek_wrong(&plan));
    }
    let report = crash_sweep::run(&plan).map_err(|message| fail(BROKEN, &message))?;
    stdio::write_stdout(&crash_sweep::render(&report));
    Ok(match (&report.failure, report.kills) {
        (Some(_), _) => ExitCode::FAILURE,
        (None, 0) => ExitCode::from(BROKEN),
        (None, _) => ExitCode::SUCCESS,
    })
}

fn seek_wrong(plan: &crash_sweep::SweepPlan) -> ExitCode {
    let mut all_found = true;
    for wrong in crash_sweep::mutants::ALL {
        let found = crash_sweep::mutants::seek(wrong, plan);
        all_found &= found.is_ok();
        let how = found.map_or_else(|why| format!("NOT FOUND: {why}"), |()| "found".to_owned());
        stdio::write_stdout(&format!("{:<28} {how}  {}\n", wrong.name, wrong.what));
    }
    match all_found {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    }
}

/// Prints the kill matrix; exit 1 where a mutant survives, 3 where a case proves nothing.
pub(super) fn mutants(names: &[String], options: &CommonArguments) -> Result<ExitCode, ExitCode> {
    if let Some(name) = names
        .iter()
        .find(|name| !matrix_cases::ALL.iter().any(|case| case.mutant == **name))
    {
        return Err(fail(USAGE, &format!("no case has a mutant `{name}`")));
    }
    let (found, suite) = chosen(&[], options)?;
    let wanted: Vec<matrix_cases::MutantCase> = matrix_cases::ALL
        .iter()
        .filter(|case| names.is_empty() || names.iter().any(|name| name == case.mutant))
        .copied()
        .collect();
    let jobs = options.jobs.unwrap_or_else(suite::default_jobs);
    let rows = matrix_runner::run(&suite, &found, &wanted, jobs);
    for row in rows.iter().filter(|row| row.fate != MatrixOutcome::Killed) {
        let (mutant, scenario) = (row.case.mutant, row.case.scenario);
        stdio::write_stderr(&format!("── {mutant} in {scenario}\n{}\n", row.story));
    }
    stdio::write_stdout(&matrix_runner::render(&rows));
    let has = |wanted: fn(&MatrixOutcome) -> bool| rows.iter().any(|row| wanted(&row.fate));
    Ok(
        match (
            has(|fate| matches!(fate, MatrixOutcome::Survived(_))),
            has(|fate| matches!(fate, MatrixOutcome::Inconclusive(_))),
        ) {
            (true, _) => ExitCode::FAILURE,
            (false, true) => ExitCode::from(BROKEN),
            (false, false) => ExitCode::SUCCESS,
        },
    )
}
