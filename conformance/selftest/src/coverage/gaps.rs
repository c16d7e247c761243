//! What coverage lacks. A clause that nothing checks, or that no mutant dies of, has to be excused in one line, and an
//! excuse goes once it is not needed.

use crate::coverage::{ClauseReferences, CoverageRow};
use conformance::checks::registry::{self, CheckBasis};
use conformance::clause::ClauseLevel;

/// A gap of the suite and why it is there, in one line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GapExcuse {
    pub clause: &'static str,
    pub gap: CoverageGap,
    pub why: &'static str,
}

/// What is missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CoverageGap {
    /// Nothing checks the clause.
    Check,
    /// It is checked, and no mutant dies of it.
    Mutant,
    /// It is checked and forced, but for this part.
    Part(&'static str),
}

/// Every gap that stands.
pub const EXCUSES: &[GapExcuse] = &[
    GapExcuse {
        clause: "T-3",
        gap: CoverageGap::Part("suspension of the host"),
        why: "a stop shows no difference between a clock that counts suspension and one that does not, and no test suspends its host",
    },
    GapExcuse {
        clause: "T-15",
        gap: CoverageGap::Part("the end after 60 s of failures"),
        why: "a minute of waiting in every run; that failing is not taken for empty is forced",
    },
    GapExcuse {
        clause: "T-17",
        gap: CoverageGap::Part("a swap between the look at the folder and the start in it"),
        why: "nobody outside a runner can choose that moment; its own tests have to look at how it holds the folder",
    },
];

/// What coverage must not look like: clauses unchecked or unforced, checks without a clause, excuses that are out of date.
pub fn objections(rows: &[CoverageRow], namings: &[ClauseReferences], excuses: &[GapExcuse]) -> Vec<String> {
    let mut found: Vec<String> = rows
        .iter()
        .filter(|row| row.clause.level == ClauseLevel::Must)
        .filter_map(|row| gap(row, excuses))
        .collect();
    found.extend(excuses.iter().filter_map(|excuse| stale(rows, excuse)));
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
    let bare = registry::ALL
        .iter()
        .filter(|entry| entry.basis == CheckBasis::Always && entry.clauses.is_empty());
    found.extend(bare.map(|entry| format!("check {} rests on no clause", entry.name)));
    found
}

/// What is missing at this clause without anybody having said why.
fn gap(row: &CoverageRow, excuses: &[GapExcuse]) -> Option<String> {
    let id = &row.clause.id;
    let excused = |gap| {
        excuses
            .iter()
            .any(|excuse| excuse.clause == id && excuse.gap == gap)
    };
    match (row.cited(), row.mutants.len()) {
        (0, _) if !excused(CoverageGap::Check) => Some(format!("{id} is a MUST and nothing checks it")),
        (1.., 0) if !excused(CoverageGap::Mutant) => {
            Some(format!("{id} is a MUST, is checked, and no mutant dies of it"))
        }
        _ => None,
    }
}

/// What is wrong with an excuse that says of a clause what is not so, or not so any more.
fn stale(rows: &[CoverageRow], excuse: &GapExcuse) -> Option<String> {
    let GapExcuse { clause, gap, .. } = excuse;
    let must = |row: &&CoverageRow| row.clause.id == *clause && row.clause.level == ClauseLevel::Must;
    let Some(row) = rows.iter().find(must) else {
        return Some(format!("{clause} has an excuse and is no MUST of any contract"));
    };
    match (gap, row.cited(), row.mutants.len()) {
        (CoverageGap::Check, 1.., _) => Some(format!("{clause} is checked; take its excuse away")),
        (CoverageGap::Mutant, _, 1..) => Some(format!("{clause} is forced; take its excuse away")),
        (CoverageGap::Mutant | CoverageGap::Part(_), 0, _) => {
            Some(format!("{clause} is excused as checked, and nothing checks it"))
        }
        (CoverageGap::Part(part), _, 0) => Some(format!(
            "{clause} is excused as forced but for {part}, and no mutant dies of it"
        )),
        _ => None,
    }
}

