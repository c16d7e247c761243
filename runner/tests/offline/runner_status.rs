//! What runners tell of themselves and of their coordinator: to whoever asks for the status of their queue, and on their
//! standard error.

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, channel};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use crate::coordinator::{Coordinator, WAIT_MAX};
use crate::queue_fixture::QueueFixture;
use crate::started_command::{CompletedCommand, StartedCommand};

const OTHER_FLAGS: [(&str, &str); 1] = [("AQ_FLEET", "0")];

/// As `fleet-status` shows them; `status` shows the same ones.
fn runners(fixture: &QueueFixture) -> Vec<Value> {
    let [status, fleet_status] = ["status", "fleet-status"].map(|command| {
        let done = fixture.aq_with(&OTHER_FLAGS, &[command, "--json"]);
        let told: Value = serde_json::from_str(&done.stdout).unwrap_or_else(|_| panic!("{done:?}"));
        told["runners"].as_array().unwrap().clone()
    });
    let who = |runners: &[Value]| -> Vec<[Value; 4]> {
        let facts = |runner: &Value| ["pid", "since", "mode", "workers"].map(|key| runner[key].clone());
        runners.iter().map(facts).collect()
    };
    assert_eq!(who(&status), who(&fleet_status));
    fleet_status
}

fn shadow(coordinator: &Coordinator) -> [(&str, &str); 4] {
    [
        ("AQ_FLEET", "1"),
        ("AQ_FLEET_SHADOW", "1"),
        ("AQ_FLEET_URL", &coordinator.url),
        ("AQ_FLEET_DRAIN", "20s"),
    ]
}

/// A coordinator without work, that answers so as long as this gives no other answer.
fn answering(answer: impl Fn(&str) -> Option<(u16, Value)> + Send + Sync + 'static) -> Coordinator {
    Coordinator::with(Value::Null, move |path, _| {
        answer(path).or_else(|| path.ends_with("/claims").then_some((204, Value::Null)))
    })
}

fn lines_with(done: &CompletedCommand, text: &str) -> usize {
    done.stderr.lines().filter(|line| line.contains(text)).count()
}

/// A run whose lines on standard error are heard as they are told.
fn heard<'a>(
    fixture: &'a QueueFixture,
    arguments: &str,
    variables: &[(&str, &str)],
) -> (StartedCommand<'a>, Receiver<String>) {
    let pipe = fixture.pipe("told");
    let script = format!("exec {} {arguments} 2>$FIXTURE/told", env!("CARGO_BIN_EXE_aq"));
    let run = fixture.program(Path::new("/bin/sh"), &["-c", &script], variables);
    let (sender, told) = channel();
    std::thread::spawn(move || {
        let lines = BufReader::new(File::open(pipe).unwrap()).lines();
        lines.for_each(|line| drop(sender.send(line.unwrap())));
    });
    (run, told)
}

/// Waits for a line with this text.
fn wait_for(told: &Receiver<String>, text: &str) {
    while !told
        .recv_timeout(WAIT_MAX)
        .unwrap_or_else(|_| panic!("no {text}"))
        .contains(text)
    {}
}

