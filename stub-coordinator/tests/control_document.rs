//! The document of the control API: it names every route, and what it shows works.

mod common;

use std::collections::BTreeSet;

use common::*;
use serde_json::{Value, json};
use stub_coordinator::{ClockKind, Stub, StubConfig};

const DOCUMENT: &str = include_str!("../../docs/stub-control.json");
/// Where routes are written down.
const ROUTES: [&str; 2] = [
    include_str!("../src/control.rs"),
    include_str!("../src/control/event_stream.rs"),
];

fn document() -> Value {
    serde_json::from_str(DOCUMENT).expect("JSON")
}

/// A stub in which every example finds what it speaks of.
fn prepared() -> Stub {
    let config = StubConfig {
        clock: ClockKind::Manual,
        ..StubConfig::default()
    };
    let stub = start_with(&["alpha", "beta"], config);
    assert_eq!(claim(&stub, "desk").status, 200);
    let rule = json!({"id": "r", "on": "health", "fault": "hang"});
    stub.arm(serde_json::from_value(rule).expect("a rule"))
        .expect("armed");
    stub
}

#[test]
fn every_route_is_in_the_document_and_nothing_else_is() {
    let mut routes = BTreeSet::new();
    for source in ROUTES {
        for written in source.split(".route(").skip(1) {
            let path = written
                .trim_start()
                .trim_start_matches('"')
                .split('"')
                .next()
                .expect("a path");
            // At the bare name there is nothing but a refusal.
            if path != "/_stub/" && (path != "/metrics" || source.contains("/health")) {
                routes.insert(format!("/_stub{path}"));
            }
        }
    }
    let document = document();
    let told: BTreeSet<_> = document["paths"]
        .as_object()
        .expect("paths")
        .keys()
        .cloned()
        .collect();
    assert_eq!(told, routes);
}

/// What stands in backticks in one column of the table of controls.
fn controls(column: usize) -> BTreeSet<String> {
    let page = include_str!("../../docs/scenarios.md");
    let table = page.split("| control | command |").nth(1).expect("the table");
    let rows = table.lines().skip(2).take_while(|line| line.starts_with('|'));
    let cells = rows.filter_map(|row| row.split('|').nth(column + 1));
    let quoted =
        |cell: &str| -> Vec<String> { cell.split('`').skip(1).step_by(2).map(str::to_owned).collect() };
    cells.flat_map(quoted).collect()
}

#[test]
fn the_table_of_controls_names_every_way_in() {
    let document = document();
    let paths = document["paths"].as_object().expect("paths").iter();
    let told: BTreeSet<_> = paths
        .flat_map(|(path, methods)| {
            let path = path.trim_start_matches("/_stub").to_owned();
            let methods = methods.as_object().expect("methods").keys();
            methods.map(move |method| format!("{} {path}", method.to_uppercase()))
        })
        .collect();
    assert_eq!(controls(2), told, "over HTTP");

    let handle = [
        include_str!("../src/stub.rs"),
        include_str!("../src/stub/evidence.rs"),
        include_str!("../src/stub/finish.rs"),
        include_str!("../src/stub/clock.rs"),
        include_str!("../src/stub/policy.rs"),
        include_str!("../src/stub/rules.rs"),
        include_str!("../src/stub/state.rs"),
    ];
    let public = handle
        .iter()
        .flat_map(|source| source.split("    pub fn ").skip(1));
    let methods: BTreeSet<_> = public
        .map(|rest| rest.split(['(', '<']).next().expect("a name").to_owned())
        .collect();
    // What only a handle in this process can do, or says of itself.
    let own = [
        "address",
        "excuse",
        "fence",
        "forgotten",
        "mirror",
        "restart",
        "seed",
        "start",
        "stop",
    ];
    let elsewhere = ["PRESETS", "preset", "check_rules_file", "self_check"];
    let named: BTreeSet<_> = controls(3)
        .into_iter()
        .filter(|name| !elsewhere.contains(&&**name))
        .collect();
    let meant: BTreeSet<_> = methods
        .into_iter()
        .filter(|name| !own.contains(&&**name))
        .collect();
    assert_eq!(named, meant, "in Rust");

    for command in controls(1) {
        let words: Vec<_> = command.split(' ').chain(["--help"]).collect();
        let help = std::process::Command::new(env!("CARGO_BIN_EXE_stub-coordinator"))
            .args(&words)
            .output()
            .expect("it runs");
        assert!(help.status.success(), "{command}: {help:?}");
    }
}

#[test]
fn every_example_of_a_request_is_understood_and_answered_in_the_shape_that_is_shown() {
    let document = document();
    for (path, methods) in document["paths"].as_object().expect("paths") {
        for (method, operation) in methods.as_object().expect("methods") {
            let shown = &operation["responses"]["200"]["content"];
            if shown.get("text/event-stream").is_some() {
                continue;
            }
            let stub = prepared();
            let mut real = path.clone();
            for parameter in operation["parameters"].as_array().into_iter().flatten() {
                let name = format!("{{{}}}", parameter["name"].as_str().expect("a name"));
                real = real.replace(&name, parameter["example"].as_str().unwrap_or_default());
            }
            let body = operation.pointer("/requestBody/content/application~1json/example");
            let reply = send(&stub, &method.to_uppercase(), &real, &[], body);
            assert_eq!(reply.status, 200, "{method} {path}: {reply:?}");
            if let Some(example) = shown.pointer("/application~1json/example") {
                let answer = reply.json();
                for key in example.as_object().expect("an object").keys() {
                    assert!(
                        answer.get(key).is_some(),
                        "{method} {path} says no {key}: {answer}"
                    );
                }
            }
        }
    }
}

#[test]
fn the_document_is_served_as_it_is_checked_in() {
    let served = get(&start(&[]), "/_stub/openapi.json");
    assert_eq!((served.status, served.text.as_str()), (200, DOCUMENT));
}
