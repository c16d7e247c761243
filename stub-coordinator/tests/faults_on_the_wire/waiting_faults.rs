//! Faults that take time, and an outage, as a client sees them.

use super::*;

#[test]
fn a_hanging_answer_ends_when_its_rule_is_disarmed() {
    let stub = start(&["alpha"]);
    let rule = stub.arm(Rule::on("shadow.claim", Fault::Hang)).expect("armed");
    std::thread::scope(|scope| {
        let client = scope.spawn(|| shadow_bytes(&stub));
        let seen = stub
            .wait(&ExchangeMatch::operation("shadow.claim"), 1, TIME_LIMIT)
            .expect("it arrives");
        assert_eq!(seen[0].outcome, ExchangeOutcome::InFlight);
        assert!(stub.disarm(&rule));
        assert_eq!(client.join().expect("the client ends"), (Vec::new(), None));
    });
}

#[test]
fn a_client_that_leaves_ends_its_handler() {
    let stub = start(&["alpha"]);
    stub.arm(Rule::on("shadow.claim", Fault::Hang)).expect("armed");
    let events = stub.events();
    let body = json!({"factoryId": "f", "caps": [], "shadow": 1}).to_string();
    let mut stream = TcpStream::connect(stub.address()).expect("connects");
    std::io::Write::write_all(
        &mut stream,
        &request_bytes("POST", "/v1/shadow/claims", &[], Some(&body)),
    )
    .expect("written");
    stub.wait(&ExchangeMatch::operation("shadow.claim"), 1, TIME_LIMIT)
        .expect("it arrives");
    drop(stream);
    stub.fence().expect("no connection is left");
    assert!(matches!(
        events.recv(),
        Ok(stub_coordinator::StubEvent::Arrived(_))
    ));
    let Ok(stub_coordinator::StubEvent::Completed(ended)) = events.recv() else {
        panic!("it ended")
    };
    assert_eq!(ended.outcome, ExchangeOutcome::AbortedByClient);
}

#[test]
fn a_stub_stops_at_once_though_requests_hang() {
    let stub = start(&["alpha"]);
    stub.arm(Rule::on("*", Fault::Hang)).expect("armed");
    let address = stub.address();
    let mut streams: Vec<_> = (0..20)
        .map(|_| TcpStream::connect(address).expect("connects"))
        .collect();
    for stream in &mut streams {
        std::io::Write::write_all(stream, b"GET /v1/health HTTP/1.1\r\nhost: localhost\r\n\r\n")
            .expect("written");
    }
    stub.wait(&ExchangeMatch::operation("health"), 20, TIME_LIMIT)
        .expect("they arrive");
    let report = stub.stop();
    assert_eq!(report.counters.requests["health"], 20);
    let ended_here = |exchange: &stub_coordinator::Exchange| exchange.outcome == ExchangeOutcome::Faulted;
    assert!(
        report.journal.iter().all(ended_here),
        "no client left: {:?}",
        report.journal
    );
    for stream in &mut streams {
        assert_eq!(read_to_end(stream).0, Vec::<u8>::new());
    }
}

#[test]
fn a_gate_holds_until_it_is_released() {
    let stub = armed(GateFault {
        name: "first".to_owned(),
    });
    std::thread::scope(|scope| {
        let client = scope.spawn(|| shadow_claim(&stub, "f"));
        stub.wait(&ExchangeMatch::operation("shadow.claim"), 1, TIME_LIMIT)
            .expect("it arrives");
        assert_eq!(stub.journal()[0].outcome, ExchangeOutcome::InFlight);
        stub.release_gate("first");
        assert_eq!(
            client.join().expect("the client ends").json()["job"]["id"],
            "alpha"
        );
    });
    assert_eq!(stub.journal()[0].outcome, ExchangeOutcome::Answered);
    assert_eq!(shadow_claim(&stub, "f").status, 200, "later arrivals go through");
}

#[test]
fn a_delay_ends_when_the_manual_clock_gets_there() {
    let stub = start_with(
        &["alpha"],
        StubConfig {
            clock: ClockKind::Manual,
            ..StubConfig::default()
        },
    );
    let minute = SignedDuration::of(Duration::from_secs(60));
    stub.arm(Rule::on(
        "shadow.claim",
        Fault::Delay(DelayDistribution::Fixed(minute)),
    ))
    .expect("armed");
    std::thread::scope(|scope| {
        let client = scope.spawn(|| shadow_claim(&stub, "f"));
        stub.wait(&ExchangeMatch::operation("shadow.claim"), 1, TIME_LIMIT)
            .expect("it arrives");
        let rung = stub.advance(Duration::from_secs(60)).expect("a manual clock");
        assert_eq!(rung.len(), 1, "{rung:?}");
        assert_eq!(
            stub.journal()[0].outcome,
            ExchangeOutcome::Answered,
            "the answer is out when advance returns"
        );
        assert_eq!(client.join().expect("the client ends").status, 200);
    });
}

#[test]
fn down_refuses_connections_and_keeps_the_port() {
    let stub = start(&["alpha"]);
    let address = stub.address();
    let mut idle = TcpStream::connect(address).expect("connects");
    let rule = stub.arm(Rule::on("*", Fault::Down)).expect("armed");
    assert_eq!(
        read_to_end(&mut idle).0,
        Vec::<u8>::new(),
        "live connections are dropped"
    );
    let refused = TcpStream::connect(address).expect_err("nobody listens");
    assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
    assert!(stub.disarm(&rule));
    stub.fence().expect("it listens again");
    assert_eq!(shadow_claim(&stub, "f").status, 200);
}

#[test]
fn dribble_sends_the_honest_answer_in_pieces() {
    let stub = armed(DribbleFault {
        chunks: 4,
        over: SignedDuration::of(Duration::from_millis(4)),
    });
    assert_eq!(shadow_claim(&stub, "f").json()["job"]["id"], "alpha");
    assert_eq!(stub.journal()[0].outcome, ExchangeOutcome::Answered);
    assert_eq!(stub.counters().faults["dribble"], 1);
}

#[test]
fn down_on_a_certain_request_begins_with_that_request() {
    let stub = start(&["alpha"]);
    stub.arm(Rule::on("shadow.claim", Fault::Down).skip(1))
        .expect("armed");
    assert_eq!(shadow_claim(&stub, "f").status, 200);
    assert_eq!(shadow_bytes(&stub).0, Vec::<u8>::new());
    stub.fence().expect("no connection is left");
    let refused = TcpStream::connect(stub.address()).expect_err("nobody listens");
    assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
}