#[test]
fn each_runner_at_work_is_shown_as_it_was_started_whoever_asks() {
    let fixture = QueueFixture::new();
    fixture.pipes(&["up-a", "up-b", "go-a", "go-b"]);
    for id in ["a", "b"] {
        fixture.add(
            id,
            "",
            &format!("echo > $FIXTURE/up-{id}; read x < $FIXTURE/go-{id}"),
        );
    }
    assert_eq!(runners(&fixture), [] as [Value; 0]);
    let coordinator = answering(|_| None);
    let one = fixture.start(&["run", "--once"], &[]);
    fixture.wait_for("up-a");
    let other = fixture.start(&["run", "--once", "--workers", "3"], &shadow(&coordinator));
    fixture.wait_for("up-b");
    let mut told = runners(&fixture);
    assert!(told[0]["since"].as_str() < told[1]["since"].as_str(), "{told:?}");
    let coordinators = [told[0]["coordinator"].take(), told[1]["coordinator"].take()];
    assert!(
        coordinators[0].is_null() && coordinators[1].is_object(),
        "{coordinators:?}"
    );
    for runner in &mut told {
        let watch = runner["watch"].take();
        // Where events come late, it may not be known yet that they come.
        let polls = cfg!(any(portable, not(target_os = "linux"))) && watch == "polling";
        assert!(polls || watch == "events", "{runner}");
        runner["since"] = Value::Null;
    }
    let expected = [
        json!({"pid": one.pid(), "since": null, "mode": "offline", "workers": 1, "watch": null, "hostTrouble": null, "coordinator": null}),
        json!({"pid": other.pid(), "since": null, "mode": "shadow", "workers": 3, "watch": null, "hostTrouble": null, "coordinator": null}),
    ];
    assert_eq!(told, expected);
    let text = fixture.aq(&["status"]).stdout;
    let rows: Vec<&str> = text
        .lines()
        .skip_while(|line| !line.starts_with("RUNNER"))
        .collect();
    let rows = rows.split(|line| line.is_empty()).next().unwrap();
    assert!(
        rows.len() == 3 && rows.iter().all(|row| row.len() <= 80),
        "{text}"
    );
    for (pid, mode) in [(one.pid(), "offline"), (other.pid(), "shadow")] {
        let row = rows.iter().find(|line| line.starts_with(&pid.to_string()));
        assert!(row.is_some_and(|row| row.contains(mode)), "{text}");
    }
    ["go-a", "go-b"].iter().for_each(|pipe| fixture.release(pipe));
    assert_eq!((one.end().code, other.end().code), (0, 0));
    assert_eq!(runners(&fixture), [] as [Value; 0]);
    assert_eq!(fs::read_dir(fixture.queue(".state/runners")).unwrap().count(), 0);
}

/// A process that is stopped until this is dropped.
struct Stopped(Pid);

impl Stopped {
    fn new(pid: Pid) -> Stopped {
        kill_process(pid, Signal::STOP).unwrap();
        Stopped(pid)
    }
}

impl Drop for Stopped {
    fn drop(&mut self) {
        let _ = kill_process(self.0, Signal::CONT);
    }
}

#[test]
fn a_runner_that_was_killed_is_not_shown_although_what_it_started_lives() {
    let fixture = QueueFixture::new();
    fixture.pipes(&["up"]);
    fixture.add("a", "", "echo > $FIXTURE/up; exec sleep 1000");
    let run = fixture.start(&["run", "--drain"], &[]);
    fixture.wait_for("up");
    let stopped = Stopped::new(run.only_child());
    assert_eq!(runners(&fixture).len(), 1);
    run.signal(Signal::KILL);
    run.end();
    assert_eq!(runners(&fixture), [] as [Value; 0]);
    drop(stopped);
    drop(fixture.job_lock("a"));
    // What it left of itself is gone once another one has come.
    assert_eq!(fs::read_dir(fixture.queue(".state/runners")).unwrap().count(), 1);
    fixture.aq(&["run", "--drain"]);
    assert_eq!(fs::read_dir(fixture.queue(".state/runners")).unwrap().count(), 0);
}

#[test]
fn a_runner_that_turned_to_another_mode_is_shown_in_that_one() {
    let fixture = QueueFixture::new();
    fixture.aq(&["add", &fixture.file("never", "engine: devin", "x")]);
    let coordinator = answering(|_| None);
    let run = fixture.start(&["run"], &[("AQ_FLEET_URL", &coordinator.url)]);
    let settings = |shadow: bool, route: bool| {
        let text = format!("[fleet]\nenabled = true\nshadow = {shadow}\nroute_via_service = {route}\n");
        fs::write(fixture.queue("new.toml"), text).unwrap();
        fs::rename(fixture.queue("new.toml"), fixture.queue("aq.toml")).unwrap();
    };
    let mode = || runners(&fixture)[0]["mode"].clone();
    settings(true, false);
    coordinator.wait_for("claims");
    assert_eq!(mode(), "shadow");
    settings(false, true);
    coordinator.wait_for("claims");
    assert_eq!(mode(), "route");
    run.signal(Signal::TERM);
    assert_eq!(run.end().code, 143);
}

#[test]
fn nothing_that_is_in_the_way_of_the_record_is_in_the_way_of_a_job() {
    for place in ["file", "folder without a right", "link to nowhere"] {
        let fixture = QueueFixture::new();
        fixture.add("a", "", "true");
        let folder = fixture.queue(".state/runners");
        match place {
            "file" => fs::write(&folder, "in the way").unwrap(),
            "link to nowhere" => std::os::unix::fs::symlink("/nowhere/at/all", &folder).unwrap(),
            _ => {
                fs::create_dir(&folder).unwrap();
                fs::set_permissions(&folder, std::os::unix::fs::PermissionsExt::from_mode(0o000)).unwrap();
            }
        }
        let done = fixture.aq(&["run", "--drain"]);
        assert_eq!(
            (done.code, fixture.stage("a").as_str()),
            (0, "shipped"),
            "{place}: {done:?}"
        );
        assert_eq!(runners(&fixture), [] as [Value; 0], "{place}");
    }
}

