//! The binary as a person runs it: what it prints, what it reads, how it ends.

mod common;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;

use common::program::*;
use serde_json::{Value, json};

#[test]
fn it_says_where_it_is_in_one_json_line_and_what_it_does_on_standard_error() {
    let stub = start(&["--preset", "agree", "--seed", "7"]);
    assert_eq!(stub.line["pid"], stub.child.id());
    assert_eq!(
        (&stub.line["seed"], &stub.line["preset"]),
        (&json!(7), &json!("agree"))
    );
    assert!(dry_run(&stub, "sh").starts_with("HTTP/1.1 204"));
    let (code, errors) = stub.interrupt();
    assert_eq!(code, Some(130), "{errors}");
    assert!(errors.contains("shadow.claim factory=f -> 204"), "{errors}");
    assert!(
        errors.contains("1 requests, 0 mutations") && !errors.contains('\u{1b}'),
        "{errors}"
    );
}

#[test]
fn it_takes_job_files_as_the_runner_does_and_warns_of_unknown_keys() {
    let folder = tempfile::tempdir().expect("a folder");
    let first = write(
        folder.path(),
        "tidy.md",
        "---\nengine: devin\nreveiw: true\n---\nTidy up.\n",
    );
    let second = write(
        folder.path(),
        "bump.md",
        "---\nengine: devin\npriority: 2\n---\nBump.\n",
    );
    let stub = start(&["--jobs", &first, &second]);
    let answer = dry_run(&stub, "devin");
    assert!(
        answer.contains(r#""id":"bump""#),
        "the higher priority first: {answer}"
    );
    let (_, errors) = stub.interrupt();
    assert!(
        errors.contains("`reveiw` is no key of a job and is ignored; did you mean `review`?"),
        "{errors}"
    );
}

#[test]
fn it_stands_up_the_coordinator_of_a_scenario() {
    let folder = tempfile::tempdir().expect("a folder");
    let text = "title = \"x\"\n[[job]]\nid = \"alpha\"\nengine = \"devin\"\n[coordinator]\njobs = [\"alpha\"]\n\
                [[coordinator.rule]]\non = \"shadow.claim\"\nfault = { status = 503, retry_after = \"3s\" }\n";
    let stub = start(&["--scenario", &write(folder.path(), "s.toml", text)]);
    assert!(
        stub.line["scenario"]
            .as_str()
            .is_some_and(|path| path.ends_with("s.toml"))
    );
    let answer = dry_run(&stub, "devin");
    assert!(
        answer.starts_with("HTTP/1.1 503") && answer.contains("retry-after: 3"),
        "{answer}"
    );
}

#[test]
fn it_ends_at_once_though_a_request_hangs() {
    let stub = start(&["--preset", "timeout"]);
    let mut hung = TcpStream::connect(stub.address()).expect("connects");
    hung.write_all(b"GET /v1/health HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n")
        .expect("written");
    let wait = r#"{"match":{"operation":"health"},"count":1,"limit":"20s"}"#;
    assert!(
        stub.send("POST", "/_stub/journal/wait", "", wait)
            .starts_with("HTTP/1.1 200")
    );
    assert_eq!(stub.interrupt().0, Some(130));
    let mut rest = Vec::new();
    // Whether it ends by FIN or RST does not matter here.
    let _ = hung.read_to_end(&mut rest);
    assert_eq!(rest, Vec::<u8>::new());
}

#[test]
fn beyond_loopback_it_makes_up_a_token_and_asks_for_it() {
    let stub = start(&["--listen", "0.0.0.0"]);
    let token = stub.line["token"].as_str().expect("a token").to_owned();
    for path in ["/v1/jobs", "/_stub/counters"] {
        assert!(
            stub.send("GET", path, "", "").starts_with("HTTP/1.1 401"),
            "{path}"
        );
        let bearer = format!("authorization: Bearer {token}\r\n");
        assert!(
            stub.send("GET", path, &bearer, "").starts_with("HTTP/1.1 200"),
            "{path}"
        );
    }
}

#[test]
fn what_cannot_be_set_up_ends_with_a_reason_and_a_failure() {
    let folder = tempfile::tempdir().expect("a folder");
    let taken = start(&[]);
    let port = taken.address().rsplit_once(':').expect("a port").1.to_owned();
    let bad_job = write(folder.path(), "bad.md", "---\nyolo: true\n---\nx\n");
    let bad_rule = write(
        folder.path(),
        "bad.toml",
        "[[coordinator.rule]]\non = \"claim\"\nfault = \"dry_run_grants\"\n",
    );
    let bad_key = write(folder.path(), "key.toml", "[coordinator]\njbos = []\n");
    for (arguments, reason) in [
        (vec!["--port", &port], "can't listen on"),
        (vec!["--preset", "agre"], "did you mean `agree`?"),
        (vec!["--jobs", &bad_job], "`engine` is missing"),
        (vec!["--jobs", "/nowhere/x.md"], "can't read /nowhere/x.md"),
        (vec!["--scenario", &bad_rule], "rule 1 can't be armed"),
        (vec!["--scenario", &bad_key], "unknown field `jbos`"),
        (vec!["--token", "x:shaddow"], "no scope is called"),
        (vec!["--lease", "soon"], "write a length of time"),
    ] {
        let output = run(&arguments);
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(
            output.status.code() == Some(2) && errors.contains(reason),
            "{arguments:?}: {errors}"
        );
        assert!(output.stdout.is_empty(), "{arguments:?}: nothing was promised");
    }
}

#[test]
fn help_teaches_and_completions_are_printed() {
    let help = String::from_utf8_lossy(&run(&["--help"]).stdout).into_owned();
    for word in [
        "--preset",
        "--scenario",
        "--jobs",
        "lost-replies",
        "/_stub/counters",
    ] {
        assert!(help.contains(word), "{word}: {help}");
    }
    let completions = run(&["completions", "bash"]);
    assert!(completions.status.success());
    let script = String::from_utf8_lossy(&completions.stdout).into_owned();
    assert!(
        script.contains("complete -F") && script.contains("--preset"),
        "{script}"
    );
}

#[test]
fn a_running_stub_is_worked_from_another_terminal() {
    let stub = start(&["serve", "--clock", "manual"]);
    let added = told(
        &stub,
        &[
            "rule",
            "add",
            r#"{"id": "g", "on": "shadow.claim", "fault": {"gate": "here"}}"#,
        ],
    );
    assert_eq!(added, (true, "g\n".to_owned()));
    let (_, listed) = told(&stub, &["rule", "list"]);
    assert!(
        listed.contains("g  on shadow.claim: {\\\"gate\\\":\\\"here\\\"}")
            || listed.contains("\"gate\":\"here\""),
        "{listed}"
    );
    let (_, explained) = told(&stub, &["explain", "shadow.claim", "--factory", "f"]);
    assert!(explained.contains("`g` would fire"), "{explained}");
    let (_, behind) = told(
        &stub,
        &["rule", "add", r#"{"id": "h", "on": "*", "fault": "hang"}"#],
    );
    assert!(behind.contains("h is behind g: that one goes first"), "{behind}");
    assert!(told(&stub, &["rule", "list"]).1.contains("fired 0, behind g)"));
    assert!(told(&stub, &["rule", "remove", "h"]).0);
    assert!(told(&stub, &["gate", "list"]).1.starts_with("there is no gate"));
    let (_, released) = told(&stub, &["gate", "release", "here"]);
    assert_eq!(released, "here is open; 0 were waiting\n");
    assert_eq!(
        told(&stub, &["rule", "remove", "g"]),
        (true, "g is disarmed\n".to_owned())
    );
    let (removed_twice, why) = told(&stub, &["rule", "remove", "g"]);
    assert!(!removed_twice && why.contains("no rule `g` is armed"), "{why}");
    let (_, advanced) = told(&stub, &["clock", "advance", "1m"]);
    assert_eq!(advanced, "it is 2026-01-01T00:01:00.000Z\n");
    let (_, shown) = told(&stub, &["clock", "show"]);
    assert_eq!(shown, "it is 2026-01-01T00:01:00.000Z on a manual clock\n");
    assert_eq!(told(&stub, &["gate", "list"]).1, "here  0 waiting\n");
    let (_, used) = told(&stub, &["preset", "use", "diverge", "--json"]);
    let used: Value = serde_json::from_str(&used).expect("JSON");
    assert_eq!(used["rules"][0]["rule"]["fault"], "diverge");
    let (fine, wrong) = told(&stub, &["rule", "add", r#"{"on": "clam", "fault": "hang"}"#]);
    assert!(!fine && wrong.contains("did you mean \"claim\"?"), "{wrong}");
}

#[test]
fn a_script_asks_what_arrived_by_exit_codes() {
    let stub = start(&[]);
    let url = format!("http://{}", stub.address());
    let code = |arguments: &[&str]| {
        let output = run(&[&["verify"], arguments, &["--url", &url]].concat());
        let text = [output.stdout, output.stderr].concat();
        (output.status.code(), String::from_utf8_lossy(&text).into_owned())
    };
    dry_run(&stub, "sh");
    let (holds, said) = code(&["shadow.claim", "--factory", "f", "--count", "1"]);
    assert_eq!(
        (holds, said.as_str()),
        (Some(0), "holds: 1 arrived, 1 asked for\n")
    );
    assert_eq!(code(&["claim", "--at-least", "1"]).0, Some(1));
    assert_eq!(code(&["claim", "--at-most", "3"]).0, Some(0));
    let (misspelt, said) = code(&["clam", "--count", "0"]);
    assert!(
        misspelt == Some(2) && said.contains("did you mean `claim`?"),
        "{said}"
    );
    let gone = run(&["verify", "claim", "--count", "0", "--url", "http://127.0.0.1:1"]);
    assert_eq!(gone.status.code(), Some(3), "nobody to ask is no answer");
    let (_, counted) = told(&stub, &["counters"]);
    assert!(
        counted.starts_with("mutations total 0\n") && counted.contains("shadow.claim 1"),
        "{counted}"
    );
    assert_eq!(
        told(&stub, &["reset", "journal"]),
        (true, "reset: journal\n".to_owned())
    );
    assert_eq!(code(&["shadow.claim", "--count", "0"]).0, Some(0));
}

#[test]
fn state_goes_out_by_one_command_and_in_by_another() {
    let folder = tempfile::tempdir().expect("a folder");
    let job = write(folder.path(), "tidy.md", "---\nengine: sh\n---\nTidy.\n");
    let first = start(&["--jobs", &job]);
    let (_, document) = told(&first, &["state", "export"]);
    let file = write(folder.path(), "state.json", &document);
    let second = start(&[]);
    let (fine, said) = told(&second, &["state", "import", &file]);
    assert!(fine && said.starts_with("1 jobs, digest "), "{said}");
    assert!(dry_run(&second, "sh").contains(r#""id":"tidy""#));
    let (fine, said) = told(&second, &["state", "import", &job]);
    assert!(!fine && said.contains("is no state"), "{said}");
}

#[test]
fn tail_tells_of_each_exchange_as_it_ends() {
    let stub = start(&[]);
    let url = format!("http://{}", stub.address());
    let mut tail = command(&["tail", "--url", &url]).spawn().expect("it starts");
    let mut lines = BufReader::new(tail.stdout.take().expect("a pipe"));
    let follows = std::thread::spawn(move || {
        let mut line = String::new();
        lines.read_line(&mut line).expect("a line");
        (line, lines)
    });
    // It may not follow yet: asked again and again, one of these comes after it does.
    while !follows.is_finished() {
        dry_run(&stub, "sh");
    }
    let (line, mut lines) = follows.join().expect("it ends");
    assert!(
        line.contains("shadow.claim factory=") && line.contains("-> 204"),
        "{line}"
    );
    // An outage is not its end.
    let control = stub.line["controlUrl"].as_str().expect("a url");
    for preset in ["outage", "agree"] {
        assert!(run(&["preset", "use", preset, "--url", control]).status.success());
    }
    stub.send("GET", "/v1/health", "", "");
    let mut line = String::new();
    while !line.contains("health") {
        line.clear();
        assert!(lines.read_line(&mut line).expect("text") > 0, "it ended");
    }
    tail.kill().expect("it runs");
    tail.wait().expect("it ends");
}

#[test]
fn validate_says_the_line_and_the_nearest_name() {
    let folder = tempfile::tempdir().expect("a folder");
    let rules =
        "[[rule]]\non = \"claim\"\nfault = \"hang\"\n\n[[rule]]\non = \"health\"\nfault = \"reset\"\n";
    let good = run(&["validate", &write(folder.path(), "good.toml", rules)]);
    assert!(
        good.status.success()
            && String::from_utf8_lossy(&good.stdout).contains("2 rules, all of which can fire")
    );
    for (name, text, wanted) in [
        (
            "on.toml",
            rules.replace("health", "helth"),
            "on.toml:5: rule 2: `on = \"helth\"` is no operation (did you mean \"health\"?)",
        ),
        (
            "shadow.toml",
            rules.replace("health", "claim"),
            "shadow.toml:5: rule 2: the rule can never fire",
        ),
        (
            "fault.toml",
            rules.replace("reset", "rset"),
            "did you mean `reset`?",
        ),
        (
            "key.toml",
            "[coordinator]\nlease_ms = 5\njbos = []\n".to_owned(),
            "key.toml:3: unknown field `jbos`",
        ),
        (
            "key2.toml",
            "[coordinator]\nlease_ms = 5\njbos = []\n".to_owned(),
            "did you mean `jobs`?",
        ),
        (
            "none.toml",
            "title = \"x\"\n".to_owned(),
            "so nothing was checked",
        ),
        (
            "list.json",
            "[\n{\"on\": \"claim\",\n\"fualt\": \"hang\"}]".to_owned(),
            "list.json:3: unknown field `fualt`",
        ),
    ] {
        let output = run(&["validate", &write(folder.path(), name, &text)]);
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(
            !output.status.success() && errors.contains(wanted),
            "{name}: {errors}"
        );
    }
}

/// What arming tells over the control API, word for word.
#[test]
fn validate_tells_which_rules_go_first_in_the_words_of_rule_add() {
    let folder = tempfile::tempdir().expect("a folder");
    let once = r#"{"id": "once", "on": "*", "when": {"times": 1}, "fault": "reset"}"#;
    let claims = r#"{"on": "claim", "fault": "empty"}"#;
    let stub = start(&[]);
    assert!(told(&stub, &["rule", "add", once]).0);
    let (fine, said) = told(&stub, &["rule", "add", claims]);
    let words = "rule-1 is behind once: that one goes first where both fire";
    assert!(
        fine && said.contains(&format!("stub-coordinator: {words}")),
        "{said}"
    );

    let table = "[[rule]]\nid = \"once\"\non = \"*\"\nwhen = { times = 1 }\nfault = \"reset\"\n\n\
                 [[rule]]\non = \"claim\"\nfault = \"empty\"\n";
    let scenario = table.replace("[[rule]]", "[[coordinator.rule]]");
    for (name, text, line) in [
        ("rules.toml", table.to_owned(), ":7"),
        ("scenario.toml", scenario, ":7"),
        ("rules.json", format!("[{once}, {claims}]"), ""),
    ] {
        let output = run(&["validate", &write(folder.path(), name, &text)]);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "what overlaps can be armed: {errors}");
        assert!(errors.ends_with(&format!("{name}{line}: {words}\n")), "{errors}");
        assert_eq!(errors.lines().count(), 1, "{errors}");
    }
}

#[test]
fn a_stub_that_is_not_there_or_wants_a_token_is_told_of() {
    let gone = run(&["rule", "list", "--url", "http://127.0.0.1:1"]);
    let errors = String::from_utf8_lossy(&gone.stderr).into_owned();
    assert!(
        !gone.status.success() && errors.contains("no stub answers at http://127.0.0.1:1"),
        "{errors}"
    );
    let stub = start(&["--token", "root:admin"]);
    let (fine, said) = told(&stub, &["rule", "list"]);
    assert!(
        !fine && said.contains("give --token-file or STUB_TOKEN"),
        "{said}"
    );
    assert!(told(&stub, &["rule", "list", "--token", "root"]).0);
}
