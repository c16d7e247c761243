//! The journal by itself: bounds, waiting, what is told to whom.

use std::sync::LazyLock;

use axum::http::{HeaderMap, HeaderValue};

use super::*;
use crate::contract::match_fields::RequestFacts;
use crate::contract::timestamp::UtcTimestamp;

static NOTED: LazyLock<HeaderMap> = LazyLock::new(|| {
    [("x-note", "a: b"), ("authorization", "Bearer secret")]
        .map(|(name, value)| (name.parse().expect("a name"), HeaderValue::from_static(value)))
        .into_iter()
        .collect()
});
static NO_HEADERS: LazyLock<HeaderMap> = LazyLock::new(HeaderMap::new);

pub(crate) fn arrival(operation: &'static str) -> RequestArrival<'static> {
    RequestArrival {
        operation: Some(operation),
        method: "POST",
        path: "/",
        facts: RequestFacts::default(),
        token_scopes: "",
        headers: &NOTED,
        body: b"",
        rule: None,
        fault: None,
        arrived: Instant::now(),
        at: UtcTimestamp::MANUAL_START,
    }
}

fn arrival_of<'a>(operation: &'static str, body: &'a [u8]) -> RequestArrival<'a> {
    RequestArrival {
        body,
        ..arrival(operation)
    }
}

fn said(body: &[u8]) -> BorrowedAnswer<'_> {
    BorrowedAnswer {
        status: 200,
        headers: &NO_HEADERS,
        body,
    }
}

fn ending(outcome: ExchangeOutcome) -> ExchangeEnd<'static> {
    ExchangeEnd {
        wire_answer: None,
        outcome,
        refusal: None,
        unexpected: false,
    }
}

fn answered(journal: &Arc<Journal>, operation: &'static str) {
    journal
        .arrive(&arrival(operation))
        .complete(ending(ExchangeOutcome::Answered));
}

fn wait(
    journal: &Journal,
    what: &ExchangeMatch,
    count: usize,
    limit: Duration,
) -> Result<Vec<Exchange>, WaitError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .expect("a runtime");
    runtime.block_on(journal.wait(what, count, limit))
}

#[test]
fn the_journal_keeps_the_last_exchanges_and_says_how_many_it_forgot() {
    let journal = Journal::new(3);
    (0..5).for_each(|_| answered(&journal, "claim"));
    let seqs: Vec<_> = journal.exchanges().iter().map(|exchange| exchange.seq).collect();
    assert_eq!((seqs, journal.forgotten()), (vec![3, 4, 5], 2));
    assert_eq!(journal.counters().requests["claim"], 5, "counters forget nothing");
}

#[test]
fn an_end_is_written_to_its_own_exchange_even_after_others_fell_out() {
    let journal = Journal::new(3);
    answered(&journal, "claim");
    let slow = journal.arrive(&arrival("shadow.claim"));
    answered(&journal, "claim");
    answered(&journal, "claim");
    slow.complete(ending(ExchangeOutcome::Faulted));
    let outcomes: Vec<_> = journal
        .exchanges()
        .iter()
        .map(|exchange| exchange.outcome)
        .collect();
    assert_eq!(
        outcomes,
        [
            ExchangeOutcome::Faulted,
            ExchangeOutcome::Answered,
            ExchangeOutcome::Answered
        ]
    );
}

#[test]
fn an_exchange_that_nobody_completed_was_left_by_its_client() {
    let journal = Journal::new(3);
    drop(journal.arrive(&arrival("claim")));
    assert_eq!(journal.exchanges()[0].outcome, ExchangeOutcome::AbortedByClient);
    assert!(journal.exchanges()[0].completed.is_some());
}

#[test]
fn what_has_arrived_is_waited_for_though_it_is_still_in_flight() {
    let journal = Journal::new(3);
    let _open = journal.arrive(&arrival("claim"));
    let seen = wait(&journal, &ExchangeMatch::operation("claim"), 1, Duration::ZERO).expect("it is there");
    assert_eq!(seen[0].outcome, ExchangeOutcome::InFlight);
}

