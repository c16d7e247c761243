//! The commands that are about the suite itself: what it covers, and whether its checks can fail.

use std::path::Path;
use std::process::ExitCode;

use conformance::clause::{self, coverage, coverage::Naming, gaps};
use conformance::mutant::cases;
use conformance::mutant::matrix::{self, Fate};
use conformance::output_file::OutputFile;
use conformance::property;
use conformance::scenario::parse;
use conformance::stdio;
use conformance::suite::{self, chain};
use conformance::sweep;

use super::choice::{chosen, select, suite_for};
use super::{BROKEN, Options, USAGE, fail};

/// Prints clause × check; exit 1 where a MUST has no check or no mutant, a check no clause, or an excuse rots.
pub(super) fn coverage(options: &Options) -> Result<ExitCode, ExitCode> {
    let found = select(&[], options)?;
    let mut scenarios = Vec::new();
    for found in found {
        match parse::read(&found.path) {
            Ok(scenario) => scenarios.push(Naming {
                name: found.id,
                clauses: scenario.clauses,
            }),
            Err(error) => return Err(fail(BROKEN, &chain(&error))),
        }
    }
    let (checks, mutants) = (coverage::checks(), coverage::mutants());
    let rows = coverage::of(clause::all(), &scenarios, &checks, &mutants);
    stdio::put(&coverage::render(&rows));
    let namings: Vec<Naming> = scenarios.into_iter().chain(checks).chain(mutants).collect();
    let objections = gaps::objections(&rows, &namings, gaps::EXCUSES);
    for objection in &objections {
        stdio::say(objection);
    }
    Ok(ExitCode::from(u8::from(!objections.is_empty())))
}

/// Runs generated cases; the first that fails is made small, left as a file, and told.
pub(super) fn property(seed: u64, cases: u64, out: &Path, options: &Options) -> Result<ExitCode, ExitCode> {
    OutputFile::look_into("--out", out).map_err(|error| fail(USAGE, &error.to_string()))?;
    let suite = suite_for(options)?;
    let jobs = options.jobs.unwrap_or_else(suite::default_jobs);
    let Some(failure) = property::run(&suite, seed, cases, jobs) else {
        stdio::put(&format!("{cases} cases from seed {seed}: as without a fleet\n"));
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
    stdio::put(&format!(
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
pub(super) struct Sought {
    /// How many kills
    #[arg(long, default_value_t = 1000)]
    kills: u64,
    /// The seed of the first case; case N of seed S is case 0 of seed S+N
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Cases of one kind alone: the runner's own work, what people do to a queue, or jobs under leases
    #[arg(long)]
    about: Option<sweep::Kind>,
    /// Seek the runners that are wrong on purpose instead; 1 if one is not found
    #[arg(long, conflicts_with_all = ["kills", "about"])]
    wrong: bool,
}

/// Kills the runner at one step after the other; 1 if something was lost or run twice, 3 if nothing was killed.
pub(super) fn sweep(sought: &Sought, options: &Options) -> Result<ExitCode, ExitCode> {
    let suite = suite_for(options)?;
    let plan = sweep::Plan {
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
    let report = sweep::run(&plan).map_err(|message| fail(BROKEN, &message))?;
    stdio::put(&sweep::render(&report));
    Ok(match (&report.failure, report.kills) {
        (Some(_), _) => ExitCode::FAILURE,
        (None, 0) => ExitCode::from(BROKEN),
        (None, _) => ExitCode::SUCCESS,
    })
}

fn seek_wrong(plan: &sweep::Plan) -> ExitCode {
    let mut all_found = true;
    for wrong in sweep::wrong::ALL {
        let found = sweep::wrong::seek(wrong, plan);
        all_found &= found.is_ok();
        let how = found.map_or_else(|why| format!("NOT FOUND: {why}"), |()| "found".to_owned());
        stdio::put(&format!("{:<28} {how}  {}\n", wrong.name, wrong.what));
    }
    match all_found {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    }
}

/// Prints the kill matrix; exit 1 where a mutant survives, 3 where a case proves nothing.
pub(super) fn mutants(names: &[String], options: &Options) -> Result<ExitCode, ExitCode> {
    if let Some(name) = names
        .iter()
        .find(|name| !cases::ALL.iter().any(|case| case.mutant == **name))
    {
        return Err(fail(USAGE, &format!("no case has a mutant `{name}`")));
    }
    let (found, suite) = chosen(&[], options)?;
    let wanted: Vec<cases::Case> = cases::ALL
        .iter()
        .filter(|case| names.is_empty() || names.iter().any(|name| name == case.mutant))
        .copied()
        .collect();
    let jobs = options.jobs.unwrap_or_else(suite::default_jobs);
    let rows = matrix::run(&suite, &found, &wanted, jobs);
    for row in rows.iter().filter(|row| row.fate != Fate::Killed) {
        let (mutant, scenario) = (row.case.mutant, row.case.scenario);
        stdio::put_beside(&format!("── {mutant} in {scenario}\n{}\n", row.story));
    }
    stdio::put(&matrix::render(&rows));
    let has = |wanted: fn(&Fate) -> bool| rows.iter().any(|row| wanted(&row.fate));
    Ok(
        match (
            has(|fate| matches!(fate, Fate::Survived(_))),
            has(|fate| matches!(fate, Fate::Unproved(_))),
        ) {
            (true, _) => ExitCode::FAILURE,
            (false, true) => ExitCode::from(BROKEN),
            (false, false) => ExitCode::SUCCESS,
        },
    )
}
