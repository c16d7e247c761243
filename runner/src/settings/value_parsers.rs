//! Parses what was typed, with one function for each kind of value. Each error says what to write instead.

use std::time::Duration;

use reqwest::Url;

use super::error::SettingsError;
use super::setting_value::{RawSetting, TypedValue};
use crate::duration_text::parse_duration;
use crate::ids::{Capability, EngineName, FactoryId};
use crate::mode::SwitchState;

/// The runner has no reason to wait longer for the coordinator.
const WAIT_MAX: Duration = Duration::from_secs(3600);
/// In bytes.
const LOG_MAX_LEAST: u64 = 1 << 20;

pub(crate) fn switch(raw: &RawSetting) -> Result<SwitchState, SettingsError> {
    let parsed = match &raw.typed {
        TypedValue::Bool(on) => Some(*on),
        TypedValue::Integer(0) => Some(false),
        TypedValue::Integer(1) => Some(true),
        TypedValue::Text(text) => match text.to_ascii_lowercase().as_str() {
            "0" | "false" | "off" => Some(false),
            "1" | "true" | "on" => Some(true),
            _ => None,
        },
        TypedValue::Integer(_) | TypedValue::Float(_) | TypedValue::List(_) => None,
    };
    match parsed {
        Some(true) => Ok(SwitchState::On),
        Some(false) => Ok(SwitchState::Off),
        None => Err(raw.refuse("use 0 or 1 (or false, true, off, on)")),
    }
}

/// Parses a limit, which must leave some time.
pub(crate) fn limit(raw: &RawSetting) -> Result<Duration, SettingsError> {
    match wait(raw)? {
        Duration::ZERO => Err(raw.refuse("a limit of nothing lets no call through; write a time such as 5s")),
        some => Ok(some),
    }
}

/// Parses a time, which may be zero.
pub(crate) fn wait(raw: &RawSetting) -> Result<Duration, SettingsError> {
    let want = "write a time with its unit, such as 500ms, 5s or 1m (at most 1h)";
    let parsed = match &raw.typed {
        TypedValue::Text(text) => parse_duration(text),
        TypedValue::Integer(0) => Some(Duration::ZERO),
        TypedValue::Bool(_) | TypedValue::Integer(_) | TypedValue::Float(_) | TypedValue::List(_) => None,
    };
    parsed
        .filter(|duration| *duration <= WAIT_MAX)
        .ok_or_else(|| raw.refuse(want))
}

/// Parses an age, which may be zero.
pub(crate) fn age(raw: &RawSetting) -> Result<Duration, SettingsError> {
    parse_duration(raw.text()).ok_or_else(|| raw.refuse("write an age such as 90d or 12h"))
}

/// Parses a number of bytes, with its unit.
pub(crate) fn size(raw: &RawSetting) -> Result<u64, SettingsError> {
    const UNITS: [(&str, u64); 3] = [("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30)];
    let of_unit = |(unit, bytes): (&str, u64)| {
        let count: u64 = raw.text().strip_suffix(unit)?.parse().ok()?;
        count.checked_mul(bytes)
    };
    UNITS
        .into_iter()
        .find_map(of_unit)
        .filter(|bytes| *bytes > 0)
        .ok_or_else(|| raw.refuse("write a size such as 16MiB, 512KiB or 1GiB"))
}

/// Parses the limit of a log. The last event of an engine has to find room in what is kept of its output.
pub(crate) fn log_max(raw: &RawSetting) -> Result<u64, SettingsError> {
    match size(raw)? {
        too_small if too_small < LOG_MAX_LEAST => Err(raw.refuse(
            "keep at least 1MiB of a log: an engine's last event, which tells whether it succeeded, has to fit in",
        )),
        enough => Ok(enough),
    }
}

/// Parses the coordinator's address. It may hold no credentials, which would be printed, and nothing after its path.
pub(crate) fn url(raw: &RawSetting) -> Result<Url, SettingsError> {
    let want = "write an address such as https://fleet.example.org or http://127.0.0.1:8080/prefix";
    let mut url = Url::parse(raw.text()).map_err(|_| raw.refuse(want))?;
    if !url.username().is_empty() || url.password().is_some() {
        // The value is not shown: it holds a password.
        let want = "leave user and password out of the address; the token goes into AQ_FLEET_TOKEN_FILE";
        return Err(SettingsError::BadValue {
            name: raw.name.clone(),
            value: String::from("(not shown)"),
            want: want.to_owned(),
        });
    }
    let usable = matches!(url.scheme(), "http" | "https") && url.has_host();
    if !usable || url.query().is_some() || url.fragment().is_some() {
        return Err(raw.refuse(want));
    }
    if !url.path().ends_with('/') {
        let path = format!("{}/", url.path());
        url.set_path(&path);
    }
    Ok(url)
}

pub(crate) fn factory_id(raw: &RawSetting) -> Result<FactoryId, SettingsError> {
    FactoryId::new(raw.text()).map_err(|_| {
        raw.refuse("use letters, digits and . _ : @ - (at most 128, no `..`, first a letter or digit)")
    })
}

pub(crate) fn capabilities(raw: &RawSetting) -> Result<Vec<Capability>, SettingsError> {
    let want = "write capabilities separated by commas, such as gpu,region:eu";
    names(raw, Capability::new, want)
}

pub(crate) fn engine_names(raw: &RawSetting) -> Result<Vec<EngineName>, SettingsError> {
    let want = "write a list of engines, such as [\"devin\", \"claude\"]";
    names(raw, EngineName::new, want)
}

fn names<T: PartialEq, E>(
    raw: &RawSetting,
    parse: impl Fn(&str) -> Result<T, E>,
    want: &str,
) -> Result<Vec<T>, SettingsError> {
    let mut names = Vec::new();
    for text in raw.list() {
        let name = parse(text).map_err(|_| raw.refuse(want))?;
        if !names.contains(&name) {
            names.push(name);
        }
    }
    Ok(names)
}

/// Makes an id of the host's name: what an id can't hold becomes a dash.
pub(crate) fn factory_id_of_host(host: &str) -> Option<FactoryId> {
    let may_stand = |char: char| char.is_ascii_alphanumeric() || "._:@-".contains(char);
    let dashed = host.chars().map(|char| if may_stand(char) { char } else { '-' });
    let dashed: String = dashed.take(128).collect();
    let trimmed = dashed.trim_start_matches(|char: char| !char.is_ascii_alphanumeric());
    let mut id = trimmed.to_owned();
    while id.contains("..") {
        id = id.replace("..", ".");
    }
    FactoryId::new(&id).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_name_becomes_an_id() {
        for (host, id) in [
            ("build-7.example.org", Some("build-7.example.org")),
            ("Sam's Mac", Some("Sam-s-Mac")),
            ("--x", Some("x")),
            ("a...b", Some("a.b")),
            ("", None),
            ("\u{2603}", None),
        ] {
            assert_eq!(
                factory_id_of_host(host).as_ref().map(FactoryId::as_str),
                id,
                "{host:?}"
            );
        }
        let long = factory_id_of_host(&"h".repeat(300)).unwrap();
        assert_eq!(long.as_str().len(), 128);
    }
}
