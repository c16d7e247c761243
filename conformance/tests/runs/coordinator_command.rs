//! `conformance coordinator` as its users start it.

use std::fs;

use crate::test_bench::{TestBench, printed_command};

#[test]
fn the_command_under_a_failing_check_of_a_coordinator_makes_that_check_alone() {
    let bench = TestBench::new("exit 0", &[], "");
    let stub = stub_coordinator::Stub::start(stub_coordinator::StubConfig {
        rules: stub_coordinator::preset("5xx").expect("a preset"),
        ..stub_coordinator::StubConfig::default()
    })
    .expect("a stub");
    let url = stub.url();
    let (code, output, errors) = bench.alone(&["coordinator", "coordinator/view", "--url", &url]);
    assert_eq!(code, Some(1), "{output}{errors}");
    let (code, alone, errors) = bench.pasted(printed_command(&output));
    assert_eq!(code, Some(1), "{alone}{errors}");
    assert_eq!(alone.lines().last(), Some("0 passed, 1 failed"), "{alone}");
    assert!(alone.contains("coordinator/view"), "{alone}");
    let (code, _, errors) = bench.alone(&["coordinator", "coordinator/vew", "--url", &url]);
    assert_eq!(code, Some(2), "{errors}");
    assert!(
        errors.contains("coordinator/view"),
        "it names what there is: {errors}"
    );
}

#[test]
fn a_coordinator_that_nobody_could_ask_is_called_neither_right_nor_wrong() {
    let bench = TestBench::new("exit 0", &[], "");
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    drop(listener);
    let (code, output, errors) = bench.alone(&["coordinator", "--url", &url]);
    assert_eq!(code, Some(3), "{output}{errors}");
    assert!(
        errors.contains(&url) && errors.contains("is it running"),
        "{errors}"
    );

    let stub = stub_coordinator::Stub::start(stub_coordinator::StubConfig {
        tokens: vec![stub_coordinator::TokenGrant {
            token: "watching".into(),
            scopes: vec![stub_coordinator::Scope::Shadow],
        }],
        ..stub_coordinator::StubConfig::default()
    })
    .expect("a stub");
    fs::write(bench.path("token"), "watching\n").expect("a file");
    let url = stub.url();
    let arguments = ["coordinator", "coordinator/view", "--url", &url];
    let (code, output, _) = bench.alone(&[&arguments[..], &["--token-file", "token"]].concat());
    assert_eq!(code, Some(3), "{output}");
    assert!(output.contains("scopes shadow, work and submit"), "{output}");
}
