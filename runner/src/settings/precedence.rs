//! Where a value comes from: the flag, else the variable, else `aq.toml`, else the default.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use super::config_file::ConfigFile;
use super::error::{SettingsError, shown};
use super::global_flags::GlobalFlags;
use super::known_keys::SettingKey;
use super::setting_value::{RawSetting, SettingOrigin, SettingValue, TypedValue};
use super::value_parsers;
use crate::mode::SwitchState;

/// The process's variables, as a value that tests can make.
pub(crate) type ProcessEnvironment = BTreeMap<OsString, OsString>;

/// Whether a command may call the coordinator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CredentialUse {
    Needed,
    /// A token or a certificate that can't be read is no reason to refuse.
    Unneeded,
}

impl CredentialUse {
    /// Whether the files of the coordinator's credentials have to be readable.
    pub(super) fn needed_for(self, fleet: SwitchState) -> SwitchState {
        match self {
            CredentialUse::Needed => fleet,
            CredentialUse::Unneeded => SwitchState::Off,
        }
    }
}

/// The three places together.
pub(crate) struct SettingSources<'a> {
    pub(crate) flags: &'a GlobalFlags,
    pub(crate) environment: &'a ProcessEnvironment,
    pub(crate) file: &'a ConfigFile,
    pub(crate) credentials: CredentialUse,
}

impl<'a> SettingSources<'a> {
    /// Of a command that may call the coordinator.
    pub(crate) fn of_caller(
        flags: &'a GlobalFlags,
        environment: &'a ProcessEnvironment,
        file: &'a ConfigFile,
    ) -> SettingSources<'a> {
        SettingSources {
            flags,
            environment,
            file,
            credentials: CredentialUse::Needed,
        }
    }
    /// The winning value of `key`, if any place has one.
    ///
    /// # Errors
    /// A variable that is no Unicode.
    pub(crate) fn find(
        &self,
        key: SettingKey,
        flag: Option<&str>,
    ) -> Result<Option<RawSetting>, SettingsError> {
        let raw = |text: &str, origin, name: &str| RawSetting {
            typed: TypedValue::Text(text.to_owned()),
            origin,
            name: name.to_owned(),
        };
        if let Some(text) = flag {
            return Ok(Some(raw(text, SettingOrigin::Flag(key.flag), key.flag)));
        }
        if let Some(value) = self.environment.get(OsStr::new(key.variable)) {
            let text = value.to_str().ok_or_else(|| SettingsError::BadValue {
                name: key.variable.to_owned(),
                value: shown(&value.to_string_lossy()),
                want: String::from("it must be Unicode"),
            })?;
            let origin = SettingOrigin::Environment(key.variable);
            return Ok(Some(raw(text, origin, key.variable)));
        }
        Ok(self.file.get(key.file))
    }

    /// Does the same, and a variable that is set to nothing counts as not set, as in shells.
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

    /// Finds a switch, which is off where no place has it.
    pub(crate) fn find_switch(
        &self,
        key: SettingKey,
        flag: &Option<String>,
    ) -> Result<SettingValue<SwitchState>, SettingsError> {
        match self.find_filled(key, flag.as_deref())? {
            Some(raw) => raw.read(value_parsers::switch),
            None => Ok(SettingValue::default_of(SwitchState::Off)),
        }
    }

    /// Finds a path, which may be any bytes. One in `aq.toml` is relative to the folder of that file.
    pub(crate) fn find_path(
        &self,
        key: SettingKey,
        flag: Option<&Path>,
    ) -> Result<Option<(SettingValue<PathBuf>, String)>, SettingsError> {
        let setting = |value: PathBuf, origin, name: &str| (SettingValue { value, origin }, name.to_owned());
        if let Some(path) = flag {
            let origin = SettingOrigin::Flag(key.flag);
            return Ok(Some(setting(path.to_owned(), origin, key.flag)));
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
            "" => Err(raw.refuse("write the path of a file")),
            text => {
                let path = self.file.folder().join(text);
                Ok(Some(setting(path, raw.origin.clone(), &raw.name)))
            }
        }
    }
}
