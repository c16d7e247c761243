//! The contracts and the suite agree: every MUST has a check, every check a clause that exists, and no clause
//! changed its text unseen.

#[expect(dead_code, reason = "other test binaries use the rest of it")]
mod common;

use conformance::checks::registry;
use conformance::clause::{self, proofs};
use conformance::scenario::scenario_files;
use conformance_selftest::clause_pins;
use conformance_selftest::coverage::{self, ClauseReferences, gaps};

fn scenarios() -> Vec<ClauseReferences> {
    let all = scenario_files::all(&common::scenarios()).expect("scenarios");
    all.into_iter()
        .map(|found| ClauseReferences {
            clauses: found.read().expect("a readable scenario").clauses,
            name: found.id,
        })
        .collect()
}

#[test]
fn every_must_is_checked_and_every_check_has_a_clause_that_exists() {
    let (scenarios, checks, mutants) = (scenarios(), coverage::checks(), coverage::mutants());
    let rows = coverage::of(clause::all(), &scenarios, &checks, &mutants);
    let namings: Vec<ClauseReferences> = scenarios.into_iter().chain(checks).chain(mutants).collect();
    let objections = gaps::objections(&rows, &namings, gaps::EXCUSES);
    assert!(objections.is_empty(), "{}", objections.join("\n"));
}

#[test]
fn no_clause_changed_its_text_unseen() {
    let differences = clause_pins::differences(clause_pins::CHECKED_IN, clause::all());
    assert!(
        differences.is_empty(),
        "{}\nlook at the checks of these clauses (`conformance-selftest coverage`), then run \
         `cargo run -p conformance-selftest -- pin >conformance/clauses.pins`",
        differences.join("\n")
    );
}

#[test]
fn reports_say_of_each_clause_what_is_proven_of_it() {
    let rows = coverage::of(
        clause::all(),
        &scenarios(),
        &coverage::checks(),
        &coverage::mutants(),
    );
    assert!(
        proofs::CHECKED_IN == coverage::render_proofs(&rows),
        "run `cargo run -p conformance-selftest -- coverage --proofs >conformance/clause-proofs.tsv`"
    );
}

/// Checks are opened by name; a name that the register does not have would rest on no clause.
#[test]
fn every_check_that_the_code_opens_is_in_the_register() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../src/checks");
    let mut opened = 0;
    for entry in std::fs::read_dir(folder).expect("the checks").flatten() {
        let text = std::fs::read_to_string(entry.path()).expect("a source file");
        for after in text.split("assertion(\"").skip(1) {
            let Some((name, _)) = after.split_once('"') else {
                continue;
            };
            if name
                .chars()
                .all(|letter| letter.is_ascii_lowercase() || letter == '-')
            {
                assert!(registry::named(name).is_some(), "`{name}` is not in the register");
                opened += 1;
            }
        }
    }
    assert!(
        opened > 30,
        "only {opened} checks were found: the scan looks in the wrong place"
    );
}
