//! `/_stub/events` over a real socket: what a follower is told, in which order, and what becomes of it.

mod common;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::Instant;

use common::*;
use serde_json::{Value, json};
use stub_coordinator::{ClockKind, ExchangeMatch, GateFault, Rule, Stub, StubConfig};

/// One server-sent event.
#[derive(Debug)]
struct Event {
    name: String,
    id: Option<String>,
    data: Value,
}

struct Follower(BufReader<TcpStream>);

impl Follower {
    fn of(stub: &Stub, path: &str, headers: &[(&str, &str)]) -> Follower {
        let stream = TcpStream::connect(stub.address()).expect("connects");
        stream.set_read_timeout(Some(TIME_LIMIT)).expect("a timeout");
        (&stream)
            .write_all(&request_bytes("GET", path, headers, None))
            .expect("sent");
        let mut reader = BufReader::new(stream);
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            reader.read_line(&mut head).expect("a line of the head");
        }
        assert!(head.starts_with("HTTP/1.1 200"), "{head}");
        assert!(
            head.to_lowercase().contains("content-type: text/event-stream"),
            "{head}"
        );
        Follower(reader)
    }

    /// A follower from now on, and the snapshot that it was given.
    fn new(stub: &Stub) -> (Follower, Event) {
        let mut follower = Follower::of(stub, "/_stub/events", &[]);
        let first = follower.next();
        assert_eq!(first.name, "snapshot");
        (follower, first)
    }

    /// The next event. Chunk sizes are no lines of an event, and are passed over.
    fn next(&mut self) -> Event {
        let mut event = Event {
            name: String::new(),
            id: None,
            data: Value::Null,
        };
        loop {
            let mut line = String::new();
            assert!(
                self.0.read_line(&mut line).expect("a line") > 0,
                "the stream ended"
            );
            match line.trim_end().split_once(": ") {
                Some(("event", name)) => event.name = name.to_owned(),
                Some(("id", id)) => event.id = Some(id.to_owned()),
                Some(("data", data)) => {
                    event.data = serde_json::from_str(data).expect("data is JSON");
                    return event;
                }
                _ => {}
            }
        }
    }

    /// The next event of that name.
    fn until(&mut self, name: &str) -> Event {
        let begun = Instant::now();
        loop {
            // Heartbeats would go on for ever.
            assert!(begun.elapsed() < TIME_LIMIT, "never told of {name}");
            let event = self.next();
            if event.name == name {
                return event;
            }
        }
    }
}

#[test]
fn a_follower_is_given_everything_at_once_and_then_what_changes() {
    let stub = start(&["alpha"]);
    shadow_claim(&stub, "early");
    let (mut follower, first) = Follower::new(&stub);
    assert_eq!(first.data["rows"][0]["factory"], "early");
    assert_eq!(first.data["rows"][0]["answered_job"], "alpha");
    assert_eq!(first.data["counters"]["mutationsTotal"], 0);
    assert_eq!(first.data["jobs"]["stages"]["queued"], 1);

    claim(&stub, "desk");
    let completed = follower.until("completed");
    assert_eq!(completed.data["operation"], "claim");
    assert_eq!(
        (&completed.data["mutated"], &completed.data["changed"]),
        (&json!(true), &json!(true))
    );
    assert_eq!(completed.data["outcome"], "answered");
    assert_eq!(follower.until("counters").data["mutationsTotal"], 1);
    let jobs = follower.until("jobs");
    assert_eq!(jobs.data["shown"][0]["lease"]["factory"], "desk");
}

#[test]
fn a_refusal_is_told_by_its_code() {
    let stub = start(&["alpha"]);
    let (mut follower, _) = Follower::new(&stub);
    shadow_report(&stub, "desk", "nobody", "building");
    let refused = follower.until("completed");
    assert_eq!(
        (&refused.data["wire_status"], &refused.data["code"]),
        (&json!(404), &json!("unknown_job"))
    );
}

