//! Coverage: which checks and scenarios name a clause (*cited*), and which mutants die by that clause's checks
//! (*forced*). `gaps` says what may be missing.

pub mod gaps;

use crate::coverage::gaps::excuses_of;
use crate::mutants::matrix_cases;
use conformance::checks::registry;
use conformance::clause::{Clause, ClauseLevel};
use conformance::coordinator;

/// What names clauses: a scenario, a check, a mutant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClauseReferences {
    pub name: String,
    pub clauses: Vec<String>,
}

/// A clause with all that names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CoverageRow {
    pub clause: &'static Clause,
    pub scenarios: Vec<String>,
    pub checks: Vec<String>,
    pub mutants: Vec<String>,
}

impl CoverageRow {
    pub fn cited(&self) -> usize {
        self.scenarios.len() + self.checks.len()
    }
}

/// The checks that are made whatever a scenario says, with their clauses.
pub fn checks() -> Vec<ClauseReferences> {
    let standing = registry::ALL.iter().filter(|entry| !entry.clauses.is_empty());
    let of_coordinators = coordinator::ALL.iter();
    standing
        .map(|entry| naming(entry.name, entry.clauses))
        .chain(of_coordinators.map(|check| naming(check.name, check.clauses)))
        .collect()
}

/// The mutants of the kill matrix, with the clauses whose checks they die of.
pub fn mutants() -> Vec<ClauseReferences> {
    // A test gives each check of a coordinator an answer with a semantic fault that it has to find.
    let semantic_faults = coordinator::ALL.iter().map(|check| ClauseReferences {
        name: format!("a semantic fault for {}", check.name),
        ..naming("", check.clauses)
    });
    matrix_cases::ALL
        .iter()
        .map(|case| naming(case.mutant, case.clauses))
        .chain(semantic_faults)
        .collect()
}

pub(super) fn naming(name: &str, clauses: &[&str]) -> ClauseReferences {
    ClauseReferences {
        name: name.to_owned(),
        clauses: clauses.iter().map(|clause| (*clause).to_owned()).collect(),
    }
}

/// The coverage of these clauses.
pub fn of(
    clauses: &'static [Clause],
    scenarios: &[ClauseReferences],
    checks: &[ClauseReferences],
    mutants: &[ClauseReferences],
) -> Vec<CoverageRow> {
    let naming = |all: &[ClauseReferences], id: &String| {
        let mut names: Vec<String> = all
            .iter()
            .filter(|naming| naming.clauses.contains(id))
            .map(|naming| naming.name.clone())
            .collect();
        names.sort();
        names.dedup();
        names
    };
    clauses
        .iter()
        .map(|clause| CoverageRow {
            clause,
            scenarios: naming(scenarios, &clause.id),
            checks: naming(checks, &clause.id),
            mutants: naming(mutants, &clause.id),
        })
        .collect()
}

/// What `conformance/clause-proofs.tsv` holds: how many mutants prove each clause, and its gaps.
pub fn render_proofs(rows: &[CoverageRow]) -> String {
    let line = |row: &CoverageRow| {
        let fields = [row.clause.id.clone(), row.mutants.len().to_string()];
        let fields: Vec<String> = fields.into_iter().chain(excuses_of(row)).collect();
        fields.join("\t") + "\n"
    };
    rows.iter().map(line).collect()
}

/// The table, planned clauses apart.
pub fn render(rows: &[CoverageRow]) -> String {
    let mut text = format!(
        "{:6} {:>9} {:>6}  {:6}\n",
        "clause", "scenarios", "checks", "forced"
    );
    let (planned, built): (Vec<&CoverageRow>, Vec<&CoverageRow>) = rows
        .iter()
        .partition(|row| row.clause.level == ClauseLevel::Planned);
    for row in &built {
        text.push_str(&line(row));
    }
    let cited = built.iter().filter(|row| row.cited() > 0).count();
    let forced = built.iter().filter(|row| !row.mutants.is_empty()).count();
    text.push_str(&format!(
        "\n{} clauses: {cited} cited, {forced} forced (some mutant dies by the clause's checks)\n",
        built.len()
    ));
    text.push_str("\nplanned, and held to nothing yet:\n");
    for row in &planned {
        text.push_str(&line(row));
    }
    text
}

fn line(row: &CoverageRow) -> String {
    let forced = if row.mutants.is_empty() { "-" } else { "yes" };
    let checks = row.checks.iter().map(|name| format!("check {name}"));
    let mutants = row.mutants.iter().map(|name| format!("mutant {name}"));
    let names: Vec<String> = row
        .scenarios
        .iter()
        .cloned()
        .chain(checks)
        .chain(mutants)
        .chain(excuses_of(row))
        .collect();
    let (scenarios, checks) = (row.scenarios.len(), row.checks.len());
    format!(
        "{:6} {scenarios:>9} {checks:>6}  {forced:6}  {}\n",
        row.clause.id,
        names.join(", ")
    )
}
