//! One attempt at one job: O-3, O-4, O-9, O-11.

use std::fs;

use crate::rig::Rig;

#[test]
fn the_engine_runs_once_in_its_folder_with_the_body_as_its_prompt() {
    let rig = Rig::new();
    rig.engine(
        "claude",
        "pwd >> $RIG/runs; printf '%s|' \"$@\" >> $RIG/runs; echo >> $RIG/runs; cat > $RIG/prompt",
    );
    fs::create_dir(rig.path("elsewhere")).unwrap();
    let folder = rig.path("elsewhere").canonicalize().unwrap();
    for (id, yolo) in [("careful", "false"), ("bold", "true")] {
        let keys = format!("engine: claude\nyolo: {yolo}\ncwd: {}", folder.display());
        let name = rig.file(id, &keys, "\nFix it.\n\n---\nAnd \"this\" too, $HOME.");
        assert_eq!(rig.aq(&["add", &name]).code, 0);
    }
    assert_eq!(rig.aq(&["run", "--drain"]).code, 0);
    let folder = folder.to_str().unwrap();
    assert_eq!(
        rig.lines("runs"),
        [folder, "-p|", folder, "-p|--dangerously-skip-permissions|"]
    );
    let prompt = fs::read_to_string(rig.path("prompt")).unwrap();
    assert_eq!(prompt, "\nFix it.\n\n---\nAnd \"this\" too, $HOME.\n");
}

#[test]
fn a_job_without_a_folder_runs_where_the_runner_was_started() {
    let rig = Rig::new();
    fs::create_dir(rig.path("work/sub")).unwrap();
    rig.add("a", "", "pwd > $RIG/runs");
    rig.add("b", "cwd: sub", "pwd >> $RIG/runs");
    assert_eq!(rig.aq(&["run", "--drain"]).code, 0);
    let work = rig.path("work").canonicalize().unwrap();
    let expected = [work.clone(), work.join("sub")].map(|path| path.display().to_string());
    assert_eq!(rig.lines("runs"), expected);
}

#[test]
fn an_engine_that_tells_an_error_of_its_own_is_quoted_in_the_detail() {
    let rig = Rig::new();
    rig.engine("claude", "echo 'API Error: 500 internal server error'");
    let file = rig.file("a", "engine: claude", "work");
    assert_eq!(rig.aq(&["add", &file]).code, 0);
    assert_eq!(rig.aq(&["run", "--drain"]).code, 0);
    assert_eq!(
        [rig.stage("a"), rig.reason("a"), rig.detail("a")],
        ["failed", "engine_error", "API Error: 500 internal server error"]
    );
}

#[test]
fn each_way_to_fail_has_its_reason() {
    let rig = Rig::new();
    rig.add("engine", "", "exit 3");
    rig.add("signal", "", "kill -9 $$");
    rig.add("verify", "verify: exit 4", "true");
    rig.add("ship", "verify: 'true'\nship: exit 5", "true");
    rig.add("folder", "cwd: no-such-folder", "true");
    rig.add(
        "good",
        "verify: echo v >> $RIG/runs\nship: echo s >> $RIG/runs",
        "echo e >> $RIG/runs",
    );
    let done = rig.aq(&["run", "--drain"]);
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
            (rig.stage(id).as_str(), rig.reason(id).as_str()),
            ("failed", reason),
            "{id}"
        );
        assert!(rig.detail(id).contains(detail), "{id}: {}", rig.detail(id));
    }
    assert_eq!(
        (rig.stage("good").as_str(), rig.lines("runs")),
        ("shipped", vec!["e".into(), "v".into(), "s".into()])
    );
}

