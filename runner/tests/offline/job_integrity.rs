//! A job can write what its runner reads: the file that a person approved counts, and nothing of a changed one is run
//! (O-16).

use std::fs;
use std::os::unix::fs::symlink;

use rustix::process::Signal;

use crate::queue_fixture::QueueFixture;
use crate::started_command::CompletedCommand;

/// Of an engine's script or a command: its own job's file in this stage says `evil` for `good` from now on.
pub fn rewrites(stage: &str) -> String {
    format!("perl -pi -e s/good/evil/ $AQ_QUEUE/{stage}/$AQ_JOB_ID.md")
}

/// The same, and the job's record has the digest of the file as it is then.
pub const FORGES: &str = r#"
file=$AQ_QUEUE/building/$AQ_JOB_ID.md record=$AQ_QUEUE/.state/jobs/$AQ_JOB_ID/history.jsonl
was=$(shasum -a 256 < $file | cut -d' ' -f1)
perl -pi -e s/good/evil/ $file
perl -pi -e s/$was/$(shasum -a 256 < $file | cut -d' ' -f1)/ $record
"#;

/// The job is in quarantine because it was changed, and nothing of what it was changed to was run.
pub fn assert_caught(fixture: &QueueFixture, id: &str) {
    let told = (fixture.stage(id), fixture.reason(id));
    assert_eq!(told.0, "quarantine", "{told:?}");
    assert_eq!(told.1, "changed_in_work", "{told:?}");
    assert_eq!(fixture.lines("ran"), Vec::<String>::new());
}

pub fn drain(fixture: &QueueFixture) -> CompletedCommand {
    fixture.aq(&["run", "--drain"])
}

#[test]
fn what_a_job_makes_of_its_ship_while_it_works_is_never_shipped() {
    let fixture = QueueFixture::new();
    let ship = "review: true\nship: echo good >> $FIXTURE/ran";
    fixture.add("a", ship, &rewrites("building"));
    drain(&fixture);
    assert_eq!(fixture.aq(&["ship", "a"]).code, 1);
    assert_caught(&fixture, "a");
}

#[test]
fn what_verify_makes_of_it_is_never_shipped() {
    let fixture = QueueFixture::new();
    let ship = "ship: echo good >> $FIXTURE/ran";
    fixture.add("a", &format!("verify: {}\n{ship}", rewrites("testing")), "true");
    drain(&fixture);
    assert_caught(&fixture, "a");
}

#[test]
fn what_another_job_makes_of_one_in_review_is_never_shipped() {
    let fixture = QueueFixture::new();
    fixture.add("a", "review: true\nship: echo good >> $FIXTURE/ran", "true");
    fixture.add("b", "", "perl -pi -e s/good/evil/ $AQ_QUEUE/review/a.md");
    drain(&fixture);
    let refused = fixture.aq(&["ship", "a"]);
    assert_eq!(refused.code, 1);
    assert!(refused.stderr.contains("changed_in_work"), "{}", refused.stderr);
    assert_caught(&fixture, "a");
}

#[test]
fn a_job_that_makes_itself_another_engines_or_yolo_has_no_next_attempt() {
    for change in ["s/engine: claude/engine: sh/", "s/yolo: false/yolo: true/"] {
        let fixture = QueueFixture::new();
        let script = format!(
            "perl -pi -e '{change}' $AQ_QUEUE/building/$AQ_JOB_ID.md; echo >> $FIXTURE/attempts; exit 1"
        );
        fixture.engine("claude", &script);
        let keys = "engine: claude\nyolo: false\nretries: 3";
        let name = fixture.file("a", keys, "echo >> $FIXTURE/ran");
        assert_eq!(fixture.aq(&["add", &name]).code, 0);
        drain(&fixture);
        assert_caught(&fixture, "a");
        assert_eq!(fixture.lines("attempts").len(), 1, "{change}");
    }
}

