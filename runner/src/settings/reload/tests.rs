//! A file that changes while a run goes on.

use std::fs;

use super::*;
use crate::mode::Mode;
use crate::settings::setting_value::SettingOrigin;

fn reload(folder: &std::path::Path, variables: &[(&str, &str)]) -> SettingsReloader {
    let environment: ProcessEnvironment = [("AQ_FLEET_URL", "http://127.0.0.1:9")]
        .iter()
        .chain(variables)
        .map(|(name, value)| ((*name).into(), (*value).into()))
        .collect();
    let queue = SettingValue {
        value: folder.to_owned(),
        origin: SettingOrigin::Default,
    };
    let file = ConfigFile::read(folder).unwrap();
    let flags = GlobalFlags::default();
    let sources = SettingSources::of_caller(&flags, &environment, &file);
    let settings = Settings::resolve_from(&sources, queue).unwrap();
    SettingsReloader::within(&settings, environment)
}

fn mode(outcome: ReloadOutcome) -> (Mode, Vec<String>) {
    match outcome {
        ReloadOutcome::Changed {
            settings,
            without_effect,
        } => (settings.mode, without_effect),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_change_is_told_once() {
    let folder = tempfile::tempdir().unwrap();
    let mut reload = reload(folder.path(), &[]);
    assert_eq!(mode(reload.read()), (Mode::Offline, vec![]));
    assert!(matches!(reload.read(), ReloadOutcome::Unchanged));
    fs::write(folder.path().join("aq.toml"), "[fleet]\nenabled = true\n").unwrap();
    assert_eq!(mode(reload.read()), (Mode::Local, vec![]));
    assert!(matches!(reload.read(), ReloadOutcome::Unchanged));
    fs::remove_file(folder.path().join("aq.toml")).unwrap();
    assert_eq!(mode(reload.read()), (Mode::Offline, vec![]));
}

#[test]
fn what_hides_a_change_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let mut reload = reload(folder.path(), &[("AQ_FLEET", "0")]);
    reload.read();
    let text = "[fleet]\nenabled = true\nshadow = true\n";
    fs::write(folder.path().join("aq.toml"), text).unwrap();
    let (mode, hidden) = mode(reload.read());
    assert_eq!((mode, hidden.len()), (Mode::Offline, 1));
    assert!(
        hidden[0].contains("`enabled`") && hidden[0].contains("AQ_FLEET says 0"),
        "{hidden:?}"
    );
}

#[test]
fn what_is_hidden_since_the_start_or_has_not_changed_is_not_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("aq.toml");
    fs::write(&path, "[fleet]\nenabled = true\n").unwrap();
    let mut reload = reload(folder.path(), &[("AQ_FLEET", "0")]);
    assert_eq!(mode(reload.read()), (Mode::Offline, vec![]));
    fs::write(&path, "# \n[fleet]\nenabled = true\n").unwrap();
    assert_eq!(mode(reload.read()), (Mode::Offline, vec![]));
}

#[test]
fn all_but_the_switches_counts_as_it_was_at_the_start_and_each_change_is_told_once() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("aq.toml");
    let text = |url: &str, more: &str| format!("{more}\n[fleet]\nenabled = true\nurl = \"{url}\"\n");
    fs::write(&path, text("http://127.0.0.1:1", "")).unwrap();
    let mut reload = reload(folder.path(), &[("AQ_FLEET_URL", "")]);
    reload.read();
    let urls = ["http://127.0.0.1:2", "http://127.0.0.1:3", "http://127.0.0.1:1"];
    let mut look = |text: String| {
        fs::write(&path, text).unwrap();
        match reload.read() {
            ReloadOutcome::Changed {
                settings,
                without_effect,
            } => (
                settings.fleet.url.unwrap().value.port(),
                without_effect.join("\n"),
            ),
            other => panic!("{other:?}"),
        }
    };
    for url in &urls[..2] {
        let (port, message) = look(text(url, ""));
        assert_eq!(
            (port, message.matches("`fleet.url` changed").count()),
            (Some(1), 1),
            "{message}"
        );
    }
    assert_eq!(look(text(urls[1], "# nothing")), (Some(1), String::new()));
    assert_eq!(
        look(text(urls[2], "")),
        (Some(1), String::new()),
        "it is what it was"
    );
    let more = "grace = \"1s\"\n[engine.mine]\ncommand = \"x\"\n[route]\nallow_yolo = true";
    let (_, message) = look(text(urls[2], more));
    assert!(
        message.contains("`engine.mine`, `grace`, `route.allow_yolo` changed"),
        "{message}"
    );
}

