//! What a coordinator's job may do on this host, and what its operator is told to write: T-7, T-16 and T-17.

use std::fs;

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::coordinator::Coordinator;
use crate::queue_fixture::{QueueFixture, ROUTE_ANYTHING};
use crate::started_command::CompletedCommand;

/// A queue with these settings, and the engine `claude`, which tells how it was started.
fn fixture(settings: &str) -> QueueFixture {
    let fixture = QueueFixture::new();
    fixture.add("first", "", "true");
    assert_eq!(fixture.aq(&["run", "--drain"]).code, 0);
    fixture.stand_in(
        "claude",
        "success",
        "cat > /dev/null; echo $* >> $FIXTURE/runs; pwd -P >> $FIXTURE/places",
    );
    fs::write(fixture.queue("aq.toml"), settings).unwrap();
    fixture
}

/// What comes of this job from the coordinator.
fn routed(fixture: &QueueFixture, job: &Value) -> CompletedCommand {
    let coordinator = Coordinator::with(job.clone(), |_, _| None);
    fixture.aq_with(&coordinator.route(), &["run", "--drain"])
}

#[test]
fn who_relied_on_what_was_allowed_by_default_is_told_line_by_line_what_to_write() {
    let fixture = fixture("");
    let outside = fixture.path("outside");
    fs::create_dir(&outside).unwrap();
    let job = json!({"id": "a", "engine": "sh", "body": "echo worked >> $FIXTURE/runs", "yolo": true, "cwd": outside,
                     "verify": "true # \"quoted\"\ntrue", "ship": "echo >> $FIXTURE/ships"});
    let refused = routed(&fixture, &job);
    assert!(
        refused.stderr.contains("a  failed: engine_not_allowed: "),
        "{}",
        refused.stderr
    );
    assert_eq!(
        (fixture.stage("a").as_str(), fixture.lines("runs").len()),
        ("nowhere", 0)
    );
    // All of it at once, each line as it is to be written.
    let written = |key: &str| {
        let at = refused.stderr.rfind(&format!("write {key} = ")).unwrap() + "write ".len();
        let end = refused.stderr[at..].find(" under [route]").unwrap();
        refused.stderr[at..at + end].to_owned()
    };
    let commands = format!(
        "allow_commands = [{}, {}]",
        json!(job["verify"]),
        json!(job["ship"])
    );
    assert!(
        refused.stderr.contains(r#"allow_engines = ["claude", "sh"]"#),
        "{}",
        refused.stderr
    );
    let lines = [written("allow_engines"), commands, written("allow_yolo")];
    let folder = format!("allow_cwd = [{}]", json!(outside));
    let place = outside.canonicalize().unwrap().display().to_string();
    assert!(
        refused.stderr.contains(&format!("work in {place}; ")),
        "{}",
        refused.stderr
    );
    fs::write(
        fixture.queue("aq.toml"),
        format!("[route]\n{}\n{folder}\n", lines.join("\n")),
    )
    .unwrap();
    let done = routed(&fixture, &job);
    assert_eq!(fixture.stage("a"), "shipped", "{}", done.stderr);
    assert_eq!(
        (fixture.lines("runs").len(), fixture.lines("ships").len()),
        (1, 1)
    );
}

#[test]
fn settings_at_their_former_place_stop_every_command_and_say_what_to_write_instead() {
    let fixture = fixture("[fleet]\nallow_engines = [\"devin\", \"claude\"]\n");
    for command in [
        &["run", "--drain"][..],
        &["list"],
        &["add", "first.md"],
        &["fleet-status"],
    ] {
        let refused = fixture.aq(command);
        assert_eq!(refused.code, 2, "{command:?}");
        for text in [
            "aq.toml:2: ",
            "`[route]`",
            r#"`allow_engines = ["devin", "claude"]`"#,
        ] {
            assert!(refused.stderr.contains(text), "{text}: {}", refused.stderr);
        }
    }
    fs::write(fixture.queue("aq.toml"), "[fleet]\nallow_cwd = [\"/srv/x\"]\n").unwrap();
    let told = fixture.aq(&["doctor"]);
    assert_eq!(told.code, 1);
    assert!(
        told.stdout.contains(r#"`allow_cwd = ["/srv/x"]`"#),
        "{}",
        told.stdout
    );
}

#[test]
fn what_is_allowed_is_said_by_run_by_doctor_and_by_fleet_status() {
    let fixture = fixture("[route]\nallow_engines = [\"claude\", \"mine\"]\nallow_cwd = [\"/no/such\"]\n");
    let coordinator = Coordinator::with(json!({"id": "a", "engine": "claude", "body": "x"}), |_, _| None);
    let sentence = "routed jobs may run: claude; no `verify` or `ship` command; no yolo; in ";
    let hands_over = "routing hands the coordinator these powers over this host";
    let run = fixture.aq_with(&coordinator.route(), &["run", "--drain"]);
    let doctor = fixture.aq_with(&coordinator.route(), &["doctor"]);
    let status = fixture.aq_with(&coordinator.route(), &["fleet-status"]);
    for text in [&run.stderr, &doctor.stdout, &status.stdout] {
        assert_eq!(text.matches(sentence).count(), 1, "{text}");
        assert!(text.contains(hands_over), "{text}");
    }
    for text in [&run.stderr, &doctor.stdout] {
        assert!(
            text.contains("names `mine`") && text.contains("names /no/such"),
            "{text}"
        );
    }
    let home = fixture.path("work").canonicalize().unwrap();
    assert!(
        run.stderr.contains(&format!("in {}, /no/such", home.display())),
        "{}",
        run.stderr
    );
    let status = fixture.aq(&["fleet-status", "--json"]);
    let status: Value = serde_json::from_str(&status.stdout).unwrap();
    let allowed =
        json!({"engines": ["claude"], "commands": [], "yolo": false, "cwd": null, "allowCwd": ["/no/such"]});
    assert_eq!(status["route"], allowed);
}

#[test]
fn a_folder_for_routed_work_that_is_not_there_stops_the_run_before_a_job_is_asked_for() {
    let fixture = fixture("[route]\ncwd = \"later\"\n");
    let coordinator = Coordinator::with(json!({"id": "a", "engine": "claude", "body": "x"}), |_, _| None);
    let refused = fixture.aq_with(&coordinator.route(), &["run", "--drain"]);
    assert_eq!(refused.code, 2);
    assert!(
        refused.stderr.contains("`cwd` under [route]"),
        "{}",
        refused.stderr
    );
    assert_eq!(coordinator.late(), None);
    let doctor = fixture.aq_with(&coordinator.route(), &["doctor"]);
    assert!(
        doctor.code == 1 && doctor.stdout.contains("later"),
        "{}",
        doctor.stdout
    );
    // Nobody else needs it.
    assert_eq!(fixture.aq(&["run", "--drain"]).code, 0);
    fs::create_dir(fixture.queue("later")).unwrap();
    assert_eq!(fixture.aq_with(&coordinator.route(), &["run", "--drain"]).code, 0);
    let place = fixture.queue("later").canonicalize().unwrap();
    assert_eq!(fixture.lines("places").last(), Some(&place.display().to_string()));
}

#[test]
fn an_engine_is_told_no_name_of_its_folder_that_may_lead_elsewhere_by_then() {
    let own = "[engine.mine]\ncommand = \"claude\"\nargs = [\"--in\", \"{cwd}\"]\n";
    let fixture = fixture(&format!("[route]\nallow_engines = [\"mine\"]\n{own}"));
    let below = fixture.path("work").join("below");
    fs::create_dir(&below).unwrap();
    routed(
        &fixture,
        &json!({"id": "a", "engine": "mine", "body": "x", "cwd": "below"}),
    );
    let name = fixture.file("b", "engine: mine\ncwd: below", "x");
    assert_eq!(fixture.aq(&["add", &name]).code, 0);
    assert_eq!(fixture.aq(&["run", "--drain"]).code, 0);
    let named = fixture
        .path("work")
        .canonicalize()
        .unwrap()
        .join("below")
        .display()
        .to_string();
    assert_eq!(
        fixture.lines("runs"),
        ["--in .".to_owned(), format!("--in {named}")]
    );
    assert_eq!(fixture.lines("places"), [named.clone(), named]);
}

#[test]
fn what_the_coordinator_sent_does_not_become_a_file_of_this_inbox_although_its_name_was_here_once() {
    let fixture = fixture(ROUTE_ANYTHING);
    fixture.pipe("up");
    fixture.add("a", "", "echo own >> $FIXTURE/runs");
    fs::remove_file(fixture.queue("inbox/a.md")).unwrap();
    let theirs = json!({"id": "a", "engine": "sh", "body": "echo > $FIXTURE/up; exec sleep 1000"});
    let coordinator = Coordinator::with(theirs, |_, _| None);
    let running = fixture.start(&["run"], &coordinator.route());
    fixture.wait_for("up");
    running.signal(Signal::TERM);
    assert_eq!(running.end().code, 143);
    coordinator.wait_for("release");
    assert_eq!(fixture.stage("a"), "nowhere");
}
