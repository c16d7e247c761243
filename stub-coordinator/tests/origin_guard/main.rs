//! Who may speak to the stub at all: programs of this host, and whoever shows a token; never a page of another origin.

#[path = "../common/mod.rs"]
mod common;
mod host_names;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use common::*;
use rstest::rstest;
use serde_json::json;
use stub_coordinator::{ControlPlace, Fault, Rule, Scope, Stub, StubConfig, TokenGrant};

const JOB: &str = r#"{"id":"x","engine":"sh","body":"touch /tmp/owned"}"#;
const EVIL: &str = "origin: http://evil.example";
const JSON: &str = "content-type: application/json";

/// Sends a request of these lines to an address.
fn say_to(address: SocketAddr, line: &str, headers: &[&str], body: &str) -> Reply {
    let mut head = format!("{line}\r\nconnection: close\r\n");
    for header in headers {
        head += &format!("{header}\r\n");
    }
    if !body.is_empty() {
        head += &format!("content-length: {}\r\n", body.len());
    }
    let mut stream = TcpStream::connect(address).expect("connects");
    stream.set_read_timeout(Some(TIME_LIMIT)).expect("a timeout");
    stream
        .write_all(format!("{head}\r\n{body}").as_bytes())
        .expect("written");
    parse(&read_to_end(&mut stream).0)
}

fn say(stub: &Stub, line: &str, headers: &[&str], body: &str) -> Reply {
    say_to(stub.address(), line, headers, body)
}

/// The same from a client that names the stub as it should.
fn named(stub: &Stub, line: &str, headers: &[&str], body: &str) -> Reply {
    let line = format!("{line} HTTP/1.1");
    say(stub, &line, &[&["host: 127.0.0.1:7700"], headers].concat(), body)
}

/// A stub with a control port, and a rule that the first request of the API would use up.
fn prepared(config: StubConfig) -> Stub {
    let stub = start_with(
        &["a"],
        StubConfig {
            control: ControlPlace::Beside,
            ..config
        },
    );
    stub.arm(Rule::on("*", Fault::Empty).times(1).named("first"))
        .expect("a sound rule");
    stub
}

fn with_tokens() -> StubConfig {
    let grant = |token: &str, scope| TokenGrant {
        token: token.to_owned(),
        scopes: vec![scope],
    };
    StubConfig {
        tokens: vec![grant("watcher", Scope::Shadow), grant("root", Scope::Admin)],
        control_token: Some("key".to_owned()),
        ..StubConfig::default()
    }
}

/// What was refused left no trace but the count of what was refused, nor was a rule used up.
fn untouched(stub: &Stub, digest: &str, refused: u64) {
    assert_eq!(stub.digest(), digest);
    assert_eq!((stub.journal(), stub.unexpected()), (vec![], vec![]));
    let counters = stub.counters();
    assert_eq!((counters.mutations_total(), counters.unexpected), (0, 0));
    assert!(
        counters.requests.is_empty() && counters.refusals.is_empty(),
        "{counters:?}"
    );
    assert_eq!((stub.rules()[0].matched, stub.rules()[0].fired), (0, 0));
    assert_eq!(
        send(
            stub,
            "GET",
            "/_stub/health",
            &[("authorization", "Bearer root")],
            None
        )
        .json()["refusedRequests"],
        refused
    );
}

