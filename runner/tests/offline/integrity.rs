//! A job can write what its runner reads: the file that a person approved counts, and nothing of a changed one is run
//! (O-16).

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::coordinator::Coordinator;
use crate::rig::{Done, Rig};

/// Of an engine's script or a command: its own job's file in this stage says `evil` for `good` from now on.
fn rewrites(stage: &str) -> String {
    format!("sed -i s/good/evil/ $AQ_QUEUE/{stage}/$AQ_JOB_ID.md")
}

/// The same, and the job's record has the digest of the file as it is then.
const FORGES: &str = r#"
file=$AQ_QUEUE/building/$AQ_JOB_ID.md record=$AQ_QUEUE/.state/jobs/$AQ_JOB_ID/history.jsonl
was=$(sha256sum < $file | cut -d' ' -f1)
sed -i s/good/evil/ $file
sed -i s/$was/$(sha256sum < $file | cut -d' ' -f1)/ $record
"#;

/// The job is in quarantine because it was changed, and nothing of what it was changed to was run.
fn assert_caught(rig: &Rig, id: &str) {
    let told = (rig.stage(id), rig.reason(id));
    assert_eq!(told.0, "quarantine", "{told:?}");
    assert_eq!(told.1, "changed_in_work", "{told:?}");
    assert_eq!(rig.lines("ran"), Vec::<String>::new());
}

fn drain(rig: &Rig) -> Done {
    rig.aq(&["run", "--drain"])
}

#[test]
fn what_a_job_makes_of_its_ship_while_it_works_is_never_shipped() {
    let rig = Rig::new();
    let ship = "review: true\nship: echo good >> $RIG/ran";
    rig.add("a", ship, &rewrites("building"));
    drain(&rig);
    assert_eq!(rig.aq(&["ship", "a"]).code, 1);
    assert_caught(&rig, "a");
}

#[test]
fn what_verify_makes_of_it_is_never_shipped() {
    let rig = Rig::new();
    let ship = "ship: echo good >> $RIG/ran";
    rig.add("a", &format!("verify: {}\n{ship}", rewrites("testing")), "true");
    drain(&rig);
    assert_caught(&rig, "a");
}

#[test]
fn what_another_job_makes_of_one_in_review_is_never_shipped() {
    let rig = Rig::new();
    rig.add("a", "review: true\nship: echo good >> $RIG/ran", "true");
    rig.add("b", "", "sed -i s/good/evil/ $AQ_QUEUE/review/a.md");
    drain(&rig);
    let refused = rig.aq(&["ship", "a"]);
    assert_eq!(refused.code, 1);
    assert!(refused.stderr.contains("changed_in_work"), "{}", refused.stderr);
    assert_caught(&rig, "a");
}

#[test]
fn a_job_that_makes_itself_another_engines_or_yolo_has_no_next_attempt() {
    for change in ["s/engine: claude/engine: sh/", "s/yolo: false/yolo: true/"] {
        let rig = Rig::new();
        let script =
            format!("sed -i '{change}' $AQ_QUEUE/building/$AQ_JOB_ID.md; echo >> $RIG/attempts; exit 1");
        rig.engine("claude", &script);
        let keys = "engine: claude\nyolo: false\nretries: 3";
        let name = rig.file("a", keys, "echo >> $RIG/ran");
        assert_eq!(rig.aq(&["add", &name]).code, 0);
        drain(&rig);
        assert_caught(&rig, "a");
        assert_eq!(rig.lines("attempts").len(), 1, "{change}");
    }
}

#[test]
fn whatever_takes_the_files_place_is_caught_and_kept() {
    let outside = "printf -- '---\\nengine: sh\\n---\\necho >> $RIG/ran\\n' > $RIG/outside.md";
    for replaced in [
        "ln -sf $RIG/outside.md $F",
        "ln -f $RIG/outside.md $F",
        "rm $F; ln -s nowhere $F",
        "mv $RIG/outside.md $F",
        ": > $F",
        "rm $F",
        "mv $F $RIG/away.md",
        "rm $F; mkdir $F",
        "rm $F; mkfifo $F",
        "echo >> $F",
    ] {
        for next in [
            "retries: 1",
            "verify: echo >> $RIG/ran",
            "ship: echo >> $RIG/ran",
            "priority: 1",
        ] {
            let rig = Rig::new();
            let script = format!(
                "F=$AQ_QUEUE/building/a.md\n{outside}\n{replaced}\ntest {} != retries:",
                next.split(' ').next().unwrap()
            );
            rig.add("a", next, &script);
            rig.add("b", "", "true");
            let done = drain(&rig);
            let told = format!("{replaced}, {next}: {}", done.stderr);
            assert!(rig.queue("quarantine/a.md").symlink_metadata().is_ok(), "{told}");
            assert_eq!(rig.reason("a"), "changed_in_work", "{told}");
            assert_eq!(rig.lines("ran"), Vec::<String>::new(), "{told}");
            assert_eq!(rig.stage("b"), "shipped", "{told}");
        }
    }
}

