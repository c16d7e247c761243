//! Plain http to another host (clause F-12): routed mode needs the operator's consent to it, because whoever can change
//! an answer on the way runs commands here. The other hosts of these tests are addresses that lead back to this one.

use std::fs;

use serde_json::{Value, json};

use crate::coordinator::Coordinator;
use crate::queue_fixture::{QueueFixture, ROUTE_ANYTHING};

/// Reach this host, and no reader can tell that by them.
const ELSEWHERE: [&str; 2] = ["0.0.0.0", "[::ffff:127.0.0.1]"];

fn coordinator() -> Coordinator {
    Coordinator::with(
        json!({"id": "a", "engine": "sh", "body": "echo a >> $FIXTURE/runs"}),
        |_, _| None,
    )
}

/// Its address, as if it were another host's.
fn elsewhere(coordinator: &Coordinator, host: &str) -> String {
    coordinator.url.replace("127.0.0.1", host)
}

fn routed(url: &str) -> Vec<(&str, &str)> {
    vec![
        ("AQ_FLEET", "1"),
        ("AQ_FLEET_ROUTE", "1"),
        ("AQ_FLEET_URL", url),
        ("AQ_FLEET_TOKEN", "sesame"),
    ]
}

#[test]
fn routing_over_it_is_refused_with_what_to_write_and_why() {
    for host in ELSEWHERE {
        let fixture = QueueFixture::new();
        let coordinator = coordinator();
        let url = elsewhere(&coordinator, host);
        for command in [&["run", "--drain"][..], &["fleet-status"], &["doctor"]] {
            let done = fixture.aq_with(&routed(&url), command);
            let said = format!("{}{}", done.stdout, done.stderr);
            let code = if command == ["doctor"] { 1 } else { 2 };
            assert_eq!(done.code, code, "{command:?}: {said}");
            for words in [
                "AQ_FLEET_URL",
                "https",
                "AQ_FLEET_INSECURE=1",
                "insecure = true",
                "token",
            ] {
                assert!(said.contains(words), "{command:?}: {words}: {said}");
            }
        }
        assert_eq!(coordinator.late(), None);
        assert!(fixture.lines("runs").is_empty());
    }
}

#[test]
fn it_is_refused_as_well_where_the_file_says_it() {
    let fixture = QueueFixture::new();
    assert_eq!(fixture.aq(&["init"]).code, 0);
    let coordinator = coordinator();
    let url = elsewhere(&coordinator, ELSEWHERE[0]);
    let fleet = format!("[fleet]\nenabled = true\nroute_via_service = true\nurl = \"{url}\"\n");
    for consent in ["", "insecure = false\n", "insecure = 0\n"] {
        fs::write(
            fixture.queue("aq.toml"),
            format!("{fleet}{consent}{ROUTE_ANYTHING}"),
        )
        .unwrap();
        let done = fixture.aq(&["run", "--drain"]);
        assert_eq!(done.code, 2, "{}", done.stderr);
        assert!(done.stderr.contains("`url` under [fleet] in "), "{}", done.stderr);
    }
    assert_eq!(coordinator.late(), None);
    fs::write(
        fixture.queue("aq.toml"),
        format!("{fleet}insecure = true\n{ROUTE_ANYTHING}"),
    )
    .unwrap();
    let done = fixture.aq(&["run", "--drain"]);
    assert_eq!(done.code, 0, "{}", done.stderr);
    assert_eq!(fixture.lines("runs"), ["a"]);
}

#[test]
fn who_consents_is_warned_once_and_shown_it() {
    let fixture = QueueFixture::new();
    assert_eq!(fixture.aq(&["init"]).code, 0);
    let coordinator = coordinator();
    let url = elsewhere(&coordinator, ELSEWHERE[0]);
    let mut variables = routed(&url);
    variables.push(("AQ_FLEET_INSECURE", "1"));
    let done = fixture.aq_with(&variables, &["run", "--drain"]);
    assert_eq!(done.code, 0, "{}", done.stderr);
    assert_eq!(fixture.lines("runs"), ["a"]);
    assert_eq!(done.stderr.matches("plain http").count(), 1, "{}", done.stderr);
    let shown = fixture.aq_with(&variables, &["fleet-status", "--json"]);
    let shown: Value = serde_json::from_str(&shown.stdout).unwrap();
    assert_eq!(
        shown["insecure"],
        json!({"value": "1", "origin": "AQ_FLEET_INSECURE"})
    );
    let examined = fixture.aq_with(&variables, &["doctor"]);
    assert!(examined.stdout.contains("plain http"), "{}", examined.stdout);
}

#[test]
fn beside_local_work_it_is_warned_of_and_no_more() {
    let fixture = QueueFixture::new();
    fixture.add("b", "", "echo b >> $FIXTURE/runs");
    let coordinator = coordinator();
    let url = elsewhere(&coordinator, ELSEWHERE[1]);
    let variables = [
        ("AQ_FLEET", "1"),
        ("AQ_FLEET_SHADOW", "1"),
        ("AQ_FLEET_URL", url.as_str()),
    ];
    let done = fixture.aq_with(&variables, &["run", "--drain"]);
    assert_eq!(
        (done.code, fixture.lines("runs")),
        (0, vec![String::from("b")]),
        "{}",
        done.stderr
    );
    assert_eq!(done.stderr.matches("plain http").count(), 1, "{}", done.stderr);
}

#[test]
fn a_runner_at_work_does_not_turn_to_it() {
    let fixture = QueueFixture::new();
    let coordinator = coordinator();
    let url = elsewhere(&coordinator, ELSEWHERE[0]);
    fixture.pipes(&["begun", "go"]);
    fixture.add(
        "b",
        "",
        "echo > $FIXTURE/begun; cat $FIXTURE/go; echo b >> $FIXTURE/runs",
    );
    fixture.add("c", "", "echo c >> $FIXTURE/runs");
    let settings =
        |route: bool| format!("[fleet]\nenabled = true\nroute_via_service = {route}\n{ROUTE_ANYTHING}");
    fs::write(fixture.queue("aq.toml"), settings(false)).unwrap();
    let run = fixture.start(&["run", "--drain"], &[("AQ_FLEET_URL", &url)]);
    fixture.wait_for("begun");
    fs::write(fixture.queue("aq.toml"), settings(true)).unwrap();
    fixture.release("go");
    let done = run.end();
    assert_eq!(done.code, 0, "{}", done.stderr);
    assert!(done.stderr.contains("AQ_FLEET_INSECURE=1"), "{}", done.stderr);
    assert_eq!(
        (fixture.lines("runs").join(" "), coordinator.late()),
        (String::from("b c"), None)
    );
}