/// How this clause's gaps are printed.
pub fn excuses_of(row: &CoverageRow) -> impl Iterator<Item = String> {
    let excuses = EXCUSES.iter().filter(|excuse| excuse.clause == row.clause.id);
    excuses.map(|excuse| match excuse.gap {
        CoverageGap::Check => format!("UNCHECKED: {}", excuse.why),
        CoverageGap::Mutant => format!("NOT FORCED: {}", excuse.why),
        CoverageGap::Part(part) => format!("NOT FORCED is {part}: {}", excuse.why),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::coverage::{naming, of};

    fn named(name: &str, clauses: &[&str]) -> ClauseReferences {
        naming(name, clauses)
    }

    fn excuse(clause: &'static str, gap: CoverageGap) -> GapExcuse {
        GapExcuse {
            clause,
            gap,
            why: "nobody got to it",
        }
    }

    /// What is objected to where every clause but O-2 is named by all, and O-2 by these.
    fn objections_on_o2(scenarios: &[&str], mutants: &[&str], excuses: &[GapExcuse]) -> Vec<String> {
        let clauses = conformance::clause::all();
        let all: Vec<&str> = clauses.iter().map(|clause| clause.id.as_str()).collect();
        let others: Vec<&str> = all.into_iter().filter(|id| *id != "O-2").collect();
        let with = |more: &[&str]| [named("the others", &others), named("this one", more)];
        let rows = of(clauses, &with(scenarios), &[], &with(mutants));
        let objections = objections(&rows, &[], excuses);
        objections
            .into_iter()
            .filter(|line| line.contains("O-2"))
            .collect()
    }

    #[test]
    fn a_must_that_nothing_checks_or_no_mutant_dies_of_is_told_unless_a_line_says_why() {
        assert_eq!(
            objections_on_o2(&[], &[], &[]),
            ["O-2 is a MUST and nothing checks it"]
        );
        assert!(objections_on_o2(&[], &[], &[excuse("O-2", CoverageGap::Check)]).is_empty());
        assert_eq!(
            objections_on_o2(&["O-2"], &[], &[]),
            ["O-2 is a MUST, is checked, and no mutant dies of it"]
        );
        assert!(objections_on_o2(&["O-2"], &[], &[excuse("O-2", CoverageGap::Mutant)]).is_empty());
        assert!(objections_on_o2(&["O-2"], &["O-2"], &[]).is_empty());
        assert!(
            objections_on_o2(
                &["O-2"],
                &["O-2"],
                &[excuse("O-2", CoverageGap::Part("one half"))]
            )
            .is_empty()
        );
    }

    #[test]
    fn an_excuse_that_is_not_so_any_more_is_told() {
        for (gap, scenarios, mutants, message) in [
            (
                CoverageGap::Check,
                &["O-2"][..],
                &["O-2"][..],
                "is checked; take its excuse away",
            ),
            (
                CoverageGap::Mutant,
                &["O-2"],
                &["O-2"],
                "is forced; take its excuse away",
            ),
            (
                CoverageGap::Mutant,
                &[],
                &[],
                "is excused as checked, and nothing checks it",
            ),
            (
                CoverageGap::Part("one half"),
                &["O-2"],
                &[],
                "is excused as forced but for one half",
            ),
        ] {
            let objections_on_o2 = objections_on_o2(scenarios, mutants, &[excuse("O-2", gap)]);
            assert!(
                objections_on_o2.iter().any(|line| line.contains(message)),
                "{gap:?}: {objections_on_o2:?}"
            );
        }
        let rows = of(conformance::clause::all(), &[], &[], &[]);
        let objections_on_o2 = objections(&rows, &[], &[excuse("X-9", CoverageGap::Check)]);
        assert!(objections_on_o2.contains(&"X-9 has an excuse and is no MUST of any contract".to_owned()));
    }

    #[test]
    fn a_check_of_nothing_and_one_of_an_unknown_clause_are_told() {
        let scenarios = [named("nothing", &[]), named("odd", &["X-9"])];
        let rows = of(conformance::clause::all(), &scenarios, &[], &[]);
        let objections_on_o2 = objections(&rows, &scenarios, &[]);
        for message in [
            "nothing names no clause",
            "odd names X-9, which is in no contract",
        ] {
            assert!(
                objections_on_o2.iter().any(|line| line == message),
                "{message}: {objections_on_o2:?}"
            );
        }
    }
}
