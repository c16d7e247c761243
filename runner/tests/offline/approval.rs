//! What a person approves with `aq ship`, what that shows, and who may decide inside a job (O-16).

use std::fs;
use std::os::unix::fs::PermissionsExt;

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::coordinator::Coordinator;
use crate::job_integrity::{assert_caught, drain};
use crate::queue_fixture::QueueFixture;

/// Does this to a routed job in review, which then has to go to quarantine unpublished.
pub fn assert_caught_in_review(act: impl Fn(&QueueFixture)) {
    let fixture = QueueFixture::new();
    fixture.add("first", "", "true");
    drain(&fixture);
    let job = json!({"id": "a", "engine": "sh", "body": "true", "review": true, "ship": "echo good >> $FIXTURE/ran"});
    let coordinator = Coordinator::with(job, |_, _| None);
    let runner = fixture.start(&["run"], &coordinator.route());
    coordinator.wait_for("review");
    act(&fixture);
    coordinator.wait_for("quarantine");
    runner.signal(Signal::TERM);
    assert_eq!(runner.end().code, 143);
    assert_caught(&fixture, "a");
}

#[test]
fn a_routed_job_that_is_not_what_was_reviewed_is_quarantined_at_its_approval() {
    assert_caught_in_review(|fixture| {
        let path = fixture.queue("review/a.md");
        let text = fs::read_to_string(&path).unwrap();
        fs::write(path, text.replace("good", "evil")).unwrap();
        assert_eq!(fixture.aq(&["ship", "a"]).code, 1);
    });
}

#[test]
fn an_approval_of_another_file_or_of_none_approves_nothing() {
    for approval in ["0123456789abcdef", ""] {
        assert_caught_in_review(|fixture| fs::write(fixture.queue(".state/approved/a"), approval).unwrap());
    }
}

/// A job in review whose `ship` tells where it runs, and with whose environment.
pub fn reviewed() -> QueueFixture {
    let fixture = QueueFixture::new();
    fixture.add(
        "a",
        "review: true\nverify: test -d .\nship: echo $WHO $(pwd -P) $AQ_JOB_ID >> $FIXTURE/ran",
        "true",
    );
    let run = fixture.aq_with(
        &[("WHO", "runner"), ("AQ_FLEET_TOKEN", "secret-of-the-fleet")],
        &["run", "--drain"],
    );
    assert_eq!(fixture.stage("a"), "review", "{}", run.stderr);
    fixture
}

#[test]
fn an_approval_from_another_folder_and_environment_ships_where_the_work_was_done() {
    let fixture = reviewed();
    let kept = fixture.queue(".state/jobs/a/surroundings");
    let mode = fs::metadata(&kept).unwrap().permissions().mode() & 0o777;
    let text = fs::read_to_string(&kept).unwrap();
    assert_eq!((mode, text.contains("secret-of-the-fleet")), (0o600, false));
    let work = fixture.path("work").canonicalize().unwrap();
    let aq = fixture.path("bin/from-elsewhere");
    fixture.engine(
        "from-elsewhere",
        &format!("cd /; exec {} \"$@\"", env!("CARGO_BIN_EXE_aq")),
    );
    let variables = [
        ("WHO", "approver"),
        ("PATH", "/nowhere"),
        ("BASH_ENV", "/nowhere"),
    ];
    let done = fixture.program(&aq, &["ship", "a"], &variables).end();
    assert_eq!(done.code, 0, "{}", done.stderr);
    assert_eq!(fixture.lines("ran"), [format!("runner {} a", work.display())]);
    assert!(
        !kept.exists(),
        "what may hold secrets is kept no longer than it is needed"
    );
}

#[test]
fn what_is_kept_for_a_ship_is_gone_whatever_ends_the_review() {
    let fixture = reviewed();
    assert_eq!(fixture.aq(&["cancel", "a"]).code, 0);
    assert!(!fixture.queue(".state/jobs/a/surroundings").exists());
}

#[test]
fn a_job_whose_move_to_review_is_finished_after_a_crash_ships_as_any_other() {
    let fixture = reviewed();
    // A runner was killed between announcing the move and making it.
    fs::rename(fixture.queue("review/a.md"), fixture.queue("testing/a.md")).unwrap();
    assert_eq!(fixture.aq(&["run", "--drain"]).code, 0);
    assert_eq!(fixture.stage("a"), "review");
    let done = fixture.aq(&["ship", "a"]);
    assert_eq!(
        (done.code, fixture.stage("a").as_str()),
        (0, "shipped"),
        "{done:?}"
    );
}

