//! The client against sockets that answer with given bytes, or misbehave in a given way.

mod operations;

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddrV4, TcpListener, TcpStream};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use rustix::net::{AddressFamily, SocketType};

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
    run(client.shadow_claim(&[Capability::new("engine:sh").unwrap()]))
}

fn kind_of(answer: impl Into<Vec<u8>>) -> String {
    let (url, _requests) = answering(answer);
    shadow_claim(&url).unwrap_err().kind().to_string()
}

#[test]
fn a_dry_run_sends_what_the_api_asks_for_and_reads_the_offer() {
    let (url, requests) = answering(json(
        "200 OK",
        r#"{"dryRun":true,"job":{"id":"beta","new":1},"extra":[]}"#,
    ));
    assert_eq!(
        shadow_claim(&format!("{url}/prefix")).unwrap(),
        ShadowOffer::Job(String::from("beta"))
    );
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

#[test]
fn each_wrong_answer_has_its_kind() {
    let huge = format!(
        "{{\"dryRun\":true,\"job\":{{\"id\":\"{}\"}}}}",
        "x".repeat(1024 * 1024)
    );
    let chunked_huge = {
        let mut text = String::from(
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n",
        );
        text.push_str(&format!("{:x}\r\n{huge}\r\n0\r\n\r\n", huge.len()));
        text
    };
    let good = r#"{"dryRun":true,"job":{"id":"a"}}"#;
    for (answer, kind) in [
        (json("200 OK", "<html>"), "not-json"),
        (json("200 OK", ""), "not-json"),
        (json("200 OK", &"[".repeat(5000)), "not-json"),
        (json("200 OK", r#"{"dryRun":true,"job":{"id":"#), "truncated"),
        (
            json("200 OK", good).replace("content-length: ", "content-length: 9"),
            "truncated",
        ),
        (http("200 OK", "text/html", good), "wrong-content-type"),
        (
            http("200 OK", "application/problem+json", good),
            "wrong-content-type",
        ),
        (json("200 OK", r#"{"dryRun":true}"#), "wrong-shape"),
        (json("200 OK", r#"{"dryRun":true,"job":{"id":7}}"#), "wrong-shape"),
        (json("200 OK", r#"{"dryRun":true,"job":{}}"#), "wrong-shape"),
        (
            json("200 OK", r#"{"dryRun":false,"job":{"id":"a"}}"#),
            "wrong-shape",
        ),
        (json("200 OK", r#"{"job":{"id":"a"}}"#), "wrong-shape"),
        (
            json("200 OK", r#"{"dryRun":null,"job":{"id":"a"}}"#),
            "wrong-shape",
        ),
        (
            json("200 OK", r#"{"dryRun":"true","job":{"id":"a"}}"#),
            "wrong-shape",
        ),
        (json("200 OK", r#"{"dryRun":1,"job":{"id":"a"}}"#), "wrong-shape"),
        (json("200 OK", r#"[1]"#), "wrong-shape"),
        (json("200 OK", &huge), "too-large"),
        (chunked_huge, "too-large"),
        (json("201 Created", good), "status-201"),
        (json("500 Internal Server Error", ""), "status-500"),
        (json("404 Not Found", "{}"), "status-404"),
        (json("401 Unauthorized", "{}"), "status-401"),
        (
            http("302 Found\r\nlocation: http://127.0.0.1:1/", "text/html", ""),
            "redirect",
        ),
        (String::new(), "connection-closed"),
        (String::from("\u{1}\u{2}garbage\r\n\r\n"), "not-json"),
    ] {
        assert_eq!(
            kind_of(answer.clone()),
            kind,
            "{}",
            &answer[..answer.len().min(200)]
        );
    }
}

#[test]
fn a_content_type_may_carry_a_character_set() {
    let (url, _requests) = answering(http(
        "200 OK",
        "Application/JSON; charset=utf-8",
        r#"{"dryRun":true,"job":{"id":"a"}}"#,
    ));
    assert_eq!(shadow_claim(&url).unwrap(), ShadowOffer::Job(String::from("a")));
}

#[test]
fn a_refused_connection_is_told_from_a_reset_one() {
    // Bound and never listening: nobody else can get the port meanwhile.
    let recheck_needed = rustix::net::socket(AddressFamily::INET, SocketType::STREAM, None).unwrap();
    rustix::net::bind(&recheck_needed, &SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = SocketAddrV4::try_from(rustix::net::getsockname(&recheck_needed).unwrap()).unwrap();
    let failure = shadow_claim(&format!("http://{address}")).unwrap_err();
    assert_eq!(failure.kind(), FailureKind::ConnectionRefused);

    let (url, _requests) = server(1, |stream| {
        rustix::net::sockopt::set_socket_linger(&stream, Some(Duration::ZERO)).unwrap();
    });
    assert_eq!(
        shadow_claim(&url).unwrap_err().kind(),
        FailureKind::ConnectionReset
    );
}

#[test]
fn a_server_that_says_nothing_or_stops_halfway_is_a_time_out() {
    for start in [
        "",
        "HTTP/1.1 200 OK\r\n",
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 99\r\n\r\n{",
    ] {
        let (release, held) = mpsc::channel::<()>();
        let (url, _requests) = server(1, move |mut stream| {
            stream.write_all(start.as_bytes()).unwrap();
            // Held open until the test is through with it.
            let _ = held.recv();
        });
        let client = CoordinatorClient::new(&settings(&url, &[("AQ_FLEET_TIMEOUT", "50ms")])).unwrap();
        let failure = run(client.shadow_claim(&[])).unwrap_err();
        assert_eq!(failure.kind(), FailureKind::Timeout, "{start:?}");
        drop(release);
    }
}

#[test]
fn endless_headers_end() {
    let (url, _requests) = server(1, |mut stream| {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n");
        while stream.write_all(b"x-more: of the same\r\n").is_ok() {}
    });
    assert_eq!(shadow_claim(&url).unwrap_err().kind(), FailureKind::TooLarge);
}

#[test]
fn only_the_coordinators_own_problem_is_definite() {
    let problem = r#"{"type":"urn:x","title":"Gone","status":409,"code":"lease_lost","detail":"it ended"}"#;
    let failure = |answer: String| {
        let (url, _requests) = answering(answer);
        shadow_claim(&url).unwrap_err()
    };
    let own = failure(http(
        "409 Conflict",
        "application/problem+json; charset=utf-8",
        problem,
    ));
    let CallFailure::Definite(refusal) = &own else {
        panic!("{own:?}")
    };
    assert_eq!(
        (refusal.status, refusal.code.as_str(), refusal.detail.as_str()),
        (409, "lease_lost", "it ended")
    );
    for answer in [
        json("409 Conflict", problem),
        http("404 Not Found", "text/html", "no"),
        http(
            "404 Not Found",
            "application/problem+json",
            "{\"title\":\"no code\"}",
        ),
        http("503 Service Unavailable", "application/problem+json", problem),
        http("429 Too Many Requests", "application/problem+json", problem),
        http("408 Request Timeout", "application/problem+json", problem),
    ] {
        assert!(
            matches!(failure(answer.clone()), CallFailure::Indefinite { .. }),
            "{answer}"
        );
    }
}

#[test]
fn retry_after_is_read_in_seconds_and_bounded() {
    for (header, seconds) in [
        ("2", Some(2)),
        ("99999999", Some(3600)),
        ("soon", None),
        ("-1", None),
    ] {
        let answer = http(
            &format!("503 Service Unavailable\r\nretry-after: {header}"),
            "text/plain",
            "",
        );
        let (url, _requests) = answering(answer);
        let failure = shadow_claim(&url).unwrap_err();
        assert_eq!(
            failure.retry_after(),
            seconds.map(Duration::from_secs),
            "{header}"
        );
    }
}

#[test]
fn an_answer_is_shown_escaped_and_cut() {
    let problem = serde_json::json!({"code": format!("bell\u{7}{}", "x".repeat(500)), "title": "t"});
    let (url, _requests) = answering(http("422 X", "application/problem+json", &problem.to_string()));
    let CallFailure::Definite(refusal) = shadow_claim(&url).unwrap_err() else {
        panic!()
    };
    assert!(
        refusal.code.starts_with("bell\\u{7}xxx") && refusal.code.len() == 128,
        "{}",
        refusal.code
    );
}