#[rstest]
#[case::of_the_web(&[EVIL, "content-type: text/plain"])]
#[case::by_a_form(&[EVIL, "content-type: application/x-www-form-urlencoded"])]
#[case::from_a_sandboxed_frame(&["origin: null", "content-type: text/plain"])]
#[case::from_another_port(&["origin: http://127.0.0.1:3000", JSON])]
#[case::over_https(&["origin: https://127.0.0.1:7700", JSON])]
#[case::as_json(&[EVIL, JSON])]
#[case::with_its_own_origin_too(&["origin: http://127.0.0.1:7700", EVIL, JSON])]
#[case::without_an_origin(&["sec-fetch-site: cross-site", JSON])]
#[case::of_the_same_site(&["sec-fetch-site: same-site", "sec-fetch-mode: no-cors", JSON])]
#[case::of_a_site_that_is_unheard_of(&["sec-fetch-site: nearby", JSON])]
#[case::with_a_token(&[EVIL, JSON, "authorization: Bearer root"])]
fn a_page_of_another_origin_submits_no_job(#[case] headers: &[&str]) {
    let stub = prepared(StubConfig::default());
    let digest = stub.digest();
    for path in [
        "/v1/jobs",
        "/v1/claims",
        "/_stub/reset",
        "/_stub/gates/g/release",
        "/",
    ] {
        let refused = named(&stub, &format!("POST {path}"), headers, JOB);
        assert_eq!(
            (refused.status, &*refused.code()),
            (403, "foreign_origin"),
            "{path}"
        );
    }
    for line in [
        "POST /_stub/gates/g/release",
        "DELETE /_stub/rules",
        "PUT /_stub/rules",
    ] {
        assert_eq!(named(&stub, line, headers, "").status, 403, "{line}");
    }
    untouched(&stub, &digest, 8);
}

