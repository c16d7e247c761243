//! `aq add`: O-1, and what makes a job file a good one.

use std::fs;

use crate::queue_fixture::QueueFixture;

#[test]
fn a_job_file_is_kept_as_it_is_to_the_byte() {
    let fixture = QueueFixture::new();
    let text = "---\r\n# who does it\r\nengine:   sh\r\nnotes-for-me: later\r\n---\r\n\r\n  echo ä\t\r\n\n\n";
    fs::write(fixture.path("work/a.md"), text).unwrap();
    let done = fixture.aq(&["add", "a.md"]);
    assert_eq!(done.code, 0, "{}", done.stderr);
    assert_eq!(fs::read_to_string(fixture.queue("inbox/a.md")).unwrap(), text);
    assert!(
        done.stderr.contains("a.md:4: `notes-for-me` is no key"),
        "{}",
        done.stderr
    );
}

#[test]
fn one_bad_file_keeps_all_out() {
    let fixture = QueueFixture::new();
    let good = fixture.file("good", "engine: sh", "true");
    let bad = fixture.file("bad", "engine: sh\npriority: high", "true");
    let done = fixture.aq(&["add", &good, &bad]);
    assert_eq!(done.code, 1);
    assert!(done.stderr.contains("bad.md:3: "), "{}", done.stderr);
    assert_eq!(
        [fixture.stage("good"), fixture.stage("bad")],
        ["nowhere", "nowhere"]
    );
}

#[test]
fn what_is_wrong_is_said_with_its_line_and_what_to_write() {
    // Keys, the line that is named, and a part of the advice.
    let cases = [
        ("yolo: true", "1: `engine` is missing", "engine: claude"),
        ("engine: sh\nyolo: yes", "3: `yolo`", "true or false"),
        ("engine: sh\nyolo: \"true\"", "3: `yolo`", "true or false"),
        ("engine: sh\ntimeout: soon", "3: `timeout`", "1h30m"),
        ("engine: sh\ntimeout: 0s", "3: `timeout`", "1h30m"),
        ("engine: sh\npriority: 1.5", "3: `priority`", "a whole number"),
        ("engine: sh\nretries: -1", "3: `retries`", "from 0 to 100"),
        ("engine: sh\nlock: ../x", "3: `lock`", "letters, digits"),
        ("engine: sh\ncaps: gpu", "3: `caps`", "[gpu, linux]"),
        ("engine: sh\ncaps:\n  - a b", "3: `caps`", "letters, digits"),
        ("engine: sh\nverify: ''", "3: `verify`", "a shell command"),
        ("engine: sh\nid: other", "3: `id: other`", "remove the key"),
        ("engine: sh\n\nreveiw: true", "4: `reveiw`", "write `review`"),
        (
            "engine: sh\nidle-timeout: 5m",
            "3: `idle-timeout`",
            "write `idle_timeout`",
        ),
        (
            "engine: sh\nengine: claude",
            "3: `engine`",
            "remove one of the two",
        ),
        ("engine: sh\nlock: true", "3: `lock`", "in quotes"),
        ("engine: &a sh\nlock: *a", "", "key: value"),
        ("engine: [sh", "", "key: value"),
        ("just words", "", "key: value"),
    ];
    for (keys, place, advice) in cases {
        let fixture = QueueFixture::new();
        let name = fixture.file("a", keys, "true");
        let done = fixture.aq(&["add", &name]);
        assert_eq!(done.code, 1, "{keys}");
        assert!(
            done.stderr.contains(&format!("a.md:{place}")) && done.stderr.contains(advice),
            "{keys}: {}",
            done.stderr
        );
        assert_eq!(fixture.stage("a"), "nowhere", "{keys}");
    }
}

#[test]
fn a_file_without_the_shape_of_a_job_is_refused() {
    let too_long = format!("---\nengine: sh\n---\n{}\n", "x".repeat(1024 * 1024));
    let cases: [(&str, &[u8], &str); 7] = [
        ("a.md", b"echo hello\n", "a.md:1: there is no front matter"),
        (
            "a.md",
            b"---\nengine: sh\necho hello\n",
            "a.md:1: the front matter has no end",
        ),
        (
            "a.md",
            b"---\nengine: sh\n---\n \n\n",
            "a.md:4: the body is empty",
        ),
        (
            "a.md",
            b"---\nengine: sh\n---\ncaf\xe9\n",
            "a.md:4: this line is not UTF-8",
        ),
        ("a.md", too_long.as_bytes(), "a.md:1: the file has"),
        ("a.txt", b"---\nengine: sh\n---\ntrue\n", "rename it"),
        ("a b.md", b"---\nengine: sh\n---\ntrue\n", "the file's name"),
    ];
    for (name, bytes, message) in cases {
        let fixture = QueueFixture::new();
        fs::write(fixture.path("work").join(name), bytes).unwrap();
        let done = fixture.aq(&["add", name]);
        assert_eq!(done.code, 1, "{name}");
        assert!(done.stderr.contains(message), "{message}: {}", done.stderr);
        assert!(!fixture.queue("inbox").join(name).exists(), "{name}");
    }
}

