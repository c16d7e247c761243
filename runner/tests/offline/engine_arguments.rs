//! `args` of an engine of one's own: what stands for what, and what is refused.

use std::fs;

use crate::queue_fixture::QueueFixture;

/// A queue with an engine that notes its words, one a line between brackets.
fn fixture(table: &str) -> QueueFixture {
    let fixture = QueueFixture::new();
    fixture.engine("mine", "printf '[%s]\\n' \"$@\" > $FIXTURE/$AQ_JOB_ID.words");
    assert_eq!(fixture.aq(&["init"]).code, 0);
    fs::write(
        fixture.queue("aq.toml"),
        format!("[engine.mine]\ncommand = \"mine\"\n{table}\n"),
    )
    .unwrap();
    fixture
}

/// The words that the engine got for this body.
fn words(fixture: &QueueFixture, id: &str, body: &str) -> String {
    let file = fixture.file(id, "engine: mine\ncwd: /tmp", body);
    let added = fixture.aq(&["add", &file]);
    assert_eq!(added.code, 0, "{}", added.stderr);
    let done = fixture.aq(&["run", "--drain"]);
    assert_eq!(fixture.stage(id), "shipped", "{}", done.stderr);
    fixture.lines(&format!("{id}.words")).join("\n")
}

#[test]
fn a_placeholder_counts_inside_a_word() {
    let fixture = fixture(
        "args = [\"--file={prompt_file}\", \"--at={cwd}:{cwd}\", \"-m{prompt}.\", \"{\\\"a\\\": {}}\", \"{{prompt}}\"]",
    );
    let told = words(&fixture, "a", "do it");
    let prompt = fixture.queue(".state/jobs/a/attempt-1/prompt.md");
    let file = prompt.to_str().unwrap();
    assert_eq!(
        told,
        format!("[--file={file}]\n[--at=/tmp:/tmp]\n[-mdo it\n.]\n[{{\"a\": {{}}}}]\n[{{prompt}}]")
    );
}

#[test]
fn a_placeholder_that_nobody_knows_is_refused_before_anything_runs() {
    for (table, told) in [
        ("args = [\"{promptfile}\"]", "{promptfile}"),
        ("args = [\"--file={prompt-file}\"]", "{prompt-file}"),
        ("args = [\"-x{yolo}\"]\nyolo = [\"-y\"]", "whole words"),
        (
            "args = [\"{yolo}\"]\nyolo = [\"--at={cwd}\"]",
            "`yolo` holds {cwd}",
        ),
        ("version = [\"{prompt}\"]", "`version` holds {prompt}"),
    ] {
        let fixture = fixture(table);
        let file = fixture.file("a", "engine: mine", "true");
        let done = fixture.aq(&["add", &file]);
        assert_eq!(
            (done.code, fixture.stage("a").as_str()),
            (2, "nowhere"),
            "{table}: {}",
            done.stderr
        );
        assert!(
            done.stderr.contains("[engine.mine]") && done.stderr.contains(told),
            "{table}: {}",
            done.stderr
        );
    }
}

#[test]
fn a_prompt_is_never_an_option() {
    let fixture = fixture("args = [\"{prompt}\", \"--text={prompt}\"]\nstdin = \"nothing\"");
    let told = words(&fixture, "a", "--version");
    assert_eq!(told, "[\n--version\n]\n[--text=--version\n]");
    assert_eq!(
        words(&fixture, "b", "- one\n- two"),
        "[\n- one\n- two\n]\n[--text=- one\n- two\n]"
    );
    // What is no option stays as it is.
    assert_eq!(words(&fixture, "c", "say -x"), "[say -x\n]\n[--text=say -x\n]");
}

#[test]
fn the_switch_before_a_placeholder_is_looked_for_in_the_help() {
    let fixture = fixture("args = [\"ask\", \"--file={prompt_file}\"]\nversion = []");
    fixture.engine("mine", "test \"$1 $2\" = 'ask --help' && echo ' --other '");
    let examined = fixture.aq(&["doctor"]).stdout;
    assert!(examined.contains("no longer names --file"), "{examined}");
}