#[test]
fn what_the_runner_knows_of_a_job_goes_before_a_record_that_the_job_has_forged() {
    for keys in [
        "retries: 1\nship: echo good >> $RIG/ran",
        "review: true\nship: echo good >> $RIG/ran",
    ] {
        for end in ["exit 0", "exit 1", "kill -KILL $PPID; sleep 30"] {
            let rig = Rig::new();
            rig.add("a", keys, &format!("{FORGES}\n{end}"));
            let done = drain(&rig);
            assert_caught(&rig, "a");
            assert!(done.stderr.contains("changed_in_work"), "{}", done.stderr);
        }
    }
}

#[test]
fn a_job_gives_itself_no_attempts_beyond_its_retries() {
    let rig = Rig::new();
    let script = "echo >> $RIG/attempts; sed -i 's/\"spent\":[0-9]*/\"spent\":0/' $AQ_QUEUE/.state/jobs/a/history.jsonl; exit 1";
    rig.add("a", "retries: 1", script);
    drain(&rig);
    assert_caught(&rig, "a");
    assert_eq!(rig.lines("attempts").len(), 1);
}

#[test]
fn a_record_that_was_removed_or_made_unreadable_ends_no_runner() {
    for harm in [
        "rm -r $S/jobs/a",
        "rm -r $S/jobs/a; : > $S/jobs/a",
        "echo nonsense > $S/jobs/a/history.jsonl",
        "rm $S/jobs/a/history.jsonl; mkfifo $S/jobs/a/history.jsonl",
        "rm $S/jobs/a/history.jsonl; mkdir -p $S/jobs/a/history.jsonl/deep",
        "mv $S/jobs/a/history.jsonl $RIG/outside; ln -s $RIG/outside $S/jobs/a/history.jsonl",
    ] {
        let rig = Rig::new();
        rig.add(
            "a",
            "ship: echo good >> $RIG/ran",
            &format!("S=$AQ_QUEUE/.state; {harm}"),
        );
        rig.add("b", "", "true");
        let done = drain(&rig);
        assert_caught(&rig, "a");
        assert_eq!(
            (done.code, rig.stage("b")),
            (0, "shipped".to_owned()),
            "{}",
            done.stderr
        );
    }
}

#[test]
fn what_was_changed_while_its_runner_was_dead_is_not_taken_up_again() {
    let rig = Rig::new();
    rig.pipe("started");
    rig.add("a", "retries: 5", "echo good >> $RIG/started; sleep 60");
    let runner = rig.start(&["run", "--drain"], &[]);
    rig.hear("started");
    runner.signal(Signal::KILL);
    drop(runner.end());
    let text = fs::read_to_string(rig.queue("building/a.md")).unwrap();
    fs::write(
        rig.queue("building/a.md"),
        text.replace("good >> $RIG/started; sleep 60", "evil >> $RIG/ran"),
    )
    .unwrap();
    drain(&rig);
    assert_caught(&rig, "a");
}

#[test]
fn what_becomes_a_link_while_its_runner_is_dead_is_kept_as_evidence() {
    let rig = Rig::new();
    rig.pipe("started");
    rig.add("a", "retries: 5", "echo good >> $RIG/started; sleep 60");
    let runner = rig.start(&["run", "--drain"], &[]);
    rig.hear("started");
    runner.signal(Signal::KILL);
    drop(runner.end());
    fs::remove_file(rig.queue("building/a.md")).unwrap();
    symlink("nowhere", rig.queue("building/a.md")).unwrap();
    drain(&rig);
    assert!(rig.queue("quarantine/a.md").is_symlink());
    assert_eq!(rig.reason("a"), "changed_in_work");
}

