//! What the self-test proved of each clause, as it is checked in, so that the report of a run can say it. A test of the
//! self-test holds the file against its mutants.

/// `CLAUSE<tab>MUTANTS<tab>GAP`, a line a clause; a line without a gap ends after the number.
pub const CHECKED_IN: &str = include_str!("../../clause-proofs.tsv");

/// What stands behind a clause.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ClauseProof {
    /// How many mutants the clause's checks reject.
    pub mutants: usize,
    /// What is not proven, and why.
    pub gaps: Vec<String>,
}

/// The proof of this clause; an empty one where the file does not have it.
pub fn of(id: &str) -> ClauseProof {
    let mut lines = CHECKED_IN.lines().map(|line| line.split('\t'));
    let mut found = lines.find_map(|mut fields| (fields.next() == Some(id)).then_some(fields));
    let mut fields = found.iter_mut().flatten();
    ClauseProof {
        mutants: fields.next().and_then(|number| number.parse().ok()).unwrap_or(0),
        gaps: fields.map(ToOwned::to_owned).collect(),
    }
}