#[rstest]
#[case::text(&["content-type: text/plain"])]
#[case::a_form(&["content-type: application/x-www-form-urlencoded"])]
#[case::of_several_parts(&["content-type: multipart/form-data; boundary=x"])]
#[case::of_no_type(&[])]
#[case::json_by_parameter(&["content-type: text/plain; application/json"])]
#[case::json_among_others(&[JSON, "content-type: text/plain"])]
fn a_body_that_says_it_is_no_json_is_refused_and_told_of(#[case] headers: &[&str]) {
    let stub = prepared(StubConfig::default());
    let digest = stub.digest();
    let refused = named(&stub, "POST /v1/jobs", headers, JOB);
    assert_eq!(
        (refused.status, &*refused.code()),
        (415, "unsupported_media_type")
    );
    let told = named(&stub, "POST /_stub/reset", headers, r#"{"scope":"all"}"#);
    assert_eq!((told.status, &*told.code()), (415, "unsupported_media_type"));
    assert_eq!((stub.digest(), stub.rules()[0].fired), (digest, 0));
    assert_eq!(stub.counters().mutations_total(), 0);
    // A client that is wrong about the contract finds itself in the journal.
    assert_eq!(stub.unexpected().len(), 1);
    assert_eq!(stub.counters().refusals["unsupported_media_type"], 1);
}

#[rstest]
#[case("application/json")]
#[case("Application/JSON")]
#[case("application/json; charset=utf-8")]
fn json_is_taken_however_its_type_is_written(#[case] kind: &str) {
    let stub = start(&[]);
    let header = format!("content-type: {kind}");
    assert_eq!(named(&stub, "POST /v1/jobs", &[&header], JOB).status, 201);
}

const FOREIGN: [&str; 16] = [
    "evil.example",
    "evil.example:7700",
    "127.0.0.1.evil.example",
    "localhost.evil.example:7700",
    "evil.localhost",
    "xlocalhost",
    "127.0.0.1.",
    "127.1",
    "2130706433",
    "0x7f000001",
    "0.0.0.0:7700",
    "192.0.2.7",
    "[::]",
    "[::1%25lo]:7700",
    "[fe80::1]",
    "10.0.0.1:80",
];

#[test]
fn nobody_is_ever_told_that_another_origin_may_ask() {
    let stub = prepared(StubConfig::default());
    let digest = stub.digest();
    for path in ["/v1/jobs", "/_stub/rules", "/"] {
        let preflight = [
            EVIL,
            "access-control-request-method: POST",
            "access-control-request-headers: content-type",
        ];
        let refused = named(&stub, &format!("OPTIONS {path}"), &preflight, "");
        assert_eq!((refused.status, &*refused.code()), (403, "foreign_origin"));
        assert!(
            !refused.head.to_lowercase().contains("access-control"),
            "{}",
            refused.head
        );
    }
    untouched(&stub, &digest, 3);
    let own = ["origin: http://127.0.0.1:7700"];
    for line in ["OPTIONS /v1/jobs", "GET /_stub/rules", "GET /"] {
        let head = named(&stub, line, &own, "").head.to_lowercase();
        assert!(!head.contains("access-control"), "{head}");
    }
}

#[rstest]
#[case::by_fetch(&["sec-fetch-site: cross-site", "sec-fetch-mode: no-cors"])]
#[case::by_event_source(&[EVIL, "accept: text/event-stream"])]
#[case::from_another_port(&["sec-fetch-site: same-site", "sec-fetch-mode: no-cors"])]
#[case::by_a_window_from_another_port(&["sec-fetch-site: same-site", "sec-fetch-mode: navigate"])]
#[case::by_a_window(&["sec-fetch-site: cross-site", "sec-fetch-mode: navigate", "sec-fetch-dest: document"])]
fn a_page_of_another_origin_takes_no_place_of_those_who_follow(#[case] headers: &[&str]) {
    let stub = start(&[]);
    let follow = |headers: &[&str]| {
        let mut stream = TcpStream::connect(stub.address()).expect("connects");
        stream.set_read_timeout(Some(TIME_LIMIT)).expect("a timeout");
        let headers: String = headers.iter().map(|header| format!("{header}\r\n")).collect();
        let request = format!("GET /_stub/events HTTP/1.1\r\nhost: 127.0.0.1\r\n{headers}\r\n");
        stream.write_all(request.as_bytes()).expect("written");
        let mut status = [0; 12];
        stream.read_exact(&mut status).expect("an answer");
        (stream, String::from_utf8_lossy(&status).into_owned())
    };
    // As many as there are places; each is answered before the next one comes.
    let held: Vec<_> = (0..64).map(|_| follow(headers)).collect();
    assert_eq!(follow(&[]).1, "HTTP/1.1 200");
    assert!(held.iter().all(|(_, status)| status == "HTTP/1.1 403"));
}

#[test]
fn the_console_goes_on_from_its_own_origin_and_is_reached_by_a_link_of_the_other_port() {
    let stub = prepared(StubConfig::default());
    let control = control_of(&stub);
    let from_console = [
        "host: localhost:7701",
        "origin: http://localhost:7701",
        "sec-fetch-site: same-origin",
    ];
    let reply = say_to(control, "DELETE /_stub/rules HTTP/1.1", &from_console, "");
    assert_eq!(reply.status, 200, "{reply:?}");
    let typed = [
        "host: localhost:7701",
        "sec-fetch-site: none",
        "sec-fetch-mode: navigate",
        "accept: text/html",
    ];
    let linked = [
        "host: localhost:7701",
        "sec-fetch-site: same-site",
        "sec-fetch-mode: navigate",
        "accept: text/html",
    ];
    for headers in [typed, linked] {
        for address in [stub.address(), control] {
            let page = say_to(address, "GET / HTTP/1.1", &headers, "");
            assert_eq!(page.status, 200, "{headers:?}");
        }
    }
    let framed = [
        "host: localhost:7701",
        "sec-fetch-site: same-site",
        "sec-fetch-mode: no-cors",
    ];
    assert_eq!(say_to(control, "GET / HTTP/1.1", &framed, "").status, 403);
}

#[test]
fn a_refusal_of_json_is_no_part_of_what_a_shadow_call_may_do() {
    let stub = start_with(&["a"], with_tokens());
    let body = json!({"factoryId": "f", "caps": ["engine:sh"], "shadow": 1}).to_string();
    let text = ["content-type: text/plain", "authorization: Bearer watcher"];
    assert_eq!(named(&stub, "POST /v1/shadow/claims", &text, &body).status, 415);
    let exchange = &stub.journal()[0];
    assert!(
        !exchange.mutated && exchange.operation.as_deref() == Some("shadow.claim"),
        "{exchange:?}"
    );
    assert_eq!(stub.violations(), Vec::<String>::new());
}

fn control_of(stub: &Stub) -> SocketAddr {
    let url = stub.control_url().expect("a place of its own");
    url.trim_start_matches("http://").parse().expect("an address")
}
