//! A stream that was written down is read back as it was, and keeps its schema.

use std::io::BufReader;

use conformance::exit_codes::{EndingSignal, HarnessExit};
use conformance::report::event_stream::{RunEndReason, RunEvent, RunStarted, VERSION};
use conformance::report::run_record::{RunRecord, StreamReadError};
use conformance::scenario::json_schema;

use crate::generated_runs::{folded, run};

#[test]
fn a_stream_is_read_back_as_it_was_and_a_torn_one_is_an_interrupted_run() {
    for seed in 0..40 {
        let events = run(seed);
        let lines: Vec<String> = events
            .iter()
            .map(|event| serde_json::to_string(event).expect("JSON"))
            .collect();
        let whole = lines.join("\n");
        let read = RunRecord::read(BufReader::new(whole.as_bytes())).expect("a stream");
        let record = folded(&events);
        assert_eq!(
            (read.cases, read.ended),
            (record.cases, record.ended),
            "seed {seed}"
        );
        let torn = &whole[..whole.len() - 5];
        let read = RunRecord::read(BufReader::new(torn.as_bytes())).expect("a torn stream");
        assert_eq!(
            (read.end(), read.exit()),
            (
                RunEndReason::Interrupted,
                HarnessExit::Ended(EndingSignal::Interrupt)
            )
        );
    }
}

#[test]
fn a_stream_of_another_version_or_none_at_all_is_refused() {
    let other = RunEvent::RunStarted(Box::new(RunStarted {
        version: VERSION + 1,
        ..RunStarted::default()
    }));
    let other = serde_json::to_string(&other).expect("JSON");
    let read = |text: &str| RunRecord::read(BufReader::new(text.as_bytes()));
    assert!(matches!(read(&other), Err(StreamReadError::Version { .. })));
    assert!(matches!(read(""), Err(StreamReadError::NoStart)));
    assert!(matches!(
        read("{}"),
        Err(StreamReadError::NoEvent { line: 1, .. })
    ));
    assert!(matches!(
        read(r#"{"event":"case-started","id":"a"}"#),
        Err(StreamReadError::NoStart)
    ));
}

#[test]
fn the_schema_that_is_checked_in_is_the_one_of_the_types_and_streams_keep_it() {
    let checked_in = include_str!("../../../events.schema.json");
    assert!(
        checked_in == json_schema::of::<RunEvent>(),
        "run `cargo run -p conformance -- schema events >conformance/events.schema.json`"
    );
    let schema: serde_json::Value = serde_json::from_str(checked_in).expect("JSON");
    let schema = jsonschema::validator_for(&schema).expect("a schema");
    for event in (0..40).flat_map(run) {
        let event = serde_json::to_value(&event).expect("JSON");
        assert!(schema.is_valid(&event), "{event}");
    }
    assert!(!schema.is_valid(&serde_json::json!({"event": "case-ended", "id": "a"})));
}
