//! One job tries an engine whose pause is over (O-22). A test ends a pause by its record, as the clock would.

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::coordinator::Coordinator;
use crate::engine_breaker::{add_jobs, paused};
use crate::queue_fixture::QueueFixture;

/// Prints that it is logged out while there is a file of that name.
const CLAUDE: &str = "[ \"$1\" = auth ] && exit 1
echo \"start $AQ_JOB_ID\" >> $FIXTURE/runs
if [ -e $FIXTURE/logged-out ]; then echo 'Not logged in · Please run /login'; exit 1; fi
echo '{\"type\":\"result\",\"subtype\":\"success\",\"is_error\":false,\"result\":\"Done.\"}'";

/// A queue in which `claude` is paused, with these jobs of it.
fn paused_queue(rest: &str, ids: &[&str]) -> QueueFixture {
    let fixture = QueueFixture::new();
    fixture.engine("claude", &format!("{CLAUDE}\n{rest}"));
    std::fs::write(fixture.path("logged-out"), "").unwrap();
    add_jobs(&fixture, "claude", "", ids);
    assert_eq!(fixture.aq(&["run", "--drain"]).code, 1);
    assert_eq!(fixture.lines("runs"), ["start a"]);
    fixture
}

/// The pause of an engine is over now.
fn end_pause(fixture: &QueueFixture, engine: &str) {
    let path = fixture.queue(&format!(".state/paused/{engine}"));
    let mut record: Value = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
    record["pause"]["until"] = record["pause"]["since"].clone();
    let scratch = fixture.path("record");
    std::fs::write(&scratch, record.to_string()).unwrap();
    std::fs::rename(scratch, path).unwrap();
}

fn log_in(fixture: &QueueFixture) {
    std::fs::remove_file(fixture.path("logged-out")).unwrap();
}

#[test]
fn one_job_of_all_workers_and_runners_tries_the_engine_and_the_others_follow() {
    let rest = "[ -e $FIXTURE/tried ] && exit 0; touch $FIXTURE/tried
echo > $FIXTURE/up; read x < $FIXTURE/go; echo \"end $AQ_JOB_ID\" >> $FIXTURE/runs";
    let fixture = paused_queue(rest, &["a", "b", "c", "d"]);
    fixture.pipes(&["up", "go"]);
    log_in(&fixture);
    end_pause(&fixture, "claude");
    let first = fixture.start(&["run", "--drain", "--workers", "3"], &[]);
    fixture.wait_for("up");
    let second = fixture.aq(&["run", "--once"]);
    assert_eq!(
        (second.code, second.stdout.as_str()),
        (0, "nothing to do\n"),
        "{}",
        second.stderr
    );
    let told = fixture.aq(&["status"]).stdout;
    assert!(told.contains("until its next job has tried it"), "{told}");
    fixture.release("go");
    let first = first.end();
    assert_eq!(first.code, 0, "{}", first.stderr);
    assert!(first.stderr.contains("claude works again"), "{}", first.stderr);
    let runs = fixture.lines("runs");
    assert_eq!(runs[1..3], ["start a", "end a"]);
    assert_eq!(runs.len(), 6);
    assert_eq!(paused(&fixture), Vec::<Value>::new());
}

#[test]
fn a_drain_waits_for_another_runner_that_tries_the_engine() {
    let rest =
        "[ -e $FIXTURE/tried ] && exit 0; touch $FIXTURE/tried; echo > $FIXTURE/up; read x < $FIXTURE/go";
    let fixture = paused_queue(rest, &["a", "b"]);
    fixture.pipes(&["up", "go"]);
    log_in(&fixture);
    end_pause(&fixture, "claude");
    let first = fixture.start(&["run", "--once"], &[]);
    fixture.wait_for("up");
    let second = fixture.start(&["run", "--drain"], &[]);
    second.wait_for_message("in other hands");
    fixture.release("go");
    assert_eq!([first.end().code, second.end().code], [0, 0]);
    assert_eq!(["a", "b"].map(|id| fixture.stage(id)), ["shipped", "shipped"]);
}

#[test]
fn a_try_in_vain_begins_a_longer_pause_and_a_running_runner_tries_by_itself() {
    let fixture = paused_queue("", &["a", "b"]);
    let left = |fixture: &QueueFixture| paused(fixture)[0]["leftMs"].as_u64().unwrap();
    assert!(left(&fixture) <= 60_000);
    let run = fixture.start(&["run"], &[]);
    run.wait_for_message("waiting for jobs");
    end_pause(&fixture, "claude");
    run.wait_for_message("it pauses for ");
    assert_eq!(fixture.lines("runs"), ["start a", "start a"]);
    assert!((90_000..=120_000).contains(&left(&fixture)), "{}", left(&fixture));
    log_in(&fixture);
    end_pause(&fixture, "claude");
    run.wait_for_message("claude works again");
    run.wait_for_message("b  shipped");
    run.signal(Signal::TERM);
    assert_eq!(run.end().code, 143);
}