#[test]
fn waiting_ends_with_how_many_came() {
    let journal = Journal::new(3);
    answered(&journal, "claim");
    let limit = Duration::from_millis(1);
    let late = wait(&journal, &ExchangeMatch::operation("claim"), 2, limit);
    assert_eq!(
        late,
        Err(WaitError::TimedOut {
            seen: 1,
            wanted: 2,
            limit
        })
    );
}

#[test]
fn a_question_past_the_edge_of_the_journal_is_inconclusive() {
    let journal = Journal::new(1);
    (0..2).for_each(|_| answered(&journal, "claim"));
    let late = wait(
        &journal,
        &ExchangeMatch::operation("claim"),
        2,
        Duration::from_millis(1),
    );
    assert_eq!(late, Err(WaitError::Inconclusive { forgotten: 1 }));
}

#[test]
fn a_subscriber_hears_of_arrival_and_end_in_order() {
    let journal = Journal::new(3);
    let events = journal.subscribe();
    answered(&journal, "claim");
    assert!(matches!(events.try_recv(), Ok(StubEvent::Arrived(exchange)) if exchange.seq == 1));
    assert!(
        matches!(events.try_recv(), Ok(StubEvent::Completed(exchange)) if exchange.outcome == ExchangeOutcome::Answered)
    );
}

#[test]
fn shadow_calls_are_counted_as_they_arrive() {
    let journal = Journal::new(3);
    ["shadow.claim", "shadow.claim", "shadow.report"]
        .iter()
        .for_each(|operation| answered(&journal, operation));
    let counters = journal.counters();
    assert_eq!(
        (
            counters.dry_runs,
            counters.shadow_reports,
            counters.mutations_total()
        ),
        (2, 1, 0)
    );
}

#[test]
fn the_journal_is_bounded_in_bytes_too() {
    let journal = Journal::new(10_000);
    let body = vec![b'1'; 60_000];
    for _ in 0..600 {
        let open = journal.arrive(&arrival_of("job.submit", &body));
        open.complete(ExchangeEnd {
            unexpected: true,
            ..ending(ExchangeOutcome::Answered)
        });
    }
    // 24 MiB hold 419 bodies of 60,000 bytes and what goes with them, 4 MiB of unexpected ones 69.
    let (kept, unexpected) = (journal.exchanges().len(), journal.unexpected().len());
    assert!((400..=419).contains(&kept), "{kept}");
    assert!((60..=69).contains(&unexpected), "{unexpected}");
    assert_eq!(journal.forgotten() as usize, 600 - kept);
}

#[test]
fn an_answer_counts_for_the_bytes_when_it_is_known() {
    let journal = Journal::new(10_000);
    let body = vec![b'1'; 60_000];
    for _ in 0..600 {
        let open = journal.arrive(&arrival("job.get"));
        journal.note(&open, |record| record.record_handler_answer(said(&body)));
        open.complete(ExchangeEnd {
            wire_answer: Some(said(&body)),
            ..ending(ExchangeOutcome::Answered)
        });
    }
    let kept = journal.exchanges().len();
    assert!(
        (400..=419).contains(&kept),
        "one answer held twice counts once: {kept}"
    );
}

#[test]
fn one_that_outlasts_its_place_in_the_journal_is_still_told_of() {
    let journal = Journal::new(1);
    let events = journal.subscribe();
    let slow = journal.arrive(&arrival("claim"));
    answered(&journal, "job.get");
    slow.complete(ExchangeEnd {
        unexpected: true,
        ..ending(ExchangeOutcome::Faulted)
    });
    let told = events.try_iter().map(|event| match event {
        StubEvent::Arrived(exchange) | StubEvent::Completed(exchange) => (exchange.seq, exchange.outcome),
    });
    let told: Vec<_> = told.collect();
    let (flight, end) = (ExchangeOutcome::InFlight, ExchangeOutcome::Answered);
    assert_eq!(
        told,
        [(1, flight), (2, flight), (2, end), (1, ExchangeOutcome::Faulted)]
    );
    assert_eq!(journal.unexpected()[0].seq, 1);
    assert_eq!(journal.exchanges()[0].seq, 2);
}

