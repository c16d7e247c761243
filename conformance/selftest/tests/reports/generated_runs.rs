//! Runs that a seed makes up: outcomes of every kind, and texts that could spoil a report.

use conformance::case_result::{CaseResult, SourceLine};
use conformance::diagnosis::first_difference::{self, FirstDifference};
use conformance::diagnosis::run_trace::RunTrace;
use conformance::diagnosis::timeline_events::{EventSource, TimelineEvent};
use conformance::outcome::{Finding, Outcome};
use conformance::report::event_stream::{RunEndReason, RunEnded, RunEvent, RunStarted, VERSION};
use conformance::report::run_record::RunRecord;

pub const OUTCOMES: [Outcome; 5] = [
    Outcome::Pass,
    Outcome::Fail,
    Outcome::Broken,
    Outcome::KnownFailure,
    Outcome::NotApplicable,
];

/// Texts that a runner, a scenario or a folder may bring along to spoil a report.
pub const HOSTILE: [&str; 8] = [
    "plain",
    "<script>alert(1)</script>&amp;\"'",
    "]]><failure/>",
    "::error file=x::y\n::stop-outcome::z\n##[error]w",
    "a | b `c` ````` <details>\n\n# heading",
    "nul\0 esc\u{1b}[31m del\u{7f} c1\u{9b} \u{fffe}\u{ffff} \u{202e}",
    "100% \r\n 0 passed, 0 failed",
    "{{ started }} {% raw %}",
];

/// Small numbers that a seed decides.
pub struct TestRng(pub u64);

impl TestRng {
    pub fn below(&mut self, limit: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(0x5851_f42d_4c95_7f2d)
            .wrapping_add(0x1405_7b7e_f767_814f);
        (self.0 >> 33) % limit
    }

    pub fn text(&mut self) -> String {
        let one = HOSTILE[self.below(HOSTILE.len() as u64) as usize];
        let other = HOSTILE[self.below(HOSTILE.len() as u64) as usize];
        format!("{one} {other}")
    }
}

pub fn case(id: &str, outcome: Outcome, rng: &mut TestRng) -> CaseResult {
    let failed = outcome.is_bad();
    let event = TimelineEvent {
        at_us: 1_500,
        seen_by: [EventSource::Runner, EventSource::Coordinator, EventSource::Script][rng.below(3) as usize],
        what: rng.text(),
        about: vec!["alpha".into()],
        odd: rng.below(2) == 0,
        moved: None,
    };
    let trace = RunTrace {
        name: "the run".into(),
        kept: None,
        commands: vec![],
        folder: vec![rng.text()],
        log: vec![],
        events: vec![event],
        events_left_out: 0,
        unwatched: None,
    };
    let difference = FirstDifference {
        kind: first_difference::DifferenceKind::Line,
        at_us: (rng.below(2) == 0).then_some(1_600),
        place: rng.text(),
        expected: rng.text(),
        seen: rng.text(),
    };
    let differences = if failed { vec![difference] } else { vec![] };
    CaseResult {
        id: id.to_owned(),
        title: rng.text(),
        clauses: vec!["S-1".into()],
        outcome,
        took_ms: rng.below(1_000),
        place: Some(SourceLine {
            file: format!("scenarios/{id}.toml"),
            line: 3,
        }),
        findings: vec![Finding {
            check: "runs".into(),
            clauses: vec!["S-1".into()],
            outcome,
            expected: rng.text(),
            observed: format!("alpha {}", rng.text()),
        }],
        failure_report: if failed { rng.text() } else { String::new() },
        replay: if failed {
            format!("conformance run '{id}'")
        } else {
            String::new()
        },
        traces: vec![trace],
        differences,
    }
}

/// The events of a run that has been made up.
pub fn run(seed: u64) -> Vec<RunEvent> {
    let mut rng = TestRng(seed);
    let wanted = rng.below(7);
    let ids: Vec<String> = (0..wanted)
        .map(|number| format!("{number}/{}", rng.text()))
        .collect();
    let why = [
        RunEndReason::Complete,
        RunEndReason::Complete,
        RunEndReason::FailFast,
        RunEndReason::Interrupted,
        RunEndReason::Terminated,
    ][rng.below(5) as usize];
    let ran = match why {
        RunEndReason::Complete => ids.len(),
        _ => rng.below(wanted + 1) as usize,
    };
    let mut events = vec![RunEvent::RunStarted(Box::new(RunStarted {
        version: VERSION,
        command: "run".into(),
        subject: rng.text(),
        program: vec![rng.text()],
        jobs: 2,
        shuffle: (rng.below(2) == 0).then_some(seed),
        cases: ids.clone(),
        ..RunStarted::default()
    }))];
    for id in &ids[..ran] {
        // One kind alone is what decides an exit code, so it has to come about often.
        let kinds = 1 + seed % OUTCOMES.len() as u64;
        let outcome = OUTCOMES[(seed / 5 + rng.below(kinds)) as usize % OUTCOMES.len()];
        events.push(RunEvent::CaseStarted { id: id.clone() });
        events.push(RunEvent::CaseEnded(Box::new(case(id, outcome, &mut rng))));
    }
    let exit = folded(&events).exit_at(why).code();
    events.push(RunEvent::RunEnded(RunEnded {
        why,
        took_ms: 12,
        exit,
    }));
    events
}

pub fn folded(events: &[RunEvent]) -> RunRecord {
    let mut record = RunRecord::default();
    events.iter().cloned().for_each(|event| record.take(event));
    record
}
