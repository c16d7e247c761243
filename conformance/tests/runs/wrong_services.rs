//! `conformance coordinator` at what is no coordinator: nothing is judged, and one sentence says what was asked and what
//! came.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::thread;

use rstest::rstest;
use stub_coordinator::{Stub, StubConfig};

use crate::test_bench::TestBench;

/// A server that gives each connection these bytes and keeps it open.
fn answering(bytes: &'static [u8]) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            thread::spawn(move || {
                let _ = stream.read(&mut [0; 4096]);
                let _ = stream.write_all(bytes);
                // It stays open until the client ends it.
                let _ = stream.read_to_end(&mut Vec::new());
            });
        }
    });
    url
}

#[rstest]
#[case::a_page(
    b"HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: 6\r\n\r\n<html>",
    "answered 200 with `text/html`"
)]
#[case::other_json(
    b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 11\r\n\r\n{\"ok\":true}",
    "answered 200 with"
)]
#[case::no_such_path(
    b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n",
    "answered 404 without a content type"
)]
#[case::a_redirect(
    b"HTTP/1.1 302 Found\r\nlocation: /login\r\ncontent-length: 0\r\n\r\n",
    "answered 302"
)]
#[case::an_error_of_a_proxy(
    b"HTTP/1.1 502 Bad Gateway\r\ncontent-type: text/plain\r\ncontent-length: 3\r\n\r\nbad",
    "answered 502"
)]
#[case::no_http(b"220 mail.example.org ESMTP\r\n", "no HTTP server")]
fn what_is_not_the_api_is_told_and_not_judged(#[case] bytes: &'static [u8], #[case] says: &str) {
    let bench = TestBench::new("exit 0", &[], "");
    let url = answering(bytes);
    let (code, output, errors) = bench.alone(&["coordinator", "--url", &url]);
    assert_eq!((code, output.as_str()), (Some(3), ""), "{errors}");
    assert!(
        errors.contains(says) && errors.contains("GET ") && errors.contains(&url),
        "{errors}"
    );
    assert_eq!(errors.lines().count(), 1, "{errors}");
}

#[test]
fn an_address_with_the_version_at_its_end_is_told_what_to_leave_out() {
    let bench = TestBench::new("exit 0", &[], "");
    let stub = Stub::start(StubConfig::default()).expect("a stub");
    let url = stub.url();
    let (code, output, errors) = bench.alone(&["coordinator", "--url", &format!("{url}/v1")]);
    assert_eq!((code, output.as_str()), (Some(3), ""), "{errors}");
    assert!(
        errors.contains(&format!("leave out `/v1`: --url {url}")),
        "{errors}"
    );
    assert_eq!(stub.counters().mutations_total(), 0);
}

/// The answer is whole with its `Content-Length`, whether or not the connection ends (RFC 9112, 6.3).
#[test]
fn a_peer_that_keeps_the_connection_open_delays_nothing() {
    let bench = TestBench::new("exit 0", &[], "");
    let url = answering(
        b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 15\r\n\r\n{\"status\":\"ok\"}",
    );
    let check = ["coordinator", "coordinator/policy-header", "--url", &url];
    let (code, output, _) = bench.alone(&check);
    // It was recognised, and judged: how many milliseconds that took is in the report.
    assert_ne!(code, Some(3), "{output}");
    assert!(output.contains("coordinator/policy-header"), "{output}");
}
