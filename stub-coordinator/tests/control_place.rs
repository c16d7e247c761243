//! The control API's own port: what no fault closes, what is served there, and what it is no part of.

mod common;

use std::io::Write;
use std::net::{SocketAddr, TcpStream};

use common::*;
use serde_json::json;
use stub_coordinator::{ControlPlace, Stub, StubConfig};

fn beside(config: StubConfig) -> Stub {
    start_with(
        &["a"],
        StubConfig {
            control: ControlPlace::Beside,
            ..config
        },
    )
}

fn place(stub: &Stub) -> SocketAddr {
    let url = stub.control_url().expect("a place of its own");
    url.trim_start_matches("http://").parse().expect("an address")
}

fn ask(stub: &Stub, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Reply {
    let mut stream = TcpStream::connect(place(stub)).expect("connects");
    stream.set_read_timeout(Some(TIME_LIMIT)).expect("a timeout");
    stream
        .write_all(&request_bytes(method, path, headers, Some(body)))
        .expect("written");
    parse(&read_to_end(&mut stream).0)
}

#[test]
fn an_outage_is_ended_where_it_was_begun() {
    let stub = beside(StubConfig::default());
    assert_eq!(place(&stub).ip(), stub.address().ip());
    let refused = || TcpStream::connect(stub.address()).is_err();
    for _ in 0..2 {
        let down = ask(&stub, "POST", "/_stub/preset", &[], r#"{"name": "outage"}"#);
        assert_eq!((down.status, refused()), (200, true), "{down:?}");
        assert_eq!(
            ask(&stub, "GET", "/_stub/rules", &[], "").json()["rules"][0]["id"],
            "outage-1"
        );
        let up = ask(&stub, "POST", "/_stub/preset", &[], r#"{"name": "agree"}"#);
        assert_eq!((up.status, claim(&stub, "f").status < 300), (200, true), "{up:?}");
    }
}

#[test]
fn the_answer_to_who_begins_an_outage_on_the_api_s_own_address_arrives() {
    let stub = beside(StubConfig::default());
    assert_eq!(
        post(&stub, "/_stub/preset", &json!({"name": "outage"})).status,
        200
    );
}

#[test]
fn there_is_control_and_the_console_there_and_no_api() {
    let stub = beside(StubConfig::default());
    let health = ask(&stub, "GET", "/_stub/health", &[], "").json();
    assert_eq!(health["url"], json!(stub.url()));
    assert_eq!(health["controlUrl"], json!(stub.control_url()));
    assert!(
        ask(&stub, "GET", "/", &[], "")
            .text
            .contains("<title>stub coordinator</title>")
    );
    for path in ["/v1/claims", "/v1/health", "/nothing"] {
        let refused = ask(
            &stub,
            "POST",
            path,
            &[],
            r#"{"factoryId":"f","caps":["engine:sh"]}"#,
        );
        assert_eq!(refused.code(), "not_found", "{path}");
        assert!(refused.text.contains(&stub.url()), "{refused:?}");
    }
    assert_eq!((stub.counters(), stub.journal()), Default::default());
    assert_eq!(stub.unexpected(), []);
}

#[test]
fn it_is_guarded_and_bounded_like_the_rest() {
    let config = StubConfig {
        control_token: Some("key".to_owned()),
        head_limit_ms: 50,
        ..StubConfig::default()
    };
    let stub = beside(config);
    for path in ["/_stub/counters", "/metrics"] {
        let with = |headers| ask(&stub, "GET", path, headers, "").status;
        assert_eq!(with(&[]), 401, "{path}");
        assert_eq!(with(&[("authorization", "Bearer key")]), 200, "{path}");
    }
    let mut slow = TcpStream::connect(place(&stub)).expect("connects");
    slow.set_read_timeout(Some(TIME_LIMIT)).expect("a timeout");
    slow.write_all(b"GET /_stub/health HTTP/1.1\r\n")
        .expect("written");
    let (bytes, error) = read_to_end(&mut slow);
    assert!(bytes.is_empty() && error.is_none(), "cut off: {error:?}");
    let open = beside(StubConfig::default());
    let foreign = [("origin", "http://evil.example")];
    assert_eq!(
        ask(&open, "POST", "/_stub/reset", &foreign, r#"{"scope": "all"}"#).status,
        403
    );
}

#[test]
fn it_listens_everywhere_where_the_api_does_and_asks_for_the_token() {
    let grant = stub_coordinator::TokenGrant {
        token: "root".to_owned(),
        scopes: vec![stub_coordinator::Scope::Admin],
    };
    let config = StubConfig {
        address: ([0, 0, 0, 0], 0).into(),
        tokens: vec![grant],
        control_token: Some("root".to_owned()),
        ..StubConfig::default()
    };
    let stub = beside(config);
    assert!(place(&stub).ip().is_unspecified());
    assert_eq!(ask(&stub, "GET", "/_stub/jobs", &[], "").status, 401);
    let bearer = [("authorization", "Bearer root")];
    assert_eq!(ask(&stub, "GET", "/v1/jobs", &bearer, "").code(), "not_found");
    assert_eq!(ask(&stub, "GET", "/_stub/jobs", &bearer, "").status, 200);
}

#[test]
fn everybody_is_told_which_stub_it_is_and_nobody_is_counted_for_asking() {
    let config = StubConfig {
        control_token: Some("key".to_owned()),
        ..StubConfig::default()
    };
    let (stub, other) = (beside(config.clone()), beside(config));
    let identity = get(&stub, "/_stub/identity").json();
    assert_eq!(identity, ask(&stub, "GET", "/_stub/identity", &[], "").json());
    assert_eq!(
        (&identity["url"], &identity["controlUrl"]),
        (&json!(stub.url()), &json!(stub.control_url()))
    );
    let refused = post(&stub, "/_stub/identity", &json!({}));
    assert_eq!(
        (refused.status, refused.code()),
        (405, "method_not_allowed".to_owned())
    );
    assert_ne!(identity["stub"], get(&other, "/_stub/identity").json()["stub"]);
    stub.fence().expect("none is left");
    assert_eq!(stub.counters().connections, 0);
}

#[test]
fn it_goes_with_the_stub() {
    let stub = beside(StubConfig::default());
    let was = place(&stub);
    let mut follower = TcpStream::connect(was).expect("connects");
    follower.set_read_timeout(Some(TIME_LIMIT)).expect("a timeout");
    follower
        .write_all(&request_bytes("GET", "/_stub/events", &[], None))
        .expect("written");
    stub.stop();
    // However it ends, it ends.
    read_to_end(&mut follower);
    assert!(TcpStream::connect(was).is_err());
}