#[test]
fn an_exchange_in_flight_is_told_when_it_arrives_and_when_it_ends() {
    let stub = start(&["alpha"]);
    let (mut follower, _) = Follower::new(&stub);
    stub.arm(
        Rule::on(
            "shadow.claim",
            GateFault {
                name: "hold".to_owned(),
            },
        )
        .named("held"),
    )
    .expect("armed");
    std::thread::scope(|scope| {
        let client = scope.spawn(|| shadow_claim(&stub, "desk"));
        let arrived = follower.until("arrived");
        assert_eq!(
            (&arrived.data["seq"], &arrived.data["outcome"]),
            (&json!(1), &json!("in_flight"))
        );
        assert_eq!(follower.until("rules").data["rules"][0]["fired"], 1);
        let waiting = follower.until("gates").data;
        assert_eq!(waiting["gates"][0], json!({"name": "hold", "waiting": 1}));
        stub.release_gate("hold");
        assert_eq!(client.join().expect("it ends").status, 200);
    });
    let completed = follower.until("completed");
    assert_eq!(
        (&completed.data["seq"], &completed.data["wire_status"]),
        (&json!(1), &json!(200))
    );
}

#[test]
fn who_comes_back_is_told_what_it_missed_and_nothing_that_it_has_heard_to_the_end() {
    let stub = start(&["alpha"]);
    let (mut follower, _) = Follower::new(&stub);
    shadow_claim(&stub, "first");
    let heard = follower.until("completed").id.expect("an id");
    drop(follower);
    shadow_claim(&stub, "second");
    let mut back = Follower::of(&stub, "/_stub/events", &[("last-event-id", &heard)]);
    let missed = back.next();
    assert_eq!(
        (missed.name.as_str(), &missed.data["factory"]),
        ("completed", &json!("second"))
    );
}

#[test]
fn who_comes_back_after_the_journal_forgot_is_told_how_much_it_lost() {
    let config = StubConfig {
        journal_limit: 2,
        ..StubConfig::default()
    };
    let stub = start_with(&["alpha"], config);
    let (mut follower, _) = Follower::new(&stub);
    shadow_claim(&stub, "f1");
    let heard = follower.until("completed").id.expect("an id");
    drop(follower);
    for factory in ["f2", "f3", "f4", "f5"] {
        shadow_claim(&stub, factory);
    }
    let mut back = Follower::of(&stub, "/_stub/events", &[("last-event-id", &heard)]);
    let lost = back.next();
    // Two of the four that came since are still in the journal.
    assert_eq!((lost.name.as_str(), &lost.data["exchanges"]), ("lost", &json!(2)));
    let snapshot = back.next();
    assert_eq!(snapshot.name, "snapshot");
    let factories: Vec<_> = snapshot.data["rows"]
        .as_array()
        .expect("rows")
        .iter()
        .map(|row| row["factory"].clone())
        .collect();
    assert_eq!(factories, ["f4", "f5"]);
}

#[test]
fn an_id_of_another_stub_means_nothing_here() {
    let stub = start(&["alpha"]);
    shadow_claim(&stub, "desk");
    for id in ["ffffffff-0-1", "", "no id at all"] {
        let mut back = Follower::of(&stub, "/_stub/events", &[("last-event-id", id)]);
        assert_eq!(back.next().name, "snapshot", "{id:?}");
    }
}

#[test]
fn a_reset_is_followed_by_a_fresh_snapshot() {
    let stub = start(&["alpha"]);
    claim(&stub, "desk");
    let (mut follower, _) = Follower::new(&stub);
    assert_eq!(post(&stub, "/_stub/reset", &json!({"scope": "all"})).status, 200);
    let fresh = follower.until("snapshot");
    assert_eq!(
        (&fresh.data["rows"], &fresh.data["counters"]["mutationsTotal"]),
        (&json!([]), &json!(0))
    );
    assert_eq!(fresh.data["jobs"]["shown"][0]["stage"], "queued");
}

#[test]
fn a_manual_clock_is_told_when_it_is_moved_and_what_ran_out() {
    let config = StubConfig {
        clock: ClockKind::Manual,
        lease_ms: 1_000,
        ..StubConfig::default()
    };
    let stub = start_with(&["alpha"], config);
    claim(&stub, "desk");
    let (mut follower, _) = Follower::new(&stub);
    post(&stub, "/_stub/clock", &json!({"advance": "2s"}));
    assert_eq!(follower.until("jobs").data["shown"][0]["attempts"], 1);
    assert_eq!(follower.until("clock").data["now"], "2026-01-01T00:00:02.000Z");
}

