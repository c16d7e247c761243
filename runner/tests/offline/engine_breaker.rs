//! Engines that can't work, and what that costs their jobs: nothing (O-22).

use serde_json::Value;

use crate::queue_fixture::QueueFixture;

/// What `claude` prints and does in these tests where it is not logged in; asked, it says the same.
pub const LOGGED_OUT: &str = "[ \"$1\" = auth ] && exit 1
echo start >> $FIXTURE/runs; echo 'Invalid API key · Please run /login'; exit 1";

/// Prints what `claude` ends its work with.
const SUCCESS: &str =
    "echo '{\"type\":\"result\",\"subtype\":\"success\",\"is_error\":false,\"result\":\"Done.\"}'";

/// Enqueues jobs of an engine.
pub fn add_jobs(fixture: &QueueFixture, engine: &str, keys: &str, ids: &[&str]) {
    let keys = format!("engine: {engine}\n{keys}");
    let files: Vec<String> = ids
        .iter()
        .map(|id| fixture.file(id, keys.trim(), "work"))
        .collect();
    let words: Vec<&str> = ["add"]
        .into_iter()
        .chain(files.iter().map(String::as_str))
        .collect();
    let added = fixture.aq(&words);
    assert_eq!(added.code, 0, "{}", added.stderr);
}

/// The engines that are paused, as `aq status --json` tells.
pub fn paused(fixture: &QueueFixture) -> Vec<Value> {
    let status = fixture.aq(&["status", "--json"]).stdout;
    let status: Value = serde_json::from_str(&status).unwrap();
    status["paused"].as_array().unwrap().clone()
}

/// The attempts of a job that count against its `retries`, as its record tells.
pub fn spent(fixture: &QueueFixture, id: &str) -> u64 {
    let record = fixture.queue(&format!(".state/jobs/{id}/history.jsonl"));
    let text = std::fs::read_to_string(record).unwrap();
    let last: Value = serde_json::from_str(text.lines().last().unwrap()).unwrap();
    last["spent"].as_u64().unwrap()
}

#[test]
fn an_engine_that_is_logged_out_is_started_once_and_costs_its_jobs_nothing() {
    let fixture = QueueFixture::new();
    fixture.engine("claude", LOGGED_OUT);
    let ids = ["a", "b", "c", "d", "e", "f"];
    add_jobs(&fixture, "claude", "retries: 2", &ids);
    fixture.add("other", "", "true");
    let done = fixture.aq(&["run", "--drain"]);
    assert_eq!(
        (done.code, fixture.lines("runs").len()),
        (1, 1),
        "{}",
        done.stderr
    );
    assert!(
        done.stderr
            .contains("claude is not logged in (Invalid API key · Please run /login): it pauses for "),
        "{}",
        done.stderr
    );
    assert!(done.stderr.contains("f stays in the inbox: "), "{}", done.stderr);
    for id in ids {
        assert_eq!(
            (fixture.stage(id).as_str(), spent(&fixture, id)),
            ("inbox", 0),
            "{id}"
        );
    }
    assert_eq!(fixture.stage("other"), "shipped");
    assert_eq!(fixture.reason("a"), "engine_paused");
    let paused = paused(&fixture);
    assert_eq!((paused.len(), &paused[0]["engine"]), (1, &Value::from("claude")));
    assert_eq!(paused[0]["cause"], "login");
    assert_eq!(paused[0]["detail"], "Invalid API key · Please run /login");
    assert!(
        paused[0]["advice"]
            .as_str()
            .unwrap()
            .contains("`aq resume claude`")
    );
    assert!(paused[0]["since"].as_str() < paused[0]["until"].as_str());
    for verb in ["status", "doctor"] {
        let told = fixture.aq(&[verb]).stdout;
        assert!(told.contains("claude is not logged in for "), "{told}");
        assert!(told.contains("`aq resume claude`"), "{told}");
    }
}

#[test]
fn a_program_that_can_t_be_started_pauses_its_engine_and_fails_no_job() {
    for (name, first_line) in [
        ("no-interpreter", "#!/no/such/interpreter\n"),
        ("no-program", "\u{1}\u{2}\n"),
    ] {
        let fixture = QueueFixture::new();
        fixture.engine("claude", SUCCESS);
        std::fs::write(fixture.path("bin/claude"), first_line).unwrap();
        add_jobs(&fixture, "claude", "retries: 2", &["a", "b"]);
        let done = fixture.aq(&["run", "--drain"]);
        assert_eq!(done.code, 1, "{name}: {}", done.stderr);
        assert_eq!(
            ["a", "b"].map(|id| fixture.stage(id)),
            ["inbox", "inbox"],
            "{name}"
        );
        assert_eq!([spent(&fixture, "a"), spent(&fixture, "b")], [0, 0], "{name}");
        assert_eq!(paused(&fixture)[0]["cause"], "not_started", "{name}");
    }
}

#[test]
fn a_program_that_is_removed_while_jobs_wait_for_it_fails_none_of_them() {
    let fixture = QueueFixture::new();
    fixture.engine("claude", &format!("rm $FIXTURE/bin/claude; {SUCCESS}"));
    add_jobs(&fixture, "claude", "", &["a", "b"]);
    let done = fixture.aq(&["run", "--drain"]);
    assert_eq!(done.code, 1, "{}", done.stderr);
    assert!(
        done.stderr.contains("`claude` is not found on PATH"),
        "{}",
        done.stderr
    );
    assert_eq!(["a", "b"].map(|id| fixture.stage(id)), ["shipped", "inbox"]);
}

