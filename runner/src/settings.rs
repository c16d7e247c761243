//! The settings: as typed on the command line, in the environment and in `aq.toml`, and what that means.
//!
//! A flag wins over its variable, that over the file, and the file over the default; each value keeps its origin,
//! so that a command can say why it does what it does. What is wrong stops the command before anything runs
//! (clause F-6). Nothing here talks to the coordinator.

mod bearer_token;
mod config_file;
mod credentials;
mod describe;
mod error;
mod gate_policy;
mod global_flags;
mod known_keys;
mod memory_protection;
mod monitoring_settings;
mod precedence;
mod reload;
mod rollback_settings;
mod route_settings;
mod route_switch;
mod setting_value;
mod value_parsers;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use reqwest::Url;

pub(crate) use bearer_token::BearerToken;
pub(crate) use credentials::CertificateAuthorities;
pub(crate) use describe::FlagLine;
pub(crate) use error::SettingsError;
pub(crate) use gate_policy::{GatePolicy, PolicyName};
pub(crate) use global_flags::{FLEET_HEADING, GlobalFlags};
pub(crate) use monitoring_settings::{LogSettings, MetricsSettings, NotifyCommand, NotifySettings};
pub(crate) use precedence::CredentialUse;
pub(crate) use reload::{ReloadOutcome, RouteOffOutcome, SettingsReloader};
pub(crate) use rollback_settings::{RollbackPolicy, RollbackSettings};
pub(crate) use route_settings::{AllowedCommands, RouteSettings};
pub(crate) use setting_value::SettingValue;

use crate::ids::{Capability, FactoryId};
use crate::mode::{Mode, SwitchState};
use bearer_token::FileAccess;
use config_file::ConfigFile;
use credentials::{ResolvedToken, authorities};
use precedence::{ProcessEnvironment, SettingSources};
use setting_value::RawSetting;

const RETRY_DELAY_DEFAULT: Duration = Duration::from_secs(30);
/// In bytes.
const LOG_MAX_DEFAULT: u64 = 64 << 20;
/// The folder that systemd puts the credentials of a service in.
const CREDENTIALS: &str = "CREDENTIALS_DIRECTORY";

/// Everything that was set, resolved once when a command starts. A running runner replaces it as a whole when a switch in
/// `aq.toml` changes.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    /// As they were typed, for the next reading of `aq.toml`.
    pub(crate) flags: GlobalFlags,
    /// The queue folder.
    pub(crate) queue: SettingValue<PathBuf>,
    /// What the three switches amount to.
    pub(crate) mode: Mode,
    /// The three flags, each with its origin.
    pub(crate) switches: ModeSwitches,
    /// The tables `[engine.NAME]` of `aq.toml`, as they stand there.
    pub(crate) engines: BTreeMap<String, toml::Table>,
    /// The time between TERM and KILL.
    pub(crate) grace: Duration,
    /// The wait before the first retry of a job that names none.
    pub(crate) retry_delay: Duration,
    /// The most that is kept of what the commands of one attempt print, in bytes.
    pub(crate) log_max: u64,
    /// This host, as the coordinator knows it.
    pub(crate) factory_id: SettingValue<FactoryId>,
    /// Without those that the engines found on this host add.
    pub(crate) factory_caps: Vec<Capability>,
    /// How the coordinator is reached.
    pub(crate) fleet: FleetSettings,
    /// What a job from the coordinator may do here.
    pub(crate) route: RouteSettings,
    /// How the shadow log is kept.
    pub(crate) log: LogSettings,
    /// What a coordinator has to have shown before it may decide.
    pub(crate) gate: GatePolicy,
    /// The command that is told of events, if there is one.
    pub(crate) notify: Option<NotifySettings>,
    /// How the figures of the queue are written.
    pub(crate) metrics: MetricsSettings,
    /// What `aq.toml` said, for a comparison with what it says later.
    file: ConfigFile,
}

/// The three flags, each with its origin.
#[derive(Debug, Clone)]
pub(crate) struct ModeSwitches {
    pub(crate) fleet: SettingValue<SwitchState>,
    pub(crate) route: SettingValue<SwitchState>,
    pub(crate) shadow: SettingValue<SwitchState>,
}

