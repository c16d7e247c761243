//! Precedence, origin and refusal of the settings, seen from `Settings::resolve_in`.

mod coordinator_access;

use std::fs;
use std::path::Path;
use std::time::Duration;

use tempfile::TempDir;

use super::setting_value::SettingOrigin;
use super::{GlobalFlags, ProcessEnvironment, Settings, SettingsError};
use crate::mode::{Mode, SwitchState};

/// A queue folder with an `aq.toml`, and an environment that names the folder.
struct SettingsFixture {
    folder: TempDir,
    environment: ProcessEnvironment,
    flags: GlobalFlags,
}

impl SettingsFixture {
    fn new(toml: &str) -> SettingsFixture {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("aq.toml"), toml).unwrap();
        let mut environment = ProcessEnvironment::new();
        environment.insert("AQ_QUEUE".into(), folder.path().into());
        SettingsFixture {
            folder,
            environment,
            flags: GlobalFlags::default(),
        }
    }

    fn set(mut self, name: &str, value: &str) -> SettingsFixture {
        self.environment.insert(name.into(), value.into());
        self
    }

    fn resolve(&self) -> Result<Settings, SettingsError> {
        Settings::resolve_in(&self.flags, &self.environment)
    }

    fn ok(&self) -> Settings {
        self.resolve().unwrap()
    }

    fn refusal(&self) -> String {
        self.resolve().unwrap_err().to_string()
    }

    fn file(&self) -> String {
        self.folder.path().join("aq.toml").display().to_string()
    }
}

fn url(fixture: SettingsFixture) -> SettingsFixture {
    fixture.set("AQ_FLEET_URL", "http://127.0.0.1:9")
}

#[test]
fn nothing_set_means_offline_in_the_default_queue() {
    let settings = Settings::resolve_in(&GlobalFlags::default(), &ProcessEnvironment::new()).unwrap();
    assert_eq!(settings.mode, Mode::Offline);
    assert_eq!(settings.queue.value, Path::new("./queue"));
    assert_eq!(settings.queue.origin, SettingOrigin::Default);
    assert_eq!(settings.grace, Duration::from_secs(10));
    assert_eq!(settings.fleet.timeout.value, Duration::from_secs(5));
    assert_eq!(settings.fleet.drain.value, Duration::from_secs(5));
    assert_eq!(settings.factory_id.origin, SettingOrigin::Default);
    assert!(settings.factory_caps.is_empty() && settings.warnings().is_empty());
}

#[test]
fn a_flag_beats_the_environment_and_that_beats_the_file() {
    let mut fixture = url(SettingsFixture::new("[fleet]\nenabled = true\n"));
    let settings = fixture.ok();
    assert_eq!(settings.mode, Mode::Local);
    assert_eq!(
        settings.switches.fleet.origin,
        SettingOrigin::File(fixture.folder.path().join("aq.toml"))
    );

    fixture = fixture.set("AQ_FLEET", "off");
    let settings = fixture.ok();
    assert_eq!(settings.mode, Mode::Offline);
    assert_eq!(
        settings.switches.fleet.origin,
        SettingOrigin::Environment("AQ_FLEET")
    );

    fixture.flags.fleet = Some(String::from("on"));
    let settings = fixture.ok();
    assert_eq!(settings.mode, Mode::Local);
    assert_eq!(settings.switches.fleet.origin, SettingOrigin::Flag("--fleet"));
}

#[test]
fn a_switch_is_understood_in_each_of_its_spellings() {
    for (text, value) in [
        ("0", SwitchState::Off),
        ("1", SwitchState::On),
        ("false", SwitchState::Off),
        ("TRUE", SwitchState::On),
        ("off", SwitchState::Off),
        ("On", SwitchState::On),
    ] {
        let settings = SettingsFixture::new("").set("AQ_FLEET_ROUTE", text).ok();
        assert_eq!(settings.switches.route.value, value, "{text}");
    }
    for (text, value) in [
        ("0", SwitchState::Off),
        ("1", SwitchState::On),
        ("true", SwitchState::On),
        ("\"off\"", SwitchState::Off),
    ] {
        let settings = SettingsFixture::new(&format!("[fleet]\nshadow = {text}\n")).ok();
        assert_eq!(settings.switches.shadow.value, value, "{text}");
    }
}

#[test]
fn a_switch_that_is_neither_is_refused_with_its_name_and_value_even_with_the_fleet_off() {
    for name in ["AQ_FLEET", "AQ_FLEET_ROUTE", "AQ_FLEET_SHADOW"] {
        for value in ["2", "yes", " ", " 1", "01"] {
            let refusal = SettingsFixture::new("").set(name, value).refusal();
            assert!(
                refusal.starts_with(&format!("{name} is `{value}`: use 0 or 1")),
                "{refusal}"
            );
        }
    }
    let fixture = SettingsFixture::new("[fleet]\nenabled = 2\n");
    assert_eq!(
        fixture.refusal(),
        format!(
            "{}:2: fleet.enabled is `2`: use 0 or 1 (or false, true, off, on)",
            fixture.file()
        )
    );
    let mut fixture = SettingsFixture::new("");
    fixture.flags.shadow = Some(String::from("maybe"));
    assert!(fixture.refusal().starts_with("--shadow is `maybe`: use 0 or 1"));
}

