//! Never the weak spot: what is slow, large or endless is cut off, on the API and on the control API alike.

mod common;

use std::io::Write;
use std::net::TcpStream;

use common::*;
use stub_coordinator::{Stub, StubConfig};

fn hasty() -> Stub {
    let config = StubConfig {
        head_limit_ms: 50,
        body_limit_ms: 50,
        ..StubConfig::default()
    };
    start_with(&["alpha"], config)
}

/// What a sender gets that begins a request and never ends it.
fn unfinished(stub: &Stub, begun: &str) -> String {
    let mut stream = TcpStream::connect(stub.address()).expect("connects");
    stream.set_read_timeout(Some(TIME_LIMIT)).expect("a timeout");
    stream.write_all(begun.as_bytes()).expect("written");
    let (bytes, error) = read_to_end(&mut stream);
    assert!(
        error.is_none_or(|kind| kind == std::io::ErrorKind::ConnectionReset),
        "cut off, not waited for: {error:?}"
    );
    String::from_utf8_lossy(&bytes).into_owned()
}

#[test]
fn a_head_that_never_ends_is_cut_off() {
    for begun in [
        "GET /v1/health HTTP/1.1\r\nhost: 127.0",
        "GET /_stub/health HTTP/1.1\r\n",
        "",
    ] {
        let answer = unfinished(&hasty(), begun);
        assert!(!answer.contains("200 OK"), "{begun:?}: {answer}");
    }
}

#[test]
fn connections_beyond_the_limit_are_closed_and_a_place_becomes_free_again() {
    let config = StubConfig {
        connection_limit: 2,
        ..StubConfig::default()
    };
    let stub = start_with(&[], config);
    let hold = || {
        let mut stream = TcpStream::connect(stub.address()).expect("connects");
        stream.set_read_timeout(Some(TIME_LIMIT)).expect("a timeout");
        stream.write_all(b"GET /v1/health HTTP/1.1\r\n").expect("written");
        stream
    };
    let held = [hold(), hold()];
    let (bytes, error) = read_to_end(&mut hold());
    assert!(
        bytes.is_empty() && error.is_none_or(|kind| kind == std::io::ErrorKind::ConnectionReset),
        "closed without an answer, not kept: {error:?}"
    );
    drop(held);
    stub.fence().expect("all of them have left");
    assert_eq!(get(&stub, "/v1/health").status, 200);
    assert_eq!(
        stub.counters().connections,
        4,
        "who was turned away is counted as well"
    );
}

#[test]
fn a_body_that_never_ends_is_refused_and_changes_nothing() {
    for path in ["/v1/claims", "/_stub/rules"] {
        let stub = hasty();
        let digest = stub.digest();
        let begun =
            format!("POST {path} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: 90\r\n\r\n{{\"factoryId\"");
        let answer = unfinished(&stub, &begun);
        assert!(answer.starts_with("HTTP/1.1 408"), "{path}: {answer}");
        assert_eq!((stub.digest(), stub.rules().len()), (digest, 0));
    }
}

#[test]
fn a_control_body_over_a_mebibyte_is_refused_and_the_refusal_arrives() {
    let stub = start(&[]);
    let body = " ".repeat(1_048_577);
    let reply = parse(&raw(&stub, &request_bytes("POST", "/_stub/rules", &[], Some(&body))).0);
    assert_eq!((reply.status, reply.code().as_str()), (413, "body_too_large"));
}
