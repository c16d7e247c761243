//! A job can write what its runner reads: the file that a person approved counts, and nothing of a changed one is run
//! (O-16).

use std::fs;
use std::os::unix::fs::symlink;

use rustix::process::Signal;

use crate::rig::Rig;
use crate::started_command::Done;

/// Of an engine's script or a command: its own job's file in this stage says `evil` for `good` from now on.
pub fn rewrites(stage: &str) -> String {
    format!("sed -i s/good/evil/ $AQ_QUEUE/{stage}/$AQ_JOB_ID.md")
}

/// The same, and the job's record has the digest of the file as it is then.
pub const FORGES: &str = r#"
file=$AQ_QUEUE/building/$AQ_JOB_ID.md record=$AQ_QUEUE/.state/jobs/$AQ_JOB_ID/history.jsonl
was=$(sha256sum < $file | cut -d' ' -f1)
sed -i s/good/evil/ $file
sed -i s/$was/$(sha256sum < $file | cut -d' ' -f1)/ $record
"#;

/// The job is in quarantine because it was changed, and nothing of what it was changed to was run.
pub fn assert_caught(rig: &Rig, id: &str) {
    let told = (rig.stage(id), rig.reason(id));
    assert_eq!(told.0, "quarantine", "{told:?}");
    assert_eq!(told.1, "changed_in_work", "{told:?}");
    assert_eq!(rig.lines("ran"), Vec::<String>::new());
}

pub fn drain(rig: &Rig) -> Done {
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
