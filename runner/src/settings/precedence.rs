//! Where a value comes from: the flag, else the variable, else `aq.toml`, else the default.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::path::{Path, PathBuf};

use super::config_file::ConfigFile;
use super::error::{SettingsError, shown};
use crate::mode::SwitchState;

/// A value, and who set it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SettingValue<T> {
    pub(crate) value: T,
    pub(crate) origin: SettingOrigin,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum SettingOrigin {
    Default,
    File(PathBuf),
    Environment(&'static str),
    Flag(&'static str),
}

impl SettingOrigin {
    /// For messages: what set this key of `[fleet]`.
    pub(crate) fn of_fleet_key(&self, key: &str) -> String {
        match self {
            SettingOrigin::File(path) => format!("`{key}` under [fleet] in {}", path.display()),
            SettingOrigin::Default | SettingOrigin::Environment(_) | SettingOrigin::Flag(_) => {
                self.to_string()
            }
        }
    }
}

impl fmt::Display for SettingOrigin {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SettingOrigin::Default => formatter.write_str("default"),
            SettingOrigin::File(path) => write!(formatter, "{}", path.display()),
            SettingOrigin::Environment(name) | SettingOrigin::Flag(name) => formatter.write_str(name),
        }
    }
}

/// The names of one setting in the three places; empty where a place doesn't know it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SettingKey {
    pub(crate) flag: &'static str,
    pub(crate) variable: &'static str,
    pub(crate) file: &'static str,
}

macro_rules! keys {
    ($($name:ident = $flag:literal, $variable:literal, $file:literal;)*) => {
        $(pub(crate) const $name: SettingKey = SettingKey { flag: $flag, variable: $variable, file: $file };)*
        /// Every setting there is, in the order in which they are explained.
        pub(crate) const ALL: &[SettingKey] = &[$($name),*];
    };
}

pub(crate) mod known_keys {
    use super::SettingKey;
    keys! {
        QUEUE = "--queue", "AQ_QUEUE", "";
        GRACE = "--grace", "AQ_GRACE", "grace";
        FLEET = "--fleet", "AQ_FLEET", "fleet.enabled";
        ROUTE = "--route", "AQ_FLEET_ROUTE", "fleet.route_via_service";
        SHADOW = "--shadow", "AQ_FLEET_SHADOW", "fleet.shadow";
        URL = "--fleet-url", "AQ_FLEET_URL", "fleet.url";
        TOKEN = "", "AQ_FLEET_TOKEN", "";
        TOKEN_FILE = "--fleet-token-file", "AQ_FLEET_TOKEN_FILE", "fleet.token_file";
        CA = "--fleet-ca", "AQ_FLEET_CA", "fleet.ca";
        CA_ONLY = "--fleet-ca-only", "AQ_FLEET_CA_ONLY", "fleet.ca_only";
        INSECURE = "--fleet-insecure", "AQ_FLEET_INSECURE", "fleet.insecure";
        TIMEOUT = "--fleet-timeout", "AQ_FLEET_TIMEOUT", "fleet.timeout";
        DRAIN = "--fleet-drain", "AQ_FLEET_DRAIN", "fleet.drain";
        FACTORY_ID = "--factory-id", "AQ_FACTORY_ID", "fleet.factory_id";
        FACTORY_CAPS = "--factory-caps", "AQ_FACTORY_CAPS", "fleet.caps";
        SHADOW_SIZE = "", "", "log.shadow_size";
        SHADOW_AGE = "", "", "log.shadow_age";
        ALLOW_ENGINES = "", "", "route.allow_engines";
        ALLOW_COMMANDS = "", "", "route.allow_commands";
        ALLOW_YOLO = "", "", "route.allow_yolo";
        ROUTE_CWD = "", "", "route.cwd";
        ALLOW_CWD = "", "", "route.allow_cwd";
    }
}

/// A value as it was typed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum TypedValue {
    Bool(bool),
    Integer(i64),
    Text(String),
    List(Vec<String>),
}

impl fmt::Display for TypedValue {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TypedValue::Bool(value) => write!(formatter, "{value}"),
            TypedValue::Integer(value) => write!(formatter, "{value}"),
            TypedValue::Text(value) => formatter.write_str(value),
            TypedValue::List(values) => formatter.write_str(&values.join(",")),
        }
    }
}

/// A value as it was typed, with where it was found and how to name it in a message.
#[derive(Debug, Clone)]
pub(crate) struct RawSetting {
    pub(crate) typed: TypedValue,
    pub(crate) origin: SettingOrigin,
    pub(crate) name: String,
}

