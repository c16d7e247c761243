//! Lengths, instants, cuts, and texts that would steer a terminal.

use super::*;
use std::time::Duration;

#[test]
fn an_instant_is_told_to_the_second_in_utc() {
    assert_eq!(instant("2026-03-02T09:30:45.987Z"), "2026-03-02 09:30:45Z");
    assert_eq!(instant("2026-03-02T10:30:45+01:00"), "2026-03-02 09:30:45Z");
    assert_eq!(instant("yesterday"), "yesterday");
}

#[test]
fn nothing_that_steers_a_terminal_gets_through() {
    assert_eq!(
        escape_control("a\x1b[31mb\u{7}\r\n\u{202e}c"),
        "a\\u{1b}[31mb\\u{7}\\r\\n\\u{202e}c"
    );
    assert_eq!(escape_control("┄ aq: all is well"), "\\u{2504} aq: all is well");
    assert_eq!(escape_control("grün · 漢字"), "grün · 漢字");
}

#[test]
fn a_line_is_cut_to_less_than_the_width_of_the_terminal() {
    assert_eq!(truncate_to_width("abcdef", 4), "abc");
    assert_eq!(truncate_to_width("漢字漢字", 6), "漢字");
    assert_eq!(truncate_to_width("abc", 80), "abc");
}

#[test]
fn lengths_are_told_in_two_units() {
    let cases = [
        (1_400, "1.4s"),
        (59_000, "59s"),
        (192_000, "3m12s"),
        (5_400_000, "1h30m"),
        (90_000_000, "1d01h"),
    ];
    for (ms, expected) in cases {
        assert_eq!(duration(Duration::from_millis(ms)), expected);
    }
}
