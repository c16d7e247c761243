//! A job that failed waits for its next attempt (O-23). A test ends a wait by its record, as the clock would.

use serde_json::{Value, json};

use crate::queue_fixture::QueueFixture;

/// Fails in its first attempt.
const FAILS_ONCE: &str = "echo \"$AQ_JOB_ID $AQ_ATTEMPT\" >> $FIXTURE/runs; test $AQ_ATTEMPT != 1";

fn shown(fixture: &QueueFixture, id: &str) -> Value {
    serde_json::from_str(&fixture.aq(&["show", "--json", id]).stdout).unwrap()
}

/// The seconds from the last failure of a job to its next attempt.
fn wait_s(fixture: &QueueFixture, id: &str) -> i64 {
    let shown = shown(fixture, id);
    let last = shown["history"].as_array().unwrap().last().unwrap().clone();
    let second = |text: &Value| {
        let at: jiff::Timestamp = text.as_str().unwrap().parse().unwrap();
        at.as_second()
    };
    assert_eq!(shown["retryAt"], last["retry_at"]);
    second(&shown["retryAt"]) - second(&last["at"])
}

/// The wait of a job is over now.
fn end_wait(fixture: &QueueFixture, id: &str) {
    let path = fixture.queue(&format!(".state/jobs/{id}/history.jsonl"));
    let text = std::fs::read_to_string(&path).unwrap();
    let mut lines: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let last = lines.last_mut().unwrap();
    last["retry_at"] = last["at"].clone();
    let lines: Vec<String> = lines.iter().map(|line| format!("{line}\n")).collect();
    std::fs::write(path, lines.concat()).unwrap();
}

#[test]
fn a_retry_waits_behind_the_jobs_that_can_start_and_a_drain_waits_for_it() {
    let fixture = QueueFixture::new();
    fixture.add("a", "retries: 1\nretry_delay: 500ms", FAILS_ONCE);
    fixture.add("b", "", FAILS_ONCE.replace("!= 1", "= 1").as_str());
    let done = fixture.aq(&["run", "--drain"]);
    assert_eq!(done.code, 0, "{}", done.stderr);
    assert!(
        done.stderr.contains("waiting for the next attempt"),
        "{}",
        done.stderr
    );
    assert_eq!(fixture.lines("runs"), ["a 1", "b 1", "a 2"]);
    assert_eq!(["a", "b"].map(|id| fixture.stage(id)), ["shipped", "shipped"]);
}

#[test]
fn a_retry_that_is_not_to_wait_starts_at_once() {
    let fixture = QueueFixture::new();
    fixture.add("a", "retries: 1\nretry_delay: 0s", FAILS_ONCE);
    fixture.add("b", "", "echo b >> $FIXTURE/runs");
    assert_eq!(fixture.aq(&["run", "--drain"]).code, 0);
    assert_eq!(fixture.lines("runs"), ["a 1", "a 2", "b"]);
}

#[test]
fn a_wait_is_half_a_minute_at_first_and_doubles_whatever_process_made_the_attempt() {
    let fixture = QueueFixture::new();
    fixture.add("a", "retries: 3\nretry_delay: 30s", "exit 1");
    let name = fixture.file("b", "engine: sh\nretries: 3", "exit 1");
    let default = std::fs::read_to_string(fixture.path("work/b.md")).unwrap();
    std::fs::write(
        fixture.path("work/b.md"),
        default.replace("retry_delay: 0s\n", ""),
    )
    .unwrap();
    assert_eq!(fixture.aq(&["add", &name]).code, 0);
    for (round, expected) in [30, 60, 120].into_iter().enumerate() {
        for id in ["a", "b"] {
            let once = fixture.aq(&["run", "--once"]);
            assert_eq!(once.code, 0, "{}", once.stderr);
            assert_eq!(
                shown(&fixture, id)["attempts"],
                json!(round + 1),
                "{}",
                once.stderr
            );
            let waits = wait_s(&fixture, id);
            assert!((expected - 1..=expected).contains(&waits), "{id}: {waits}");
        }
        let again = fixture.aq(&["run", "--once"]);
        assert_eq!(again.stdout, "nothing to do\n", "{}", again.stderr);
        assert!(
            again.stderr.contains("its next attempt is due at"),
            "{}",
            again.stderr
        );
        ["a", "b"].iter().for_each(|id| end_wait(&fixture, id));
    }
    assert_eq!(fixture.aq(&["run", "--drain"]).code, 0);
    assert_eq!(["a", "b"].map(|id| fixture.stage(id)), ["failed", "failed"]);
}

#[test]
fn a_drain_leaves_a_retry_that_is_due_much_later_and_says_so() {
    let fixture = QueueFixture::new();
    fixture.add("first", "", "true");
    std::fs::write(fixture.queue("aq.toml"), "[run]\nretry_delay = \"20m\"\n").unwrap();
    let file = "---\nengine: sh\nretries: 1\n---\nexit 1\n";
    std::fs::write(fixture.queue("inbox/a.md"), file).unwrap();
    let done = fixture.aq(&["run", "--drain"]);
    assert_eq!(done.code, 1, "{}", done.stderr);
    assert!(
        done.stderr.contains("a stays in the inbox: it failed"),
        "{}",
        done.stderr
    );
    let waits = wait_s(&fixture, "a");
    assert!(
        fixture.stage("a") == "inbox" && (1199..=1200).contains(&waits),
        "{waits}"
    );
    let listed = fixture.aq(&["list"]).stdout;
    assert!(listed.contains("next attempt in "), "{listed}");
    let wrong = "[run]\nretry_delay = \"soon\"\n";
    std::fs::write(fixture.queue("aq.toml"), wrong).unwrap();
    let refused = fixture.aq(&["run", "--drain"]);
    assert!(
        refused.code == 2 && refused.stderr.contains("retry_delay"),
        "{}",
        refused.stderr
    );
}

#[test]
fn a_person_who_retries_a_job_waits_for_nothing_and_an_interruption_is_no_failure() {
    let fixture = QueueFixture::new();
    fixture.pipe("up");
    fixture.add(
        "a",
        "retries: 1\nretry_delay: 1h",
        "[ $AQ_ATTEMPT = 1 ] || exit 0; echo > $FIXTURE/up; exec sleep 1000",
    );
    let run = fixture.start(&["run"], &[]);
    fixture.wait_for("up");
    run.signal(rustix::process::Signal::TERM);
    assert_eq!(run.end().code, 143);
    assert_eq!(shown(&fixture, "a")["retryAt"], Value::Null);
    assert_eq!(fixture.aq(&["run", "--drain"]).code, 0);
    assert_eq!(fixture.stage("a"), "shipped");
    fixture.add("b", "retry_delay: 1h", FAILS_ONCE);
    assert_eq!(fixture.aq(&["run", "--drain"]).code, 0);
    assert_eq!(fixture.aq(&["retry", "b"]).code, 0);
    assert_eq!(fixture.aq(&["run", "--drain"]).code, 0);
    assert_eq!(fixture.stage("b"), "shipped");
}
