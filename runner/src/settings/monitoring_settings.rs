//! `[notify]`, `[metrics]` and `[log]` of `aq.toml`: whom a run tells of what happens, where it writes its figures, and how
//! the shadow log is kept.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use super::SettingsError;
use super::config_file::ConfigFile;
use super::known_keys;
use super::setting_value::{RawSetting, TypedValue};
use super::value_parsers;
use crate::duration_text::DAY;
use crate::mode::SwitchState;
use crate::notifications::NotificationEvent;

const TIMEOUT_DEFAULT: Duration = Duration::from_secs(10);

/// `[log]` of `aq.toml`, which says how the shadow log is kept.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LogSettings {
    /// The size in bytes from which on the file that is written becomes a part, and another one is begun.
    pub(crate) shadow_size: u64,
    /// How long a part is kept at least.
    pub(crate) shadow_age: Duration,
}

impl LogSettings {
    pub(super) fn resolve(file: &ConfigFile) -> Result<LogSettings, SettingsError> {
        let size = file.parsed(known_keys::SHADOW_SIZE, value_parsers::size)?;
        let age = file.parsed(known_keys::SHADOW_AGE, value_parsers::age)?;
        Ok(LogSettings {
            shadow_size: size.unwrap_or(16 * 1024 * 1024),
            shadow_age: age.unwrap_or(DAY * 90),
        })
    }
}

/// The command that a run tells of events; it is there only where `[notify]` names one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NotifySettings {
    pub(crate) command: NotifyCommand,
    /// That of `aq.toml`, in which it starts.
    pub(crate) folder: PathBuf,
    /// What it is told of.
    pub(crate) events: Vec<NotificationEvent>,
    /// How long it may take for one object.
    pub(crate) timeout: Duration,
}

/// What is started for an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum NotifyCommand {
    /// For the shell, as `verify` of a job is.
    Line(String),
    /// A name that is looked for on `PATH`, or a path; and its arguments.
    Program(String, Vec<String>),
}

/// The file of figures for Prometheus.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct MetricsSettings {
    pub(crate) enabled: SwitchState,
    /// None: `.state/metrics.prom` in the queue folder.
    pub(crate) file: Option<PathBuf>,
}

impl fmt::Display for NotifyCommand {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NotifyCommand::Line(line) => formatter.write_str(line),
            NotifyCommand::Program(program, _) => formatter.write_str(program),
        }
    }
}

impl NotifySettings {
    pub(super) fn resolve(file: &ConfigFile) -> Result<Option<NotifySettings>, SettingsError> {
        let command = file.parsed(known_keys::NOTIFY_COMMAND, command)?;
        let others = [known_keys::NOTIFY_EVENTS, known_keys::NOTIFY_TIMEOUT];
        let lone = others.into_iter().find_map(|key| file.get(key.file));
        let Some(command) = command else {
            return match lone {
                None => Ok(None),
                Some(lone) => Err(lone
                    .refuse("it has no effect without `command` under [notify]: name what is to be started")),
            };
        };
        Ok(Some(NotifySettings {
            command: match command {
                NotifyCommand::Program(path, args) if path.contains('/') => {
                    let path = file.folder().join(path).to_string_lossy().into_owned();
                    NotifyCommand::Program(path, args)
                }
                other => other,
            },
            folder: file.folder().to_owned(),
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

fn command(raw: &RawSetting) -> Result<NotifyCommand, SettingsError> {
    match &raw.typed {
        TypedValue::Text(line) if !line.trim().is_empty() => Ok(NotifyCommand::Line(line.clone())),
        TypedValue::List(words) if words.first().is_some_and(|program| !program.trim().is_empty()) => {
            Ok(NotifyCommand::Program(words[0].clone(), words[1..].to_vec()))
        }
        _ => Err(raw.refuse(
            "write a line for the shell, such as \"/usr/local/bin/tell --channel builds\", or a list of a program and its \
             arguments",
        )),
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
