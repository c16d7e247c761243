//! One attempt at one job: O-3, O-4, O-9, O-11.

use std::fs;

use crate::queue_fixture::QueueFixture;

#[test]
fn the_engine_runs_once_in_its_folder_with_the_body_as_its_prompt() {
    let fixture = QueueFixture::new();
    fixture.stand_in(
        "claude",
        "success",
        "pwd >> $FIXTURE/runs; printf '%s|' \"$@\" >> $FIXTURE/runs; echo >> $FIXTURE/runs; cat > $FIXTURE/prompt",
    );
    fs::create_dir(fixture.path("elsewhere")).unwrap();
    let folder = fixture.path("elsewhere").canonicalize().unwrap();
    for (id, yolo) in [("careful", "false"), ("bold", "true")] {
        let keys = format!("engine: claude\nyolo: {yolo}\ncwd: {}", folder.display());
        let name = fixture.file(id, &keys, "\nFix it.\n\n---\nAnd \"this\" too, $HOME.");
        assert_eq!(fixture.aq(&["add", &name]).code, 0);
    }
    assert_eq!(fixture.aq(&["run", "--drain"]).code, 0);
    let folder = folder.to_str().unwrap();
    assert_eq!(
        fixture.lines("runs"),
        [
            folder,
            "-p|--output-format|stream-json|--verbose|",
            folder,
            "-p|--output-format|stream-json|--verbose|--dangerously-skip-permissions|",
        ]
    );
    let prompt = fs::read_to_string(fixture.path("prompt")).unwrap();
    assert_eq!(prompt, "\nFix it.\n\n---\nAnd \"this\" too, $HOME.\n");
}

#[test]
fn a_job_without_a_folder_runs_where_the_runner_was_started() {
    let fixture = QueueFixture::new();
    fs::create_dir(fixture.path("work/sub")).unwrap();
    fixture.add("a", "", "pwd > $FIXTURE/runs");
    fixture.add("b", "cwd: sub", "pwd >> $FIXTURE/runs");
    assert_eq!(fixture.aq(&["run", "--drain"]).code, 0);
    let work = fixture.path("work").canonicalize().unwrap();
    let expected = [work.clone(), work.join("sub")].map(|path| path.display().to_string());
    assert_eq!(fixture.lines("runs"), expected);
}

#[test]
fn an_engine_that_tells_an_error_of_its_own_is_quoted_in_the_detail() {
    let fixture = QueueFixture::new();
    fixture.engine("devin", "echo 'ERROR: 500 internal server error'");
    let table = "[engine.devin]\ncommand = \"devin\"\nfailure = [\"ERROR: \"]\n";
    fs::create_dir(fixture.queue("")).unwrap();
    fs::write(fixture.queue("aq.toml"), table).unwrap();
    let file = fixture.file("a", "engine: devin", "work");
    assert_eq!(fixture.aq(&["add", &file]).code, 0);
    assert_eq!(fixture.aq(&["run", "--drain"]).code, 0);
    assert_eq!(
        [fixture.stage("a"), fixture.reason("a"), fixture.detail("a")],
        ["failed", "engine_error", "ERROR: 500 internal server error"]
    );
}

#[test]
fn each_way_to_fail_has_its_reason() {
    let fixture = QueueFixture::new();
    fixture.add("engine", "", "exit 3");
    fixture.add("signal", "", "kill -9 $$");
    fixture.add("verify", "verify: exit 4", "true");
    fixture.add("ship", "verify: 'true'\nship: exit 5", "true");
    fixture.add("folder", "cwd: no-such-folder", "true");
    fixture.add(
        "good",
        "verify: echo v >> $FIXTURE/runs\nship: echo s >> $FIXTURE/runs",
        "echo e >> $FIXTURE/runs",
    );
    let done = fixture.aq(&["run", "--drain"]);
    assert_eq!((done.code, done.stdout.as_str()), (0, "1 shipped, 5 failed\n"));
    let expected = [
        ("engine", "exit_code", "exit 3"),
        ("signal", "signal", "signal 9"),
        ("verify", "verify_failed", "exit 4"),
        ("ship", "ship_failed", "exit 5"),
        ("folder", "not_started", "no-such-folder"),
    ];
    for (id, reason, detail) in expected {
        assert_eq!(
            (fixture.stage(id).as_str(), fixture.reason(id).as_str()),
            ("failed", reason),
            "{id}"
        );
        assert!(
            fixture.detail(id).contains(detail),
            "{id}: {}",
            fixture.detail(id)
        );
    }
    assert_eq!(
        (fixture.stage("good").as_str(), fixture.lines("runs")),
        ("shipped", vec!["e".into(), "v".into(), "s".into()])
    );
}