#[test]
fn whatever_takes_the_files_place_is_caught_and_kept() {
    let outside = "printf -- '---\\nengine: sh\\n---\\necho >> $FIXTURE/ran\\n' > $FIXTURE/outside.md";
    for replaced in [
        "ln -sf $FIXTURE/outside.md $F",
        "ln -f $FIXTURE/outside.md $F",
        "rm $F; ln -s nowhere $F",
        "mv $FIXTURE/outside.md $F",
        ": > $F",
        "rm $F",
        "mv $F $FIXTURE/away.md",
        "rm $F; mkdir $F",
        "rm $F; mkfifo $F",
        "echo >> $F",
    ] {
        for next in [
            "retries: 1",
            "verify: echo >> $FIXTURE/ran",
            "ship: echo >> $FIXTURE/ran",
            "priority: 1",
        ] {
            let fixture = QueueFixture::new();
            let script = format!(
                "F=$AQ_QUEUE/building/a.md\n{outside}\n{replaced}\ntest {} != retries:",
                next.split(' ').next().unwrap()
            );
            fixture.add("a", next, &script);
            fixture.add("b", "", "true");
            let done = drain(&fixture);
            let told = format!("{replaced}, {next}: {}", done.stderr);
            assert!(
                fixture.queue("quarantine/a.md").symlink_metadata().is_ok(),
                "{told}"
            );
            assert_eq!(fixture.reason("a"), "changed_in_work", "{told}");
            assert_eq!(fixture.lines("ran"), Vec::<String>::new(), "{told}");
            assert_eq!(fixture.stage("b"), "shipped", "{told}");
        }
    }
}

#[test]
fn what_the_runner_knows_of_a_job_goes_before_a_record_that_the_job_has_forged() {
    for keys in [
        "retries: 1\nship: echo good >> $FIXTURE/ran",
        "review: true\nship: echo good >> $FIXTURE/ran",
    ] {
        for end in ["exit 0", "exit 1", "kill -KILL $PPID; sleep 30"] {
            let fixture = QueueFixture::new();
            fixture.add("a", keys, &format!("{FORGES}\n{end}"));
            let done = drain(&fixture);
            assert_caught(&fixture, "a");
            assert!(done.stderr.contains("changed_in_work"), "{}", done.stderr);
        }
    }
}

#[test]
fn a_job_gives_itself_no_attempts_beyond_its_retries() {
    let fixture = QueueFixture::new();
    let script = "echo >> $FIXTURE/attempts; perl -pi -e 's/\"spent\":[0-9]*/\"spent\":0/' $AQ_QUEUE/.state/jobs/a/history.jsonl; exit 1";
    fixture.add("a", "retries: 1", script);
    drain(&fixture);
    assert_caught(&fixture, "a");
    assert_eq!(fixture.lines("attempts").len(), 1);
}

#[test]
fn a_record_that_was_removed_or_made_unreadable_ends_no_runner() {
    for harm in [
        "rm -r $S/jobs/a",
        "rm -r $S/jobs/a; : > $S/jobs/a",
        "echo nonsense > $S/jobs/a/history.jsonl",
        "rm $S/jobs/a/history.jsonl; mkfifo $S/jobs/a/history.jsonl",
        "rm $S/jobs/a/history.jsonl; mkdir -p $S/jobs/a/history.jsonl/deep",
        "mv $S/jobs/a/history.jsonl $FIXTURE/outside; ln -s $FIXTURE/outside $S/jobs/a/history.jsonl",
    ] {
        let fixture = QueueFixture::new();
        fixture.add(
            "a",
            "ship: echo good >> $FIXTURE/ran",
            &format!("S=$AQ_QUEUE/.state; {harm}"),
        );
        fixture.add("b", "", "true");
        let done = drain(&fixture);
        assert_caught(&fixture, "a");
        assert_eq!(
            (done.code, fixture.stage("b")),
            (0, "shipped".to_owned()),
            "{}",
            done.stderr
        );
    }
}

/// A job in work, and its runner killed.
fn with_dead_runner() -> QueueFixture {
    let fixture = QueueFixture::new();
    fixture.pipe("started");
    fixture.add("a", "retries: 5", "echo good >> $FIXTURE/started; sleep 60");
    let runner = fixture.start(&["run", "--drain"], &[]);
    fixture.wait_for("started");
    runner.signal(Signal::KILL);
    drop(runner.end());
    fixture
}

