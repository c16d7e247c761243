//! A run that routes comes back by itself where the coordinator does harm, and only there (F-20, F-21).

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use crate::coordinator::Coordinator;
use crate::queue_fixture::QueueFixture;

/// Answers the claim of this number, counted from 0, with the job `a` and another lease than the honest one.
fn assigns_again(claim: usize, body: &str) -> (Coordinator, Arc<Mutex<Vec<String>>>) {
    let (claims, paths) = (AtomicUsize::new(0), Arc::<Mutex<Vec<String>>>::default());
    let seen = Arc::clone(&paths);
    let job = json!({"id": "a", "engine": "sh", "body": body});
    let again = json!({"job": job, "lease": {"id": "lease-2", "jobId": "a", "factoryId": "forge", "fencingToken": 8,
        "ttlMs": 60_000, "expiresAt": "2026-03-02T09:30:45.250Z"}});
    let coordinator = Coordinator::with(job, move |path, _| {
        seen.lock().unwrap().push(path.to_owned());
        let is_it = path == "/v1/claims" && claims.fetch_add(1, Ordering::SeqCst) == claim;
        is_it.then(|| (200, again.clone()))
    });
    (coordinator, paths)
}

/// With a comment, blanks and an order of their own.
fn text(coordinator: &Coordinator, more: &str) -> String {
    format!(
        "# of the night shift\n[fleet]\nenabled   = true\nurl = \"{}\"\nroute_via_service\t=  true  # since Monday\n{more}\n\
         [route]\nallow_engines = [ \"sh\" ]\n[notify]\ncommand = \"tell\"",
        coordinator.url
    )
}

/// A queue with a local job, whose `aq.toml` says this.
fn fixture(coordinator: &Coordinator, more: &str) -> QueueFixture {
    let fixture = QueueFixture::new();
    fixture.engine("tell", "cat >> $FIXTURE/told");
    fixture.add("b", "", "echo b >> $FIXTURE/runs");
    fs::write(fixture.queue("aq.toml"), text(coordinator, more)).unwrap();
    fixture
}

fn settings(fixture: &QueueFixture) -> String {
    fs::read_to_string(fixture.queue("aq.toml")).unwrap()
}

fn status(fixture: &QueueFixture, command: &str) -> Value {
    let shown = fixture.aq_with(&[("AQ_FLEET", "0")], &[command, "--json"]);
    serde_json::from_str(&shown.stdout).unwrap()
}

fn told(fixture: &QueueFixture) -> Vec<String> {
    let objects = fixture.lines("told").into_iter();
    let objects = objects.map(|line| serde_json::from_str::<Value>(&line).unwrap());
    let word = |object: &Value, key: &str| object[key].as_str().unwrap_or("-").to_owned();
    objects
        .map(|object| ["event", "job", "reason"].map(|key| word(&object, key)).join(" "))
        .collect()
}

const RUNS: &str = "echo a >> $FIXTURE/runs";

#[test]
fn harm_turns_route_off_in_the_file_and_changes_no_other_byte_of_it() {
    let (coordinator, _) = assigns_again(1, RUNS);
    let fixture = fixture(&coordinator, "rollback = \"act\"");
    let (path, before) = (fixture.queue("aq.toml"), settings(&fixture));
    fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
    let done = fixture.aq(&["run", "--drain"]);
    assert_eq!(
        (done.code, fixture.lines("runs")),
        (0, vec!["a".into(), "b".into()]),
        "{done:?}"
    );
    let after = before.replace("true  # since", "false  # since");
    assert_eq!(settings(&fixture), after);
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o640);
    for words in [
        "harm by routing (finished)",
        "aq goes back by itself",
        "aq fleet-recall",
        "mode: local instead of route",
    ] {
        assert!(done.stderr.contains(words), "{words}: {}", done.stderr);
    }
    assert_eq!(told(&fixture), ["rolled_back a finished"]);
    for command in ["status", "fleet-status"] {
        let routing = &status(&fixture, command)["routing"];
        assert_eq!(routing["rolledBack"]["reach"], "settings-file", "{routing}");
        assert_eq!(
            (&routing["harm"][0]["kind"], &routing["harm"][0]["job"]),
            (&json!("finished"), &json!("a"))
        );
    }
    let figures = fs::read_to_string(fixture.queue(".state/metrics.prom")).unwrap();
    for sample in [
        "aq_rolled_back 1\n",
        "aq_route_harm{kind=\"finished\"} 1\n",
        "aq_route_harm{kind=\"running\"} 0\n",
    ] {
        assert!(figures.contains(sample), "{figures}");
    }
    let doctor = fixture.aq_with(&[("AQ_FLEET", "0")], &["doctor"]);
    assert!(
        doctor.stdout.contains("turned ROUTE off by itself"),
        "{}",
        doctor.stdout
    );

    // A person routes again: what was is over.
    fs::write(&path, before).unwrap();
    assert_eq!(fixture.aq(&["run", "--drain"]).code, 0);
    assert_eq!(status(&fixture, "status")["routing"], Value::Null);
}

