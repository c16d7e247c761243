//! Many clients at once over real sockets, under faults and expiries: what C-1 and C-2 promise is read from the journal
//! afterwards.
//!
//! 64 clients and 1,000 jobs, so that a debug build is through in seconds; `STRESS_JOBS=10000` asks for more.

mod common;

use std::collections::{BTreeMap, HashMap};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::time::Duration;

use common::{AT, Reply, TIME_LIMIT, parse};
use serde_json::{Value, json};
use stub_coordinator::{ClockKind, Exchange, NewJob, Rule, Stub, StubConfig};

const CLIENTS: usize = 64;
const LEASE_MS: u64 = 10_000;
/// So many requests between two moves of the clock.
const TICK_REQUESTS: usize = 200;
const TICK: Duration = Duration::from_millis(500);

fn rules() -> Vec<Rule> {
    let rules = json!([
        {"on": "claim", "phase": "after", "when": {"chance": 0.04}, "fault": "close"},
        {"on": "claim", "when": {"chance": 0.03}, "fault": "reset"},
        {"on": "claim", "when": {"chance": 0.03}, "fault": {"delay": {"uniform": ["100ms", "3s"]}}},
        {"on": "claim", "phase": "after", "when": {"chance": 0.02}, "fault": {"cut": 30}},
        {"on": "job.report", "phase": "after", "when": {"chance": 0.05}, "fault": "reset"},
        {"on": "job.report", "when": {"chance": 0.05}, "fault": {"delay": "12s"}},
        {"on": "lease.renew", "phase": "after", "when": {"chance": 0.1}, "fault": "close"},
        {"on": "lease.release", "phase": "after", "when": {"chance": 0.1}, "fault": "reset"},
    ]);
    serde_json::from_value(rules).expect("sound rules")
}

#[test]
fn c1_c2_hold_for_many_clients_under_faults_and_expiries() {
    let jobs = std::env::var("STRESS_JOBS").map_or(1_000, |jobs| jobs.parse().expect("a number"));
    let stub = Stub::start(StubConfig {
        jobs: (0..jobs)
            .map(|number| NewJob::named(&format!("job-{number}"), "sh"))
            .collect(),
        rules: rules(),
        seed: Some(7),
        clock: ClockKind::Manual,
        lease_ms: LEASE_MS,
        journal_limit: jobs * 40 + 10_000,
        ..StubConfig::default()
    })
    .expect("the stub starts");
    let (done, left) = (AtomicBool::new(false), AtomicUsize::new(CLIENTS));
    let (ticks, ticked) = sync_channel(CLIENTS);
    std::thread::scope(|scope| {
        for number in 0..CLIENTS {
            let mut client = Client::new(&stub, number, ticks.clone());
            let (done, left) = (&done, &left);
            scope.spawn(move || {
                client.work(done);
                left.fetch_sub(1, Ordering::SeqCst);
            });
        }
        for turn in 0_usize.. {
            // Moved when so much was asked, or when all wait for it.
            let _ = ticked.recv_timeout(Duration::from_millis(20));
            stub.advance(TICK).expect("a manual clock");
            if turn % 10 == 0 && stub.jobs().iter().all(|job| job.stage == "shipped") {
                done.store(true, Ordering::SeqCst);
            }
            if left.load(Ordering::SeqCst) == 0 {
                break;
            }
        }
    });
    let report = stub.stop();
    assert_eq!(report.forgotten, 0, "a journal that forgot proves nothing");
    for kind in ["close", "reset", "cut", "delay"] {
        assert!(report.counters.faults[kind] > 0, "{kind} never happened");
    }
    let (grants, expiries) = check_leases(&report.journal, jobs);
    assert!(
        grants > jobs && expiries > 0,
        "{grants} grants, {expiries} ran out"
    );
}

/// A lease as the journal shows it, in milliseconds of the stub's clock.
#[derive(Debug)]
struct Grant {
    lease: String,
    from: i64,
    /// When it ran out, by its last renewal.
    until: i64,
    released: bool,
}