impl RawSetting {
    /// The text of it; anything but text is no valid value where this is asked, and reads as empty.
    pub(crate) fn text(&self) -> &str {
        match &self.typed {
            TypedValue::Text(text) => text,
            TypedValue::Bool(_) | TypedValue::Integer(_) | TypedValue::List(_) => "",
        }
    }

    /// A list, or the parts of a text between its commas.
    pub(crate) fn list(&self) -> Vec<&str> {
        match &self.typed {
            TypedValue::List(values) => values.iter().map(String::as_str).collect(),
            other => {
                let text = match other {
                    TypedValue::Text(text) => text.as_str(),
                    // No name is empty, so that this is refused where names are parsed.
                    _ => return vec![""],
                };
                text.split(',')
                    .map(str::trim)
                    .filter(|part| !part.is_empty())
                    .collect()
            }
        }
    }
}

/// The process's variables, as a value that tests can make.
pub(crate) type ProcessEnvironment = BTreeMap<OsString, OsString>;

/// The three places together.
pub(crate) struct SettingSources<'a> {
    pub(crate) environment: &'a ProcessEnvironment,
    pub(crate) file: &'a ConfigFile,
}

impl SettingSources<'_> {
    /// The winning value of `key`, if any place has one.
    ///
    /// # Errors
    /// A variable that is no Unicode.
    pub(crate) fn find(
        &self,
        key: SettingKey,
        flag: Option<&str>,
    ) -> Result<Option<RawSetting>, SettingsError> {
        if let Some(text) = flag {
            return Ok(Some(RawSetting {
                typed: TypedValue::Text(text.to_owned()),
                origin: SettingOrigin::Flag(key.flag),
                name: key.flag.to_owned(),
            }));
        }
        if let Some(value) = self.environment.get(OsStr::new(key.variable)) {
            let text = value.to_str().ok_or_else(|| SettingsError::BadValue {
                name: key.variable.to_owned(),
                value: shown(&value.to_string_lossy()),
                want: String::from("it must be Unicode"),
            })?;
            return Ok(Some(RawSetting {
                typed: TypedValue::Text(text.to_owned()),
                origin: SettingOrigin::Environment(key.variable),
                name: key.variable.to_owned(),
            }));
        }
        Ok(self.file.get(key.file))
    }

    /// The same for what is no switch: there, a variable that is set to nothing counts as not set, as shells
    /// have it.
    pub(crate) fn find_filled(
        &self,
        key: SettingKey,
        flag: Option<&str>,
    ) -> Result<Option<RawSetting>, SettingsError> {
        match self.find(key, flag)? {
            Some(raw) if raw.origin == SettingOrigin::Environment(key.variable) && raw.text().is_empty() => {
                Ok(self.file.get(key.file))
            }
            other => Ok(other),
        }
    }

    /// A switch; off where no place has it.
    pub(crate) fn find_switch(
        &self,
        key: SettingKey,
        flag: &Option<String>,
    ) -> Result<SettingValue<SwitchState>, SettingsError> {
        match self.find(key, flag.as_deref())? {
            Some(raw) => Ok(SettingValue {
                value: super::value_parsers::switch(&raw)?,
                origin: raw.origin,
            }),
            None => Ok(SettingValue {
                value: SwitchState::Off,
                origin: SettingOrigin::Default,
            }),
        }
    }

    /// The same for a path, which may be any bytes. One in `aq.toml` is relative to the folder of that file.
    pub(crate) fn find_path(
        &self,
        key: SettingKey,
        flag: Option<&Path>,
    ) -> Result<Option<(SettingValue<PathBuf>, String)>, SettingsError> {
        let setting = |value: PathBuf, origin, name: &str| (SettingValue { value, origin }, name.to_owned());
        if let Some(path) = flag {
            return Ok(Some(setting(
                path.to_owned(),
                SettingOrigin::Flag(key.flag),
                key.flag,
            )));
        }
        if let Some(path) = self.environment.get(OsStr::new(key.variable))
            && !path.is_empty()
        {
            let origin = SettingOrigin::Environment(key.variable);
            return Ok(Some(setting(PathBuf::from(path), origin, key.variable)));
        }
        let Some(raw) = self.file.get(key.file) else {
            return Ok(None);
        };
        match raw.text() {
            "" => Err(super::value_parsers::bad(&raw, "write the path of a file")),
            text => Ok(Some(setting(
                self.file.folder().join(text),
                raw.origin.clone(),
                &raw.name,
            ))),
        }
    }
}