/// How the coordinator is reached.
#[derive(Debug, Clone)]
pub(crate) struct FleetSettings {
    /// Ends in a slash. It is always there in a mode that calls the coordinator.
    pub(crate) url: Option<SettingValue<Url>>,
    /// None where neither a token nor a file of one is named.
    pub(crate) token: Option<SettingValue<BearerToken>>,
    /// Kept although the token was read: the path stays out of children's environments too.
    pub(crate) token_file: Option<SettingValue<PathBuf>>,
    /// Whose certificates count.
    pub(crate) authorities: CertificateAuthorities,
    /// Whether work may be taken over plain http from another host.
    pub(crate) insecure: SettingValue<SwitchState>,
    /// The limit of one call.
    pub(crate) timeout: SettingValue<Duration>,
    /// How long an ending process waits for the shadow lane.
    pub(crate) drain: SettingValue<Duration>,
    /// Whether others can read the token file, for a warning.
    token_access: FileAccess,
    /// Whether token and token file are both set, for a warning.
    token_twice: bool,
}

impl Settings {
    /// # Errors
    /// The first thing that is wrong with them; the message names variable and value and what to write instead.
    pub(crate) fn resolve(
        flags: &GlobalFlags,
        credentials: CredentialUse,
    ) -> Result<Settings, SettingsError> {
        Settings::resolve_with(flags, &std::env::vars_os().collect(), credentials)
    }

    /// Does the same for a given environment, and for a command that makes calls.
    #[cfg(test)]
    pub(crate) fn resolve_in(
        flags: &GlobalFlags,
        environment: &ProcessEnvironment,
    ) -> Result<Settings, SettingsError> {
        Settings::resolve_with(flags, environment, CredentialUse::Needed)
    }

    fn resolve_with(
        flags: &GlobalFlags,
        environment: &ProcessEnvironment,
        credentials: CredentialUse,
    ) -> Result<Settings, SettingsError> {
        let file = &ConfigFile::default();
        let sources = SettingSources {
            flags,
            environment,
            file,
            credentials,
        };
        let queue = match sources.find_path(known_keys::QUEUE, flags.queue.as_deref())? {
            Some((setting, _)) => setting,
            None => SettingValue::default_of(PathBuf::from("./queue")),
        };
        let file = ConfigFile::read(&queue.value)?;
        let sources = SettingSources {
            file: &file,
            ..sources
        };
        Settings::resolve_from(&sources, queue)
    }

    fn resolve_from(
        sources: &SettingSources<'_>,
        queue: SettingValue<PathBuf>,
    ) -> Result<Settings, SettingsError> {
        let (flags, file) = (sources.flags, sources.file);
        let switches = ModeSwitches::resolve(sources)?;
        let [fleet, route, shadow] = [&switches.fleet, &switches.route, &switches.shadow];
        let mode = Mode::of(fleet.value, route.value, shadow.value);
        let caps = sources.find_filled(known_keys::FACTORY_CAPS, flags.factory_caps.as_deref())?;
        let grace = sources.find_filled(known_keys::GRACE, flags.grace.as_deref())?;
        let settings = Settings {
            mode,
            factory_id: factory_id(sources)?,
            factory_caps: caps.map_or(Ok(Vec::new()), |raw| value_parsers::capabilities(&raw))?,
            grace: grace.map_or(Ok(Duration::from_secs(10)), |raw| value_parsers::wait(&raw))?,
            retry_delay: file
                .parsed(known_keys::RETRY_DELAY, value_parsers::wait)?
                .unwrap_or(RETRY_DELAY_DEFAULT),
            log_max: file
                .parsed(known_keys::LOG_MAX, value_parsers::log_max)?
                .unwrap_or(LOG_MAX_DEFAULT),
            fleet: FleetSettings::resolve(sources, &switches.fleet)?,
            route: RouteSettings::resolve(sources)?,
            log: LogSettings::resolve(file)?,
            gate: GatePolicy::resolve(file)?,
            notify: NotifySettings::resolve(file)?,
            metrics: MetricsSettings::resolve(file)?,
            engines: file.engines.clone(),
            file: file.clone(),
            flags: flags.clone(),
            switches,
            queue,
        };
        settings.refuse_plain_http()?;
        Ok(settings)
    }

    /// Work is not taken over plain http from another host unless its operator consents to that (clause F-12).
    fn refuse_plain_http(&self) -> Result<(), SettingsError> {
        match (self.mode, self.fleet.insecure.value, self.fleet.plain_http()) {
            (Mode::Route, SwitchState::Off, Some(url)) => Err(SettingsError::PlainHttp {
                name: url.origin.of_fleet_key("url"),
                url: url.value.clone(),
            }),
            _ => Ok(()),
        }
    }