#[test]
fn who_started_without_an_address_is_told_that_one_counts_from_the_next_start() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("aq.toml");
    let mut reload = reload(folder.path(), &[("AQ_FLEET_URL", "")]);
    reload.read();
    fs::write(&path, "[fleet]\nenabled = true\nurl = \"http://127.0.0.1:2\"\n").unwrap();
    let message = match reload.read() {
        ReloadOutcome::Invalid(message) => message,
        other => panic!("{other:?}"),
    };
    assert!(
        message.contains("no coordinator is named") && message.contains("`fleet.url` changed"),
        "{message}"
    );
    assert!(message.contains("next start"), "{message}");
}

#[test]
fn a_bad_value_is_told_once_and_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("aq.toml");
    fs::write(&path, "[fleet]\nenabled = true\n").unwrap();
    let mut reload = reload(folder.path(), &[]);
    reload.read();
    fs::write(&path, "[fleet]\nenabled = \"perhaps\"\n").unwrap();
    match reload.read() {
        ReloadOutcome::Invalid(problem) => assert!(problem.contains("perhaps"), "{problem}"),
        other => panic!("{other:?}"),
    }
    assert!(matches!(reload.read(), ReloadOutcome::Unchanged));
    fs::write(&path, "[fleet]\nenabled = true\nshadow = true\n").unwrap();
    assert_eq!(mode(reload.read()).0, Mode::Shadow);
}

#[test]
fn a_file_that_can_not_be_read_any_more_is_told_once_and_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("aq.toml");
    let text = "[fleet]\nenabled = true\n";
    fs::write(&path, text).unwrap();
    let mut reload = reload(folder.path(), &[]);
    reload.read();
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    assert!(matches!(reload.read(), ReloadOutcome::Invalid(problem) if problem.contains("aq.toml")));
    for _ in 0..3 {
        assert!(matches!(reload.read(), ReloadOutcome::Unchanged));
    }
    fs::remove_dir(&path).unwrap();
    fs::write(&path, text).unwrap();
    assert_eq!(mode(reload.read()), (Mode::Local, vec![]));
}

#[test]
fn a_file_that_is_just_being_written_is_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("aq.toml");
    fs::write(&path, "[fleet]\nenabled = true\n").unwrap();
    let mut reload = reload(folder.path(), &[]);
    reload.read();
    fs::write(&path, "").unwrap();
    assert!(matches!(reload.read(), ReloadOutcome::BeingWritten));
    let long_ago = SystemTime::now() - 2 * EMPTY_FILE_WAIT_MAX;
    fs::File::open(&path).unwrap().set_modified(long_ago).unwrap();
    assert_eq!(mode(reload.read()).0, Mode::Offline);
}

#[test]
fn route_is_turned_off_by_the_file_unless_a_variable_hides_that() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("aq.toml");
    let on = "[fleet]\nenabled = true\nshadow = true\nroute_via_service = true # here\n";
    fs::write(&path, on).unwrap();
    let mut by_file = reload(folder.path(), &[]);
    assert_eq!(mode(by_file.read()).0, Mode::Route);
    let RouteOffOutcome::ByFile { text, off } = by_file.turn_route_off().unwrap() else {
        panic!("the file decides");
    };
    assert_eq!(
        (text.as_str(), off),
        (on, on.replace("true # here", "false # here"))
    );
    assert!(matches!(by_file.read(), ReloadOutcome::Unchanged));

    let mut hidden = reload(folder.path(), &[("AQ_FLEET_ROUTE", "1")]);
    assert_eq!(mode(hidden.read()).0, Mode::Route);
    match hidden.turn_route_off().unwrap() {
        RouteOffOutcome::ForThisRun { hidden_by } => assert_eq!(hidden_by, "AQ_FLEET_ROUTE"),
        other => panic!("{other:?}"),
    }
    assert_eq!(mode(hidden.read()), (Mode::Shadow, vec![]));
    fs::write(&path, "[fleet]\nenabled = true\n").unwrap();
    let (later, told) = mode(hidden.read());
    assert!(
        later == Mode::Local && told[0].contains("for its life"),
        "{told:?}"
    );
    fs::write(&path, on).unwrap();
    assert_eq!(mode(hidden.read()).0, Mode::Shadow, "nothing turns it on again");
}

#[test]
fn a_file_that_says_off_already_needs_no_change() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("aq.toml");
    fs::write(&path, "[fleet]\nenabled = true\nroute_via_service = true\n").unwrap();
    let mut reload = reload(folder.path(), &[]);
    reload.read();
    fs::write(&path, "[fleet]\nenabled = true\nroute_via_service = false\n").unwrap();
    assert!(matches!(reload.turn_route_off().unwrap(), RouteOffOutcome::Found));
    fs::write(&path, "[fleet\n").unwrap();
    assert!(reload.turn_route_off().is_err());
}