#[test]
fn three_jobs_in_a_row_that_fail_at_once_pause_their_engine() {
    let fixture = QueueFixture::new();
    fixture.engine(
        "claude",
        "echo start >> $FIXTURE/runs; echo 'segment 7 is not mapped'; exit 3",
    );
    add_jobs(&fixture, "claude", "", &["a", "b", "c", "d", "e"]);
    let done = fixture.aq(&["run", "--drain"]);
    assert_eq!(
        (done.code, fixture.lines("runs").len()),
        (1, 3),
        "{}",
        done.stderr
    );
    assert_eq!(
        ["a", "b", "c", "d", "e"].map(|id| fixture.stage(id)),
        ["failed", "failed", "inbox", "inbox", "inbox"]
    );
    assert_eq!(
        (fixture.reason("c").as_str(), spent(&fixture, "c")),
        ("engine_paused", 0)
    );
    let paused = paused(&fixture);
    assert_eq!(paused[0]["cause"], "quick_failures");
    assert_eq!(paused[0]["detail"], "segment 7 is not mapped");
}

#[test]
fn failures_are_in_a_row_over_several_runs_and_a_success_ends_the_row() {
    let fixture = QueueFixture::new();
    fixture.engine(
        "claude",
        &format!("echo start >> $FIXTURE/runs; {SUCCESS}; exit $(cat $FIXTURE/code)"),
    );
    let run_with = |code: &str, id: &str| {
        std::fs::write(fixture.path("code"), code).unwrap();
        add_jobs(&fixture, "claude", "", &[id]);
        fixture.aq(&["run", "--drain"]).code
    };
    assert_eq!(
        [run_with("1", "a"), run_with("1", "b"), run_with("0", "c")],
        [0, 0, 0]
    );
    assert_eq!([run_with("1", "d"), run_with("1", "e")], [0, 0]);
    assert_eq!(paused(&fixture), Vec::<Value>::new());
    assert_eq!(run_with("1", "f"), 1);
    assert_eq!([fixture.stage("e"), fixture.stage("f")], ["failed", "inbox"]);
}

#[test]
fn one_job_that_fails_again_and_again_and_scripts_that_fail_pause_nothing() {
    let fixture = QueueFixture::new();
    fixture.engine("claude", "echo start >> $FIXTURE/runs; exit 1");
    add_jobs(&fixture, "claude", "retries: 4", &["a"]);
    for id in ["s", "t", "u", "v"] {
        fixture.add(id, "", "exit 1");
    }
    assert_eq!(fixture.aq(&["run", "--drain"]).code, 0);
    assert_eq!(
        (fixture.stage("a").as_str(), fixture.lines("runs").len()),
        ("failed", 5)
    );
    assert_eq!(fixture.stage("v"), "failed");
    assert_eq!(paused(&fixture), Vec::<Value>::new());
}

#[test]
fn a_person_ends_the_pause_of_an_engine() {
    let fixture = QueueFixture::new();
    fixture.engine("claude", LOGGED_OUT);
    add_jobs(&fixture, "claude", "", &["a"]);
    assert_eq!(fixture.aq(&["run", "--drain"]).code, 1);
    let resumed = fixture.aq(&["resume"]);
    assert_eq!(resumed.code, 0);
    assert!(
        resumed.stdout.contains("it was not paused")
            && resumed.stdout.contains("still paused: claude is not logged in"),
        "{}",
        resumed.stdout
    );
    assert_eq!(paused(&fixture).len(), 1);
    let unknown = fixture.aq(&["resume", "cluade"]);
    assert!(
        unknown.code == 1 && unknown.stderr.contains("claude"),
        "{}",
        unknown.stderr
    );
    fixture.engine("claude", SUCCESS);
    let resumed = fixture.aq(&["resume", "claude"]);
    assert!(
        resumed.code == 0 && resumed.stdout.contains("claude is resumed"),
        "{resumed:?}"
    );
    assert!(
        fixture
            .aq(&["resume", "claude"])
            .stdout
            .contains("claude was not paused")
    );
    assert_eq!(fixture.aq(&["run", "--drain"]).code, 0);
    assert_eq!(fixture.stage("a"), "shipped");
}

#[test]
fn the_pause_of_a_usage_limit_ends_by_a_person_too_and_an_idle_runner_notices_it() {
    let fixture = QueueFixture::new();
    fixture.pipe("up");
    fixture.engine(
        "claude",
        "[ -e $FIXTURE/again ] && { echo > $FIXTURE/up; exit 0; }; touch $FIXTURE/again
         echo \"You've hit your usage limit. Try again in 2 hours.\"; exit 1",
    );
    add_jobs(&fixture, "claude", "", &["a"]);
    let run = fixture.start(&["run"], &[]);
    run.wait_for_message("claude is used up");
    let resumed: Value = serde_json::from_str(&fixture.aq(&["resume", "claude", "--json"]).stdout).unwrap();
    assert_eq!(
        (&resumed["engine"], &resumed["was"]["cause"]),
        (&"claude".into(), &"usage_limit".into())
    );
    fixture.wait_for("up");
    run.signal(rustix::process::Signal::TERM);
    assert_eq!(run.end().code, 143);
}
