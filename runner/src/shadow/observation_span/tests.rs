//! Spans between instants, on a calendar that has days of 23 and of 25 hours.

use super::*;

/// Central Europe's rule of 2025, without asking the host for its files.
fn berlin() -> TimeZone {
    TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").unwrap()
}

const DAY: SignedDuration = SignedDuration::from_hours(24);

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn span(instants: &[&str]) -> ObservationSpan {
    let mut span = ObservationSpan::default();
    for text in instants {
        if let Some(at) = time_of_line(Some(text), at("2026-01-01T00:00:00Z")) {
            span.note(at);
        }
    }
    span
}

#[test]
fn a_day_and_two_dates_are_enough_and_less_is_told_to_the_second() {
    for (first, last, days, missing_s) in [
        ("2025-06-01T10:00:00Z", "2025-06-01T10:00:00Z", 1, 86_400),
        ("2025-06-01T10:00:00Z", "2025-06-02T09:59:59Z", 2, 1),
        ("2025-06-01T10:00:00Z", "2025-06-02T10:00:00Z", 2, 0),
        ("2025-06-01T10:00:00+02:00", "2025-06-03T10:00:00-02:00", 3, 0),
        // The day with 25 hours: all of it is one day.
        ("2025-10-25T22:00:00Z", "2025-10-26T22:59:59Z", 1, 1),
        ("2025-10-25T22:00:00Z", "2025-10-26T23:00:00Z", 2, 0),
        // The day with 23 hours: its end is no day after its beginning.
        ("2025-03-29T23:00:00Z", "2025-03-30T22:00:00Z", 2, 3600),
        ("2025-03-29T23:00:00Z", "2025-03-30T23:00:00Z", 2, 0),
    ] {
        let span = span(&[first, last]);
        assert_eq!(span.days(&berlin()), days, "{first} to {last}");
        assert_eq!(
            span.missing(&berlin(), DAY),
            Some(SignedDuration::from_secs(missing_s)),
            "{first} to {last}"
        );
    }
}

#[test]
fn the_order_of_the_lines_does_not_matter() {
    let swapped = span(&[
        "2025-06-02T10:00:00Z",
        "2025-06-01T09:00:00Z",
        "2025-06-01T10:00:00Z",
    ]);
    assert_eq!(swapped.length(), SignedDuration::from_hours(25));
}

#[test]
fn what_can_not_be_true_is_passed_over() {
    let found = span(&[
        "2025-06-01T10:00:00Z",
        "1970-01-01T00:00:05Z",
        "2026-01-01T00:00:00.001Z",
        "9999-12-31T23:59:59Z",
        "-009999-01-01T00:00:00Z",
        "2025-06-05",
        "",
    ]);
    assert_eq!(time_of_line(None, at("2026-01-01T00:00:00Z")), None);
    assert_eq!(found, span(&["2025-06-01T10:00:00Z"]));
    let nothing = ObservationSpan::default();
    assert_eq!(
        (
            nothing.length(),
            nothing.days(&berlin()),
            nothing.missing(&berlin(), DAY)
        ),
        (SignedDuration::ZERO, 0, None)
    );
}