/// No two leases of a job at a time, and tokens that rise by one; the number of leases, and of those that ran out.
fn check_leases(journal: &[Exchange], jobs: usize) -> (usize, usize) {
    let mut grants: HashMap<String, BTreeMap<u64, Grant>> = HashMap::new();
    let mut ends: HashMap<String, i64> = HashMap::new();
    let mut released: HashMap<String, bool> = HashMap::new();
    for exchange in journal {
        let Some(body) = exchange
            .handler_answer
            .as_ref()
            .and_then(|answer| answer.body.as_ref())
        else {
            continue;
        };
        if exchange.operation.as_deref() == Some("lease.release") && exchange.mutated {
            released.insert(exchange.lease.clone().expect("a lease"), true);
        }
        let lease = &body["lease"];
        let Some(id) = lease["id"].as_str() else { continue };
        let until = millis(&lease["expiresAt"]);
        let end = ends.entry(id.to_owned()).or_insert(until);
        *end = until.max(*end);
        if exchange.operation.as_deref() != Some("claim") {
            continue;
        }
        let job = lease["jobId"].as_str().expect("a job").to_owned();
        let token = lease["fencingToken"].as_u64().expect("a token");
        let from = until - i64::try_from(LEASE_MS).expect("small");
        let grant = Grant {
            lease: id.to_owned(),
            from,
            until,
            released: false,
        };
        if let Some(known) = grants.entry(job.clone()).or_default().insert(token, grant) {
            assert_eq!(known.lease, id, "token {token} of {job} went to two leases");
        }
    }
    assert_eq!(grants.len(), jobs, "every job was granted");
    let (mut count, mut ran_out) = (0, 0);
    for (job, mut grants) in grants {
        for grant in grants.values_mut() {
            grant.until = ends[&grant.lease];
            grant.released = released.contains_key(&grant.lease);
        }
        let highest = *grants.last_key_value().expect("a grant").0;
        assert_eq!(highest, grants.len() as u64, "tokens of {job} rise by one");
        count += grants.len();
        let in_order: Vec<_> = grants.values().collect();
        for pair in in_order.windows(2) {
            let ended = pair[0].released || pair[0].until <= pair[1].from;
            assert!(ended, "{job}: two leases at a time: {pair:?}");
            ran_out += usize::from(!pair[0].released);
        }
    }
    (count, ran_out)
}

fn millis(instant: &Value) -> i64 {
    let text = instant.as_str().expect("an instant");
    text.parse::<jiff::Timestamp>()
        .expect("an instant")
        .as_millisecond()
}

/// A factory on a connection that it makes anew when it breaks.
struct Client {
    address: std::net::SocketAddr,
    stream: Option<TcpStream>,
    name: String,
    number: usize,
    sent: usize,
    ticks: SyncSender<()>,
}

impl Client {
    fn new(stub: &Stub, number: usize, ticks: SyncSender<()>) -> Client {
        Client {
            address: stub.address(),
            stream: None,
            name: format!("factory-{number}"),
            number,
            sent: 0,
            ticks,
        }
    }

    fn work(&mut self, done: &AtomicBool) {
        while !done.load(Ordering::SeqCst) {
            let Some(grant) = self.claim() else { continue };
            let (lease, token) = (grant["lease"]["id"].as_str(), &grant["lease"]["fencingToken"]);
            let (lease, job) = (
                lease.expect("a lease"),
                grant["job"]["id"].as_str().expect("a job"),
            );
            let holder = json!({"factoryId": self.name, "fencingToken": token});
            let report = json!({"factoryId": self.name, "leaseId": lease, "fencingToken": token, "stage": "shipped", "at": AT});
            match self.sent % 10 {
                // It dies with the lease, which runs out.
                0 => {}
                1 => drop(self.ask(&format!("/v1/leases/{lease}/release"), "", &holder)),
                2 | 3 => {
                    self.ask(&format!("/v1/leases/{lease}/renew"), "", &holder);
                    self.ask(&format!("/v1/jobs/{job}/reports"), "", &report);
                }
                _ => drop(self.ask(&format!("/v1/jobs/{job}/reports"), "", &report)),
            }
        }
    }

    /// A claim that waits a little; one whose answer is lost is sent once more under its key.
    fn claim(&mut self) -> Option<Value> {
        let key = format!("idempotency-key: {}-{}\r\n", self.name, self.sent);
        let body = json!({"factoryId": self.name, "caps": ["engine:sh"], "waitMs": 1_000});
        let reply = self.ask("/v1/claims", &key, &body);
        let reply = reply.or_else(|| self.ask("/v1/claims", &key, &body))?;
        (reply.status == 200).then(|| reply.json())
    }

    fn ask(&mut self, path: &str, headers: &str, body: &Value) -> Option<Reply> {
        self.sent += 1;
        if (self.sent + self.number).is_multiple_of(TICK_REQUESTS / CLIENTS) {
            // Where a tick is due already, one more is not needed.
            let _ = self.ticks.try_send(());
        }
        let reply = self.exchange(path, headers, &body.to_string());
        if reply.is_none() {
            self.stream = None;
        }
        reply
    }

    fn exchange(&mut self, path: &str, headers: &str, body: &str) -> Option<Reply> {
        let stream = match &mut self.stream {
            Some(stream) => stream,
            none => {
                let stream = TcpStream::connect(self.address).expect("connects");
                stream.set_read_timeout(Some(TIME_LIMIT)).expect("a timeout");
                none.insert(stream)
            }
        };
        let length = body.len();
        let head = format!(
            "POST {path} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\n{headers}content-length: {length}\r\n\r\n"
        );
        stream.write_all(format!("{head}{body}").as_bytes()).ok()?;
        let (mut bytes, mut buffer) = (Vec::new(), [0; 4_096]);
        loop {
            let count = stream.read(&mut buffer).ok().filter(|count| *count > 0)?;
            bytes.extend_from_slice(&buffer[..count]);
            if !bytes.windows(4).any(|window| window == b"\r\n\r\n") {
                continue;
            }
            let reply = parse(&bytes);
            let length = reply
                .header("content-length")
                .map_or(0, |length| length.parse().expect("a length"));
            if reply.text.len() >= length {
                return Some(reply);
            }
        }
    }
}