#[test]
fn front_matter_made_to_exhaust_is_refused_at_once() {
    let deep = format!("engine: sh\nzzzzzzzz: {}", "[".repeat(200_000));
    let bomb = "engine: sh\nzzzzzzz1: &a [x,x,x]\nzzzzzzz2: &b [*a,*a,*a]\nzzzzzzz3: [*b,*b,*b]".to_owned();
    let many = format!(
        "engine: sh{}",
        (0..60_000)
            .map(|n| format!("\nzzzzzzzz{n}: 1"))
            .collect::<String>()
    );
    let one_line = format!("engine: sh\ncaps: [{}a b]", "1,".repeat(400_000));
    let flow = format!("{{engine: sh, {}}}", "zz: !a 1, ".repeat(60_000));
    for keys in [deep, bomb, many, one_line, flow] {
        let fixture = QueueFixture::new();
        let name = fixture.file("a", &keys, "true");
        let done = fixture.aq(&["add", &name]);
        assert_eq!(done.code, 1);
        // One line that says so, and not as many as the file has.
        assert_eq!(done.stderr.lines().count(), 2, "{}", done.stderr);
    }
}

#[test]
fn an_id_is_refused_while_any_stage_has_it() {
    for stage in [
        "inbox",
        "building",
        "testing",
        "review",
        "shipped",
        "failed",
        "quarantine",
    ] {
        let fixture = QueueFixture::new();
        fixture.add("first", "", "true");
        let other = fixture.file("a", "engine: sh", "echo the other");
        fs::write(
            fixture.queue(stage).join("a.md"),
            "---\nengine: sh\n---\necho the first\n",
        )
        .unwrap();
        let new = fixture.file("new", "engine: sh", "true");
        let done = fixture.aq(&["add", &new, &other]);
        assert_eq!(done.code, 1, "{stage}");
        assert!(
            done.stderr.contains(&format!("`a` is already in {stage}")),
            "{}",
            done.stderr
        );
        assert!(
            fs::read_to_string(fixture.queue(stage).join("a.md"))
                .unwrap()
                .contains("the first"),
            "{stage}"
        );
        assert_eq!(fixture.stage("new"), "nowhere", "{stage}");
    }
}

#[test]
fn a_set_key_is_replaced_or_added_and_all_else_is_left() {
    let fixture = QueueFixture::new();
    let keys = "engine: sh\n# how long\ntimeout: 5m\nverify: |\n  one\n  two\n# last\nlock: l";
    let name = fixture.file("a", keys, "true");
    let sets = ["verify=test -e \"x: y\"", "priority=7", "caps=a,b", "timeout=90s"];
    let sets: Vec<&str> = sets.iter().flat_map(|set| ["--set", set]).collect();
    let done = fixture.aq(&[&["add"], &sets[..], &[&name]].concat());
    assert_eq!(done.code, 0, "{}", done.stderr);
    let expected = "---\nengine: sh\n# how long\ntimeout: 90s\nverify: \"test -e \\\"x: y\\\"\"\n# last\nlock: l\n\
                    priority: 7\ncaps: [a,b]\n---\ntrue\n";
    assert_eq!(fs::read_to_string(fixture.queue("inbox/a.md")).unwrap(), expected);
}

#[test]
fn a_set_key_that_no_job_has_is_wrong_usage() {
    let fixture = QueueFixture::new();
    let name = fixture.file("a", "engine: sh", "true");
    let done = fixture.aq(&["add", "--set", "prioritty=1", &name]);
    assert_eq!(done.code, 2);
    assert!(
        done.stderr.contains("did you mean `priority`?"),
        "{}",
        done.stderr
    );
}

#[test]
fn a_job_from_a_stream_is_named_by_its_id() {
    let fixture = QueueFixture::new();
    let with = |text: &str| {
        fs::write(fixture.path("work/input"), text).unwrap();
        let aq = env!("CARGO_BIN_EXE_aq");
        let done = std::process::Command::new(aq)
            .args(["add", "-"])
            .env_clear()
            .env("AQ_QUEUE", fixture.path("queue"))
            .stdin(fs::File::open(fixture.path("work/input")).unwrap())
            .output()
            .unwrap();
        (done.status.code(), String::from_utf8(done.stderr).unwrap())
    };
    let (code, stderr) = with("---\nengine: sh\n---\ntrue\n");
    assert_eq!(code, Some(1));
    assert!(stderr.contains("id: fix-login"), "{stderr}");
    assert_eq!(with("---\nid: a\nengine: sh\n---\ntrue\n").0, Some(0));
    assert_eq!(fixture.stage("a"), "inbox");
}

#[test]
fn what_a_file_holds_can_not_steer_the_terminal() {
    let fixture = QueueFixture::new();
    let name = fixture.file(
        "a",
        "engine: sh\n\"no\\u001b[31mred\": 1\nlock: \"x\\u001b]0;title\\a\"",
        "true",
    );
    let done = fixture.aq(&["add", &name]);
    assert_eq!(done.code, 1);
    assert!(
        !done.stderr.contains('\x1b') && !done.stderr.contains('\x07'),
        "{:?}",
        done.stderr
    );
}
