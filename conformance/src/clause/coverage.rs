//! Coverage: which checks and scenarios name a clause (*cited*), and which mutants die by that clause's checks
//! (*forced*). A clause that is neither has to be excused in one line, and an excuse goes once it is not needed.

use crate::check::register::{self, Basis};
use crate::clause::{Clause, Level};
use crate::coordinator;
use crate::mutant::cases;

/// MUST clauses that nothing checks yet, and why.
pub const UNCHECKED: &[(&str, &str)] = &[(
    "T-9",
    "no scenario yet: it needs a final report that is lost, and a second run",
)];

/// What names clauses: a scenario, a check, a mutant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Naming {
    pub name: String,
    pub clauses: Vec<String>,
}

/// A clause with all that names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    pub clause: &'static Clause,
    pub scenarios: Vec<String>,
    pub checks: Vec<String>,
    pub mutants: Vec<String>,
}

impl Row {
    pub fn cited(&self) -> usize {
        self.scenarios.len() + self.checks.len()
    }
}

/// The checks that are made whatever a scenario says, with their clauses.
pub fn checks() -> Vec<Naming> {
    let standing = register::ALL.iter().filter(|entry| !entry.clauses.is_empty());
    let of_coordinators = coordinator::ALL.iter();
    standing
        .map(|entry| naming(entry.name, entry.clauses))
        .chain(of_coordinators.map(|check| naming(check.name, check.clauses)))
        .collect()
}

/// The mutants of the kill matrix, with the clauses whose checks they die of.
pub fn mutants() -> Vec<Naming> {
    // A test tells each check of a coordinator a lie that it has to find.
    let lies = coordinator::ALL.iter().map(|check| Naming {
        name: format!("a lie to {}", check.name),
        ..naming("", check.clauses)
    });
    cases::ALL
        .iter()
        .map(|case| naming(case.mutant, case.clauses))
        .chain(lies)
        .collect()
}

fn naming(name: &str, clauses: &[&str]) -> Naming {
    Naming {
        name: name.to_owned(),
        clauses: clauses.iter().map(|clause| (*clause).to_owned()).collect(),
    }
}

/// The coverage of these clauses.
pub fn of(
    clauses: &'static [Clause],
    scenarios: &[Naming],
    checks: &[Naming],
    mutants: &[Naming],
) -> Vec<Row> {
    let naming = |all: &[Naming], id: &String| {
        let mut names: Vec<String> = all
            .iter()
            .filter(|naming| naming.clauses.contains(id))
            .map(|naming| naming.name.clone())
            .collect();
        names.dedup();
        names
    };
    clauses
        .iter()
        .map(|clause| Row {
            clause,
            scenarios: naming(scenarios, &clause.id),
            checks: naming(checks, &clause.id),
            mutants: naming(mutants, &clause.id),
        })
        .collect()
}

/// What coverage must not look like: unchecked clauses, checks without a clause, excuses that rot.
pub fn objections(rows: &[Row], namings: &[Naming], excuses: &[(&str, &str)]) -> Vec<String> {
    let mut found = Vec::new();
    for row in rows.iter().filter(|row| row.clause.level == Level::Must) {
        let excuse = excuses.iter().any(|(id, _)| *id == row.clause.id);
        match (row.cited(), excuse) {
            (0, false) => found.push(format!("{} is a MUST and nothing checks it", row.clause.id)),
            (1.., true) => found.push(format!("{} is checked; take its excuse away", row.clause.id)),
            _ => {}
        }
    }
    for naming in namings {
        if naming.clauses.is_empty() {
            found.push(format!("{} names no clause", naming.name));
        }
        let unknown = naming
            .clauses
            .iter()
            .filter(|id| !rows.iter().any(|row| row.clause.id == **id));
        found.extend(unknown.map(|id| format!("{} names {id}, which is in no contract", naming.name)));
    }
    let bare = register::ALL
        .iter()
        .filter(|entry| entry.basis == Basis::Always && entry.clauses.is_empty());
    found.extend(bare.map(|entry| format!("check {} rests on no clause", entry.name)));
    found
}

/// The table, planned clauses apart.
pub fn render(rows: &[Row]) -> String {
    let mut text = format!(
        "{:6} {:>9} {:>6}  {:6}\n",
        "clause", "scenarios", "checks", "forced"
    );
    let (planned, built): (Vec<&Row>, Vec<&Row>) =
        rows.iter().partition(|row| row.clause.level == Level::Planned);
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

fn line(row: &Row) -> String {
    let forced = if row.mutants.is_empty() { "-" } else { "yes" };
    let why = UNCHECKED.iter().find(|(id, _)| *id == row.clause.id);
    let names = match why {
        Some((_, why)) => format!("unchecked: {why}"),
        None => {
            let checks = row.checks.iter().map(|name| format!("check {name}"));
            let mutants = row.mutants.iter().map(|name| format!("mutant {name}"));
            row.scenarios
                .iter()
                .cloned()
                .chain(checks)
                .chain(mutants)
                .collect::<Vec<_>>()
                .join(", ")
        }
    };
    let (scenarios, checks) = (row.scenarios.len(), row.checks.len());
    format!(
        "{:6} {scenarios:>9} {checks:>6}  {forced:6}  {names}\n",
        row.clause.id
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(name: &str, clauses: &[&str]) -> Naming {
        naming(name, clauses)
    }

    #[test]
    fn a_must_that_nothing_checks_and_a_check_of_nothing_are_told() {
        let clauses = crate::clause::all();
        let all: Vec<&str> = clauses.iter().map(|clause| clause.id.as_str()).collect();
        let but_one: Vec<&str> = all.iter().copied().filter(|id| *id != "O-2").collect();
        let scenarios = [
            named("all but one", &but_one),
            named("nothing", &[]),
            named("odd", &["X-9"]),
        ];
        let rows = of(clauses, &scenarios, &[], &[]);
        let told = objections(&rows, &scenarios, &[]);
        for message in [
            "O-2 is a MUST and nothing checks it",
            "nothing names no clause",
            "odd names X-9, which is in no contract",
        ] {
            assert!(told.iter().any(|line| line == message), "{message}: {told:?}");
        }
    }

    #[test]
    fn an_excuse_that_is_not_needed_is_told() {
        let scenarios = [named("checks it", &["O-2"])];
        let rows = of(crate::clause::all(), &scenarios, &[], &[]);
        let told = objections(&rows, &scenarios, &[("O-2", "nobody got to it")]);
        assert!(
            told.iter().any(|line| line.contains("take its excuse away")),
            "{told:?}"
        );
    }
}