#[test]
fn the_first_line_that_fails_decides() {
    let fixture = QueueFixture::new();
    let fails = "echo first\nfalse\necho second > $FIXTURE/went-on";
    let block = fails.replace('\n', "\n  ");
    fixture.add("engine", "retries: 0", fails);
    fixture.add(
        "verify",
        &format!("verify: |\n  {block}\nship: touch $FIXTURE/published"),
        "true",
    );
    fixture.add("ship", &format!("ship: |\n  {block}"), "true");
    fixture.add("one-line", "verify: false; true", "true");
    fixture.add("reviewed", &format!("review: true\nship: |\n  {block}"), "true");
    // A condition is no failure, and what a script asks for itself counts.
    fixture.add(
        "good",
        "verify: false || true; ! false; if false; then :; fi",
        "set +e; false; true",
    );
    assert_eq!(fixture.aq(&["run", "--drain"]).code, 0);
    assert_eq!(fixture.aq(&["ship", "reviewed"]).code, 1);
    for (id, reason) in [
        ("engine", "exit_code"),
        ("verify", "verify_failed"),
        ("ship", "ship_failed"),
        ("one-line", "verify_failed"),
        ("reviewed", "ship_failed"),
    ] {
        let told = (fixture.stage(id), fixture.reason(id));
        assert_eq!(told, ("failed".into(), reason.into()), "{id}");
    }
    assert_eq!(fixture.stage("good"), "shipped");
    assert!(!fixture.path("went-on").exists() && !fixture.path("published").exists());
}

#[test]
fn after_a_failed_engine_nothing_else_is_run() {
    let fixture = QueueFixture::new();
    fixture.add(
        "a",
        "verify: touch $FIXTURE/verified\nship: touch $FIXTURE/published",
        "exit 1",
    );
    fixture.add("b", "verify: exit 1\nship: touch $FIXTURE/published", "true");
    assert_eq!(fixture.aq(&["run", "--drain"]).code, 0);
    assert!(!fixture.path("verified").exists() && !fixture.path("published").exists());
}

#[test]
fn a_failed_job_makes_the_run_fail_only_if_that_is_asked_for() {
    let fixture = QueueFixture::new();
    fixture.add("a", "", "exit 1");
    assert_eq!(fixture.aq(&["run", "--drain", "--fail-on-job-failure"]).code, 1);
}

#[test]
fn retries_are_used_up_and_then_the_job_has_failed() {
    let fixture = QueueFixture::new();
    fixture.add("a", "retries: 2", "echo $AQ_ATTEMPT >> $FIXTURE/runs; exit 1");
    fixture.add("b", "retries: 2", "test $AQ_ATTEMPT = 2");
    assert_eq!(fixture.aq(&["run", "--drain"]).code, 0);
    assert_eq!(fixture.lines("runs"), ["1", "2", "3"]);
    assert_eq!([fixture.stage("a"), fixture.stage("b")], ["failed", "shipped"]);
}

#[test]
fn a_reviewed_job_waits_for_a_person_and_is_then_published() {
    let fixture = QueueFixture::new();
    fixture.add(
        "a",
        "review: true\nship: echo $AQ_JOB_ID >> $FIXTURE/runs",
        "true",
    );
    fixture.add("b", "review: true\nship: exit 1", "true");
    fixture.add("c", "review: true", "true");
    assert_eq!(fixture.aq(&["run", "--drain"]).code, 0);
    assert_eq!(
        ["a", "b", "c"].map(|id| fixture.stage(id)),
        ["review", "review", "review"]
    );
    assert_eq!(fixture.lines("runs"), Vec::<String>::new());
    assert_eq!(
        ["a", "b", "c"].map(|id| fixture.aq(&["ship", id]).code),
        [0, 1, 0]
    );
    assert_eq!(
        ["a", "b", "c"].map(|id| fixture.stage(id)),
        ["shipped", "failed", "shipped"]
    );
    assert_eq!(fixture.lines("runs"), ["a"]);
    assert_eq!(fixture.aq(&["ship", "a"]).code, 1);
    assert_eq!(fixture.lines("runs"), ["a"]);
}

// Its job looks into /proc.
#[cfg(target_os = "linux")]
#[test]
fn no_command_learns_anything_of_the_fleet() {
    let fixture = QueueFixture::new();
    fs::write(fixture.path("secret"), "tokentokentoken\n").unwrap();
    let print = "env; cat /proc/$$/cmdline";
    fixture.add("a", &format!("verify: {print}\nship: {print}"), print);
    let path = fixture.path("secret").display().to_string();
    let variables = [
        ("AQ_FLEET", "0"),
        ("AQ_FLEET_ROUTE", "1"),
        ("AQ_FLEET_URL", "http://127.0.0.1:9/"),
        ("AQ_FLEET_TOKEN_FILE", path.as_str()),
        ("MY_COPY", "tokentokentoken"),
        ("MY_PATH", path.as_str()),
        ("HARMLESS", "stays"),
    ];
    assert_eq!(fixture.aq_with(&variables, &["run", "--drain"]).code, 0);
    for name in ["engine.out", "verify.out", "ship.out"] {
        let text = fs::read_to_string(fixture.queue(".state/jobs/a/attempt-1").join(name)).unwrap();
        for secret in ["tokentokentoken", "AQ_FLEET", "MY_PATH", "MY_COPY", "/secret"] {
            assert!(!text.contains(secret), "{name} has {secret}:\n{text}");
        }
        for expected in ["AQ_JOB_ID=a", "AQ_ATTEMPT=1", "HARMLESS=stays"] {
            assert!(text.contains(expected), "{name} lacks {expected}:\n{text}");
        }
    }
}