#[test]
fn a_file_that_is_not_to_be_changed_stays_as_it_is_and_so_does_route() {
    let read_only = "chmod 444 $AQ_QUEUE/aq.toml";
    let second_name = "ln $AQ_QUEUE/aq.toml $AQ_QUEUE/second";
    // At no moment there is no file: that would turn the fleet off.
    let link = "cd $AQ_QUEUE; cp aq.toml second; ln -s second new; mv new aq.toml";
    for (script, why) in [
        (read_only, "read-only"),
        (second_name, "another name"),
        (link, "link"),
    ] {
        let (coordinator, _) = assigns_again(1, script);
        let fixture = fixture(&coordinator, "rollback = \"act\"");
        let before = settings(&fixture);
        let done = fixture.aq(&["run", "--drain"]);
        assert_eq!((done.code, fixture.stage("b").as_str()), (0, "inbox"), "{done:?}");
        assert_eq!(settings(&fixture), before);
        let is_told = done.stderr.matches("ROUTE stays on").count();
        assert!(is_told == 1 && done.stderr.contains(why), "{}", done.stderr);
        assert_eq!(told(&fixture), ["route_harm a finished"]);
        let record = fs::read_to_string(fixture.queue(".state/routing.json")).unwrap();
        let record: Value = serde_json::from_str(&record).unwrap();
        assert!(record["obstacle"].as_str().unwrap().contains(why), "{record}");
        assert_eq!(record["rolledBack"], Value::Null);
    }
}

#[test]
fn a_second_lease_on_a_job_at_work_is_given_back_and_the_job_ends_under_its_first() {
    let (coordinator, paths) = assigns_again(1, "read x < $FIXTURE/go; echo a >> $FIXTURE/runs");
    let fixture = fixture(&coordinator, "rollback = \"warn\"");
    fixture.pipe("go");
    let running = fixture.start(&["run", "--workers", "2"], &[]);
    coordinator.wait_for("release");
    fs::write(fixture.path("go"), "\n").unwrap();
    coordinator.wait_for("shipped");
    running.signal(rustix::process::Signal::TERM);
    let done = running.end();
    assert!(
        done.stderr.contains("harm by routing (running)"),
        "{}",
        done.stderr
    );
    assert_eq!(
        (fixture.stage("a").as_str(), fixture.lines("runs")),
        ("shipped", vec!["a".into()])
    );
    let paths = paths.lock().unwrap();
    let released: Vec<&String> = paths.iter().filter(|path| path.ends_with("/release")).collect();
    assert_eq!(released, ["/v1/leases/lease-2/release"]);
}

