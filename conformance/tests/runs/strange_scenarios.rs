//! A scenario that a stranger wrote: nothing outside of the sandbox is written by the harness, whatever it names.

use std::fs;

use crate::test_bench::{PASS, TestBench};

/// What a runner has to do before it starts an engine.
const UNSET: &str = "unset AQ_FLEET_TOKEN AQ_FLEET_URL AQ_FLEET_TIMEOUT AQ_FLEET_DRAIN\n";

/// A scenario with more lines in `[runner]`, and more tables.
fn scenario(bench: &TestBench, runner: &str, tables: &str) {
    bench.scenario("a/strange", "F-1", &format!("{PASS}{tables}"));
    let path = bench.path("scenarios/a/strange.toml");
    let text = fs::read_to_string(&path).expect("a scenario");
    let text = text.replace("args = [\"run\"]\n", &format!("args = [\"run\"]\n{runner}\n"));
    fs::write(path, text).expect("a scenario");
}

/// Sandboxes are made beside the bench, so a path out of one can lead into it.
fn beside(bench: &TestBench) -> String {
    let name = bench.folder.path().file_name().expect("a name");
    format!("../../{}/outside", name.to_string_lossy())
}

#[test]
fn nothing_is_laid_outside_of_the_sandbox_and_the_file_line_and_key_are_told() {
    let bench = TestBench::new("exit 0", &[], "");
    let absolute = bench.path("outside");
    let absolute = absolute.to_string_lossy();
    let out = beside(&bench);
    let cases = [
        ("files", format!("files = {{ \"{absolute}\" = \"x\" }}")),
        ("files", format!("files = {{ \"{out}\" = \"x\" }}")),
        (
            "file",
            format!("repeated = [{{ file = \"{absolute}\", line = \"x\", times = 2 }}]"),
        ),
        ("folders", format!("folders = [\"{out}\"]")),
        ("engines", format!("engines = [\"{out}\"]")),
    ];
    for (key, line) in cases {
        scenario(&bench, &line, "");
        let (code, output, errors) = bench.run(&["run", "a/strange"]);
        assert!(!bench.path("outside").exists(), "{line}");
        assert_eq!(code, Some(3), "{output}{errors}");
        assert!(
            output.contains(&format!("strange.toml:5: `{key}` names")),
            "{output}"
        );
    }
    scenario(
        &bench,
        "",
        &format!("[[job]]\nid = \"{out}\"\nplace = \"aside\"\n"),
    );
    let (code, output, errors) = bench.run(&["run", "a/strange"]);
    assert!(!bench.path("outside.md").exists());
    assert_eq!(code, Some(3), "{output}{errors}");
}

/// The runner starts the job's fake engine in the folder of the bench, or where a link leads there.
#[test]
fn a_fake_engine_writes_nothing_outside_of_the_sandbox() {
    let tables = "[[job]]\nid = \"a\"\nplace = \"aside\"\nbehaviour.engine = { writes = [\"outside\"] }\n";
    for place in [
        "cd \"$(dirname \"$0\")\"",
        "ln -s \"$(dirname \"$0\")/outside\" outside",
    ] {
        let runner =
            format!("{UNSET}if [ \"$1\" = run ]; then {place}; printf 'fake-engine: a\\n' | devin; fi");
        let bench = TestBench::new(&runner, &[], "");
        scenario(&bench, "", tables);
        let (code, output, errors) = bench.run(&["run", "a/strange"]);
        assert!(!bench.path("outside").exists(), "{place}\n{output}{errors}");
        assert_eq!(code, Some(1), "{output}{errors}");
    }
    let inside = "if [ \"$1\" = run ]; then printf 'fake-engine: a\\n' | devin && [ -e outside ]; fi";
    let bench = TestBench::new(&format!("{UNSET}{inside}"), &[], "");
    scenario(&bench, "", tables);
    let (code, output, errors) = bench.run(&["run", "a/strange"]);
    assert_eq!(code, Some(0), "{output}{errors}");
}

#[test]
fn what_a_scenario_is_called_gives_no_orders_to_a_terminal() {
    let bench = TestBench::new(
        "exit 0",
        &[("a/title", PASS), ("a/key", PASS), ("a/\u{1b}[2Jid", PASS)],
        "",
    );
    for (id, with) in [
        ("a/title", "title = \"\\u001b]0;x\\u0007\""),
        ("a/key", "title = \"t\"\n\"\\u001b[2J\" = 1"),
    ] {
        let path = bench.path(&format!("scenarios/{id}.toml"));
        let text = fs::read_to_string(&path).expect("a scenario");
        fs::write(path, text.replace("title = \"t\"", with)).expect("a scenario");
    }
    for arguments in [
        &["list", "--scenarios", "scenarios"][..],
        &["run", "--scenarios", "scenarios", "--profile", "profile.toml"],
    ] {
        let (code, output, errors) = bench.alone(arguments);
        let raw = |character: char| character.is_control() && !"\n\t".contains(character);
        assert!(
            !format!("{output}{errors}").contains(raw),
            "{output:?}\n{errors:?}"
        );
        assert_eq!(code, Some(3), "the key is refused\n{output}{errors}");
        assert!(output.contains("a/title"), "{output}");
    }
}
