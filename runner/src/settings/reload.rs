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
use super::setting_value::{SettingOrigin, SettingValue};
use super::{GlobalFlags, Settings};
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
        }
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
        let sources = SettingSources::of_caller(&self.flags, &self.environment, &counting);
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
        let hides = |setting: &SettingValue<SwitchState>| {
            !matches!(setting.origin, SettingOrigin::File(_) | SettingOrigin::Default)
        };
        each.into_iter()
            .filter(|(key, setting)| changed(*key) && hides(setting))
            .map(|(key, setting)| {
                let name = key.file.trim_start_matches("fleet.");
                format!(
                    "{}: `{name}` has changed without effect: {} says {}; take that away to let the file decide",
                    ConfigFile::path(&self.queue.value).display(),
                    setting.origin,
                    setting.value
                )
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
mod tests {
    use std::fs;

    use super::*;
    use crate::mode::Mode;

    fn reload(folder: &std::path::Path, variables: &[(&str, &str)]) -> SettingsReloader {
        let environment: ProcessEnvironment = [("AQ_FLEET_URL", "http://127.0.0.1:9")]
            .iter()
            .chain(variables)
            .map(|(name, value)| ((*name).into(), (*value).into()))
            .collect();
        let queue = SettingValue {
            value: folder.to_owned(),
            origin: SettingOrigin::Default,
        };
        let file = ConfigFile::read(folder).unwrap();
        let flags = GlobalFlags::default();
        let sources = SettingSources::of_caller(&flags, &environment, &file);
        let settings = Settings::resolve_from(&sources, queue).unwrap();
        SettingsReloader::within(&settings, environment)
    }

    fn mode(outcome: ReloadOutcome) -> (Mode, Vec<String>) {
        match outcome {
            ReloadOutcome::Changed {
                settings,
                without_effect,
            } => (settings.mode, without_effect),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_change_is_told_once() {
        let folder = tempfile::tempdir().unwrap();
        let mut reload = reload(folder.path(), &[]);
        assert_eq!(mode(reload.read()), (Mode::Offline, vec![]));
        assert!(matches!(reload.read(), ReloadOutcome::Unchanged));
        fs::write(folder.path().join("aq.toml"), "[fleet]\nenabled = true\n").unwrap();
        assert_eq!(mode(reload.read()), (Mode::Local, vec![]));
        assert!(matches!(reload.read(), ReloadOutcome::Unchanged));
        fs::remove_file(folder.path().join("aq.toml")).unwrap();
        assert_eq!(mode(reload.read()), (Mode::Offline, vec![]));
    }

    #[test]
    fn what_hides_a_change_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let mut reload = reload(folder.path(), &[("AQ_FLEET", "0")]);
        reload.read();
        let text = "[fleet]\nenabled = true\nshadow = true\n";
        fs::write(folder.path().join("aq.toml"), text).unwrap();
        let (mode, hidden) = mode(reload.read());
        assert_eq!((mode, hidden.len()), (Mode::Offline, 1));
        assert!(
            hidden[0].contains("`enabled`") && hidden[0].contains("AQ_FLEET says 0"),
            "{hidden:?}"
        );
    }

    #[test]
    fn what_is_hidden_since_the_start_or_has_not_changed_is_not_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("aq.toml");
        fs::write(&path, "[fleet]\nenabled = true\n").unwrap();
        let mut reload = reload(folder.path(), &[("AQ_FLEET", "0")]);
        assert_eq!(mode(reload.read()), (Mode::Offline, vec![]));
        fs::write(&path, "# \n[fleet]\nenabled = true\n").unwrap();
        assert_eq!(mode(reload.read()), (Mode::Offline, vec![]));
    }

    #[test]
    fn all_but_the_switches_counts_as_it_was_at_the_start_and_each_change_is_told_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("aq.toml");
        let text = |url: &str, more: &str| format!("{more}\n[fleet]\nenabled = true\nurl = \"{url}\"\n");
        fs::write(&path, text("http://127.0.0.1:1", "")).unwrap();
        let mut reload = reload(folder.path(), &[("AQ_FLEET_URL", "")]);
        reload.read();
        let urls = ["http://127.0.0.1:2", "http://127.0.0.1:3", "http://127.0.0.1:1"];
        let mut look = |text: String| {
            fs::write(&path, text).unwrap();
            match reload.read() {
                ReloadOutcome::Changed {
                    settings,
                    without_effect,
                } => (
                    settings.fleet.url.unwrap().value.port(),
                    without_effect.join("\n"),
                ),
                other => panic!("{other:?}"),
            }
        };
        for url in &urls[..2] {
            let (port, message) = look(text(url, ""));
            assert_eq!(
                (port, message.matches("`fleet.url` changed").count()),
                (Some(1), 1),
                "{message}"
            );
        }
        assert_eq!(look(text(urls[1], "# nothing")), (Some(1), String::new()));
        assert_eq!(
            look(text(urls[2], "")),
            (Some(1), String::new()),
            "it is what it was"
        );
        let more = "grace = \"1s\"\n[engine.mine]\ncommand = \"x\"\n[route]\nallow_yolo = true";
        let (_, message) = look(text(urls[2], more));
        assert!(
            message.contains("`engine.mine`, `grace`, `route.allow_yolo` changed"),
            "{message}"
        );
    }

    #[test]
    fn who_started_without_an_address_is_told_that_one_counts_from_the_next_start() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("aq.toml");
        let mut reload = reload(folder.path(), &[("AQ_FLEET_URL", "")]);
        reload.read();
        fs::write(&path, "[fleet]\nenabled = true\nurl = \"http://127.0.0.1:2\"\n").unwrap();
        let message = match reload.read() {
            ReloadOutcome::Invalid(message) => message,
            other => panic!("{other:?}"),
        };
        assert!(
            message.contains("no coordinator is named") && message.contains("`fleet.url` changed"),
            "{message}"
        );
        assert!(message.contains("next start"), "{message}");
    }

    #[test]
    fn a_bad_value_is_told_once_and_changes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("aq.toml");
        fs::write(&path, "[fleet]\nenabled = true\n").unwrap();
        let mut reload = reload(folder.path(), &[]);
        reload.read();
        fs::write(&path, "[fleet]\nenabled = \"perhaps\"\n").unwrap();
        match reload.read() {
            ReloadOutcome::Invalid(problem) => assert!(problem.contains("perhaps"), "{problem}"),
            other => panic!("{other:?}"),
        }
        assert!(matches!(reload.read(), ReloadOutcome::Unchanged));
        fs::write(&path, "[fleet]\nenabled = true\nshadow = true\n").unwrap();
        assert_eq!(mode(reload.read()).0, Mode::Shadow);
    }

    #[test]
    fn a_file_that_can_not_be_read_any_more_is_told_once_and_changes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("aq.toml");
        let text = "[fleet]\nenabled = true\n";
        fs::write(&path, text).unwrap();
        let mut reload = reload(folder.path(), &[]);
        reload.read();
        fs::remove_file(&path).unwrap();
        fs::create_dir(&path).unwrap();
        assert!(matches!(reload.read(), ReloadOutcome::Invalid(problem) if problem.contains("aq.toml")));
        for _ in 0..3 {
            assert!(matches!(reload.read(), ReloadOutcome::Unchanged));
        }
        fs::remove_dir(&path).unwrap();
        fs::write(&path, text).unwrap();
        assert_eq!(mode(reload.read()), (Mode::Local, vec![]));
    }

    #[test]
    fn a_file_that_is_just_being_written_is_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("aq.toml");
        fs::write(&path, "[fleet]\nenabled = true\n").unwrap();
        let mut reload = reload(folder.path(), &[]);
        reload.read();
        fs::write(&path, "").unwrap();
        assert!(matches!(reload.read(), ReloadOutcome::BeingWritten));
        let long_ago = SystemTime::now() - 2 * EMPTY_FILE_WAIT_MAX;
        fs::File::open(&path).unwrap().set_modified(long_ago).unwrap();
        assert_eq!(mode(reload.read()).0, Mode::Offline);
    }
}