#[test]
fn a_runner_that_is_killed_while_its_job_tries_the_engine_leaves_that_to_the_next() {
    let rest =
        "[ -e $FIXTURE/tried ] && exit 0; touch $FIXTURE/tried; echo > $FIXTURE/up; read x < $FIXTURE/never";
    let fixture = paused_queue(rest, &["a", "b"]);
    fixture.pipes(&["up", "never"]);
    log_in(&fixture);
    end_pause(&fixture, "claude");
    let first = fixture.start(&["run", "--drain"], &[]);
    fixture.wait_for("up");
    first.signal(Signal::KILL);
    first.end();
    let second = fixture.aq(&["run", "--drain"]);
    assert_eq!(second.code, 0, "{}", second.stderr);
    // The try cost its job an attempt, as any crash does.
    assert_eq!(["a", "b"].map(|id| fixture.stage(id)), ["failed", "shipped"]);
    assert_eq!(paused(&fixture), Vec::<Value>::new());
}

#[test]
fn the_next_try_is_another_jobs_where_the_first_may_be_at_fault_itself() {
    let fixture = QueueFixture::new();
    fixture.engine("claude", "echo $AQ_JOB_ID >> $FIXTURE/runs; exit 1");
    add_jobs(&fixture, "claude", "", &["a", "b", "c", "d"]);
    assert_eq!(fixture.aq(&["run", "--drain"]).code, 1);
    for _ in 0..2 {
        end_pause(&fixture, "claude");
        assert_eq!(fixture.aq(&["run", "--drain"]).code, 1);
    }
    // Each was spared once; the second try of a job counts.
    assert_eq!(fixture.lines("runs"), ["a", "b", "c", "d", "c"]);
    assert_eq!(["c", "d"].map(|id| fixture.stage(id)), ["failed", "inbox"]);
}

#[test]
fn a_routed_host_gives_the_lease_back_and_asks_for_no_more_jobs_of_the_engine() {
    let fixture = QueueFixture::new();
    fixture.add("first", "", "true");
    assert_eq!(fixture.aq(&["run", "--drain"]).code, 0);
    fixture.engine("claude", CLAUDE);
    std::fs::write(fixture.path("logged-out"), "").unwrap();
    let (asked, questions) = std::sync::mpsc::channel();
    let job = json!({"id": "a", "engine": "claude", "body": "work", "retries": 2});
    let coordinator = Coordinator::with(job, move |path, sent| {
        if path.ends_with("/claims") {
            let _ = asked.send(sent["caps"].to_string());
        }
        None
    });
    std::fs::write(
        fixture.queue("aq.toml"),
        "[route]\nallow_engines = [\"claude\"]\n",
    )
    .unwrap();
    let run = fixture.start(&["run"], &coordinator.route());
    coordinator.wait_for("release");
    coordinator.wait_for("claims");
    run.signal(Signal::TERM);
    assert_eq!(run.end().code, 143);
    let questions: Vec<String> = questions.try_iter().collect();
    assert!(questions[0].contains("engine:claude"), "{questions:?}");
    assert!(!questions[1].contains("engine:claude"), "{questions:?}");
    assert_eq!(
        (fixture.lines("runs").len(), fixture.stage("a").as_str()),
        (1, "nowhere")
    );
}

#[test]
fn a_job_of_a_paused_engine_that_is_assigned_all_the_same_is_given_back_unstarted() {
    let fixture = paused_queue("", &["a"]);
    std::fs::write(
        fixture.queue("aq.toml"),
        "[route]\nallow_engines = [\"claude\"]\n",
    )
    .unwrap();
    let job = json!({"id": "theirs", "engine": "claude", "body": "work"});
    let coordinator = Coordinator::with(job, |_, _| None);
    let run = fixture.start(&["run"], &coordinator.route());
    coordinator.wait_for("release");
    run.signal(Signal::TERM);
    let done = run.end();
    assert!(
        done.stderr.contains("its engine is paused here"),
        "{}",
        done.stderr
    );
    assert_eq!(fixture.lines("runs"), ["start a"]);
}

#[test]
fn a_job_that_names_a_lock_tries_the_engine_like_any_other() {
    let fixture = paused_queue("", &["a"]);
    add_jobs(&fixture, "claude", "lock: left\npriority: 1", &["b"]);
    log_in(&fixture);
    end_pause(&fixture, "claude");
    let done = fixture.aq(&["run", "--drain"]);
    assert_eq!(done.code, 0, "{}", done.stderr);
    assert_eq!(fixture.lines("runs")[1..], ["start b", "start a"]);
    assert_eq!(["a", "b"].map(|id| fixture.stage(id)), ["shipped", "shipped"]);
}