#[test]
fn the_first_line_that_fails_decides() {
    let rig = Rig::new();
    let fails = "echo first\nfalse\necho second > $RIG/went-on";
    let block = fails.replace('\n', "\n  ");
    rig.add("engine", "retries: 0", fails);
    rig.add(
        "verify",
        &format!("verify: |\n  {block}\nship: touch $RIG/published"),
        "true",
    );
    rig.add("ship", &format!("ship: |\n  {block}"), "true");
    rig.add("one-line", "verify: false; true", "true");
    rig.add("reviewed", &format!("review: true\nship: |\n  {block}"), "true");
    // A condition is no failure, and what a script asks for itself counts.
    rig.add(
        "good",
        "verify: false || true; ! false; if false; then :; fi",
        "set +e; false; true",
    );
    assert_eq!(rig.aq(&["run", "--drain"]).code, 0);
    assert_eq!(rig.aq(&["ship", "reviewed"]).code, 1);
    for (id, reason) in [
        ("engine", "exit_code"),
        ("verify", "verify_failed"),
        ("ship", "ship_failed"),
        ("one-line", "verify_failed"),
        ("reviewed", "ship_failed"),
    ] {
        let told = (rig.stage(id), rig.reason(id));
        assert_eq!(told, ("failed".into(), reason.into()), "{id}");
    }
    assert_eq!(rig.stage("good"), "shipped");
    assert!(!rig.path("went-on").exists() && !rig.path("published").exists());
}

#[test]
fn after_a_failed_engine_nothing_else_is_run() {
    let rig = Rig::new();
    rig.add(
        "a",
        "verify: touch $RIG/verified\nship: touch $RIG/published",
        "exit 1",
    );
    rig.add("b", "verify: exit 1\nship: touch $RIG/published", "true");
    assert_eq!(rig.aq(&["run", "--drain"]).code, 0);
    assert!(!rig.path("verified").exists() && !rig.path("published").exists());
}

#[test]
fn a_failed_job_makes_the_run_fail_only_if_that_is_asked_for() {
    let rig = Rig::new();
    rig.add("a", "", "exit 1");
    assert_eq!(rig.aq(&["run", "--drain", "--fail-on-job-failure"]).code, 1);
}

#[test]
fn retries_are_used_up_and_then_the_job_has_failed() {
    let rig = Rig::new();
    rig.add("a", "retries: 2", "echo $AQ_ATTEMPT >> $RIG/runs; exit 1");
    rig.add("b", "retries: 2", "test $AQ_ATTEMPT = 2");
    assert_eq!(rig.aq(&["run", "--drain"]).code, 0);
    assert_eq!(rig.lines("runs"), ["1", "2", "3"]);
    assert_eq!([rig.stage("a"), rig.stage("b")], ["failed", "shipped"]);
}

#[test]
fn a_reviewed_job_waits_for_a_person_and_is_then_published() {
    let rig = Rig::new();
    rig.add("a", "review: true\nship: echo $AQ_JOB_ID >> $RIG/runs", "true");
    rig.add("b", "review: true\nship: exit 1", "true");
    rig.add("c", "review: true", "true");
    assert_eq!(rig.aq(&["run", "--drain"]).code, 0);
    assert_eq!(
        ["a", "b", "c"].map(|id| rig.stage(id)),
        ["review", "review", "review"]
    );
    assert_eq!(rig.lines("runs"), Vec::<String>::new());
    assert_eq!(["a", "b", "c"].map(|id| rig.aq(&["ship", id]).code), [0, 1, 0]);
    assert_eq!(
        ["a", "b", "c"].map(|id| rig.stage(id)),
        ["shipped", "failed", "shipped"]
    );
    assert_eq!(rig.lines("runs"), ["a"]);
    assert_eq!(rig.aq(&["ship", "a"]).code, 1);
    assert_eq!(rig.lines("runs"), ["a"]);
}

