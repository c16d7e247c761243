//! The binary as a person runs it: what it prints, what it reads, how it ends.

#[path = "../common/mod.rs"]
mod common;
mod control_commands;
mod https;

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