#[test]
fn trouble_of_a_lane_is_told_when_it_begins_and_when_it_is_over_and_shown_meanwhile() {
    let fixture = QueueFixture::new();
    fixture.pipes(&["go-a", "go-b"]);
    fixture.add("a", "", "read x < $FIXTURE/go-a");
    fixture.add("b", "", "read x < $FIXTURE/go-b");
    let fails = Arc::new(AtomicBool::new(true));
    let failing = Arc::clone(&fails);
    let coordinator = answering(move |path| {
        let fails = path.ends_with("/shadow/claims") && failing.load(Ordering::SeqCst);
        fails.then_some((503, json!({})))
    });
    let (run, told) = heard(&fixture, "run --drain", &shadow(&coordinator));
    wait_for(&told, "status-503");
    let shown = runners(&fixture)[0]["coordinator"].take();
    let trouble = ["kind", "operation"].map(|key| shown["trouble"][key].as_str().unwrap());
    assert_eq!(trouble, ["status-503", "shadow.claim"], "{shown}");
    fixture.release("go-a");
    coordinator.wait_for("shipped");
    // The reports were answered all the while; what failed is another thing.
    fails.store(false, Ordering::SeqCst);
    fixture.release("go-b");
    wait_for(&told, "answers again");
    assert_eq!(run.end().code, 0);
    let rest: Vec<String> = told.iter().collect();
    assert!(!rest.iter().any(|line| line.contains("status-503")), "{rest:?}");
}

#[test]
fn a_missing_dry_run_is_told_once_and_shown() {
    let fixture = QueueFixture::new();
    fixture.pipes(&["go"]);
    fixture.add("a", "", "read x < $FIXTURE/go");
    fixture.add("b", "", "true");
    let coordinator = answering(|path| path.ends_with("/shadow/claims").then_some((404, json!({}))));
    let (run, told) = heard(&fixture, "run --drain", &shadow(&coordinator));
    wait_for(&told, "nothing is compared");
    let shown = runners(&fixture)[0]["coordinator"].take();
    assert_eq!(shown["notComparing"], "dry-run-unsupported", "{shown}");
    assert!(shown["trouble"].is_null(), "{shown}");
    fixture.release("go");
    assert_eq!(run.end().code, 0);
    assert!(!told.iter().any(|line| line.contains("compared")));
}

#[test]
fn a_token_that_the_lane_is_refused_with_is_named() {
    let fixture = QueueFixture::new();
    fixture.add("a", "", "true");
    let coordinator = answering(|_| Some((401, json!({}))));
    let mut variables = shadow(&coordinator).to_vec();
    variables.push(("AQ_FLEET_TOKEN", "not-the-one"));
    let done = fixture.aq_with(&variables, &["run", "--drain"]);
    assert_eq!(done.code, 0, "{done:?}");
    assert_eq!(lines_with(&done, "status-401"), 1, "{done:?}");
    assert!(done.stderr.contains("the token from AQ_FLEET_TOKEN"), "{done:?}");
    assert!(!done.stderr.contains("not-the-one"));
}

#[test]
fn a_routed_run_whose_reports_fail_says_so_once() {
    let fixture = QueueFixture::new();
    fixture.add("own", "", "true");
    assert_eq!(fixture.aq(&["run", "--drain"]).code, 0);
    let job = json!({"id": "a", "engine": "sh", "body": "true"});
    let reported = AtomicUsize::new(0);
    let coordinator = Coordinator::with(job, move |path, _| {
        let fails = path.ends_with("/reports") && reported.fetch_add(1, Ordering::SeqCst) < 3;
        fails.then_some((500, json!({})))
    });
    let done = fixture.aq_with(&coordinator.route(), &["run", "--drain"]);
    assert_eq!(
        (done.code, fixture.stage("a").as_str()),
        (0, "shipped"),
        "{done:?}"
    );
    assert_eq!(
        (
            lines_with(&done, "status-500"),
            lines_with(&done, "answers again")
        ),
        (1, 1),
        "{done:?}"
    );
}