#[test]
fn no_command_learns_anything_of_the_fleet() {
    let rig = Rig::new();
    fs::write(rig.path("secret"), "tokentokentoken\n").unwrap();
    let print = "env; cat /proc/$$/cmdline";
    rig.add("a", &format!("verify: {print}\nship: {print}"), print);
    let path = rig.path("secret").display().to_string();
    let variables = [
        ("AQ_FLEET", "0"),
        ("AQ_FLEET_ROUTE", "1"),
        ("AQ_FLEET_URL", "http://127.0.0.1:9/"),
        ("AQ_FLEET_TOKEN_FILE", path.as_str()),
        ("MY_COPY", "tokentokentoken"),
        ("MY_PATH", path.as_str()),
        ("HARMLESS", "stays"),
    ];
    assert_eq!(rig.aq_with(&variables, &["run", "--drain"]).code, 0);
    for name in ["engine.out", "verify.out", "ship.out"] {
        let text = fs::read_to_string(rig.queue(".state/jobs/a/attempt-1").join(name)).unwrap();
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
    let rig = Rig::new();
    // `cat` would wait for ever on an open pipe.
    rig.add("a", "verify: cat\nship: cat", "cat");
    rig.engine("claude", "cat > /dev/null; cat");
    let name = rig.file("b", "engine: claude", "prompt");
    assert_eq!(rig.aq(&["add", &name]).code, 0);
    assert_eq!(rig.aq(&["run", "--drain"]).code, 0);
    assert_eq!([rig.stage("a"), rig.stage("b")], ["shipped", "shipped"]);
}

#[test]
fn an_own_engine_gets_a_long_prompt_by_file() {
    let rig = Rig::new();
    rig.add("first", "", "true");
    let table = "[engine.mine]\ncommand = \"mine\"\nargs = [\"say\", \"{prompt}\"]\nstdin = \"nothing\"\n";
    fs::write(rig.queue("aq.toml"), table).unwrap();
    rig.engine("mine", "printf '%s' \"$2\" > $RIG/$AQ_JOB_ID.prompt");
    let long = "x".repeat(200_000);
    for (id, body) in [("short", "do it"), ("long", &long)] {
        let name = rig.file(id, "engine: mine", body);
        assert_eq!(rig.aq(&["add", &name]).code, 0);
    }
    assert_eq!(rig.aq(&["run", "--drain"]).code, 0);
    assert_eq!(rig.lines("short.prompt"), ["do it"]);
    let told = rig.lines("long.prompt");
    let file = told[0]
        .strip_prefix("Read the file ")
        .and_then(|text| text.strip_suffix(" and do what it says."));
    assert_eq!(fs::read_to_string(file.unwrap()).unwrap(), format!("{long}\n"));
}

#[test]
fn a_used_up_engine_pauses_and_costs_its_job_nothing() {
    let rig = Rig::new();
    rig.engine(
        "claude",
        "echo run >> $RIG/runs; [ $(wc -l < $RIG/runs) -gt 1 ] && exit 0
         echo \"You've hit your usage limit. Try again in 2 hours.\"; exit 1",
    );
    let files = ["a", "b"].map(|id| rig.file(id, "engine: claude", "work"));
    assert_eq!(rig.aq(&["add", &files[0], &files[1]]).code, 0);
    rig.add("other", "", "true");
    let done = rig.aq(&["run", "--drain"]);
    assert_eq!((done.code, rig.lines("runs").len()), (1, 1), "{}", done.stderr);
    assert_eq!(
        ["a", "b", "other"].map(|id| rig.stage(id)),
        ["inbox", "inbox", "shipped"]
    );
    assert_eq!(rig.reason("a"), "usage_limit");
    assert!(rig.aq(&["status"]).stdout.contains("claude is used up for "));
    let status: serde_json::Value = serde_json::from_str(&rig.aq(&["status", "--json"]).stdout).unwrap();
    assert_eq!(status["paused"][0]["engine"], "claude");
    let left_ms = status["paused"][0]["leftMs"].as_u64().unwrap();
    assert!((3_600_000..=7_260_000).contains(&left_ms), "{left_ms}");
    let examined = rig.aq(&["doctor"]).stdout;
    assert!(examined.contains("claude is used up for "), "{examined}");

    // The time has come.
    fs::write(rig.queue(".state/paused/claude"), "1").unwrap();
    assert_eq!(rig.aq(&["run", "--drain"]).code, 0);
    assert_eq!(["a", "b"].map(|id| rig.stage(id)), ["shipped", "shipped"]);
}

#[test]
fn what_only_speaks_of_limits_has_failed() {
    let rig = Rig::new();
    rig.engine("claude", "echo 'the limit of the loop is wrong'; exit 1");
    let file = rig.file("a", "engine: claude", "work");
    assert_eq!(rig.aq(&["add", &file]).code, 0);
    assert_eq!(rig.aq(&["run", "--drain"]).code, 0);
    assert_eq!(
        (rig.stage("a").as_str(), rig.reason("a").as_str()),
        ("failed", "exit_code")
    );
}
