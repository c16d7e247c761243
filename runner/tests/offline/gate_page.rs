//! `fleet-shadow-report --html`: the page, where it goes, and what happens where it can't.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::PathBuf;

use crate::gate::over_two_days;
use crate::queue_fixture::QueueFixture;

/// A queue with a shadow log of 682 decisions that agree, and one that doesn't, of a job with a name that is markup.
fn observed() -> QueueFixture {
    let fixture = QueueFixture::new();
    fs::create_dir_all(fixture.queue(".state")).unwrap();
    let hostile = r#"{"ts":"2026-03-03T11:30:00Z","event":"comparison","decision":"x","localJob":"<script>a</script>","coordJob":null,"verdict":"COORD_EMPTY"}"#;
    let log = format!("{}{hostile}\n", over_two_days(682).text);
    fs::write(fixture.queue(".state/fleet-shadow.log"), log).unwrap();
    fixture
}

fn names(folder: PathBuf) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let mut names: Vec<String> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn the_page_shows_the_gate_also_without_being_asked_to_decide() {
    let fixture = observed();
    for (asked, code) in [
        (&["--gate"][..], 0),
        (&[], 0),
        (&["--gate", "--policy", "small-team"], 3),
    ] {
        let done = fixture.aq(&[&["fleet-shadow-report", "--html", "gate.html"], asked].concat());
        assert_eq!(done.code, code, "{}", done.stderr);
        assert!(done.stdout.contains("AGREE        682"), "{}", done.stdout);
        assert_eq!(done.stdout.contains("RULE"), !asked.is_empty(), "{}", done.stdout);
        let page = fs::read_to_string(fixture.path("work/gate.html")).unwrap();
        let sentence = match code {
            0 => "The coordinator may take over: 682 of 683 decisions agree",
            _ => "Not yet: it takes about 2 more days",
        };
        assert!(page.contains(sentence), "{page}");
        assert!(!page.contains("<script"), "{page}");
    }
    assert_eq!(names(fixture.path("work")), ["gate.html"]);
    let mode = fs::metadata(fixture.path("work/gate.html"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o644, "as any new file, with this umask");
}

#[test]
fn a_dash_is_standard_output_and_nothing_else_goes_there() {
    let fixture = observed();
    let done = fixture.aq(&["fleet-shadow-report", "--html", "-"]);
    assert_eq!(done.code, 0, "{}", done.stderr);
    assert!(done.stdout.starts_with("<!doctype html>"), "{}", done.stdout);
    assert!(done.stdout.trim_end().ends_with("</html>"), "{}", done.stdout);
    assert_eq!(names(fixture.path("work")), [""; 0]);
    let refused = fixture.aq(&["fleet-shadow-report", "--html", "-", "--json"]);
    assert_eq!(refused.code, 2, "{}", refused.stderr);
}

#[test]
fn without_a_log_the_page_says_so() {
    let fixture = QueueFixture::new();
    let done = fixture.aq(&["fleet-shadow-report", "--html", "gate.html"]);
    assert_eq!(done.code, 0, "{}", done.stderr);
    let page = fs::read_to_string(fixture.path("work/gate.html")).unwrap();
    for words in [
        "no shadow log yet: ",
        "Not yet: it takes",
        "Policy <code>strict</code>",
    ] {
        let words = words.replace("it takes", "evidence");
        assert!(page.contains(&words), "{words}\n{page}");
    }
}

#[test]
fn a_page_that_can_not_be_written_is_an_error_and_leaves_what_was_there() {
    let fixture = observed();
    let page = |name: &str| fixture.aq(&["fleet-shadow-report", "--gate", "--html", name]);
    fs::create_dir(fixture.path("work/folder")).unwrap();
    symlink("/proc/self/nothing", fixture.path("work/away")).unwrap();
    for name in [
        "none/gate.html",
        "folder",
        "away/gate.html",
        "/proc/gate.html",
        "/dev/full",
    ] {
        let done = page(name);
        assert_eq!(done.code, 1, "{name}: {}", done.stderr);
        assert!(
            done.stderr.contains(&format!("aq: can't write {name}: ")),
            "{}",
            done.stderr
        );
        assert_eq!(done.stdout, "", "{name}");
    }
    let log = fixture.queue(".state/fleet-shadow.log");
    let before = fs::read(&log).unwrap();
    let done = page(log.to_str().unwrap());
    assert_eq!(done.code, 1);
    assert!(done.stderr.contains("it is one of the logs"), "{}", done.stderr);
    assert_eq!(fs::read(&log).unwrap(), before);
    assert_eq!(names(fixture.path("work")), ["away", "folder"]);
}

#[test]
fn a_page_replaces_the_file_that_a_link_leads_to_and_keeps_its_mode() {
    let fixture = observed();
    let place = fixture.path("place.html");
    fs::write(&place, "old").unwrap();
    fs::set_permissions(&place, fs::Permissions::from_mode(0o640)).unwrap();
    symlink(&place, fixture.path("work/gate.html")).unwrap();
    let done = fixture.aq(&["fleet-shadow-report", "--html", "gate.html"]);
    assert_eq!(done.code, 0, "{}", done.stderr);
    assert!(
        fixture
            .path("work/gate.html")
            .symlink_metadata()
            .unwrap()
            .is_symlink()
    );
    assert!(fs::read_to_string(&place).unwrap().starts_with("<!doctype html>"));
    assert_eq!(fs::metadata(&place).unwrap().permissions().mode() & 0o777, 0o640);
}
