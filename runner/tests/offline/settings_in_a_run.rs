//! Settings that change while a run goes on, or that others can write (F-11, O-19).

use std::fs;
use std::os::unix::fs::{chown, symlink};

use rustix::process::geteuid;
use serde_json::{Value, json};

use crate::coordinator::Coordinator;
use crate::queue_fixture::QueueFixture;
use crate::queue_ownership::set_mode;

/// Has no job, and answers everything.
pub fn coordinator() -> Coordinator {
    Coordinator::with(Value::Null, |path, _| match path {
        "/v1/claims" => Some((204, Value::Null)),
        _ => Some((200, json!({"job": null, "dryRun": true}))),
    })
}

pub fn fleet(url: &str, enabled: bool, shadow: bool, route: bool) -> String {
    format!(
        "[fleet]\nurl = \"{url}\"\nenabled = {enabled}\nshadow = {shadow}\nroute_via_service = {route}\ntimeout = \"2s\"\n"
    )
}

#[test]
fn a_job_that_writes_another_address_into_the_settings_leads_no_call_there() {
    // The switches at the start, and as the two jobs have them that write another address.
    let off = [false, false, false];
    let shadow = [true, true, false];
    let route = [true, false, true];
    for switches in [[shadow, off, shadow], [off, off, shadow], [shadow, shadow, route]] {
        let fixture = QueueFixture::new();
        let (own, thief) = (coordinator(), coordinator());
        let text = |url: &str, [enabled, shadow, route]: [bool; 3]| fleet(url, enabled, shadow, route);
        for (number, switches) in switches.into_iter().enumerate().skip(1) {
            fs::write(
                fixture.path(&format!("{number}.toml")),
                text(&thief.url, switches),
            )
            .unwrap();
            let write =
                format!("cp $FIXTURE/{number}.toml $AQ_QUEUE/new && mv $AQ_QUEUE/new $AQ_QUEUE/aq.toml");
            fixture.add(&format!("a{number}"), "", &write);
        }
        fixture.add("b", "", "true");
        fs::write(fixture.queue("aq.toml"), text(&own.url, switches[0])).unwrap();
        let done = fixture.aq(&["run", "--drain"]);
        assert_eq!(done.code, 0, "{}", done.stderr);
        assert_eq!(thief.late(), None, "{switches:?}");
        own.next();
        let told = done.stderr.matches("`fleet.url` changed").count();
        assert_eq!(told, 1, "{}", done.stderr);
    }
}

#[test]
fn what_a_job_allows_the_coordinator_or_an_engine_counts_from_the_next_start() {
    let fixture = QueueFixture::new();
    let job = json!({"id": "theirs", "engine": "sh", "body": "echo >> $FIXTURE/runs"});
    let coordinator = Coordinator::with(job, |_, _| None);
    fixture.engine("other", "echo >> $FIXTURE/others");
    let more = format!(
        "{}[route]\nallow_engines = [\"sh\"]\n[engine.devin]\ncommand = \"other\"\n",
        fleet(&coordinator.url, true, false, true)
    );
    fs::write(fixture.path("more.toml"), more).unwrap();
    fixture.add(
        "a",
        "",
        "cp $FIXTURE/more.toml $AQ_QUEUE/new && mv $AQ_QUEUE/new $AQ_QUEUE/aq.toml",
    );
    fs::write(
        fixture.queue("aq.toml"),
        fleet(&coordinator.url, false, false, false),
    )
    .unwrap();
    let done = fixture.aq(&["run", "--drain"]);
    assert_eq!(done.code, 0, "{}", done.stderr);
    assert!(done.stderr.contains("engine_not_allowed"), "{}", done.stderr);
    assert!(
        done.stderr
            .contains("`engine.devin`, `route.allow_engines` changed"),
        "{}",
        done.stderr
    );
    assert_eq!(
        (fixture.lines("runs").len(), fixture.lines("others").len()),
        (0, 0)
    );
}

