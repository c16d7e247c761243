//! Whether an engine failed because it is not logged in: pure, on what it printed.

use crate::terminal::strip_ansi;

/// As many characters of the engine's message tell a person what happened.
const SHOWN_MAX: usize = 160;

/// The line that says so. `is_last`: nothing confirms it, so it has to be the engine's last word: what stands before it
/// may be the work itself, which can be about logins.
pub(super) fn find(tail: &str, phrases: &[String], is_last: bool) -> Option<String> {
    let lines = tail.lines().rev().map(strip_ansi);
    let mut lines = lines.filter(|line| !line.trim().is_empty());
    let says = |line: &String| {
        let low = line.to_lowercase();
        phrases.iter().any(|phrase| low.contains(&phrase.to_lowercase()))
    };
    let found = match is_last {
        true => lines.next().filter(says),
        false => lines.find(says),
    };
    found.map(|line| shown(&line))
}

/// The last line that is not empty, for people.
pub(super) fn last_line(tail: &str) -> String {
    let mut lines = tail.lines().rev().map(strip_ansi);
    let last = lines.find(|line| !line.trim().is_empty());
    last.map(|line| shown(&line)).unwrap_or_default()
}

fn shown(line: &str) -> String {
    line.trim().chars().take(SHOWN_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_that_nothing_confirms_count_in_the_last_line_alone() {
        let phrases = [String::from("Please run /login")];
        let told = "\u{1b}[31mInvalid API key \u{b7} Please run /login\u{1b}[0m\n\n";
        let noise = format!("{told}(node:7) Warning: something else\n");
        let line = Some(String::from("Invalid API key \u{b7} Please run /login"));
        assert_eq!(find(told, &phrases, true), line);
        assert_eq!(find(&noise, &phrases, true), None);
        assert_eq!(find(&noise, &phrases, false), line);
        assert_eq!(find("the login page is broken\n", &phrases, false), None);
        assert_eq!(last_line(&noise), "(node:7) Warning: something else");
    }
}
