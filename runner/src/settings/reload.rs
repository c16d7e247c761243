//! Reads the switches of `aq.toml` again at each iteration of a run, so that going back needs no restart (clause F-8).
//! Nothing else of the file counts before the next start, because the jobs that run may be able to write there (clause
//! F-11).
//!
//! It returns what is new; the loop decides what a new mode means for the jobs that run.

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use super::config_file::ConfigFile;
use super::known_keys::{self, SettingKey};
use super::precedence::{ProcessEnvironment, SettingSources};
use super::route_switch::with_route_off;
use super::setting_value::SettingValue;
use super::{GlobalFlags, Settings, SettingsError};
use crate::mode::SwitchState;
use crate::queue_root::QueueRoot;

/// How long a file that was just emptied is taken for one that somebody is about to write.
const EMPTY_FILE_WAIT_MAX: Duration = Duration::from_millis(500);

/// What a reading of the file found.
#[derive(Debug)]
pub(crate) enum ReloadOutcome {
    Unchanged,
    /// It is being written at this moment, and has to be read again soon.
    BeingWritten,
    /// It can't be used, and all stays as it was. This is returned once for each content.
    Invalid(String),
    Changed {
        settings: Box<Settings>,
        /// Changes without effect, each with the reason.
        without_effect: Vec<String>,
    },
}

/// Reads `aq.toml` again and again while a run goes on. The run loop calls it at each iteration and at each change of the
/// file.
#[derive(Debug)]
pub(crate) struct SettingsReloader {
    /// Of the run's command line; they go before the file.
    flags: GlobalFlags,
    /// Of the run's start; it goes before the file too.
    environment: ProcessEnvironment,
    /// The queue folder; it can't change in a run.
    queue: SettingValue<PathBuf>,
    /// The same, opened once: no link on the way is followed.
    root: QueueRoot,
    /// The text, or the message of the error, that the last call read; none before the first.
    seen: Option<Result<String, String>>,
    /// The file when the run began: all but the switches counts from it until the end (clause F-11).
    start: ConfigFile,
    /// The last one that could be parsed.
    file: ConfigFile,
    /// ROUTE was turned off for the rest of this run, because a variable or a flag hides the file.
    is_route_held_off: bool,
}

/// How ROUTE is turned off.
#[derive(Debug)]
pub(crate) enum RouteOffOutcome {
    /// By the file: it has to hold `off` in place of `text`.
    ByFile { text: String, off: String },
    /// The file says already that it is off, and the next reading finds that.
    Found,
    /// For the rest of this run, because this hides the file.
    ForThisRun { hidden_by: String },
}

impl SettingsReloader {
    /// `settings` are those that the run began with.
    pub(crate) fn new(settings: &Settings) -> SettingsReloader {
        SettingsReloader::within(settings, std::env::vars_os().collect())
    }

    fn within(settings: &Settings, environment: ProcessEnvironment) -> SettingsReloader {
        SettingsReloader {
            flags: settings.flags.clone(),
            environment,
            queue: settings.queue.clone(),
            root: QueueRoot::at(&settings.queue.value),
            seen: None,
            start: settings.file.clone(),
            file: settings.file.clone(),
            is_route_held_off: false,
        }
    }

    /// Turns ROUTE off, or says what has to be written for that; there is nothing that turns it on.
    ///
    /// # Errors
    /// The file can't be understood as it is.
    pub(crate) fn turn_route_off(&mut self) -> Result<RouteOffOutcome, SettingsError> {
        let sources = SettingSources::of_caller(&self.flags, &self.environment, &self.file);
        let route = sources.find_switch(known_keys::ROUTE, &self.flags.route)?;
        if route.origin.hides_file() {
            self.is_route_held_off = true;
            // Read again although the text is the same.
            self.seen = None;
            let hidden_by = route.origin.to_string();
            return Ok(RouteOffOutcome::ForThisRun { hidden_by });
        }
        let text = ConfigFile::text(&self.root)?;
        let off = with_route_off(ConfigFile::path(&self.queue.value), &text)?;
        Ok(match off {
            Some(off) => RouteOffOutcome::ByFile { text, off },
            None => RouteOffOutcome::Found,
        })
    }

