//! A value with its origin, before and after it is parsed.

use std::fmt;
use std::path::PathBuf;

use super::error::{SettingsError, shown};

/// A parsed value, and where it was set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SettingValue<T> {
    pub(crate) value: T,
    pub(crate) origin: SettingOrigin,
}

impl<T> SettingValue<T> {
    /// The value that counts where nobody set one.
    pub(super) fn default_of(value: T) -> SettingValue<T> {
        let origin = SettingOrigin::Default;
        SettingValue { value, origin }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum SettingOrigin {
    Default,
    File(PathBuf),
    Environment(&'static str),
    Flag(&'static str),
}

impl SettingOrigin {
    /// Whether what `aq.toml` says does not count: a variable or a flag goes before it.
    pub(crate) fn hides_file(&self) -> bool {
        matches!(self, SettingOrigin::Environment(_) | SettingOrigin::Flag(_))
    }

    /// Names what set this key of `[fleet]`, for messages.
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

/// A value as it was typed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum TypedValue {
    Bool(bool),
    Integer(i64),
    /// As it stands in the file.
    Float(String),
    Text(String),
    List(Vec<String>),
}

impl fmt::Display for TypedValue {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TypedValue::Bool(value) => write!(formatter, "{value}"),
            TypedValue::Integer(value) => write!(formatter, "{value}"),
            TypedValue::Float(value) | TypedValue::Text(value) => formatter.write_str(value),
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
    pub(super) fn read<T>(
        self,
        parse: impl FnOnce(&RawSetting) -> Result<T, SettingsError>,
    ) -> Result<SettingValue<T>, SettingsError> {
        let value = parse(&self)?;
        let origin = self.origin;
        Ok(SettingValue { value, origin })
    }

    pub(super) fn refuse(&self, want: &str) -> SettingsError {
        SettingsError::BadValue {
            name: self.name.clone(),
            value: shown(&self.typed.to_string()),
            want: want.to_owned(),
        }
    }

    /// The text of it. Where this is called anything but text is invalid, and reads as empty.
    pub(crate) fn text(&self) -> &str {
        match &self.typed {
            TypedValue::Text(text) => text,
            TypedValue::Bool(_) | TypedValue::Integer(_) | TypedValue::Float(_) | TypedValue::List(_) => "",
        }
    }

    /// A list, or the parts of a text between its commas.
    pub(crate) fn list(&self) -> Vec<&str> {
        match &self.typed {
            TypedValue::List(values) => values.iter().map(String::as_str).collect(),
            TypedValue::Text(text) => {
                let parts = text.split(',').map(str::trim);
                parts.filter(|part| !part.is_empty()).collect()
            }
            // No name is empty, so this is refused where names are parsed.
            TypedValue::Bool(_) | TypedValue::Integer(_) | TypedValue::Float(_) => vec![""],
        }
    }
}
