//! Scenarios that are refused before anything runs, each with its line, and what to write instead.

use std::path::Path;

use conformance::scenario::parse;

use crate::DRAIN;

#[test]
fn unknown_keys_are_refused_with_file_line_and_the_nearest_key() {
    let cases = [
        (
            DRAIN.replace("args", "arsg"),
            "inline.toml:5: unknown key `arsg`; did you mean `args`?",
        ),
        (
            format!("{DRAIN}stagse = {{}}\n"),
            "inline.toml:8: unknown key `stagse`; did you mean `stages`?",
        ),
        (
            format!("{DRAIN}[[job]]\nid = \"a\"\nbehaviour.engine = {{ duratoin = \"1s\" }}\n"),
            "inline.toml:10: unknown key `duratoin`; did you mean `duration`?",
        ),
        (
            format!("{DRAIN}[[job]]\nid = \"a\"\ndoes = {{ exit = 1 }}\n"),
            "inline.toml:10: unknown key `does`; did you mean `behaviour.engine`?",
        ),
        (
            format!("{DRAIN}[[job]]\nid = \"a\"\nbehaviour.ship = {{ takes = \"1s\" }}\n"),
            "inline.toml:10: unknown key `takes`; did you mean `duration`?",
        ),
        (
            format!("{DRAIN}[[step]]\nonce = {{ run = \"a\" }}\ndo = \"kill\"\n"),
            "inline.toml:9: unknown key `once`; did you mean `on`?",
        ),
        (
            format!("{DRAIN}[[step]]\non = {{ lapsed = \"a\" }}\ndo = \"kill\"\n"),
            "inline.toml:9: unknown key `lapsed`; did you mean `lease_expired`?",
        ),
    ];
    for (text, message) in cases {
        let error = parse::parse(&text, Path::new("inline.toml")).expect_err("it has an unknown key");
        assert_eq!(error.to_string(), message);
    }
}

#[test]
fn contradictions_are_refused_before_anything_runs() {
    let cases = [
        (DRAIN.replace("[\"F-1\"]", "[]"), "name at least one clause"),
        (format!("{DRAIN}exits = [0]\n"), "1 codes for 0 commands"),
        (format!("{DRAIN}order = [\"runs alpha\"]\n"), "is no event"),
        (
            format!("{DRAIN}output = [{{ step = 1, contains = \"x\" }}]\n"),
            "a step that begins a `command`",
        ),
        (
            format!("{DRAIN}[[job]]\nid = \"a\"\n[[job]]\nid = \"a\"\n"),
            "two jobs have the id `a`",
        ),
        (
            format!("{DRAIN}[[job]]\nid = \"a\"\nbehaviour.engine = {{ until = \"x\" }}\n"),
            "no step releases `x`",
        ),
        (
            format!("{DRAIN}[[job]]\nid = \"a\"\nplace = \"steps\"\n"),
            "no step writes `a`",
        ),
        (
            format!("{DRAIN}[[step]]\non = {{ run = \"a\" }}\ndo = {{ write = {{ job = \"a\" }} }}\n"),
            "there is no job `a` to write",
        ),
        (
            format!(
                "{}[[job]]\nid = \"a\"\nplace = \"inbox\"\n",
                DRAIN.replace("args", "queue = \"absent\"\nargs")
            ),
            "put into it before the runner starts",
        ),
        (
            DRAIN.replace("[expect]", "folders = [\"a/../../b\"]\n[expect]"),
            "`folders` names `a/../../b`, which leads out by `..`",
        ),
        (
            format!("{DRAIN}[[step]]\non = {{}}\ndo = \"kill\"\n"),
            "exactly one of",
        ),
        (
            format!("{DRAIN}[[step]]\non = {{ all = [\"run a\"], count = 2 }}\ndo = \"kill\"\n"),
            "exactly one of",
        ),
        (
            format!("{DRAIN}[[step]]\non = {{ all = [\"runs a\"] }}\ndo = \"kill\"\n"),
            "exactly one of",
        ),
        (
            format!("{DRAIN}[[step]]\non = {{ run = \"a\" }}\ndo = \"kill\"\nexit = 1\n"),
            "only a step with `command`",
        ),
    ];
    for (text, part) in cases {
        let error = parse::parse(&text, Path::new("inline.toml"))
            .expect_err(part)
            .to_string();
        assert!(error.contains(part), "{error}");
    }
}