#[test]
fn a_job_that_waits_for_its_next_attempt_is_not_rewritten_by_another() {
    let forged = "was=$(sha256sum < $F | cut -d' ' -f1); sed -i s/good/evil/ $F; \
                  sed -i s/$was/$(sha256sum < $F | cut -d' ' -f1)/ $AQ_QUEUE/.state/jobs/a/history.jsonl";
    let unseen =
        "cp -p $F $RIG/times; sed s/good/evil/ $F > $RIG/evil; cat $RIG/evil > $F; touch -r $RIG/times $F";
    for change in ["sed -i s/good/evil/ $F", "echo nonsense > $F", unseen, forged] {
        let rig = Rig::new();
        rig.pipes(&["begun", "go"]);
        rig.add(
            "a",
            "retries: 1",
            "test $AQ_ATTEMPT = 1 || echo good >> $RIG/ran; echo > $RIG/begun; read x < $RIG/go; exit 1",
        );
        let runner = rig.start(&["run", "--drain"], &[]);
        rig.hear("begun");
        // It goes first once `a` waits again.
        rig.add("b", "priority: 9", &format!("F=$AQ_QUEUE/inbox/a.md; {change}"));
        rig.release("go");
        let done = runner.end();
        assert_eq!(rig.stage("b"), "shipped", "{change}: {}", done.stderr);
        assert_caught(&rig, "a");
    }
}

#[test]
fn who_rewrote_a_job_that_waits_is_not_known_so_it_runs_and_that_is_said() {
    let rig = Rig::new();
    rig.add("b", "priority: 9", "sed -i s/first/second/ $AQ_QUEUE/inbox/a.md");
    rig.add("a", "", "echo first >> $RIG/ran");
    let done = drain(&rig);
    assert!(
        done.stderr
            .contains("a: its file was written anew while it waited"),
        "{}",
        done.stderr
    );
    assert_eq!(rig.lines("ran"), ["second"]);
}

#[test]
fn a_person_rewrites_a_job_that_has_not_begun_and_one_that_failed() {
    let rig = Rig::new();
    rig.add("a", "", "echo first >> $RIG/ran; exit 1");
    let rewrite = |stage: &str, from: &str, to: &str| {
        let path = rig.queue(stage).join("a.md");
        let text = fs::read_to_string(&path).unwrap();
        fs::write(path, text.replace(from, to)).unwrap();
    };
    rewrite("inbox", "first", "second");
    drain(&rig);
    assert_eq!(
        (rig.lines("ran"), rig.stage("a")),
        (vec!["second".to_owned()], "failed".to_owned())
    );
    rewrite("failed", "second >> $RIG/ran; exit 1", "third >> $RIG/ran");
    let again = rig.aq(&["retry", "a"]);
    assert!(again.stderr.contains("changed since it ran"), "{}", again.stderr);
    drain(&rig);
    assert_eq!(
        (rig.lines("ran").len(), rig.stage("a")),
        (2, "shipped".to_owned())
    );
}

/// Does this to a routed job in review, which then has to go to quarantine unpublished.
fn assert_caught_in_review(act: impl Fn(&Rig)) {
    let rig = Rig::new();
    rig.add("first", "", "true");
    drain(&rig);
    let job =
        json!({"id": "a", "engine": "sh", "body": "true", "review": true, "ship": "echo good >> $RIG/ran"});
    let coordinator = Coordinator::with(job, |_, _| None);
    let runner = rig.start(&["run"], &coordinator.route());
    coordinator.hear("review");
    act(&rig);
    coordinator.hear("quarantine");
    runner.signal(Signal::TERM);
    assert_eq!(runner.end().code, 143);
    assert_caught(&rig, "a");
}

#[test]
fn a_routed_job_that_is_not_what_was_reviewed_is_quarantined_at_its_approval() {
    assert_caught_in_review(|rig| {
        let path = rig.queue("review/a.md");
        let text = fs::read_to_string(&path).unwrap();
        fs::write(path, text.replace("good", "evil")).unwrap();
        assert_eq!(rig.aq(&["ship", "a"]).code, 1);
    });
}

#[test]
fn an_approval_of_another_file_or_of_none_approves_nothing() {
    for approval in ["0123456789abcdef", ""] {
        assert_caught_in_review(|rig| fs::write(rig.queue(".state/approved/a"), approval).unwrap());
    }
}

/// A job in review whose `ship` tells where it runs, and with whose environment.
fn reviewed() -> Rig {
    let rig = Rig::new();
    rig.add(
        "a",
        "review: true\nverify: test -d .\nship: echo $WHO $(pwd -P) $AQ_JOB_ID >> $RIG/ran",
        "true",
    );
    let run = rig.aq_with(
        &[("WHO", "runner"), ("AQ_FLEET_TOKEN", "secret-of-the-fleet")],
        &["run", "--drain"],
    );
    assert_eq!(rig.stage("a"), "review", "{}", run.stderr);
    rig
}

