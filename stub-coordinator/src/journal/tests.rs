//! The journal by itself: bounds, waiting, what is told to whom.

use std::collections::BTreeMap;

use super::*;

fn exchange(operation: &str) -> Exchange {
    Exchange {
        seq: 0,
        operation: Some(operation.to_owned()),
        method: "POST".to_owned(),
        path: "/".to_owned(),
        factory: None,
        job: None,
        stage: None,
        lease: None,
        token_scopes: Vec::new(),
        request_headers: BTreeMap::new(),
        request_body: None,
        rule: None,
        fault: None,
        handler_answer: None,
        wire_answer: None,
        digest_before: String::new(),
        digest_after: String::new(),
        mutated: false,
        outcome: Outcome::InFlight,
        arrived: Instant::now(),
        completed: None,
        at: String::new(),
    }
}

fn answered(journal: &Arc<Journal>, operation: &str) {
    let mut entry = exchange(operation);
    let open = journal.arrive(&mut entry);
    entry.outcome = Outcome::Answered;
    open.complete(Ending {
        exchange: entry,
        refusal: None,
        unexpected: false,
    });
}

fn wait(journal: &Journal, what: &Match, count: usize, limit: Duration) -> Result<Vec<Exchange>, WaitError> {
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
    let mut slow = exchange("shadow.claim");
    let open = journal.arrive(&mut slow);
    answered(&journal, "claim");
    answered(&journal, "claim");
    slow.outcome = Outcome::Faulted;
    open.complete(Ending {
        exchange: slow,
        refusal: None,
        unexpected: false,
    });
    let outcomes: Vec<_> = journal
        .exchanges()
        .iter()
        .map(|exchange| exchange.outcome)
        .collect();
    assert_eq!(outcomes, [Outcome::Faulted, Outcome::Answered, Outcome::Answered]);
}

#[test]
fn an_exchange_that_nobody_completed_was_left_by_its_client() {
    let journal = Journal::new(3);
    drop(journal.arrive(&mut exchange("claim")));
    assert_eq!(journal.exchanges()[0].outcome, Outcome::AbortedByClient);
    assert!(journal.exchanges()[0].completed.is_some());
}

#[test]
fn what_has_arrived_is_waited_for_though_it_is_still_in_flight() {
    let journal = Journal::new(3);
    let _open = journal.arrive(&mut exchange("claim"));
    let seen = wait(&journal, &Match::operation("claim"), 1, Duration::ZERO).expect("it is there");
    assert_eq!(seen[0].outcome, Outcome::InFlight);
}

#[test]
fn waiting_ends_with_how_many_came() {
    let journal = Journal::new(3);
    answered(&journal, "claim");
    let limit = Duration::from_millis(1);
    let late = wait(&journal, &Match::operation("claim"), 2, limit);
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
    let late = wait(&journal, &Match::operation("claim"), 2, Duration::from_millis(1));
    assert_eq!(late, Err(WaitError::Inconclusive { forgotten: 1 }));
}

#[test]
fn a_subscriber_hears_of_arrival_and_end_in_order() {
    let journal = Journal::new(3);
    let events = journal.subscribe();
    answered(&journal, "claim");
    assert!(matches!(events.try_recv(), Ok(StubEvent::Arrived(exchange)) if exchange.seq == 1));
    assert!(
        matches!(events.try_recv(), Ok(StubEvent::Completed(exchange)) if exchange.outcome == Outcome::Answered)
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