/// Each with its line and its key: paths by every key that takes one, and every way out of a folder.
#[test]
fn a_path_that_leads_out_of_the_sandbox_is_refused_with_line_and_key() {
    let runner = |line: &str| (6, DRAIN.replace("deadline = \"2s\"\n", &format!("{line}\n")));
    let job = |lines: &str| (9, format!("{DRAIN}[[job]]\n{lines}\n"));
    let by = |key: &str, path: &str| match key {
        "files" => runner(&format!("files = {{ '{path}' = \"\" }}")),
        "file" => runner(&format!(
            "repeated = [{{ file = '{path}', line = \"x\", times = 1 }}]"
        )),
        "folders" => runner(&format!("folders = ['{path}']")),
        "engines" => runner(&format!("engines = ['{path}']")),
        "id" => job(&format!("id = '{path}'")),
        "writes" => job(&format!("behaviour.engine.writes = ['{path}']\nid = \"a\"")),
        key => panic!("{key}"),
    };
    for key in ["files", "file", "folders", "engines", "id", "writes"] {
        for path in ["/etc/x", "../x", "a/../../x", "", "a//x", "./x", "x/", ".."] {
            let (line, text) = by(key, path);
            refused(&text, line, key, path);
        }
        let (line, text) = by(key, "x");
        let nul = text.replace("'x'", "\"x\\u0000\"");
        refused(&nul, line, key, "x\\0");
    }
    for (key, name) in [
        ("id", "a/b"),
        ("writes", "a/b"),
        ("engines", "a b"),
        ("engines", "x;id"),
        ("engines", "$(id)"),
    ] {
        let (line, text) = by(key, name);
        refused(&text, line, key, name);
    }
    let words = ["/etc/x", "../x", "--queue=/x", "{queue}/../../x", "-q=../x"];
    for word in words {
        refused(&DRAIN.replace("--drain", word), 5, "args", word);
        let (line, text) = runner(&format!("then = [[\"add\", \"{word}\"]]"));
        refused(&text, line, "then", word);
        let step = format!("[[step]]\non = {{ run = \"a\" }}\ndo = {{ command = [\"add\", \"{word}\"] }}\n");
        refused(&format!("{DRAIN}{step}"), 10, "command", word);
    }
    for (name, value, told) in [
        ("AQ_FLEET_CA", "/etc/x", "/etc/x"),
        ("A", "../x", "../x"),
        ("AQ_QUEUE", "q", "AQ_QUEUE"),
        ("HOME", "", "HOME"),
        ("PATH", "x", "PATH"),
    ] {
        let (line, text) = runner(&format!("env = {{ {name} = \"{value}\" }}"));
        refused(&text, line, "env", told);
        refused(
            &format!("{DRAIN}connects_with = {{ {name} = \"{value}\" }}\n"),
            8,
            "connects_with",
            told,
        );
    }
}

fn refused(text: &str, line: usize, key: &str, path: &str) {
    let path_of_file = Path::new("inline.toml");
    let error = parse::parse(text, path_of_file).expect_err(text).to_string();
    let expected = format!("inline.toml:{line}: `{key}` names `{path}`, which ");
    assert!(error.starts_with(&expected), "{expected}\n{error}\n{text}");
}

#[test]
fn a_signal_that_can_not_be_ignored_is_refused() {
    let scenario = DRAIN.replace("[expect]", "ignores = [\"HUP\", \"KILL\"]\n[expect]");
    let refused = parse::parse(&scenario, Path::new("x.toml")).expect_err("nobody ignores SIGKILL");
    assert!(
        refused
            .to_string()
            .contains("`KILL` is no signal that can be ignored"),
        "{refused}"
    );
}
