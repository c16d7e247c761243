//! What this host can't keep of the runner contract. It is data, so that `aq doctor`, `aq fleet-status`, a page of the
//! docs and the profile for the suite all say the same.

#[cfg(any(test, portable, not(target_os = "linux")))]
mod portable;

use serde::Serialize;

/// A part of the contract that weakens here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(crate) struct PlatformLimit {
    /// The clause that it is a part of; none of what the contract says outside its clauses.
    pub(crate) clause: Option<&'static str>,
    /// Its words, or what they are about.
    pub(crate) part: &'static str,
    /// What to expect instead, for people.
    pub(crate) effect: &'static str,
}

/// Nothing weakens where the system is asked by its own calls.
#[cfg(all(target_os = "linux", not(portable)))]
pub(crate) const LIMITS: &[PlatformLimit] = &[];
#[cfg(any(portable, not(target_os = "linux")))]
pub(crate) const LIMITS: &[PlatformLimit] = portable::LIMITS;

#[cfg(test)]
mod tests {
    use super::*;

    /// The rows of the table of a page that has these columns, without the line below its heading.
    fn rows<'a>(page: &'a str, heading: &str) -> Vec<Vec<&'a str>> {
        let mut lines = page.lines().skip_while(|line| *line != heading).skip(2);
        let rows = lines.by_ref().map_while(|line| line.strip_prefix("| "));
        rows.map(|row| row.trim_end_matches(" |").split(" | ").collect())
            .collect()
    }

    #[test]
    fn the_page_lists_each_limit_of_the_portable_half_and_no_other() {
        let page = include_str!("../../docs/platforms.md");
        let listed = rows(page, "| clause | what weakens | what to expect |");
        let known = portable::LIMITS.iter().map(|limit| {
            let clause = limit.clause.unwrap_or("none");
            vec![clause, limit.part, limit.effect]
        });
        assert_eq!(listed, known.collect::<Vec<_>>());
    }

    #[test]
    fn each_limit_names_a_clause_of_the_contract_or_none() {
        let contract = include_str!("../../docs/runner-contract.md");
        for clause in portable::LIMITS.iter().filter_map(|limit| limit.clause) {
            assert!(contract.contains(&format!("\n- **{clause}** MUST")), "{clause}");
        }
    }

    #[test]
    fn only_the_portable_half_has_limits() {
        assert_eq!(LIMITS.is_empty(), cfg!(all(target_os = "linux", not(portable))));
    }
}