#[test]
fn without_the_surroundings_of_the_work_nothing_is_shipped_in_those_of_the_approver() {
    let fixture = reviewed();
    fs::remove_file(fixture.queue(".state/jobs/a/surroundings")).unwrap();
    let refused = fixture.aq(&["ship", "a"]);
    assert_eq!(
        (refused.code, fixture.stage("a")),
        (1, "review".to_owned()),
        "{}",
        refused.stderr
    );
    assert!(refused.stderr.contains("aq cancel a"), "{}", refused.stderr);
    assert!(fixture.lines("ran").is_empty());
}

#[test]
fn what_is_approved_is_shown_before_it_is_run() {
    let fixture = reviewed();
    let work = fixture.path("work").canonicalize().unwrap().display().to_string();
    let file = fs::read(fixture.queue("review/a.md")).unwrap();
    let shown = fixture.aq(&["show", "a"]).stdout;
    let json: Value = serde_json::from_str(&fixture.aq(&["show", "--json", "a"]).stdout).unwrap();
    let approval = json["approval"].clone();
    assert_eq!(approval["ship"], "echo $WHO $(pwd -P) $AQ_JOB_ID >> $FIXTURE/ran");
    assert_eq!(
        (
            &approval["engine"],
            &approval["verify"],
            &approval["folder"],
            &approval["environment"],
            &json["changed"]
        ),
        (
            &json!("sh"),
            &json!("test -d ."),
            &json!(work),
            &json!("runner"),
            &json!(false)
        )
    );
    let shipped = fixture.aq(&["ship", "--json", "a"]);
    let told: Value = serde_json::from_str(&shipped.stdout).unwrap();
    assert_eq!(
        (&told["stage"], &told["approved"]),
        (&json!("shipped"), &approval)
    );
    let digest = approval["digest"].as_str().unwrap();
    assert_eq!(digest.len(), 64, "{} bytes", file.len());
    for text in [&shown, &shipped.stderr] {
        for word in [
            "echo $WHO $(pwd -P)",
            "test -d .",
            work.as_str(),
            "environment  that of the runner",
            &digest[..12],
        ] {
            assert!(text.contains(word), "{word}: {text}");
        }
    }
    let approved = shipped.stderr.find("approved:").unwrap();
    assert!(approved < shipped.stderr.find("a  shipped").unwrap());
}

#[test]
fn a_changed_job_in_review_is_shown_as_such() {
    let fixture = reviewed();
    fs::write(
        fixture.queue("review/a.md"),
        "---\nengine: sh\nship: evil\n---\nx\n",
    )
    .unwrap();
    let shown = fixture.aq(&["show", "a"]).stdout;
    assert!(shown.contains("`aq ship` refuses it"), "{shown}");
    let json: Value = serde_json::from_str(&fixture.aq(&["show", "--json", "a"]).stdout).unwrap();
    assert_eq!(json["changed"], true);
}

/// Each command that decides about a queue, as a job of it would say it.
const DECIDES: [&str; 7] = [
    "add x.md", "ship r", "retry f", "cancel r", "pause", "resume", "prune f",
];

#[test]
fn inside_a_job_nothing_is_decided_about_its_own_queue_unless_it_is_said_that_it_is_meant() {
    let aq = env!("CARGO_BIN_EXE_aq");
    for command in DECIDES {
        for (flag, code) in [("", "2"), ("--inside-job", "0")] {
            let fixture = QueueFixture::new();
            fixture.add("r", "review: true", "true");
            fixture.add("f", "", "exit 1");
            drain(&fixture);
            fixture.file("x", "engine: sh", "true");
            // A command that it starts in a session of its own is of the job as well.
            fixture.add("a", "", &format!("set +e; setsid -w {aq} {command} {flag} 2> $FIXTURE/told; echo $? > $FIXTURE/code; {aq} resume --inside-job"));
            fixture.aq(&["run", "--once"]);
            assert_eq!(
                fixture.lines("code"),
                [code],
                "{command} {flag}: {:?}",
                fixture.lines("told")
            );
            let told = fixture.lines("told").concat();
            assert_eq!(told.contains("--inside-job"), code == "2", "{told}");
        }
    }
}

#[test]
fn inside_a_job_another_queue_is_free_and_so_is_what_only_looks() {
    let aq = env!("CARGO_BIN_EXE_aq");
    let fixture = QueueFixture::new();
    fixture.file("x", "engine: sh", "true");
    let other = "--queue $FIXTURE/other";
    fixture.add("a", "", &format!("{aq} list; {aq} {other} add x.md; {aq} {other} pause; {aq} {other} resume; {aq} {other} run --drain; {aq} {other} prune x"));
    let done = drain(&fixture);
    assert_eq!(fixture.stage("a"), "shipped", "{}", done.stderr);
}
