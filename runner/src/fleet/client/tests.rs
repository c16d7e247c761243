//! The client against sockets that answer with given bytes, or misbehave in a given way.

mod failures;
mod operations;

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc;
use std::thread;

use super::*;
use crate::settings::{GlobalFlags, Settings};

/// Answers connections one after the other: reads a request whole, hands its text on, and lets `respond` do what
/// it likes with the connection. Ends with the last of `connections`.
fn server(
    connections: usize,
    respond: impl Fn(TcpStream) + Send + 'static,
) -> (String, mpsc::Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (sender, requests) = mpsc::channel();
    thread::spawn(move || {
        for _ in 0..connections {
            let (mut stream, _) = listener.accept().unwrap();
            let request = read_request(&mut stream);
            let _ = sender.send(request);
            respond(stream);
        }
    });
    (url, requests)
}

fn read_request(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    let mut chunk = [0; 4096];
    loop {
        let read = stream.read(&mut chunk).unwrap();
        bytes.extend_from_slice(&chunk[..read]);
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let head = text.find("\r\n\r\n");
        let length = text.lines().find_map(|line| {
            line.to_ascii_lowercase()
                .strip_prefix("content-length: ")?
                .parse::<usize>()
                .ok()
        });
        if read == 0 || head.is_some_and(|head| bytes.len() >= head + 4 + length.unwrap_or(0)) {
            return text;
        }
    }
}

fn answering(answer: impl Into<Vec<u8>>) -> (String, mpsc::Receiver<String>) {
    let answer = answer.into();
    server(1, move |mut stream| {
        let _ = stream.write_all(&answer);
    })
}

fn http(status: &str, content_type: &str, body: &str) -> String {
    format!(
        "HTTP/1.1 {status}\r\ncontent-type: {content_type}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    )
}

fn json(status: &str, body: &str) -> String {
    http(status, "application/json", body)
}

fn settings(url: &str, more: &[(&str, &str)]) -> Settings {
    let mut environment: std::collections::BTreeMap<_, _> = [
        ("AQ_FLEET", "1"),
        ("AQ_FLEET_URL", url),
        ("AQ_FLEET_TOKEN", "sesame"),
        ("AQ_FACTORY_ID", "forge-2"),
        ("AQ_QUEUE", "/nowhere"),
    ]
    .into_iter()
    .map(|(name, value)| (name.into(), value.into()))
    .collect();
    environment.extend(more.iter().map(|(name, value)| (name.into(), value.into())));
    Settings::resolve_in(&GlobalFlags::default(), &environment).unwrap()
}

fn run<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
        .block_on(future)
}

fn shadow_claim(url: &str) -> Result<ShadowOffer, CallFailure> {
    let client = CoordinatorClient::new(&settings(url, &[])).unwrap();
    let answer = run(client.shadow_claim(&[Capability::new("engine:sh").unwrap()]))?;
    Ok(answer.offer)
}

fn offer_of(id: &str) -> ShadowOffer {
    ShadowOffer::Job {
        id: id.to_owned(),
        ranked: vec![OfferedJob {
            id: id.to_owned(),
            priority: None,
            submitted_at: None,
        }],
    }
}

#[test]
fn a_dry_run_sends_what_the_api_asks_for_and_reads_the_offer() {
    let (url, requests) = answering(json(
        "200 OK",
        r#"{"dryRun":true,"job":{"id":"beta","new":1},"extra":[]}"#,
    ));
    assert_eq!(shadow_claim(&format!("{url}/prefix")).unwrap(), offer_of("beta"));
    let request = requests.recv().unwrap();
    let (head, body) = request.split_once("\r\n\r\n").unwrap();
    assert!(
        head.starts_with("POST /prefix/v1/shadow/claims HTTP/1.1\r\n"),
        "{head}"
    );
    assert!(head.contains("authorization: Bearer sesame"), "{head}");
    assert!(!head.to_ascii_lowercase().contains("idempotency-key"), "{head}");
    let body: Value = serde_json::from_str(body).unwrap();
    assert_eq!(
        body,
        serde_json::json!({"factoryId": "forge-2", "caps": ["engine:sh"], "shadow": 1})
    );
}

#[test]
fn a_dry_run_tells_which_coordinator_answered_and_what_comes_next() {
    let body = r#"{"dryRun":true,"job":{"id":"b","priority":5,"submittedAt":"2026-03-02T09:30:45Z"},
        "next":[{"id":"c","priority":"x"},{"id":"d\n","priority":-1}]}"#;
    let answer = json("200 OK", body).replacen("\r\n", "\r\nCoordinator-Policy: fifo;version=\"2\"\r\n", 1);
    let (url, _requests) = answering(answer);
    let client = CoordinatorClient::new(&settings(&url, &[])).unwrap();
    let answer = run(client.shadow_claim(&[])).unwrap();
    assert_eq!(answer.policy.as_deref(), Some("fifo;version=\"2\""));
    let ShadowOffer::Job { id, ranked } = answer.offer else {
        panic!()
    };
    let told: Vec<_> = ranked
        .iter()
        .map(|job| (job.id.as_str(), job.priority, job.submitted_at.as_deref()))
        .collect();
    assert_eq!(id, "b");
    assert_eq!(
        told,
        [
            ("b", Some(5), Some("2026-03-02T09:30:45Z")),
            ("c", None, None),
            ("d\\n", Some(-1), None)
        ]
    );
}

#[test]
fn what_stands_in_place_of_the_next_jobs_is_passed_over() {
    for next in ["7", "[7]", "{}", "null"] {
        let body = format!(r#"{{"dryRun":true,"job":{{"id":"b"}},"next":{next}}}"#);
        let (url, _requests) = answering(json("200 OK", &body));
        assert_eq!(shadow_claim(&url).unwrap(), offer_of("b"), "{next}");
    }
}

#[test]
fn nothing_to_do_is_an_offer_of_nothing() {
    let (url, _requests) = answering("HTTP/1.1 204 No Content\r\n\r\n");
    assert_eq!(shadow_claim(&url).unwrap(), ShadowOffer::Nothing);
}

#[test]
fn a_lease_in_a_dry_run_is_seen_whatever_surrounds_it() {
    for body in [
        r#"{"dryRun":true,"job":{"id":"a"},"lease":{"id":"lease-9","fencingToken":4}}"#,
        r#"{"job":{"id":"a"},"lease":{"id":"lease-9","fencingToken":4,"ttlMs":1}}"#,
        r#"{"dryRun":true,"job":{"id":"a","lease":{"id":"lease-9","fencingToken":4}}}"#,
    ] {
        let (url, _requests) = answering(json("200 OK", body));
        let ShadowOffer::Lease(stray) = shadow_claim(&url).unwrap() else {
            panic!("{body}")
        };
        let proof = LeaseProof {
            lease: crate::ids::LeaseId::new("lease-9").unwrap(),
            fencing_token: 4,
        };
        assert_eq!(
            (stray.proof, stray.job.as_deref()),
            (Some(proof), Some("a")),
            "{body}"
        );
    }
    let (url, _requests) = answering(json("200 OK", r#"{"lease":{"id":"../x"},"job":{"id":"a"}}"#));
    let ShadowOffer::Lease(stray) = shadow_claim(&url).unwrap() else {
        panic!()
    };
    assert_eq!((stray.proof, stray.shown_id.as_str()), (None, "../x"));
}