#[test]
fn nothing_is_turned_off_where_decisions_are_only_compared() {
    let dry_run = json!({"dryRun": true, "job": {"id": "a"}});
    let coordinator = Coordinator::with(Value::Null, move |path, _| match path {
        "/v1/shadow/claims" => Some((200, dry_run.clone())),
        _ => Some((202, json!({"accepted": true, "stage": "shipped"}))),
    });
    let fixture = fixture(&coordinator, "rollback = \"act\"\nshadow = true");
    fixture.add("a", "priority: 9", RUNS);
    let observing = text(&coordinator, "rollback = \"act\"\nshadow = true").replace("true  #", "false #");
    fs::write(fixture.queue("aq.toml"), &observing).unwrap();
    let done = fixture.aq(&["run", "--drain"]);
    assert_eq!((done.code, fixture.lines("runs").len()), (0, 2), "{done:?}");
    let log = fs::read_to_string(fixture.queue(".state/fleet-shadow.log")).unwrap();
    assert!(log.contains("\"finished\""), "{log}");
    assert!(!done.stderr.contains("harm by routing"), "{}", done.stderr);
    assert_eq!(settings(&fixture), observing);
    assert!(!fixture.queue(".state/routing.json").exists());
}

#[test]
fn whether_a_rollback_could_be_done_is_said_beforehand() {
    let (coordinator, _) = assigns_again(9, RUNS);
    let fixture = fixture(&coordinator, "rollback = \"act\"");
    let doctor = |variables: &[(&str, &str)]| fixture.aq_with(variables, &["doctor"]).stdout;
    let shown = doctor(&[]);
    assert!(shown.contains("turns ROUTE off in aq.toml"), "{shown}");
    let shown = doctor(&[("AQ_FLEET_ROUTE", "1")]);
    assert!(shown.contains("AQ_FLEET_ROUTE hides aq.toml"), "{shown}");
    fs::set_permissions(fixture.queue("aq.toml"), fs::Permissions::from_mode(0o444)).unwrap();
    let shown = doctor(&[]);
    assert!(shown.contains("can't be changed: it is read-only"), "{shown}");
}

#[test]
fn the_scopes_that_a_token_lacks_are_named_for_the_mode_and_for_the_way_back() {
    let lacks_shadow = "no comparison is possible: the token lacks scope `shadow`";
    for (mode, scopes, code, text) in [
        ("AQ_FLEET_SHADOW", json!(["work"]), 1, lacks_shadow),
        ("AQ_FLEET_SHADOW", json!(["shadow"]), 0, "takes the token"),
        (
            "AQ_FLEET_ROUTE",
            json!(["work"]),
            0,
            "lacks scope `shadow` for the way back",
        ),
        (
            "AQ_FLEET_ROUTE",
            json!(["shadow"]),
            1,
            "no claim is possible: the token lacks scope `work`",
        ),
        ("AQ_FLEET_ROUTE", json!(["shadow", "work"]), 0, "takes the token"),
        ("AQ_FLEET_ROUTE", Value::Null, 0, "takes the token"),
    ] {
        let fixture = QueueFixture::new();
        assert_eq!(fixture.aq(&["init"]).code, 0);
        let may_observe = scopes.to_string().contains("shadow");
        let told = scopes.clone();
        let coordinator = Coordinator::with(Value::Null, move |path, _| match path {
            "/v1/health" => Some((200, json!({"status": "ok", "scopes": told}))),
            "/v1/shadow/claims" if may_observe => Some((204, Value::Null)),
            "/v1/shadow/claims" => Some((403, json!({"code": "insufficient_scope", "title": "no"}))),
            _ => Some((200, json!({"jobs": []}))),
        });
        let url = coordinator.url.as_str();
        let variables = [
            ("AQ_FLEET", "1"),
            (mode, "1"),
            ("AQ_FLEET_URL", url),
            ("AQ_FLEET_TOKEN", "sesame"),
        ];
        let shown = fixture.aq_with(&variables, &["fleet-status"]);
        assert!(
            shown.code == code && shown.stdout.contains(text),
            "{scopes}: {shown:?}"
        );
        let doctor = fixture.aq_with(&variables, &["doctor"]);
        assert!(doctor.stdout.contains(text), "{scopes}: {}", doctor.stdout);
        let json = fixture.aq_with(&variables, &["fleet-status", "--json"]).stdout;
        let json: Value = serde_json::from_str(&json).unwrap();
        assert_eq!(json["coordinator"]["scopes"], scopes);
    }
}
