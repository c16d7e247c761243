//! The address of the coordinator and its token: where they come from, and what is refused.

use std::fs;

use super::*;

#[test]
fn the_fleet_without_a_url_is_refused_and_without_the_fleet_none_is_needed() {
    let refusal = SettingsFixture::new("").set("AQ_FLEET", "1").refusal();
    assert!(
        refusal.starts_with("AQ_FLEET is 1, but no coordinator is named"),
        "{refusal}"
    );
    let refusal = SettingsFixture::new("")
        .set("AQ_FLEET", "1")
        .set("AQ_FLEET_URL", "")
        .refusal();
    assert!(refusal.contains("AQ_FLEET_URL"), "{refusal}");
    assert_eq!(
        SettingsFixture::new("").set("AQ_FLEET", "0").ok().mode,
        Mode::Offline
    );
}

#[test]
fn an_address_keeps_its_prefix_and_hides_its_password() {
    let settings = SettingsFixture::new("")
        .set("AQ_FLEET_URL", "https://fleet.example.org/eu")
        .ok();
    assert_eq!(
        settings.fleet.url.unwrap().value.as_str(),
        "https://fleet.example.org/eu/"
    );
    let refusal = SettingsFixture::new("")
        .set("AQ_FLEET_URL", "https://sam:opensesame@fleet.example.org")
        .refusal();
    assert!(
        refusal.contains("AQ_FLEET_TOKEN_FILE") && !refusal.contains("opensesame"),
        "{refusal}"
    );
    for wrong in [
        "fleet.example.org",
        "ftp://fleet.example.org",
        "http://",
        "http://h/?q=1",
        "http://h/#f",
        "x",
    ] {
        let refusal = SettingsFixture::new("").set("AQ_FLEET_URL", wrong).refusal();
        assert!(
            refusal.starts_with(&format!("AQ_FLEET_URL is `{wrong}`")),
            "{refusal}"
        );
    }
}

#[test]
fn a_token_file_that_cannot_be_read_stops_the_fleet_and_nothing_else() {
    let fixture = url(SettingsFixture::new("")).set("AQ_FLEET_TOKEN_FILE", "/nowhere/token");
    assert!(fixture.ok().fleet.token.is_none());
    let refusal = fixture.set("AQ_FLEET", "1").refusal();
    assert!(
        refusal.contains("/nowhere/token") && refusal.contains("AQ_FLEET_TOKEN_FILE"),
        "{refusal}"
    );
}

#[test]
fn a_token_comes_from_its_variable_or_its_file_and_is_kept_from_children() {
    let fixture = url(SettingsFixture::new("[fleet]\ntoken_file = \"secrets/token\"\n")).set("AQ_FLEET", "1");
    fs::create_dir(fixture.folder.path().join("secrets")).unwrap();
    let path = fixture.folder.path().join("secrets/token");
    fs::write(&path, "sesame\n").unwrap();
    let settings = fixture.ok();
    let token = settings.fleet.token.as_ref().unwrap();
    assert_eq!(token.value.reveal(), "sesame");
    assert!(settings.is_secret_variable("COPY", "sesame"));
    assert!(settings.is_secret_variable("WHERE", path.to_str().unwrap()));
    assert!(settings.is_secret_variable("AQ_FLEET_URL", "x") && settings.is_secret_variable("AQ_FLEET", "1"));
    assert!(!settings.is_secret_variable("AQ_QUEUE", "x") && !settings.is_secret_variable("PATH", "/bin"));
    assert!(!format!("{settings:?}").contains("\"sesame"), "{settings:?}");

    // The same variables are kept back with the fleet off, so that a job's environment is the same in all modes.
    let offline = fixture.set("AQ_FLEET", "0").ok();
    assert!(offline.is_secret_variable("COPY", "sesame"));
}

#[test]
fn the_token_variable_beats_a_token_file_of_the_environment_with_a_warning() {
    let fixture = url(SettingsFixture::new(""))
        .set("AQ_FLEET", "1")
        .set("AQ_FLEET_TOKEN", "typed");
    let path = fixture.folder.path().join("token");
    fs::write(&path, "filed").unwrap();
    let mut fixture = fixture.set("AQ_FLEET_TOKEN_FILE", path.to_str().unwrap());
    let settings = fixture.ok();
    assert_eq!(settings.fleet.token.as_ref().unwrap().value.reveal(), "typed");
    assert!(
        settings.warnings().iter().any(|line| line.contains("both set")),
        "{:?}",
        settings.warnings()
    );
    fixture.flags.fleet_token_file = Some(path);
    assert_eq!(fixture.ok().fleet.token.unwrap().value.reveal(), "filed");
}

#[test]
fn a_token_in_the_file_is_refused_with_the_reason_and_not_shown() {
    let fixture = SettingsFixture::new("[fleet]\nurl = \"http://127.0.0.1:9\"\ntoken = \"sesame\"\n");
    let refusal = fixture.refusal();
    assert!(
        refusal.starts_with(&format!(
            "{}:3: a token must not stand in this file",
            fixture.file()
        )),
        "{refusal}"
    );
    assert!(!refusal.contains("sesame"));
}

#[test]
fn plain_http_to_another_host_is_warned_of() {
    let warned = |address: &str| {
        let settings = SettingsFixture::new("")
            .set("AQ_FLEET", "1")
            .set("AQ_FLEET_URL", address)
            .ok();
        !settings.warnings().is_empty()
    };
    assert!(warned("http://fleet.example.org") && warned("http://10.0.0.7:80"));
    assert!(!warned("https://fleet.example.org") && !warned("http://127.0.0.1:1"));
    assert!(!warned("http://[::1]:80") && !warned("http://localhost:80"));
}

#[test]
fn work_comes_over_plain_http_from_this_host_alone() {
    let routed = |address: &str| {
        url(SettingsFixture::new(""))
            .set("AQ_FLEET", "1")
            .set("AQ_FLEET_ROUTE", "1")
            .set("AQ_FLEET_URL", address)
    };
    for address in [
        "http://127.0.0.1",
        "http://127.8.9.10:80/x",
        "HTTP://LOCALHOST:1",
        "http://[::1]:80",
        "https://fleet.example.org",
    ] {
        assert_eq!(routed(address).ok().mode, Mode::Route, "{address}");
    }
    for address in [
        "http://fleet.example.org",
        "http://localhost.example.org",
        "http://127.0.0.1.example.org",
        "http://example.org/127.0.0.1",
        "http://0.0.0.0",
        "http://[::ffff:127.0.0.1]",
        "http://126.255.255.255",
        "http://128.0.0.1",
    ] {
        let refusal = routed(address).refusal();
        assert!(refusal.contains("AQ_FLEET_INSECURE=1"), "{address}: {refusal}");
        assert_eq!(
            routed(address).set("AQ_FLEET_INSECURE", "1").ok().mode,
            Mode::Route
        );
        assert_eq!(routed(address).set("AQ_FLEET_ROUTE", "0").ok().mode, Mode::Local);
        assert_eq!(routed(address).set("AQ_FLEET", "0").ok().mode, Mode::Offline);
    }
}
