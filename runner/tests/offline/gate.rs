//! `fleet-shadow-report --gate` on logs that it must not be fooled by: what it exits with, and what it says.

use std::fs;

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use crate::queue_fixture::QueueFixture;
use crate::started_command::CompletedCommand;

const START: &str = "2026-03-02T10:00:00Z";
const HOUR_S: i64 = 3600;

/// A shadow log that is written decision by decision.
pub struct Log {
    pub text: String,
    lines: usize,
    at: Timestamp,
}

impl Log {
    fn new() -> Log {
        Log {
            text: String::new(),
            lines: 0,
            at: START.parse().unwrap(),
        }
    }

    fn line(&mut self, fields: &str) {
        self.lines += 1;
        let decision = format!(r#""event":"comparison","decision":"d{}""#, self.lines);
        self.text += &format!("{{\"ts\":\"{}\",{decision},{fields}}}\n", self.at);
    }

    fn agree(mut self, times: usize) -> Log {
        for _ in 0..times {
            self.line(r#""localJob":"a","coordJob":"a","verdict":"AGREE""#);
        }
        self
    }

    pub fn disagree(mut self, kind: &str, times: usize) -> Log {
        for _ in 0..times {
            let fields = match kind {
                "COORD_EMPTY" => r#""localJob":"a","coordJob":null,"verdict":"COORD_EMPTY""#.to_owned(),
                "LOCAL_EMPTY" => {
                    let offer = self.lines;
                    format!(r#""localJob":null,"coordJob":"o{offer}","verdict":"LOCAL_EMPTY""#)
                }
                reason => {
                    format!(r#""localJob":"a","coordJob":"b","verdict":"DIVERGE","reason":"{reason}""#)
                }
            };
            self.line(&fields);
        }
        self
    }

    fn later(mut self, seconds: i64) -> Log {
        self.at += SignedDuration::from_secs(seconds);
        self
    }

    fn at(mut self, instant: &str) -> Log {
        self.at = instant.parse().unwrap();
        self
    }

    fn raw(mut self, line: &str) -> Log {
        self.text += line;
        self.text += "\n";
        self
    }

    /// What the gate makes of it: how it ended, and what it printed as JSON.
    fn judged(&self, variables: &[(&str, &str)]) -> (i32, Value) {
        let done = self.asked(variables, &["--json"]);
        let report: Value = serde_json::from_str(&done.stdout).unwrap();
        (done.code, report["gate"].clone())
    }

    fn asked(&self, variables: &[(&str, &str)], more: &[&str]) -> CompletedCommand {
        let fixture = QueueFixture::new();
        fs::create_dir_all(fixture.queue(".state")).unwrap();
        fs::write(fixture.queue(".state/fleet-shadow.log"), &self.text).unwrap();
        fixture.aq_with(variables, &[&["fleet-shadow-report", "--gate"], more].concat())
    }
}

/// So many agreements, half of them a day and an hour after the other half.
pub fn over_two_days(times: usize) -> Log {
    Log::new()
        .agree(times / 2)
        .later(25 * HOUR_S)
        .agree(times - times / 2)
}

fn assert_judged(what: &str, log: &Log, code: i32) {
    let (found, gate) = log.judged(&[]);
    assert_eq!(found, code, "{what}: {gate}");
}

#[test]
fn it_opens_at_449_clean_decisions_over_two_days_and_says_how_many_are_missing() {
    for (count, code, verdict) in [(449, 0, "promote"), (400, 3, "inconclusive")] {
        let log = over_two_days(count);
        let (found, gate) = log.judged(&[]);
        assert_eq!(
            (found, gate["verdict"].as_str().unwrap()),
            (code, verdict),
            "{gate}"
        );
        assert_eq!(gate["needed"], 449 - count);
    }
}

#[test]
fn without_being_asked_it_decides_nothing() {
    let fixture = QueueFixture::new();
    fs::create_dir_all(fixture.queue(".state")).unwrap();
    let log = over_two_days(5000).disagree("order", 25);
    fs::write(fixture.queue(".state/fleet-shadow.log"), log.text).unwrap();
    assert_eq!(fixture.aq(&["fleet-shadow-report"]).code, 0);
}

#[test]
fn a_coordinator_that_is_broken_now_is_held_however_good_it_was() {
    for kind in ["order", "COORD_EMPTY", "LOCAL_EMPTY"] {
        let log = over_two_days(5000).disagree(kind, 25);
        let (code, gate) = log.judged(&[]);
        assert_eq!((code, &gate["verdict"]), (1, &Value::from("hold")), "{kind}");
        let alarm = &gate["alarm"];
        assert_eq!(
            (&alarm["disagree"], &alarm["of"]),
            (&25.into(), &25.into()),
            "{gate}"
        );
        assert!(alarm["lnValue"].as_f64() >= alarm["lnLimit"].as_f64(), "{gate}");

        let text = log.asked(&[], &[]).stdout;
        for words in [
            "25 of the last 25 decisions disagree",
            "`aq fleet-shadow-restart` begins a new observation",
            "1033 more decisions without a disagreement",
        ] {
            assert!(text.contains(words), "{words}\n{text}");
        }
    }
    assert_judged("ties are agreements", &over_two_days(5000).disagree("tie", 25), 0);
    assert_judged(
        "two disagreements are none too many",
        &over_two_days(5000).disagree("order", 2),
        0,
    );
    let drift = (0..20).fold(over_two_days(5000), |log, _| log.agree(19).disagree("order", 1));
    assert_judged("a slow decline to 0.95", &drift, 1);
    let log = over_two_days(5000).disagree("order", 25).agree(25);
    assert_judged("a few agreements after it broke", &log, 1);
}

#[test]
fn an_alarm_ends_with_as_many_clean_decisions_as_it_said() {
    let broken = || over_two_days(5000).disagree("order", 25);
    let needed = broken().judged(&[]).1["alarm"]["needed"].as_u64().unwrap();
    let needed = usize::try_from(needed).unwrap();
    let (code, gate) = broken().agree(needed - 1).judged(&[]);
    assert_eq!((code, &gate["alarm"]["needed"]), (1, &1.into()), "{gate}");
    let (code, gate) = broken().agree(needed).judged(&[]);
    assert_eq!((code, &gate["alarm"]["needed"]), (0, &0.into()), "{gate}");
}

#[test]
fn what_is_no_decision_neither_raises_the_alarm_nor_ends_it() {
    let error = r#"{"ts":"2026-03-03T11:00:00Z","event":"shadow-error","localJob":"a","coordJob":null,"verdict":null,"decision":"e","operation":"shadow.claim","kind":"timeout"}"#;
    let skipped = r#"{"ts":"2026-03-03T11:00:00Z","event":"skipped","localJob":"a","coordJob":null,"verdict":null,"decision":"s","reason":"view_gap"}"#;
    let idle = r#"{"ts":"2026-03-03T11:00:00Z","event":"comparison","localJob":null,"coordJob":"y","verdict":"LOCAL_EMPTY","decision":"i"}"#;
    let and = |log: Log, line: &str| (0..40).fold(log, |log, _| log.raw(line));
    for line in [error, skipped, idle] {
        assert_judged(line, &and(over_two_days(5000), line), 0);
        assert_judged(line, &and(over_two_days(5000).disagree("order", 25), line), 1);
    }
}

#[test]
fn the_evidence_of_one_moment_is_not_enough() {
    let (code, gate) = Log::new().agree(449).judged(&[]);
    assert_eq!(
        (code, &gate["verdict"]),
        (3, &Value::from("inconclusive")),
        "{gate}"
    );
    assert_eq!(
        (&gate["span"]["seconds"], &gate["span"]["days"]),
        (&0.into(), &1.into())
    );
    assert_eq!(gate["span"]["neededSeconds"], 24 * HOUR_S);

    let apart = |seconds| Log::new().agree(225).later(seconds).agree(224);
    for (what, seconds, code) in [
        ("one day less a second", 24 * HOUR_S - 1, 3),
        ("two days of the calendar, 23 hours", 23 * HOUR_S, 3),
        ("a day", 24 * HOUR_S, 0),
        ("45 days", 45 * 24 * HOUR_S, 0),
    ] {
        assert_judged(what, &apart(seconds), code);
    }
    let text = apart(23 * HOUR_S).asked(&[], &[]).stdout;
    assert!(text.contains("1h00m more"), "{text}");
    // Several writers: what is written last need not be the latest.
    let swapped = Log::new()
        .later(24 * HOUR_S)
        .agree(225)
        .later(-24 * HOUR_S)
        .agree(224);
    assert_judged("lines out of order", &swapped, 0);
}

#[test]
fn the_days_are_those_of_the_hosts_own_time() {
    // From the first to the last minute of the day that has 25 hours in Berlin.
    let log = Log::new()
        .at("2025-10-25T22:10:00Z")
        .agree(225)
        .later(24 * HOUR_S)
        .agree(224);
    let berlin = [("TZ", "CET-1CEST,M3.5.0,M10.5.0/3")];
    let (code, gate) = log.judged(&berlin);
    assert_eq!((code, &gate["span"]["days"]), (3, &1.into()), "{gate}");
    assert_eq!(gate["span"]["neededSeconds"], 50 * 60);
    assert_eq!(log.judged(&[("TZ", "UTC")]).0, 0);
}

#[test]
fn a_time_that_can_not_be_true_lengthens_nothing() {
    let odd = |ts: &str| {
        format!(
            r#"{{"ts":{ts},"event":"comparison","decision":"x","localJob":"a","coordJob":"a","verdict":"AGREE"}}"#
        )
    };
    for ts in [
        "\"9000-01-01T00:00:00Z\"",
        "\"1970-01-01T00:00:07Z\"",
        "\"yesterday\"",
        "null",
        "\"\"",
    ] {
        let first = Log::new().raw(&odd(ts)).agree(449);
        let last = Log::new().agree(449).raw(&odd(ts));
        for log in [first, last] {
            assert_judged(ts, &log, 3);
        }
        assert_judged(ts, &over_two_days(449).raw(&odd(ts)), 0);
    }
    let without = (0..449).fold(Log::new(), |log, _| log.raw(&odd("null")));
    let (code, gate) = without.judged(&[]);
    assert_eq!(
        (code, &gate["span"]["neededSeconds"]),
        (3, &Value::Null),
        "{gate}"
    );
}