#[test]
fn silence_is_broken_by_heartbeats_that_tell_the_time() {
    let stub = start(&[]);
    let mut follower = Follower::of(&stub, "/_stub/events?heartbeat=100ms", &[]);
    assert_eq!(follower.next().name, "snapshot");
    assert_eq!(
        (follower.next().name, follower.next().name),
        ("clock".to_owned(), "clock".to_owned())
    );
    assert_eq!(get(&stub, "/_stub/events?heartbeat=0s").status, 422);
}

#[test]
fn following_is_no_evidence_and_ends_with_the_stub() {
    let stub = start(&["alpha"]);
    let (mut follower, _) = Follower::new(&stub);
    assert_eq!((stub.counters(), stub.journal()), Default::default());
    stub.stop();
    // However it ends, it ends: with the last chunk, or with the connection.
    let mut rest = Vec::new();
    let _ = follower.0.read_to_end(&mut rest);
}

#[test]
fn a_bounded_number_may_follow_and_a_place_becomes_free_again() {
    let stub = start(&[]);
    let mut followers: Vec<_> = (0..64).map(|_| Follower::new(&stub).0).collect();
    assert_eq!(get(&stub, "/_stub/events").code(), "too_many_subscribers");
    followers.clear();
    stub.fence().expect("all of them have left");
    Follower::new(&stub);
}

#[test]
fn one_exchange_is_shown_whole_until_it_is_forgotten() {
    let config = StubConfig {
        journal_limit: 1,
        ..StubConfig::default()
    };
    let stub = start_with(&["alpha"], config);
    shadow_claim(&stub, "f1");
    shadow_claim(&stub, "f2");
    stub.wait(&ExchangeMatch::operation("shadow.claim"), 1, TIME_LIMIT)
        .expect("arrived");
    let whole = get(&stub, "/_stub/journal/2").json();
    assert_eq!(whole["wire_answer"]["body"]["job"]["id"], "alpha");
    assert_eq!(whole["digest_before"], json!(stub.digest()));
    assert_eq!(get(&stub, "/_stub/journal/1").code(), "forgotten");
    for none in ["3", "0", "x"] {
        assert_eq!(
            get(&stub, &format!("/_stub/journal/{none}")).status,
            404,
            "{none}"
        );
    }
}

#[test]
fn the_page_is_self_contained_and_no_evidence() {
    let stub = start(&[]);
    let ask = || send(&stub, "GET", "/", &[("accept", "text/html,*/*")], None);
    let page = ask();
    assert_eq!(
        page.header("content-type").as_deref(),
        Some("text/html; charset=utf-8")
    );
    let policy = page.header("content-security-policy").expect("a policy");
    assert!(
        policy.starts_with("default-src 'none';") && !policy.contains("unsafe"),
        "{policy}"
    );
    let nonce = |page: &Reply| {
        let policy = page.header("content-security-policy").expect("a policy");
        policy
            .split("'nonce-")
            .nth(1)
            .and_then(|rest| rest.split('\'').next())
            .map(ToOwned::to_owned)
    };
    assert_ne!(nonce(&page), nonce(&ask()), "each answer has its own");
    for sign in [
        "{{",
        "http://",
        "https://",
        " src=",
        "@import",
        "url(",
        "innerHTML",
        " onclick",
    ] {
        let allowed = ["http://www.w3.org/2000/svg", "http://127.0.0.1:1/"];
        let text = allowed
            .iter()
            .fold(page.text.clone(), |text, allowed| text.replace(allowed, ""));
        assert!(!text.contains(sign), "the page contains {sign:?}");
    }
    stub.fence().expect("none is left");
    assert_eq!((stub.counters(), stub.journal()), Default::default());
    assert_eq!(
        get(&stub, "/").code(),
        "not_found",
        "a client of the API wants no page"
    );
    assert_eq!(stub.unexpected().len(), 1);
}