#[test]
fn no_command_finds_an_open_silent_standard_input() {
    let fixture = QueueFixture::new();
    // `cat` would wait for ever on an open pipe.
    fixture.add("a", "verify: cat\nship: cat", "cat");
    fixture.stand_in("claude", "success", "cat > /dev/null; cat");
    let name = fixture.file("b", "engine: claude", "prompt");
    assert_eq!(fixture.aq(&["add", &name]).code, 0);
    assert_eq!(fixture.aq(&["run", "--drain"]).code, 0);
    assert_eq!([fixture.stage("a"), fixture.stage("b")], ["shipped", "shipped"]);
}

#[test]
fn an_own_engine_gets_a_long_prompt_by_file() {
    let fixture = QueueFixture::new();
    fixture.add("first", "", "true");
    let table = "[engine.mine]\ncommand = \"mine\"\nargs = [\"say\", \"{prompt}\"]\nstdin = \"nothing\"\n";
    fs::write(fixture.queue("aq.toml"), table).unwrap();
    fixture.engine("mine", "printf '%s' \"$2\" > $FIXTURE/$AQ_JOB_ID.prompt");
    let long = "x".repeat(200_000);
    for (id, body) in [("short", "do it"), ("long", &long)] {
        let name = fixture.file(id, "engine: mine", body);
        assert_eq!(fixture.aq(&["add", &name]).code, 0);
    }
    assert_eq!(fixture.aq(&["run", "--drain"]).code, 0);
    assert_eq!(fixture.lines("short.prompt"), ["do it"]);
    let told = fixture.lines("long.prompt");
    let file = told[0]
        .strip_prefix("Read the file ")
        .and_then(|text| text.strip_suffix(" and do what it says."));
    assert_eq!(fs::read_to_string(file.unwrap()).unwrap(), format!("{long}\n"));
}

#[test]
fn a_used_up_engine_pauses_and_costs_its_job_nothing() {
    let fixture = QueueFixture::new();
    fixture.engine(
        "devin",
        "echo run >> $FIXTURE/runs; [ $(wc -l < $FIXTURE/runs) -gt 1 ] && exit 0
         echo \"You've hit your usage limit. Try again in 2 hours.\"; exit 1",
    );
    let files = ["a", "b"].map(|id| fixture.file(id, "engine: devin", "work"));
    assert_eq!(fixture.aq(&["add", &files[0], &files[1]]).code, 0);
    fixture.add("other", "", "true");
    let done = fixture.aq(&["run", "--drain"]);
    assert_eq!(
        (done.code, fixture.lines("runs").len()),
        (1, 1),
        "{}",
        done.stderr
    );
    assert_eq!(
        ["a", "b", "other"].map(|id| fixture.stage(id)),
        ["inbox", "inbox", "shipped"]
    );
    assert_eq!(fixture.reason("a"), "usage_limit");
    assert!(fixture.aq(&["status"]).stdout.contains("devin is used up for "));
    let status: serde_json::Value = serde_json::from_str(&fixture.aq(&["status", "--json"]).stdout).unwrap();
    assert_eq!(status["paused"][0]["engine"], "devin");
    let left_ms = status["paused"][0]["leftMs"].as_u64().unwrap();
    assert!((3_600_000..=7_260_000).contains(&left_ms), "{left_ms}");
    let examined = fixture.aq(&["doctor"]).stdout;
    assert!(examined.contains("devin is used up for "), "{examined}");

    // The time has come.
    fs::write(fixture.queue(".state/paused/devin"), "1").unwrap();
    assert_eq!(fixture.aq(&["run", "--drain"]).code, 0);
    assert_eq!(["a", "b"].map(|id| fixture.stage(id)), ["shipped", "shipped"]);
}

#[test]
fn what_only_speaks_of_limits_has_failed() {
    let fixture = QueueFixture::new();
    fixture.engine("devin", "echo 'the limit of the loop is wrong'; exit 1");
    let file = fixture.file("a", "engine: devin", "work");
    assert_eq!(fixture.aq(&["add", &file]).code, 0);
    assert_eq!(fixture.aq(&["run", "--drain"]).code, 0);
    assert_eq!(
        (fixture.stage("a").as_str(), fixture.reason("a").as_str()),
        ("failed", "exit_code")
    );
}
