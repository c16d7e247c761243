//! The register of clauses, read from the two contracts in `docs/`: id, level, text. What the self-test proved of each
//! is `proofs`.

pub mod proofs;

use std::sync::LazyLock;

/// The contracts, by the path that messages give them.
const CONTRACTS: [(&str, &str); 2] = [
    (
        "docs/runner-contract.md",
        include_str!("../../docs/runner-contract.md"),
    ),
    (
        "docs/coordinator-contract.md",
        include_str!("../../docs/coordinator-contract.md"),
    ),
];

static ALL: LazyLock<Vec<Clause>> = LazyLock::new(|| {
    CONTRACTS
        .iter()
        .flat_map(|(path, text)| read(path, text))
        .collect()
});

/// One rule of a contract.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Clause {
    pub id: String,
    pub level: ClauseLevel,
    pub text: String,
    /// The document that it stands in.
    pub document: &'static str,
}

/// Whether the suite has to check it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClauseLevel {
    Must,
    /// Part of the contract, not built yet.
    Planned,
}

/// Every clause, in the order of the documents.
pub fn all() -> &'static [Clause] {
    &ALL
}

/// The clause of this id.
pub fn named(id: &str) -> Option<&'static Clause> {
    ALL.iter().find(|clause| clause.id == id)
}

/// Clauses stand as list items: `- **ID** MUST. text` or `- **ID** MUST, planned. text`, a line each.
fn read(document: &'static str, text: &str) -> Vec<Clause> {
    let items = text.lines().filter_map(|line| line.strip_prefix("- **"));
    let clauses = items.filter_map(|item| {
        let (id, rest) = item.split_once("** ")?;
        let (level, text) = rest.split_once(". ")?;
        let level = match level {
            "MUST" => ClauseLevel::Must,
            "MUST, planned" => ClauseLevel::Planned,
            _ => return None,
        };
        Some(Clause {
            id: id.to_owned(),
            level,
            text: text.trim().to_owned(),
            document,
        })
    });
    clauses.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clause_has_an_id_a_level_and_a_text() {
        let text = "- **A-1** MUST. One thing. Another.\n- **A-2** MUST, planned. Later.\n- **no clause**\n";
        let read = read("x.md", text);
        let clauses: Vec<(&str, ClauseLevel, &str)> = read
            .iter()
            .map(|clause| (clause.id.as_str(), clause.level, clause.text.as_str()))
            .collect();
        assert_eq!(
            clauses,
            [
                ("A-1", ClauseLevel::Must, "One thing. Another."),
                ("A-2", ClauseLevel::Planned, "Later.")
            ]
        );
    }

    #[test]
    fn every_list_item_that_looks_like_a_clause_is_one_and_ids_are_unique() {
        let items = CONTRACTS.iter().flat_map(|(_, text)| text.lines());
        let items = items.filter(|line| line.starts_with("- **")).count();
        assert_eq!(all().len(), items, "an item has a level that is not known");
        assert!(all().len() > 70, "only {} clauses were found", all().len());
        for clause in all() {
            let same = all().iter().filter(|other| other.id == clause.id).count();
            assert_eq!(same, 1, "{} stands {same} times", clause.id);
        }
    }
}