#[test]
fn who_started_without_an_address_turns_to_the_fleet_by_a_restart_and_is_told() {
    let fixture = QueueFixture::new();
    let coordinator = coordinator();
    fs::write(
        fixture.path("on.toml"),
        fleet(&coordinator.url, true, true, false),
    )
    .unwrap();
    fixture.add(
        "a",
        "",
        "cp $FIXTURE/on.toml $AQ_QUEUE/new && mv $AQ_QUEUE/new $AQ_QUEUE/aq.toml",
    );
    fixture.add("b", "", "true");
    let done = fixture.aq(&["run", "--drain"]);
    assert_eq!((done.code, coordinator.late()), (0, None), "{}", done.stderr);
    assert!(
        done.stderr.contains("no coordinator is named") && done.stderr.contains("from the next start"),
        "{}",
        done.stderr
    );
    fixture.add("c", "", "true");
    assert_eq!(fixture.aq(&["run", "--drain"]).code, 0);
    coordinator.next();
}

#[test]
fn settings_that_others_can_write_or_that_are_a_link_stop_every_command() {
    let fixture = QueueFixture::new();
    fixture.add("a", "", "true");
    let path = fixture.queue("aq.toml");
    fs::write(&path, "grace = \"1s\"\n").unwrap();
    for unsafe_mode in [0o666, 0o602, 0o777] {
        set_mode(&path, unsafe_mode);
        for command in [&["run", "--drain"][..], &["list"], &["fleet-status"]] {
            let refused = fixture.aq(command);
            let advice = format!("`chmod go-w {}`", path.display());
            assert!(
                refused.code == 2 && refused.stderr.contains(&advice),
                "{unsafe_mode:o} {command:?}: {refused:?}"
            );
        }
    }
    set_mode(&path, 0o644);
    if chown(&path, Some(geteuid().as_raw() + 4321), None).is_ok() {
        let refused = fixture.aq(&["run", "--drain"]);
        assert!(
            refused.code == 2
                && refused.stderr.contains("it belongs to uid")
                && refused.stderr.contains("`chown "),
            "{refused:?}"
        );
    }
    fs::rename(&path, fixture.path("elsewhere.toml")).unwrap();
    symlink(fixture.path("elsewhere.toml"), &path).unwrap();
    let refused = fixture.aq(&["run", "--drain"]);
    assert!(
        refused.code == 2 && refused.stderr.contains("it is a link"),
        "{refused:?}"
    );
    assert_eq!(fixture.stage("a"), "inbox");
    fs::remove_file(&path).unwrap();
    assert_eq!(fixture.aq(&["run", "--drain"]).code, 0);
}

#[test]
fn settings_that_become_writable_for_others_during_a_run_are_warned_of_and_not_followed() {
    for damage in [
        "chmod 666 $AQ_QUEUE/aq.toml",
        "mv $AQ_QUEUE/aq.toml $FIXTURE/on && ln -s $FIXTURE/on $AQ_QUEUE/aq.toml",
    ] {
        let fixture = QueueFixture::new();
        let coordinator = coordinator();
        let write = format!("cat $FIXTURE/on.toml > $AQ_QUEUE/aq.toml; {damage}");
        fixture.add("a", "", &write);
        fixture.add("b", "", "true");
        fs::write(
            fixture.path("on.toml"),
            fleet(&coordinator.url, true, true, false),
        )
        .unwrap();
        fs::write(
            fixture.queue("aq.toml"),
            fleet(&coordinator.url, false, true, false),
        )
        .unwrap();
        let done = fixture.aq(&["run", "--drain"]);
        assert_eq!(
            (done.code, fixture.stage("b").as_str()),
            (0, "shipped"),
            "{}",
            done.stderr
        );
        assert!(
            done.stderr.contains("until then all stays as it was"),
            "{}",
            done.stderr
        );
    }
}
