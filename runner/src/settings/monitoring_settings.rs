//! `[notify]` and `[metrics]` of `aq.toml`: whom a run tells of what happens, and where it writes its figures.

use std::path::PathBuf;
use std::time::Duration;

use super::SettingsError;
use super::config_file::ConfigFile;
use super::known_keys;
use super::setting_value::{RawSetting, TypedValue};
use super::value_parsers;
use crate::mode::SwitchState;
use crate::notifications::NotificationEvent;

const TIMEOUT_DEFAULT: Duration = Duration::from_secs(10);

/// The command that a run tells of events; it is there only where `[notify]` names one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NotifySettings {
    /// A name that is looked for on `PATH`, or a path.
    pub(crate) command: String,
    pub(crate) args: Vec<String>,
    /// What it is told of.
    pub(crate) events: Vec<NotificationEvent>,
    /// How long it may take for one object.
    pub(crate) timeout: Duration,
}

/// The file of figures for Prometheus.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct MetricsSettings {
    pub(crate) enabled: SwitchState,
    /// None: `.state/metrics.prom` in the queue folder.
    pub(crate) file: Option<PathBuf>,
}

impl NotifySettings {
    pub(super) fn resolve(file: &ConfigFile) -> Result<Option<NotifySettings>, SettingsError> {
        let command = file.parsed(known_keys::NOTIFY_COMMAND, program)?;
        let others = [
            known_keys::NOTIFY_ARGS,
            known_keys::NOTIFY_EVENTS,
            known_keys::NOTIFY_TIMEOUT,
        ];
        let lone = others.into_iter().find_map(|key| file.get(key.file));
        let Some(command) = command else {
            return match lone {
                None => Ok(None),
                Some(lone) => {
                    Err(lone.refuse("it has no effect without `command` under [notify]: name the program"))
                }
            };
        };
        Ok(Some(NotifySettings {
            command: match command.contains('/') {
                true => file.folder().join(command).to_string_lossy().into_owned(),
                false => command,
            },
            args: file
                .parsed(known_keys::NOTIFY_ARGS, arguments)?
                .unwrap_or_default(),
            events: file
                .parsed(known_keys::NOTIFY_EVENTS, events)?
                .unwrap_or_else(|| NotificationEvent::ALL.to_vec()),
            timeout: file
                .parsed(known_keys::NOTIFY_TIMEOUT, value_parsers::limit)?
                .unwrap_or(TIMEOUT_DEFAULT),
        }))
    }
}

impl MetricsSettings {
    pub(super) fn resolve(file: &ConfigFile) -> Result<MetricsSettings, SettingsError> {
        let enabled = file.parsed(known_keys::METRICS_ENABLED, value_parsers::switch)?;
        let path = file.parsed(known_keys::METRICS_FILE, path)?;
        Ok(MetricsSettings {
            enabled: enabled.unwrap_or(SwitchState::On),
            file: path.map(|path| file.folder().join(path)),
        })
    }
}

fn program(raw: &RawSetting) -> Result<String, SettingsError> {
    match &raw.typed {
        TypedValue::Text(name) if !name.trim().is_empty() => Ok(name.clone()),
        _ => {
            Err(raw.refuse("name one program, such as \"/usr/local/bin/tell\"; its arguments go into `args`"))
        }
    }
}

fn arguments(raw: &RawSetting) -> Result<Vec<String>, SettingsError> {
    match &raw.typed {
        TypedValue::List(arguments) => Ok(arguments.clone()),
        _ => Err(raw.refuse("write a list, such as [\"--channel\", \"builds\"]")),
    }
}

fn events(raw: &RawSetting) -> Result<Vec<NotificationEvent>, SettingsError> {
    let known = || {
        let names: Vec<&str> = NotificationEvent::ALL.map(NotificationEvent::name).into();
        format!("write a list of these: {}", names.join(", "))
    };
    let mut events = Vec::new();
    for name in raw.list() {
        let event = NotificationEvent::ALL
            .into_iter()
            .find(|event| event.name() == name);
        events.push(event.ok_or_else(|| raw.refuse(&known()))?);
    }
    Ok(events)
}

fn path(raw: &RawSetting) -> Result<PathBuf, SettingsError> {
    match raw.text() {
        "" => Err(raw.refuse("name a file, such as \"/var/lib/node_exporter/textfile/aq.prom\"")),
        path => Ok(PathBuf::from(path)),
    }
}