#[test]
fn a_value_that_wins_hides_one_that_is_wrong_only_if_nobody_typed_it_wrong_above() {
    // The variable wins, so what the file says about the switch is never interpreted.
    let settings = SettingsFixture::new("[fleet]\nroute_via_service = \"perhaps\"\n")
        .set("AQ_FLEET_ROUTE", "0")
        .ok();
    assert_eq!(settings.switches.route.value, SwitchState::Off);
}

#[test]
fn an_unknown_key_is_refused_with_its_line_and_the_nearest_known() {
    for (toml, line, key, nearest) in [
        (
            "[fleet]\nenabld = 1\n",
            2,
            "fleet.enabld",
            "; did you mean `enabled`?",
        ),
        ("\n\n[flet]\nenabled = 1\n", 3, "flet", "; did you mean `fleet`?"),
        (
            "[fleet]\nshadow = 1\nroute_via_servce = 1\n",
            3,
            "fleet.route_via_servce",
            "; did you mean `route_via_service`?",
        ),
        (
            "[fleet]\nallow_yolo = true\n",
            2,
            "fleet.allow_yolo",
            "; did you mean `[route] allow_yolo`?",
        ),
        (
            "[route]\nallow_command = []\n",
            2,
            "route.allow_command",
            "; did you mean `allow_commands`?",
        ),
        (
            "colour = 1\n",
            1,
            "colour",
            "; take it out, or see `aq help` for the settings there are",
        ),
    ] {
        let fixture = SettingsFixture::new(toml);
        assert_eq!(
            fixture.refusal(),
            format!("{}:{line}: `{key}` is no setting{nearest}", fixture.file())
        );
    }
    let fixture = SettingsFixture::new("[fleet\n");
    assert!(
        fixture
            .refusal()
            .starts_with(&format!("{}:1: this is no TOML: ", fixture.file())),
        "{}",
        fixture.refusal()
    );
}

#[test]
fn engine_tables_are_handed_on_as_they_stand() {
    let settings =
        SettingsFixture::new("grace = \"3s\"\n[engine.mine]\ncommand = [\"mine\", \"--go\"]\n").ok();
    assert_eq!(settings.grace, Duration::from_secs(3));
    assert_eq!(settings.engines.len(), 1);
    assert_eq!(settings.engines["mine"]["command"].as_array().unwrap().len(), 2);
    let fixture = SettingsFixture::new("[engine]\nmine = 3\n");
    assert_eq!(
        fixture.refusal(),
        format!(
            "{}:2: engine.mine is `3`: make it a table: [engine.mine]",
            fixture.file()
        )
    );
}

#[test]
fn lists_and_times_are_checked() {
    let settings = SettingsFixture::new(
        "[fleet]\ncaps = [\"gpu\", \"region:eu\", \"gpu\"]\ntimeout = \"250ms\"\ndrain = \"0s\"\n",
    )
    .ok();
    let caps: Vec<&str> = settings.factory_caps.iter().map(|cap| cap.as_str()).collect();
    assert_eq!(caps, ["gpu", "region:eu"]);
    assert_eq!(settings.fleet.timeout.value, Duration::from_millis(250));
    assert_eq!(settings.fleet.drain.value, Duration::ZERO);
    for (name, value) in [
        ("AQ_FLEET_TIMEOUT", "0s"),
        ("AQ_FLEET_TIMEOUT", "5"),
        ("AQ_FLEET_DRAIN", "2h"),
        ("AQ_FACTORY_CAPS", "gpu,no cap"),
        ("AQ_FACTORY_ID", "../x"),
        ("AQ_GRACE", "soon"),
    ] {
        let refusal = SettingsFixture::new("").set(name, value).refusal();
        assert!(
            refusal.starts_with(&format!("{name} is `{value}`: ")),
            "{refusal}"
        );
    }
}

#[test]
fn the_flags_say_what_they_bring_about_or_why_not() {
    let fixture = url(SettingsFixture::new(""))
        .set("AQ_FLEET_ROUTE", "1")
        .set("AQ_FLEET_SHADOW", "1");
    let effects = |settings: &Settings| -> Vec<&'static str> {
        settings.describe_flags().iter().map(|line| line.effect).collect()
    };
    let offline = fixture.ok();
    assert_eq!(
        effects(&offline),
        [
            "no call to the coordinator, by any command",
            "no effect: AQ_FLEET is 0",
            "no effect: AQ_FLEET is 0"
        ]
    );
    assert!(offline.warnings().is_empty());
    let fixture = fixture.set("AQ_FLEET", "1");
    let routed = fixture.ok();
    assert_eq!(effects(&routed)[2], "no effect: AQ_FLEET_ROUTE is 1 and wins");
    assert_eq!(routed.warnings().len(), 1);
    assert!(routed.warnings()[0].contains("AQ_FLEET_SHADOW"));
    let shadow = fixture.set("AQ_FLEET_ROUTE", "0").ok();
    let lines = shadow.describe_flags();
    assert_eq!(
        (lines[1].value.as_str(), lines[1].origin.as_str()),
        ("0", "AQ_FLEET_ROUTE")
    );
    assert_eq!(
        lines[2].effect,
        "each local decision is compared with the coordinator's"
    );
    assert!(shadow.warnings().is_empty());
}
