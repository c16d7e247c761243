//! Pins: a hash of each clause's text, checked in. A text that changes loses its pin until somebody has looked at
//! the clause's checks and pins it anew.

use std::collections::BTreeMap;

use conformance::clause::Clause;

/// The pins as they are checked in.
pub const CHECKED_IN: &str = include_str!("../../clauses.pins");

const HEADER: &str = "\
# One line a clause: its id and a hash of its text. When a text changes, look at the clause's checks and scenarios
# (`conformance-selftest coverage` lists them), then run
# `cargo run -p conformance-selftest -- pin >conformance/clauses.pins`.
";

/// The pin file of these clauses.
pub fn render(clauses: &[Clause]) -> String {
    let lines = clauses
        .iter()
        .map(|clause| format!("{} {}\n", clause.id, hash(&clause.text)));
    format!("{HEADER}{}", lines.collect::<String>())
}

/// What the pins and the clauses disagree about.
pub fn differences(pins: &str, clauses: &[Clause]) -> Vec<String> {
    let lines = pins.lines().filter(|line| !line.starts_with('#'));
    let mut pinned: BTreeMap<&str, &str> = lines.filter_map(|line| line.split_once(' ')).collect();
    let mut found = Vec::new();
    for clause in clauses {
        match pinned.remove(clause.id.as_str()) {
            None => found.push(format!("{} has no pin", clause.id)),
            Some(pin) if pin != hash(&clause.text) => {
                found.push(format!(
                    "the text of {} has changed since it was pinned",
                    clause.id
                ));
            }
            Some(_) => {}
        }
    }
    found.extend(
        pinned
            .keys()
            .map(|id| format!("{id} is pinned and in no contract")),
    );
    found
}

/// FNV-1a: nobody attacks it, and it is the same in every release of the language. Blanks don't count.
fn hash(text: &str) -> String {
    let mut state = 0xcbf2_9ce4_8422_2325_u64;
    for byte in text
        .split_whitespace()
        .flat_map(|word| word.bytes().chain([b' ']))
    {
        state = (state ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    }
    format!("{state:016x}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use conformance::clause::ClauseLevel;

    fn clause(id: &str, text: &str) -> Clause {
        Clause {
            id: id.into(),
            level: ClauseLevel::Must,
            text: text.into(),
            document: "x.md",
        }
    }

    #[test]
    fn a_changed_a_new_and_a_vanished_clause_are_told() {
        let pins = render(&[clause("A-1", "one"), clause("A-2", "two"), clause("A-3", "three")]);
        assert_eq!(
            differences(
                &pins,
                &[clause("A-1", "one"), clause("A-2", "2"), clause("A-4", "four")]
            ),
            [
                "the text of A-2 has changed since it was pinned",
                "A-4 has no pin",
                "A-3 is pinned and in no contract"
            ]
        );
    }

    #[test]
    fn only_words_count_not_how_they_are_wrapped() {
        let pins = render(&[clause("A-1", "one  two")]);
        assert!(differences(&pins, &[clause("A-1", "one\ttwo ")]).is_empty());
    }
}
