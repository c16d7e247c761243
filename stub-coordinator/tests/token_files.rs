//! Tokens that stand in no command line: in a file or in the environment, for the stub and for who speaks to it.

mod common;

use std::fs::{Permissions, set_permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use common::program::*;

/// A file with a token that its owner alone can read.
fn token(folder: &Path, name: &str, text: &str) -> String {
    let path = write(folder, name, text);
    set_permissions(&path, Permissions::from_mode(0o600)).expect("it is ours");
    path
}

/// How a request that needs a token is answered.
fn jobs_for(stub: &Running, token: &str) -> String {
    let answer = stub.send(
        "GET",
        "/v1/jobs",
        &format!("authorization: Bearer {token}\r\n"),
        "",
    );
    answer.split(' ').nth(1).expect("a status").to_owned()
}

#[test]
fn a_token_from_a_file_is_known_with_its_scopes_and_serves_both_sides() {
    let folder = tempfile::tempdir().expect("a folder");
    let root = token(folder.path(), "root", "open-sesame\n");
    let watcher = token(folder.path(), "watcher", "  only-look\n");
    let stub = start(&[
        "--token-file",
        &root,
        "--token-file",
        &format!("{watcher}:shadow"),
    ]);
    assert_eq!(jobs_for(&stub, "open-sesame"), "200");
    assert_eq!(jobs_for(&stub, "only-look"), "200");
    assert_eq!(jobs_for(&stub, "else"), "401");
    let (fine, said) = told(&stub, &["counters", "--token-file", &root, "--json"]);
    assert!(fine && said.starts_with('{'), "without a warning: {said}");
    let (fine, said) = told(&stub, &["counters", "--token-file", &watcher]);
    assert!(!fine && said.contains("admin"), "{said}");
    let (_, errors) = stub.interrupt();
    assert!(!errors.contains("token"), "{errors}");
}

#[test]
fn a_token_of_the_environment_serves_both_sides_and_a_flag_goes_before_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = token(folder.path(), "filed", "filed");
    let mut closed = command(&[]);
    closed.env("STUB_TOKEN", "typed");
    let closed = start_by(closed);
    assert_eq!(
        (&*jobs_for(&closed, "typed"), &*jobs_for(&closed, "")),
        ("200", "401")
    );
    let mut filed = command(&["--token-file", &file]);
    filed.env("STUB_TOKEN", "typed");
    let filed = start_by(filed);
    assert_eq!(
        (&*jobs_for(&filed, "typed"), &*jobs_for(&filed, "filed")),
        ("401", "200")
    );
    let asked = |stub: &Running, more: &[&str]| {
        let url = format!("http://{}", stub.address());
        let mut asked = command(&[&["counters", "--url", &url], more].concat());
        asked
            .env("STUB_TOKEN", "typed")
            .output()
            .expect("it runs")
            .status
            .success()
    };
    assert!(asked(&closed, &[]) && !asked(&filed, &[]));
    assert!(asked(&filed, &["--token-file", &file]));
}

#[test]
fn a_token_in_a_command_line_works_and_is_warned_of() {
    let stub = start(&["--token", "open-sesame"]);
    let (fine, said) = told(&stub, &["counters", "--token", "open-sesame"]);
    assert!(
        fine && said.contains("`ps`; use --token-file or STUB_TOKEN instead"),
        "{said}"
    );
    let (_, errors) = stub.interrupt();
    assert!(
        errors.contains("`ps`; use --token-file or STUB_TOKEN instead"),
        "{errors}"
    );
    assert!(!errors.contains("sesame"), "{errors}");
}

#[test]
fn a_file_that_others_can_read_is_warned_of() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = write(folder.path(), "token", "open-sesame");
    set_permissions(&file, Permissions::from_mode(0o640)).expect("it is ours");
    let warning = format!("others can read the token file {file}: `chmod 600 {file}` keeps it to its owner");
    let stub = start(&["--token-file", &file]);
    let (fine, said) = told(&stub, &["counters", "--token-file", &file]);
    assert!(fine && said.contains(&warning), "{said}");
    let (_, errors) = stub.interrupt();
    assert!(errors.contains(&warning), "{errors}");
}

#[test]
fn a_file_without_a_token_keeps_the_stub_from_starting_instead_of_leaving_it_open() {
    let folder = tempfile::tempdir().expect("a folder");
    let empty = token(folder.path(), "empty", "\n");
    let two = token(folder.path(), "two", "one\ntwo\n");
    let missing = folder.path().join("missing").display().to_string();
    for (file, why) in [
        (&empty, "it is empty"),
        (&two, "one token on one line"),
        (&missing, "can't read the token file"),
    ] {
        let said = refusal(&["--token-file", file]);
        assert!(said.contains(why) && said.contains(file.as_str()), "{said}");
        let output = run(&["counters", "--token-file", file]);
        assert!(
            !output.status.success() && all_of(&output).contains(why),
            "{output:?}"
        );
    }
}