#[test]
fn after_a_reset_questions_are_conclusive_again() {
    let journal = Journal::new(1);
    (0..3).for_each(|_| answered(&journal, "claim"));
    journal.violation("a shadow claim changed real state".into());
    journal.reset();
    assert_eq!((journal.forgotten(), journal.violations()), (0, vec![]));
    answered(&journal, "claim");
    assert_eq!(journal.exchanges()[0].seq, 4, "numbers go on");
}

#[test]
fn of_violations_the_latest_are_kept() {
    let journal = Journal::new(1);
    (0..1_001).for_each(|number| journal.violation(number.to_string()));
    let kept = journal.violations();
    assert_eq!((kept.len(), kept[0].as_str()), (1_000, "1"));
}

#[test]
fn what_is_kept_is_read_back_as_it_was() {
    let journal = Journal::new(3);
    let open = journal.arrive(&arrival_of("claim", br#"{"factoryId": "f"}"#));
    journal.note(&open, |record| record.digests = Some((10, 11)));
    let long = vec![b' '; 70_000];
    let not_json = BorrowedAnswer {
        headers: &NOTED,
        ..said(b"<p>")
    };
    journal.note(&open, |record| record.record_handler_answer(not_json));
    open.complete(ExchangeEnd {
        wire_answer: Some(said(&long)),
        ..ending(ExchangeOutcome::Answered)
    });
    let exchange = &journal.exchanges()[0];
    assert_eq!(exchange.request_headers["x-note"], "a: b");
    assert_eq!(exchange.request_headers["authorization"], "(redacted)");
    assert_eq!(exchange.request_body, Some(serde_json::json!({"factoryId": "f"})));
    assert_eq!(exchange.digest_before, format!("{}a", "0".repeat(31)));
    assert_eq!(exchange.digest_after, format!("{}b", "0".repeat(31)));
    assert_eq!(exchange.at, "2026-01-01T00:00:00.000Z");
    let body =
        |answer: &Option<exchange::RecordedAnswer>| answer.as_ref().and_then(|answer| answer.body.clone());
    assert_eq!(body(&exchange.handler_answer), Some("<p>".into()));
    let cut = format!("{}... (70000 bytes)", " ".repeat(256));
    assert_eq!(body(&exchange.wire_answer), Some(cut.into()));
}

#[test]
fn what_takes_over_the_place_of_another_says_nothing_that_the_other_said() {
    let journal = Journal::new(1);
    let rich = RequestArrival {
        facts: RequestFacts {
            factory: Some("forge-9"),
            stage: Some("testing"),
            ..RequestFacts::default()
        },
        token_scopes: "shadow work",
        rule: Some("rule-1"),
        ..arrival_of("shadow.report", br#"{"stage": "testing"}"#)
    };
    for _ in 0..3 {
        let open = journal.arrive(&rich);
        journal.note(&open, |record| record.record_handler_answer(said(b"{}")));
        open.complete(ExchangeEnd {
            wire_answer: Some(said(b"{}")),
            ..ending(ExchangeOutcome::Answered)
        });
        let exchange = &journal.exchanges()[0];
        assert_eq!(exchange.token_scopes, ["shadow", "work"]);
        assert_eq!(
            (exchange.stage.as_deref(), exchange.handler_answer.clone()),
            (Some("testing"), exchange.wire_answer.clone())
        );
        drop(journal.arrive(&arrival("claim")));
        let exchange = &journal.exchanges()[0];
        assert_eq!(exchange.token_scopes, [""; 0]);
        assert_eq!(
            (
                &exchange.factory,
                &exchange.stage,
                &exchange.rule,
                &exchange.request_body
            ),
            (&None, &None, &None, &None)
        );
        assert_eq!((&exchange.handler_answer, &exchange.wire_answer), (&None, &None));
    }
}
