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
fn a_coordinator_is_restarted_by_the_command_that_is_named() {
    let bench = TestBench::new("exit 0", &[], "");
    let stub = stub_coordinator::Stub::start(stub_coordinator::StubConfig::default()).expect("a stub");
    let url = stub.url();
    let check = ["coordinator", "coordinator/withdrawn-for-good", "--url", &url];
    let (code, _, errors) = bench.alone(&check);
    assert_eq!(code, Some(2), "nobody says how it is restarted: {errors}");
    // Its state outlives a command that leaves it alone.
    let (code, output, errors) = bench.alone(&[&check[..], &["--restart", "echo again"]].concat());
    assert_eq!(code, Some(0), "{output}{errors}");
    assert_eq!(errors.matches("again").count(), 2, "{errors}");
    let (code, output, errors) = bench.alone(&[&check[..], &["--restart", "exit 7"]].concat());
    assert_eq!(code, Some(3), "{output}{errors}");
    assert!(output.contains("`exit 7` ended with"), "{output}");
    let (code, alone, errors) = bench.pasted(printed_command(&output));
    assert_eq!(code, Some(3), "{alone}{errors}");
    let (code, _, errors) = bench.alone(&[&check[..], &["--restart", "true", "--observe"]].concat());
    assert_eq!(code, Some(2), "{errors}");
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
