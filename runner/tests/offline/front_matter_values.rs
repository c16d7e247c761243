//! What the author of a job meant by what YAML makes something else of.

use std::fs;

use crate::queue_fixture::QueueFixture;
use crate::started_command::CompletedCommand;

fn add(fixture: &QueueFixture, keys: &str) -> CompletedCommand {
    let file = fixture.file("a", &format!("engine: sh\n{keys}"), "pwd > $FIXTURE/where");
    fixture.aq(&["add", &file])
}

#[test]
fn a_value_that_a_comment_cuts_is_added_with_a_warning() {
    let commands = [
        ("ship: echo closes #12 and pushes", "`ship` is `echo closes`"),
        ("verify: make\t# all", "`verify` is `make`"),
        ("ship: echo one\n  two #3", "`ship` is `echo one two`"),
        ("cwd: /tmp #2", "`cwd` is `/tmp`"),
    ];
    for (keys, told) in commands {
        let fixture = QueueFixture::new();
        let done = add(&fixture, keys);
        assert_eq!(done.code, 0, "{keys}: {}", done.stderr);
        let is_told = done.stderr.contains(&format!("a.md:3: {told}")) && done.stderr.contains("in quotes");
        assert!(is_told, "{keys}: {}", done.stderr);
    }
    for keys in [
        "ship: 'echo closes #12'",
        "ship: \"echo #12\"",
        "ship: |\n  echo #12\n  # why",
        "ship: echo a#12",
        "ship: echo a\n# a remark",
        "priority: 3 # soon",
    ] {
        let fixture = QueueFixture::new();
        let done = add(&fixture, keys);
        assert!(
            done.code == 0 && !done.stderr.contains("a.md:"),
            "{keys}: {}",
            done.stderr
        );
    }
}

#[test]
fn a_command_that_yaml_can_not_read_is_refused_with_its_line_in_quotes() {
    for (keys, line) in [
        ("verify: echo a: b", "`verify: 'echo a: b'`"),
        (
            "ship: test 'x: y' = \"$Z\": z",
            "`ship: 'test ''x: y'' = \"$Z\": z'`",
        ),
        ("ship: @make", "`ship: '@make'`"),
        ("verify: !grep -q TODO file", "`verify: '!grep -q TODO file'`"),
        ("ship: !make", "`ship: '!make'`"),
    ] {
        let fixture = QueueFixture::new();
        let done = add(&fixture, keys);
        assert_eq!((done.code, fixture.stage("a").as_str()), (1, "nowhere"), "{keys}");
        assert!(done.stderr.contains(line), "{keys}: {}", done.stderr);
        let quoted = line.trim_matches('`');
        assert_eq!(add(&fixture, quoted).code, 0, "{quoted}");
    }
}

#[test]
fn a_name_that_looks_like_a_number_is_what_was_written() {
    for id in ["0x1F", "007", "1e3", "1_000", "12", "1.50"] {
        let fixture = QueueFixture::new();
        let keys = format!("engine: sh\nid: {id} # a name\nlock: {id}\ncaps: [{id}, x]");
        let file = fixture.file(id, &keys, "true");
        let done = fixture.aq(&["add", &file]);
        assert_eq!(done.code, 0, "{id}: {}", done.stderr);
        let shown = fixture.aq(&["show", id]).stdout;
        let is_shown = |line: &str| shown.lines().any(|found| found.trim() == line);
        assert!(is_shown(&format!("lock      {id}")), "{shown}");
        assert!(is_shown(&format!("caps      {id}, x")), "{shown}");
    }
}

#[test]
fn a_folder_that_begins_at_home_is_below_the_home_of_the_user() {
    let fixture = QueueFixture::new();
    let home = fixture.path("home");
    fs::create_dir_all(home.join("x")).unwrap();
    let variables = [("HOME", home.to_str().unwrap())];
    for (cwd, place) in [
        ("~/x", home.join("x")),
        ("\"~\"", home.clone()),
        ("~//x/", home.join("x")),
    ] {
        let file = fixture.file("a", &format!("engine: sh\ncwd: {cwd}"), "pwd > $FIXTURE/where");
        assert_eq!(fixture.aq_with(&variables, &["add", &file]).code, 0);
        let done = fixture.aq_with(&variables, &["run", "--drain"]);
        assert_eq!(fixture.stage("a"), "shipped", "{cwd}: {}", done.stderr);
        assert_eq!(fixture.lines("where"), [place.to_str().unwrap()], "{cwd}");
        assert_eq!(fixture.aq(&["prune", "a"]).code, 0);
    }
    for (cwd, variables) in [
        ("~other/x", variables),
        ("~/x", [("HOME", "")]),
        ("~/x", [("HOME", "here")]),
    ] {
        let file = fixture.file("a", &format!("engine: sh\ncwd: {cwd}"), "true");
        let done = fixture.aq_with(&variables, &["add", &file]);
        // A host may know the home of its user without the variable.
        let is_refused = done.code == 1 && done.stderr.contains("write the whole path");
        assert!(
            is_refused || variables[0].1.is_empty(),
            "{cwd} {variables:?}: {}",
            done.stderr
        );
    }
}

#[test]
fn a_script_that_was_saved_with_the_line_ends_of_another_system_runs() {
    let fixture = QueueFixture::new();
    let text = "---\r\nengine: sh\r\nverify: |\r\n  if true; then\r\n    true\r\n  fi\r\n---\r\nif true; then\r\n  printf %s ok > $FIXTURE/told\r\nfi\r\n";
    fs::write(fixture.path("work/a.md"), text).unwrap();
    assert_eq!(fixture.aq(&["add", "a.md"]).code, 0);
    let done = fixture.aq(&["run", "--drain"]);
    assert_eq!(fixture.stage("a"), "shipped", "{}", done.stderr);
    assert_eq!(fixture.lines("told"), ["ok"]);
    assert_eq!(fs::read_to_string(fixture.queue("shipped/a.md")).unwrap(), text);
}

#[test]
fn a_day_is_a_length_of_time() {
    for (length, shown) in [("1d", "1d00h"), ("1d12h", "1d12h"), ("90s", "1m30s")] {
        let fixture = QueueFixture::new();
        let done = add(&fixture, &format!("timeout: {length}"));
        assert_eq!(done.code, 0, "{}", done.stderr);
        let text = fixture.aq(&["show", "a"]).stdout;
        assert!(text.contains(&format!("timeout   {shown}")), "{text}");
    }
}

#[test]
fn a_short_key_is_another_word_after_two_edits_and_no_advice_is_to_skip_questions() {
    for key in [
        "tags", "foo", "title", "author", "date", "labels", "yoloo", "name",
    ] {
        let fixture = QueueFixture::new();
        let done = add(&fixture, &format!("{key}: x"));
        assert_eq!(done.code, 0, "{key}: {}", done.stderr);
        assert!(
            done.stderr
                .contains(&format!("a.md:3: `{key}` is no key of a job; it is ignored")),
            "{}",
            done.stderr
        );
    }
    for (key, meant) in [("capss", "caps"), ("lokc", "lock"), ("timeuot", "timeout")] {
        let fixture = QueueFixture::new();
        let done = add(&fixture, &format!("{key}: x"));
        assert!(
            done.code == 1 && done.stderr.contains(&format!("write `{meant}`")),
            "{}",
            done.stderr
        );
    }
}
