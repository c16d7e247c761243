//! The document of the control API: it names every route, and what it shows works.

mod common;

use std::collections::BTreeSet;

use common::*;
use serde_json::{Value, json};
use stub_coordinator::{ClockKind, Config, Stub};

const DOCUMENT: &str = include_str!("../../docs/stub-control.json");
/// Where routes are written down.
const ROUTES: [&str; 2] = [
    include_str!("../src/control/mod.rs"),
    include_str!("../src/control/events.rs"),
];

fn document() -> Value {
    serde_json::from_str(DOCUMENT).expect("JSON")
}

/// A stub in which every example finds what it speaks of.
fn prepared() -> Stub {
    let config = Config {
        clock: ClockKind::Manual,
        ..Config::default()
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
            if path != "/metrics" || source.contains("/health") {
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
