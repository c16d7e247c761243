//! The feed by itself: what it tells at one look, and that it is bounded however much happened between two.

use std::sync::Arc;

use serde_json::Value;

use super::event_feed::{EventFeed, SNAPSHOT_ROWS};
use crate::config::StubConfig;
use crate::journal::exchange::ExchangeOutcome;
use crate::shared_stub::SharedStub;
use crate::stub::set_up;

fn shared(journal_limit: usize) -> Arc<SharedStub> {
    let config = StubConfig {
        journal_limit,
        ..StubConfig::default()
    };
    Arc::new(set_up(config).expect("sound"))
}

/// Sends so many requests, one after the other.
fn traffic(shared: &Arc<SharedStub>, count: usize) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .expect("a runtime");
    let mut service = crate::http_layers::StubServices::new(shared, None).api;
    for _ in 0..count {
        let request = axum::http::Request::get("/v1/health")
            .body(axum::body::Body::empty())
            .expect("a request");
        runtime
            .block_on(tower::Service::call(&mut service, request))
            .expect("an answer");
    }
}

fn events(news: &str) -> Vec<(String, Value)> {
    news.split("\n\n")
        .filter(|event| !event.is_empty())
        .map(|event| {
            let field = |name: &str| {
                let line = event.lines().find_map(|line| line.strip_prefix(name));
                line.unwrap_or_else(|| panic!("no {name} in {event}"))
            };
            let data = serde_json::from_str(field("data: ")).expect("data is JSON");
            (field("event: ").to_owned(), data)
        })
        .collect()
}

#[test]
fn nothing_new_is_told_as_nothing() {
    let shared = shared(10);
    let mut feed = EventFeed::new(Arc::clone(&shared), None);
    assert_eq!(events(&feed.look()).len(), 1);
    assert_eq!(feed.look(), "");
    traffic(&shared, 1);
    let names: Vec<_> = events(&feed.look()).into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["completed", "counters"]);
    assert_eq!(feed.look(), "");
}

#[test]
fn whoever_looks_too_late_is_told_how_much_it_lost_and_starts_afresh() {
    let shared = shared(5_000);
    let mut feed = EventFeed::new(Arc::clone(&shared), None);
    feed.look();
    // A thousand may be behind; the 200 before those are lost.
    traffic(&shared, 1_200);
    let told = events(&feed.look());
    assert_eq!(
        (told[0].0.as_str(), &told[0].1["exchanges"]),
        ("lost", &Value::from(200))
    );
    let rows = told[1].1["rows"].as_array().expect("rows");
    let first = usize::try_from(1_201 - SNAPSHOT_ROWS).expect("small");
    assert_eq!((rows.len(), &rows[0]["seq"]), (200, &Value::from(first)));
    assert_eq!(feed.look(), "");
}

#[test]
fn a_burst_is_told_in_bounded_pieces() {
    let shared = shared(5_000);
    let mut feed = EventFeed::new(Arc::clone(&shared), None);
    feed.look();
    traffic(&shared, 600);
    let completed = |news: String| {
        let names = events(&news).into_iter().map(|(name, _)| name);
        names.filter(|name| name == "completed").count()
    };
    assert_eq!(
        [
            completed(feed.look()),
            completed(feed.look()),
            completed(feed.look())
        ],
        [256, 256, 88]
    );
    let outcome = shared.journal.one(600).expect("known").outcome;
    assert_eq!(outcome, ExchangeOutcome::Answered);
}

#[test]
fn whoever_says_it_was_told_what_never_happened_starts_afresh() {
    let shared = shared(10);
    traffic(&shared, 1);
    let epoch = *shared.epoch.borrow();
    let name_of_first = |told: u64| {
        let id = format!("{}-{epoch}-{told}", shared.instance);
        let mut feed = EventFeed::new(Arc::clone(&shared), Some(&id));
        events(&feed.look())[0].0.clone()
    };
    assert_eq!(name_of_first(2), "snapshot");
    assert_ne!(name_of_first(1), "snapshot");
}

/// It was under way when the page was opened, and its end is news.
#[test]
fn what_a_snapshot_shows_under_way_is_told_when_it_ends() {
    let shared = shared(10);
    let open = shared.journal.arrive(&crate::journal::tests::arrival("claim"));
    let mut feed = EventFeed::new(Arc::clone(&shared), None);
    assert_eq!(events(&feed.look())[0].0, "snapshot");
    drop(open);
    let news = events(&feed.look());
    assert_eq!(
        (news[0].0.as_str(), &news[0].1["seq"]),
        ("completed", &Value::from(1))
    );
}
