//! From what was typed to what it means, one function a kind of value; each says what to write instead.

use std::time::Duration;

use reqwest::Url;

use super::error::{SettingsError, shown};
use super::precedence::{RawSetting, TypedValue};
use crate::ids::{Capability, EngineName, FactoryId};
use crate::mode::SwitchState;

/// No wait of the runner on the coordinator makes sense beyond it.
const WAIT_MAX: Duration = Duration::from_secs(3600);

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
        TypedValue::Integer(_) | TypedValue::List(_) => None,
    };
    match parsed {
        Some(true) => Ok(SwitchState::On),
        Some(false) => Ok(SwitchState::Off),
        None => Err(bad(raw, "use 0 or 1 (or false, true, off, on)")),
    }
}

/// A limit that must leave some time.
pub(crate) fn limit(raw: &RawSetting) -> Result<Duration, SettingsError> {
    match wait(raw)? {
        Duration::ZERO => Err(bad(
            raw,
            "a limit of nothing lets no call through; write a time such as 5s",
        )),
        some => Ok(some),
    }
}

/// A time that may be nothing at all.
pub(crate) fn wait(raw: &RawSetting) -> Result<Duration, SettingsError> {
    let want = "write a time with its unit, such as 500ms, 5s or 1m (at most 1h)";
    let parsed = match &raw.typed {
        TypedValue::Text(text) => parse_duration(text),
        TypedValue::Integer(0) => Some(Duration::ZERO),
        TypedValue::Bool(_) | TypedValue::Integer(_) | TypedValue::List(_) => None,
    };
    parsed
        .filter(|duration| *duration <= WAIT_MAX)
        .ok_or_else(|| bad(raw, want))
}

pub(crate) const DAY: Duration = Duration::from_secs(86_400);

/// An age, which may be nothing at all.
pub(crate) fn age(raw: &RawSetting) -> Result<Duration, SettingsError> {
    parse_age(raw.text()).ok_or_else(|| bad(raw, "write an age such as 90d or 12h"))
}

/// Understands `30d`, and whatever else is a duration.
pub(crate) fn parse_age(text: &str) -> Option<Duration> {
    let days = text.strip_suffix('d').and_then(|days| days.parse::<u64>().ok());
    days.and_then(|days| Some(Duration::from_secs(days.checked_mul(DAY.as_secs())?)))
        .or_else(|| parse_duration(text))
}

/// A number of bytes, with its unit.
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
        .ok_or_else(|| bad(raw, "write a size such as 16MiB, 512KiB or 1GiB"))
}

/// Understands `500ms`, `90s`, `15m`, `4h` and sequences of these such as `1h30m`, larger units first.
pub(crate) fn parse_duration(text: &str) -> Option<Duration> {
    const UNITS: [(&str, u64); 4] = [("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)];
    if text == "0" {
        return Some(Duration::ZERO);
    }
    let (mut rest, mut total_ms, mut units) = (text, 0_u64, UNITS.as_slice());
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let count: u64 = rest.get(..digits)?.parse().ok()?;
        let after = rest.get(digits..)?;
        let letters = after.bytes().take_while(u8::is_ascii_alphabetic).count();
        let position = units.iter().position(|(unit, _)| *unit == &after[..letters])?;
        total_ms = total_ms.checked_add(count.checked_mul(units[position].1)?)?;
        units = &units[position + 1..];
        rest = &after[letters..];
    }
    match text.is_empty() {
        true => None,
        false => Some(Duration::from_millis(total_ms)),
    }
}

/// Where the coordinator is. No credentials in it (they would be printed), nothing after its path.
pub(crate) fn url(raw: &RawSetting) -> Result<Url, SettingsError> {
    let want = "write an address such as https://fleet.example.org or http://127.0.0.1:8080/prefix";
    let mut url = Url::parse(raw.text()).map_err(|_| bad(raw, want))?;
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
        return Err(bad(raw, want));
    }
    if !url.path().ends_with('/') {
        let path = format!("{}/", url.path());
        url.set_path(&path);
    }
    Ok(url)
}

pub(crate) fn factory_id(raw: &RawSetting) -> Result<FactoryId, SettingsError> {
    FactoryId::new(raw.text()).map_err(|_| {
        bad(
            raw,
            "use letters, digits and . _ : @ - (at most 128, no `..`, first a letter or digit)",
        )
    })
}

pub(crate) fn capabilities(raw: &RawSetting) -> Result<Vec<Capability>, SettingsError> {
    names(
        raw,
        Capability::new,
        "write capabilities separated by commas, such as gpu,region:eu",
    )
}

pub(crate) fn engine_names(raw: &RawSetting) -> Result<Vec<EngineName>, SettingsError> {
    names(
        raw,
        EngineName::new,
        "write a list of engines, such as [\"devin\", \"claude\"]",
    )
}

fn names<T: PartialEq, E>(
    raw: &RawSetting,
    parse: impl Fn(&str) -> Result<T, E>,
    want: &str,
) -> Result<Vec<T>, SettingsError> {
    let mut names = Vec::new();
    for text in raw.list() {
        let name = parse(text).map_err(|_| bad(raw, want))?;
        if !names.contains(&name) {
            names.push(name);
        }
    }
    Ok(names)
}

pub(crate) fn bad(raw: &RawSetting, want: &str) -> SettingsError {
    SettingsError::BadValue {
        name: raw.name.clone(),
        value: shown(&raw.typed.to_string()),
        want: want.to_owned(),
    }
}

/// The host's name, made into an id: what an id can't hold becomes a dash.
pub(crate) fn factory_id_of_host(host: &str) -> Option<FactoryId> {
    let dashed: String = host
        .chars()
        .map(
            |char| match char.is_ascii_alphanumeric() || "._:@-".contains(char) {
                true => char,
                false => '-',
            },
        )
        .take(128)
        .collect();
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
    fn durations_are_read_with_their_units() {
        for (text, ms) in [
            ("500ms", Some(500)),
            ("90s", Some(90_000)),
            ("15m", Some(900_000)),
            ("1h30m", Some(5_400_000)),
            ("1m500ms", Some(60_500)),
            ("0", Some(0)),
            ("0s", Some(0)),
            ("", None),
            ("5", None),
            ("s", None),
            ("-5s", None),
            ("5 s", None),
            ("1.5s", None),
            ("30m1h", None),
            ("5s5s", None),
            ("99999999999999999999s", None),
            ("9999999999999999h", None),
            ("5\u{a0}s", None),
            ("5d", None),
        ] {
            assert_eq!(parse_duration(text), ms.map(Duration::from_millis), "{text:?}");
        }
    }

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
