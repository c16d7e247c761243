//! An output that is longer than a log keeps, so that kills fall on every step of its log: beginning and end have to be
//! there, and the gap between them is as large as its line says (clause O-24).

use std::io::{self, Write};

/// The least that `aq` lets be set.
pub(super) const SETTING: &str = "[run]\nlog_max = \"1MiB\"\n";
pub(super) const LOG_BYTES_MAX: u64 = 1024 * 1024;
/// Twice as much.
const LINES: usize = 64 * 1024;
/// The jobs that print it have a file in this folder of the fixture.
pub(super) const FOLDER: &str = "long_output";

/// The steps that are about the log of an engine have this in their names.
pub(super) const LOG: &str = "engine.out";

/// One job of such a case prints so much: it is enough, and takes its time.
pub(super) fn is_in_case(seed: u64) -> bool {
    seed.is_multiple_of(3)
}

/// Each is as long as the others of its attempt.
fn line(id: &str, attempt: u64, number: usize) -> String {
    format!("{id} attempt {attempt:03} line {number:08}\n")
}

/// Whoever reads it may be killed meanwhile, which is nothing that is wrong here.
pub(super) fn print(id: &str, attempt: u64) {
    let text: String = (0..LINES).map(|number| line(id, attempt, number)).collect();
    let mut output = io::stdout();
    let _ = output.write_all(text.as_bytes()).and_then(|()| output.flush());
}

/// What is wrong with a log. Whoever wrote it may have been killed before the end, unless it is complete.
pub(super) fn flaw(log: &str, id: &str, attempt: u64, is_complete: bool) -> Option<String> {
    let whole = line(id, attempt, 0).len();
    let of_attempt = format!("{id} attempt {attempt:03} ");
    let mut next = 0;
    let mut lines = log.lines().peekable();
    while let Some(found) = lines.next() {
        let expected = line(id, attempt, next);
        if found == expected.trim_end() {
            next += 1;
        } else if lines.peek().is_none() && expected.starts_with(found) {
            // The last thing that a killed supervisor wrote.
            break;
        } else if found.starts_with(&of_attempt) {
            return Some(format!("`{found}` stands where line {next} belongs"));
        } else if let Some(bytes) = missing_bytes(found).filter(|_| next > 0) {
            if bytes % whole != 0 || lines.peek().is_none() {
                return Some(format!("behind line {next} is no whole line: `{found}`"));
            }
            next += bytes / whole;
        }
    }
    match (next, is_complete) {
        (0, true) => Some("its beginning is not there".to_owned()),
        (1..LINES, true) => Some(format!("its end is not there: line {next} is the next one")),
        _ => None,
    }
}

/// Of a line of the runner's own.
fn missing_bytes(line: &str) -> Option<usize> {
    let (before, _) = line.split_once(" bytes ")?;
    before.rsplit(' ').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(range: std::ops::Range<usize>) -> String {
        range.map(|number| line("job-0", 2, number)).collect()
    }

    #[test]
    fn a_log_is_right_with_its_gap_and_wrong_without_its_beginning_its_end_or_a_line() {
        let flaw = |log: &str| flaw(log, "job-0", 2, true);
        let gap = |count: usize| format!("-- {} bytes are missing here --\n", count * lines(0..1).len());
        assert_eq!(flaw(&lines(0..LINES)), None);
        let right = lines(0..9) + &gap(LINES - 18) + &lines(LINES - 9..LINES);
        assert_eq!(flaw(&right), None);
        assert_eq!(
            flaw(&("a line of another\n".to_owned() + &right + "ship 7\n")),
            None
        );
        for wrong in [
            String::new(),
            lines(0..9),
            lines(0..9) + &gap(LINES - 9),
            gap(LINES - 9) + &lines(LINES - 9..LINES),
            lines(0..9) + &lines(LINES - 9..LINES),
            lines(0..9) + &gap(LINES - 19) + &lines(LINES - 9..LINES),
            right.replace(" bytes", "0 bytes"),
        ] {
            assert!(flaw(&wrong).is_some(), "{}", &wrong[..wrong.len().min(300)]);
        }
    }

    #[test]
    fn a_log_that_was_cut_off_may_end_anywhere() {
        let whole = lines(0..9);
        for end in 0..whole.len() {
            assert_eq!(flaw(&whole[..end], "job-0", 2, false), None, "{end}");
        }
        assert!(flaw(&whole[whole.len() / 2..], "job-0", 2, false).is_some());
    }
}
