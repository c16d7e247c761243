//! Coverage, mutants and property, with the exit code that each result has.

use conformance::clause;
use conformance::exit_codes::HarnessExit;
use conformance::output_file::OutputFile;
use conformance::printable_text::error_chain;
use conformance::stdio;
use conformance::suite_selection::{SuiteSelection, fail};
use conformance_selftest::coverage::{self, ClauseReferences, gaps};
use conformance_selftest::mutants::matrix_cases;
use conformance_selftest::mutants::matrix_runner::{self, MatrixOutcome};
use conformance_selftest::property;

use super::{CoverageArguments, MutantsArguments, PropertyArguments};

/// Prints clause × check; it does not hold where a MUST has no check or no mutant, a check no clause, or an excuse is
/// out of date.
pub(super) fn coverage(arguments: &CoverageArguments) -> Result<HarnessExit, HarnessExit> {
    let selection = SuiteSelection {
        scenarios: arguments.scenarios.clone(),
        ..SuiteSelection::default()
    };
    let mut scenarios = Vec::new();
    for found in selection.select(&[])? {
        match found.read() {
            Ok(scenario) => scenarios.push(ClauseReferences {
                name: found.id,
                clauses: scenario.clauses,
            }),
            Err(error) => return Err(fail(HarnessExit::Inconclusive, &error_chain(&error))),
        }
    }
    let (checks, mutants) = (coverage::checks(), coverage::mutants());
    let rows = coverage::of(clause::all(), &scenarios, &checks, &mutants);
    if arguments.proofs {
        stdio::write_stdout(&coverage::render_proofs(&rows));
        return Ok(HarnessExit::Holds);
    }
    stdio::write_stdout(&coverage::render(&rows));
    let references: Vec<ClauseReferences> = scenarios.into_iter().chain(checks).chain(mutants).collect();
    let objections = gaps::objections(&rows, &references, gaps::EXCUSES);
    for objection in &objections {
        stdio::say(objection);
    }
    Ok(holds(objections.is_empty()))
}

/// Runs generated cases; the first that fails is made small, left as a file, and printed.
pub(super) fn property(arguments: &PropertyArguments) -> Result<HarnessExit, HarnessExit> {
    let PropertyArguments { cases, seed, out, .. } = arguments;
    OutputFile::look_into("--out", out).map_err(|error| fail(HarnessExit::WrongUsage, &error.to_string()))?;
    let suite = arguments.runner.selection(None, arguments.keep).suite()?;
    let Some(failure) = property::run(&suite, *seed, *cases, arguments.runner.jobs()) else {
        stdio::write_stdout(&format!("{cases} cases from seed {seed}: as without a fleet\n"));
        return match cases {
            0 => Err(HarnessExit::Inconclusive),
            _ => Ok(HarnessExit::Holds),
        };
    };
    let file = out.join(format!("property-{}.toml", failure.seed));
    let written = OutputFile::look_at("--out", &file).and_then(|output| output.write(&failure.scenario));
    if let Err(error) = written {
        stdio::say(error);
    }
    stdio::write_stdout(&format!(
        "seed {} fails; made small it is {}:\n\n{}\n{}\nthe case as generated again:\n  conformance-selftest property --seed {} --cases 1\n",
        failure.seed,
        file.display(),
        failure.scenario,
        failure.failure_report,
        failure.seed
    ));
    Ok(HarnessExit::DoesNotHold)
}

/// Prints the kill matrix; inconclusive where a case proves nothing and no mutant survives.
pub(super) fn mutants(arguments: &MutantsArguments) -> Result<HarnessExit, HarnessExit> {
    let names = &arguments.names;
    if let Some(name) = names
        .iter()
        .find(|name| !matrix_cases::ALL.iter().any(|case| case.mutant == **name))
    {
        let message = format!("no case has a mutant `{name}`");
        return Err(fail(HarnessExit::WrongUsage, &message));
    }
    let selection = arguments.runner.selection(arguments.scenarios.as_ref(), false);
    let (found, suite) = selection.chosen(&[])?;
    let wanted: Vec<matrix_cases::MutantCase> = matrix_cases::ALL
        .iter()
        .filter(|case| names.is_empty() || names.iter().any(|name| name == case.mutant))
        .copied()
        .collect();
    let rows = matrix_runner::run(&suite, &found, &wanted, arguments.runner.jobs());
    for row in rows.iter().filter(|row| row.outcome != MatrixOutcome::Killed) {
        let (mutant, scenario) = (row.case.mutant, row.case.scenario);
        stdio::write_stderr(&format!("── {mutant} in {scenario}\n{}\n", row.failure_report));
    }
    stdio::write_stdout(&matrix_runner::render(&rows));
    let has = |wanted: fn(&MatrixOutcome) -> bool| rows.iter().any(|row| wanted(&row.outcome));
    Ok(
        match (
            has(|outcome| matches!(outcome, MatrixOutcome::Survived(_))),
            has(|outcome| matches!(outcome, MatrixOutcome::Inconclusive(_))),
        ) {
            (true, _) => HarnessExit::DoesNotHold,
            (false, true) => HarnessExit::Inconclusive,
            (false, false) => HarnessExit::Holds,
        },
    )
}

pub(super) fn holds(all: bool) -> HarnessExit {
    match all {
        true => HarnessExit::Holds,
        false => HarnessExit::DoesNotHold,
    }
}