#[test]
fn what_was_changed_while_its_runner_was_dead_is_not_taken_up_again() {
    let fixture = with_dead_runner();
    let text = fs::read_to_string(fixture.queue("building/a.md")).unwrap();
    fs::write(
        fixture.queue("building/a.md"),
        text.replace("good >> $FIXTURE/started; sleep 60", "evil >> $FIXTURE/ran"),
    )
    .unwrap();
    drain(&fixture);
    assert_caught(&fixture, "a");
}

#[test]
fn what_becomes_a_link_while_its_runner_is_dead_is_kept_as_evidence() {
    let fixture = with_dead_runner();
    fs::remove_file(fixture.queue("building/a.md")).unwrap();
    symlink("nowhere", fixture.queue("building/a.md")).unwrap();
    drain(&fixture);
    assert!(fixture.queue("quarantine/a.md").is_symlink());
    assert_eq!(fixture.reason("a"), "changed_in_work");
}

#[test]
fn a_job_that_waits_for_its_next_attempt_is_not_rewritten_by_another() {
    let forged = "was=$(shasum -a 256 < $F | cut -d' ' -f1); perl -pi -e s/good/evil/ $F; \
                  perl -pi -e s/$was/$(shasum -a 256 < $F | cut -d' ' -f1)/ $AQ_QUEUE/.state/jobs/a/history.jsonl";
    let unseen = "cp -p $F $FIXTURE/times; sed s/good/evil/ $F > $FIXTURE/evil; cat $FIXTURE/evil > $F; touch -r $FIXTURE/times $F";
    for change in [
        "perl -pi -e s/good/evil/ $F",
        "echo nonsense > $F",
        unseen,
        forged,
    ] {
        let fixture = QueueFixture::new();
        fixture.pipes(&["begun", "go"]);
        fixture.add(
            "a",
            "retries: 1",
            "test $AQ_ATTEMPT = 1 || echo good >> $FIXTURE/ran; echo > $FIXTURE/begun; read x < $FIXTURE/go; exit 1",
        );
        let runner = fixture.start(&["run", "--drain"], &[]);
        fixture.wait_for("begun");
        // It goes first once `a` waits again.
        fixture.add("b", "priority: 9", &format!("F=$AQ_QUEUE/inbox/a.md; {change}"));
        fixture.release("go");
        let done = runner.end();
        assert_eq!(fixture.stage("b"), "shipped", "{change}: {}", done.stderr);
        assert_caught(&fixture, "a");
    }
}

#[test]
fn who_rewrote_a_job_that_waits_is_not_known_so_it_runs_and_that_is_said() {
    let fixture = QueueFixture::new();
    fixture.add(
        "b",
        "priority: 9",
        "perl -pi -e s/first/second/ $AQ_QUEUE/inbox/a.md",
    );
    fixture.add("a", "", "echo first >> $FIXTURE/ran");
    let done = drain(&fixture);
    assert!(
        done.stderr
            .contains("a: its file was written anew while it waited"),
        "{}",
        done.stderr
    );
    assert_eq!(fixture.lines("ran"), ["second"]);
}

#[test]
fn a_person_rewrites_a_job_that_has_not_begun_and_one_that_failed() {
    let fixture = QueueFixture::new();
    fixture.add("a", "", "echo first >> $FIXTURE/ran; exit 1");
    let rewrite = |stage: &str, from: &str, to: &str| {
        let path = fixture.queue(stage).join("a.md");
        let text = fs::read_to_string(&path).unwrap();
        fs::write(path, text.replace(from, to)).unwrap();
    };
    rewrite("inbox", "first", "second");
    drain(&fixture);
    assert_eq!(
        (fixture.lines("ran"), fixture.stage("a")),
        (vec!["second".to_owned()], "failed".to_owned())
    );
    rewrite(
        "failed",
        "second >> $FIXTURE/ran; exit 1",
        "third >> $FIXTURE/ran",
    );
    let again = fixture.aq(&["retry", "a"]);
    assert!(again.stderr.contains("changed since it ran"), "{}", again.stderr);
    drain(&fixture);
    assert_eq!(
        (fixture.lines("ran").len(), fixture.stage("a")),
        (2, "shipped".to_owned())
    );
}
