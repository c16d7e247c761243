//! Ports and connections: counted, fenced, dropped, refused.

mod common;

use std::io::{ErrorKind, Write};
use std::net::TcpStream;

use common::*;
use stub_coordinator::{ExchangeMatch, NewJob, Stub, StubConfig};

#[test]
fn every_connection_is_counted_behind_a_fence_and_the_fence_is_not() {
    let stub = start(&[]);
    for _ in 0..50 {
        drop(TcpStream::connect(stub.address()).expect("connects"));
    }
    stub.fence().expect("none is left");
    stub.fence().expect("none is left");
    assert_eq!(stub.counters().connections, 50);
    assert_eq!(stub.journal(), Vec::new());
}

#[test]
fn a_restart_drops_connections_and_keeps_the_state() {
    let stub = start(&["a"]);
    let lease = held(&claim(&stub, "f"));
    let digest = stub.digest();
    let mut idle = TcpStream::connect(stub.address()).expect("connects");
    idle.write_all(b"GET /v1/health HTTP/1.1\r\nhost: localhost\r\n\r\n")
        .expect("written");
    stub.wait(&ExchangeMatch::operation("health"), 1, TIME_LIMIT)
        .expect("it arrives");
    stub.restart();
    let (_, error) = read_to_end(&mut idle);
    assert!(
        matches!(error, None | Some(ErrorKind::ConnectionReset)),
        "{error:?}"
    );
    assert_eq!(stub.digest(), digest);
    assert_eq!(lease.renew(&stub).status, 200);
}

#[test]
fn a_port_that_somebody_listens_on_is_an_error() {
    let stub = start(&[]);
    let twin = StubConfig {
        address: stub.address(),
        ..StubConfig::default()
    };
    let error = Stub::start(twin).err().expect("the port is taken").to_string();
    assert!(error.contains(&stub.address().to_string()), "{error}");
    let job = || NewJob::named("a", "sh");
    let error = Stub::start(StubConfig {
        jobs: vec![job(), job()],
        ..StubConfig::default()
    })
    .err()
    .expect("twice");
    assert!(error.to_string().contains("given twice"), "{error}");
}

#[test]
fn listening_beyond_loopback_needs_a_token() {
    let address = ([0, 0, 0, 0], 0).into();
    assert!(
        Stub::start(StubConfig {
            address,
            ..StubConfig::default()
        })
        .is_err()
    );
}