    /// The variables of this process, without any that is the fleet's (clause O-9): what its children get.
    pub(crate) fn child_environment(&self) -> Vec<(OsString, OsString)> {
        let keep = |(name, value): &(OsString, OsString)| {
            !self.is_secret_variable(&name.to_string_lossy(), &value.to_string_lossy())
        };
        std::env::vars_os().filter(keep).collect()
    }

    /// Whether a variable must not reach a child: one of the fleet's, or another that holds the token or the
    /// path of its file (clause O-9).
    pub(crate) fn is_secret_variable(&self, name: &str, value: &str) -> bool {
        let token = self.fleet.token.as_ref();
        let is_token = token.is_some_and(|token| token.value.reveal() == value);
        let is_path = self.fleet.token_file.as_ref().is_some_and(|file| {
            let value = Path::new(value);
            value == file.value || std::path::absolute(&file.value).is_ok_and(|path| path == value)
        });
        name.starts_with("AQ_FLEET") || name == CREDENTIALS || is_token || is_path
    }
}

impl ModeSwitches {
    fn resolve(sources: &SettingSources<'_>) -> Result<ModeSwitches, SettingsError> {
        Ok(ModeSwitches {
            fleet: sources.find_switch(known_keys::FLEET, &sources.flags.fleet)?,
            route: sources.find_switch(known_keys::ROUTE, &sources.flags.route)?,
            shadow: sources.find_switch(known_keys::SHADOW, &sources.flags.shadow)?,
        })
    }
}

impl FleetSettings {
    /// The address, if what goes there can be read and changed on the way.
    pub(crate) fn plain_http(&self) -> Option<&SettingValue<Url>> {
        self.url
            .as_ref()
            .filter(|url| url.value.scheme() == "http" && !is_loopback(&url.value))
    }

    /// For messages: where the token comes from.
    pub(crate) fn credential(&self) -> String {
        match &self.token {
            Some(token) => format!("the token from {}", token.origin),
            None => String::from("a call without a token (set AQ_FLEET_TOKEN or AQ_FLEET_TOKEN_FILE)"),
        }
    }

    fn resolve(
        sources: &SettingSources<'_>,
        fleet: &SettingValue<SwitchState>,
    ) -> Result<FleetSettings, SettingsError> {
        let flags = sources.flags;
        let url = match sources.find_filled(known_keys::URL, flags.fleet_url.as_deref())? {
            Some(raw) => Some(raw.read(value_parsers::url)?),
            None if fleet.value == SwitchState::On => {
                let switch = fleet.origin.of_fleet_key("enabled");
                return Err(SettingsError::UrlMissing { switch });
            }
            None => None,
        };
        let limit =
            |key, flag: &Option<String>, parse: fn(&RawSetting) -> Result<Duration, SettingsError>| {
                match sources.find_filled(key, flag.as_deref())? {
                    Some(raw) => raw.read(parse),
                    None => Ok(SettingValue::default_of(Duration::from_secs(5))),
                }
            };
        let called = sources.credentials.needed_for(fleet.value);
        let found = ResolvedToken::resolve(sources, called)?;
        Ok(FleetSettings {
            url,
            token: found.token,
            token_file: found.file,
            token_access: found.access,
            token_twice: found.twice,
            authorities: authorities(sources, called)?,
            insecure: sources.find_switch(known_keys::INSECURE, &flags.fleet_insecure)?,
            timeout: limit(known_keys::TIMEOUT, &flags.fleet_timeout, value_parsers::limit)?,
            drain: limit(known_keys::DRAIN, &flags.fleet_drain, value_parsers::wait)?,
        })
    }
}

fn is_loopback(url: &Url) -> bool {
    match url.host_str() {
        Some("localhost") => true,
        Some(host) => {
            let bare: Result<std::net::IpAddr, _> = host.trim_matches(['[', ']']).parse();
            bare.is_ok_and(|address| address.is_loopback())
        }
        None => false,
    }
}

fn factory_id(sources: &SettingSources<'_>) -> Result<SettingValue<FactoryId>, SettingsError> {
    let flag = sources.flags.factory_id.as_deref();
    if let Some(raw) = sources.find_filled(known_keys::FACTORY_ID, flag)? {
        return raw.read(value_parsers::factory_id);
    }
    let host = rustix::system::uname();
    let host = host.nodename().to_string_lossy();
    match value_parsers::factory_id_of_host(&host) {
        Some(value) => Ok(SettingValue::default_of(value)),
        None => Err(SettingsError::BadValue {
            name: String::from("the host's name"),
            value: error::shown(&host),
            want: String::from("no factory id can be made of it; set AQ_FACTORY_ID"),
        }),
    }
}

#[cfg(test)]
mod tests;