    pub(crate) fn read(&mut self) -> ReloadOutcome {
        let read = ConfigFile::text(&self.root).map_err(|error| error.to_string());
        if self.seen.as_ref() == Some(&read) {
            return ReloadOutcome::Unchanged;
        }
        let had_text = matches!(&self.seen, Some(Ok(text)) if !text.is_empty());
        if had_text && read.as_deref() == Ok("") && self.is_recently_modified() {
            return ReloadOutcome::BeingWritten;
        }
        self.seen = Some(read.clone());
        let path = ConfigFile::path(&self.queue.value);
        let parsed = read.and_then(|text| ConfigFile::parse(path, &text).map_err(|error| error.to_string()));
        let later = match parsed {
            Ok(later) => later,
            Err(problem) => return ReloadOutcome::Invalid(problem),
        };
        let counting = self.start.with_switches_from(&later);
        let mut flags = self.flags.clone();
        if self.is_route_held_off {
            flags.route = Some(SwitchState::Off.to_string());
        }
        let sources = SettingSources::of_caller(&flags, &self.environment, &counting);
        let resolved = Settings::resolve_from(&sources, self.queue.clone());
        let postponed = self.postponed(&later);
        let earlier = std::mem::replace(&mut self.file, later);
        match resolved {
            Ok(settings) => {
                let mut without_effect = self.hidden(&earlier, &settings);
                without_effect.extend(postponed);
                ReloadOutcome::Changed {
                    settings: Box::new(settings),
                    without_effect,
                }
            }
            Err(error) => ReloadOutcome::Invalid(match postponed {
                Some(postponed) => format!("{error}; {postponed}"),
                None => error.to_string(),
            }),
        }
    }

    /// Names what is new in the file and counts from the next start.
    fn postponed(&self, later: &ConfigFile) -> Option<String> {
        let known = self.start.differing(&self.file);
        let mut differing = self.start.differing(later);
        differing.retain(|name, value| known.get(name) != Some(value));
        let names: Vec<String> = differing.keys().map(|name| format!("`{name}`")).collect();
        (!names.is_empty()).then(|| {
            format!(
                "{}: {} changed since this run began: that counts from the next start of `aq run`, until then the \
                 value of the start does",
                ConfigFile::path(&self.queue.value).display(),
                names.join(", ")
            )
        })
    }

    fn hidden(&self, earlier: &ConfigFile, settings: &Settings) -> Vec<String> {
        let switches = &settings.switches;
        let each: [(SettingKey, &SettingValue<SwitchState>); 3] = [
            (known_keys::FLEET, &switches.fleet),
            (known_keys::ROUTE, &switches.route),
            (known_keys::SHADOW, &switches.shadow),
        ];
        let value = |file: &ConfigFile, key: SettingKey| file.get(key.file).map(|raw| raw.typed);
        let changed = |key: SettingKey| value(earlier, key) != value(&self.file, key);
        let path = ConfigFile::path(&self.queue.value);
        each.into_iter()
            .filter(|(key, setting)| changed(*key) && setting.origin.hides_file())
            .map(|(key, setting)| {
                let name = key.file.trim_start_matches("fleet.");
                let why = match self.is_route_held_off && key.file == known_keys::ROUTE.file {
                    true => String::from("this run has turned ROUTE off for its life; start `aq run` again"),
                    false => format!(
                        "{} says {}; take that away to let the file decide",
                        setting.origin, setting.value
                    ),
                };
                format!("{}: `{name}` has changed without effect: {why}", path.display())
            })
            .collect()
    }

    fn is_recently_modified(&self) -> bool {
        let changed = ConfigFile::path(&self.queue.value)
            .metadata()
            .and_then(|metadata| metadata.modified());
        let age = changed.map(|at| SystemTime::now().duration_since(at));
        age.is_ok_and(|age| age.map_or(true, |age| age < EMPTY_FILE_WAIT_MAX))
    }
}

#[cfg(test)]
mod tests;
