//! The commands that work a running stub from another terminal.

use super::*;

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
fn the_policy_is_shown_replaced_and_taken_away_from_another_terminal() {
    let stub = start(&["--policy", "fifo@1.4"]);
    let health = || stub.send("GET", "/v1/health", "", "");
    assert!(
        health().contains("coordinator-policy: fifo;version=\"1.4\"\r\n"),
        "{}",
        health()
    );
    assert_eq!(
        told(&stub, &["policy", "show"]),
        (true, "fifo, version 1.4\n".to_owned())
    );
    assert_eq!(
        told(&stub, &["policy", "set", "fair@2"]),
        (true, "fair, version 2\n".to_owned())
    );
    assert!(
        health().contains("coordinator-policy: fair;version=\"2\"\r\n"),
        "{}",
        health()
    );
    let (fine, why) = told(&stub, &["policy", "set", "a b"]);
    assert!(!fine && why.contains("NAME@VERSION"), "{why}");
    assert_eq!(
        told(&stub, &["policy", "remove"]),
        (true, "it tells no policy\n".to_owned())
    );
    assert!(!health().contains("coordinator-policy"), "{}", health());
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
