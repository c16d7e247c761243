//! Finds the token and the certificates: which of the places that may name them wins, and what happens if a file can't
//! be read.

use std::ffi::OsStr;
use std::fmt;
use std::fs;
use std::path::PathBuf;

use super::bearer_token::{self, BearerToken, FileAccess};
use super::error::SettingsError;
use super::known_keys;
use super::memory_protection;
use super::precedence::SettingSources;
use super::setting_value::SettingValue;
use crate::mode::SwitchState;

/// What the settings say about the token.
pub(super) struct ResolvedToken {
    pub(super) token: Option<SettingValue<BearerToken>>,
    pub(super) file: Option<SettingValue<PathBuf>>,
    pub(super) access: FileAccess,
    pub(super) twice: bool,
}

impl ResolvedToken {
    /// A flag that names a file wins, then `AQ_FLEET_TOKEN`, then a file that a variable or `aq.toml` names.
    ///
    /// With the fleet off a file that can't be read is no error, but it is read all the same: what must not
    /// reach a child is then the same in all modes.
    pub(super) fn resolve(
        sources: &SettingSources<'_>,
        fleet: SwitchState,
    ) -> Result<ResolvedToken, SettingsError> {
        let flags = sources.flags;
        let file = sources.find_path(known_keys::TOKEN_FILE, flags.fleet_token_file.as_deref())?;
        let typed = sources.find_filled(known_keys::TOKEN, None)?;
        let twice = typed.is_some() && file.is_some();
        if typed.is_some() || file.is_some() {
            memory_protection::hide_memory();
        }
        let by_flag = flags.fleet_token_file.is_some();
        let usable = |text: &str, name: &str| {
            BearerToken::new(text).map_err(|why| SettingsError::TokenUnusable {
                name: name.to_owned(),
                why,
            })
        };
        let mut access = FileAccess::OwnerOnly;
        let token = match (&file, typed) {
            (_, Some(raw)) if !by_flag => Some((usable(raw.text(), &raw.name), raw.origin)),
            (Some((path, name)), _) => {
                let read = bearer_token::read_file(&path.value).map_err(|source| SettingsError::TokenFile {
                    name: name.clone(),
                    path: path.value.clone(),
                    source,
                });
                let read = read.and_then(|(text, readers)| {
                    // Its folder lets in this service alone, so the mode of the file does not matter.
                    let folder = sources.environment.get(OsStr::new(super::CREDENTIALS));
                    access = match folder.is_some_and(|folder| path.value.starts_with(folder)) {
                        true => FileAccess::OwnerOnly,
                        false => readers,
                    };
                    usable(&text, name)
                });
                Some((read, path.origin.clone()))
            }
            (None, _) => None,
        };
        let token = match (token, fleet) {
            (Some((Ok(value), origin)), _) => Some(SettingValue { value, origin }),
            (Some((Err(error), _)), SwitchState::On) => return Err(error),
            (Some((Err(_), _)), SwitchState::Off) | (None, _) => None,
        };
        Ok(ResolvedToken {
            token,
            file: file.map(|(setting, _)| setting),
            access,
            twice,
        })
    }
}

/// Who may have signed the coordinator's certificate.
#[derive(Debug, Clone)]
pub(crate) enum CertificateAuthorities {
    System,
    SystemAnd(CertificateFile),
    Only(CertificateFile),
}

#[derive(Debug, Clone)]
pub(crate) struct CertificateFile {
    pub(crate) path: SettingValue<PathBuf>,
    /// Empty while the fleet is off: the file is not read then.
    pub(crate) pem: Vec<u8>,
}

impl fmt::Display for CertificateAuthorities {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CertificateAuthorities::System => formatter.write_str("the system's"),
            CertificateAuthorities::SystemAnd(file) => {
                write!(formatter, "the system's and {}", file.path.value.display())
            }
            CertificateAuthorities::Only(file) => {
                write!(formatter, "{}, and no other", file.path.value.display())
            }
        }
    }
}

pub(super) fn authorities(
    sources: &SettingSources<'_>,
    fleet: SwitchState,
) -> Result<CertificateAuthorities, SettingsError> {
    let flags = sources.flags;
    let only = sources.find_switch(known_keys::CA_ONLY, &flags.fleet_ca_only)?;
    let Some((path, name)) = sources.find_path(known_keys::CA, flags.fleet_ca.as_deref())? else {
        return match (only.value, fleet) {
            (SwitchState::On, SwitchState::On) => Err(SettingsError::CertificateMissing {
                switch: only.origin.of_fleet_key("ca_only"),
            }),
            (SwitchState::On, SwitchState::Off) | (SwitchState::Off, _) => Ok(CertificateAuthorities::System),
        };
    };
    let pem = match (fleet, fs::read(&path.value)) {
        (SwitchState::Off, _) => Vec::new(),
        (SwitchState::On, Ok(pem)) => pem,
        (SwitchState::On, Err(source)) => {
            let path = path.value;
            return Err(SettingsError::CertificateFile { name, path, source });
        }
    };
    let file = CertificateFile { path, pem };
    Ok(match only.value {
        SwitchState::On => CertificateAuthorities::Only(file),
        SwitchState::Off => CertificateAuthorities::SystemAnd(file),
    })
}
