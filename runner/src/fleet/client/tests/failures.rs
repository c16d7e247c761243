//! Calls that bring no usable answer: each has its kind.

use std::io::Write;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::sync::mpsc;
use std::time::Duration;

use rustix::net::{AddressFamily, SocketType};

use super::*;

fn kind_of(answer: impl Into<Vec<u8>>) -> String {
    let (url, _requests) = answering(answer);
    shadow_claim(&url).unwrap_err().kind().to_string()
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
    assert_eq!(shadow_claim(&url).unwrap(), offer_of("a"));
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