#[test]
fn an_approval_from_another_folder_and_environment_ships_where_the_work_was_done() {
    let rig = reviewed();
    let kept = rig.queue(".state/jobs/a/surroundings");
    let mode = fs::metadata(&kept).unwrap().permissions().mode() & 0o777;
    let text = fs::read_to_string(&kept).unwrap();
    assert_eq!((mode, text.contains("secret-of-the-fleet")), (0o600, false));
    let work = rig.path("work").canonicalize().unwrap();
    let aq = rig.path("bin/from-elsewhere");
    rig.engine(
        "from-elsewhere",
        &format!("cd /; exec {} \"$@\"", env!("CARGO_BIN_EXE_aq")),
    );
    let variables = [
        ("WHO", "approver"),
        ("PATH", "/nowhere"),
        ("BASH_ENV", "/nowhere"),
    ];
    let done = rig.program(&aq, &["ship", "a"], &variables).end();
    assert_eq!(done.code, 0, "{}", done.stderr);
    assert_eq!(rig.lines("ran"), [format!("runner {} a", work.display())]);
    assert!(
        !kept.exists(),
        "what may hold secrets is kept no longer than it is needed"
    );
}

#[test]
fn what_is_kept_for_a_ship_is_gone_whatever_ends_the_review() {
    let rig = reviewed();
    assert_eq!(rig.aq(&["cancel", "a"]).code, 0);
    assert!(!rig.queue(".state/jobs/a/surroundings").exists());
}

#[test]
fn without_the_surroundings_of_the_work_nothing_is_shipped_in_those_of_the_approver() {
    let rig = reviewed();
    fs::remove_file(rig.queue(".state/jobs/a/surroundings")).unwrap();
    let refused = rig.aq(&["ship", "a"]);
    assert_eq!(
        (refused.code, rig.stage("a")),
        (1, "review".to_owned()),
        "{}",
        refused.stderr
    );
    assert!(refused.stderr.contains("aq cancel a"), "{}", refused.stderr);
    assert!(rig.lines("ran").is_empty());
}

#[test]
fn what_is_approved_is_shown_before_it_is_run() {
    let rig = reviewed();
    let work = rig.path("work").canonicalize().unwrap().display().to_string();
    let file = fs::read(rig.queue("review/a.md")).unwrap();
    let shown = rig.aq(&["show", "a"]).stdout;
    let json: Value = serde_json::from_str(&rig.aq(&["show", "--json", "a"]).stdout).unwrap();
    let approval = json["approval"].clone();
    assert_eq!(approval["ship"], "echo $WHO $(pwd -P) $AQ_JOB_ID >> $RIG/ran");
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
    let shipped = rig.aq(&["ship", "--json", "a"]);
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
    let rig = reviewed();
    fs::write(rig.queue("review/a.md"), "---\nengine: sh\nship: evil\n---\nx\n").unwrap();
    let shown = rig.aq(&["show", "a"]).stdout;
    assert!(shown.contains("`aq ship` refuses it"), "{shown}");
    let json: Value = serde_json::from_str(&rig.aq(&["show", "--json", "a"]).stdout).unwrap();
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
            let rig = Rig::new();
            rig.add("r", "review: true", "true");
            rig.add("f", "", "exit 1");
            drain(&rig);
            rig.file("x", "engine: sh", "true");
            // A command that it starts in a session of its own is of the job as well.
            rig.add("a", "", &format!("set +e; setsid -w {aq} {command} {flag} 2> $RIG/told; echo $? > $RIG/code; {aq} resume --inside-job"));
            rig.aq(&["run", "--once"]);
            assert_eq!(
                rig.lines("code"),
                [code],
                "{command} {flag}: {:?}",
                rig.lines("told")
            );
            let told = rig.lines("told").concat();
            assert_eq!(told.contains("--inside-job"), code == "2", "{told}");
        }
    }
}

#[test]
fn inside_a_job_another_queue_is_free_and_so_is_what_only_looks() {
    let aq = env!("CARGO_BIN_EXE_aq");
    let rig = Rig::new();
    rig.file("x", "engine: sh", "true");
    let other = "--queue $RIG/other";
    rig.add("a", "", &format!("{aq} list; {aq} {other} add x.md; {aq} {other} pause; {aq} {other} resume; {aq} {other} run --drain; {aq} {other} prune x"));
    let done = drain(&rig);
    assert_eq!(rig.stage("a"), "shipped", "{}", done.stderr);
}
