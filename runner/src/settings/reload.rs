//! `aq.toml` while a runner runs: read again at each iteration, so that going forward and going back need no restart
//! (clause F-8).
//!
//! Here is said what is new; what a new mode means for what runs is decided by the loop.

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use super::file::ConfigFile;
use super::source::{Environment, Key, Origin, Setting, keys};
use super::{GlobalFlags, Settings};
use crate::mode::Switch;

/// A file that was just emptied is one that someone is about to write.
const EMPTY_FOR: Duration = Duration::from_millis(500);

/// What a look at the file came to.
#[derive(Debug)]
pub(crate) enum News {
    Nothing,
    /// It is being written at this moment: to be looked at again soon.
    Unsettled,
    /// It can't be used; all stays as it was. Told once for each content.
    Bad(String),
    Changed {
        settings: Box<Settings>,
        /// What was changed without effect, and what hides it.
        hidden: Vec<String>,
    },
}

#[derive(Debug)]
pub(crate) struct Reload {
    flags: GlobalFlags,
    environment: Environment,
    queue: Setting<PathBuf>,
    /// What was last read; an error is kept as its message.
    seen: Option<Result<String, String>>,
    /// The last good one.
    file: ConfigFile,
}

impl Reload {
    pub(crate) fn new(flags: &GlobalFlags, queue: &Setting<PathBuf>) -> Reload {
        Reload::within(flags, std::env::vars_os().collect(), queue)
    }

    fn within(flags: &GlobalFlags, environment: Environment, queue: &Setting<PathBuf>) -> Reload {
        Reload {
            flags: flags.clone(),
            environment,
            queue: queue.clone(),
            seen: None,
            file: ConfigFile::default(),
        }
    }

    pub(crate) fn look(&mut self) -> News {
        let read = ConfigFile::text(&self.queue.value).map_err(|error| error.to_string());
        if self.seen.as_ref() == Some(&read) {
            return News::Nothing;
        }
        let had_text = matches!(&self.seen, Some(Ok(text)) if !text.is_empty());
        if had_text && read.as_deref() == Ok("") && self.is_just_emptied() {
            return News::Unsettled;
        }
        let first = self.seen.is_none();
        self.seen = Some(read.clone());
        let parsed = read.and_then(|text| {
            ConfigFile::parse(ConfigFile::path(&self.queue.value), &text).map_err(|error| error.to_string())
        });
        let resolved = parsed.and_then(|file| {
            Settings::resolve_from(&self.flags, &self.environment, self.queue.clone(), &file)
                .map(|settings| (file, settings))
                .map_err(|error| error.to_string())
        });
        let (file, settings) = match resolved {
            Ok(resolved) => resolved,
            Err(problem) => return News::Bad(problem),
        };
        let hidden = match first {
            true => Vec::new(),
            false => self.hidden(&file, &settings),
        };
        self.file = file;
        News::Changed {
            settings: Box::new(settings),
            hidden,
        }
    }

    fn hidden(&self, file: &ConfigFile, settings: &Settings) -> Vec<String> {
        let switches = &settings.switches;
        let each: [(Key, &Setting<Switch>); 3] = [
            (keys::FLEET, &switches.fleet),
            (keys::ROUTE, &switches.route),
            (keys::SHADOW, &switches.shadow),
        ];
        let value = |file: &ConfigFile, key: Key| file.get(key.file).map(|raw| raw.typed);
        let changed = |key: Key| value(&self.file, key) != value(file, key);
        let hides =
            |setting: &Setting<Switch>| matches!(setting.origin, Origin::Environment(_) | Origin::Flag(_));
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

    fn is_just_emptied(&self) -> bool {
        let changed = ConfigFile::path(&self.queue.value)
            .metadata()
            .and_then(|metadata| metadata.modified());
        changed.is_ok_and(|at| {
            SystemTime::now()
                .duration_since(at)
                .map_or(true, |age| age < EMPTY_FOR)
        })
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::mode::Mode;

    fn reload(folder: &std::path::Path, variables: &[(&str, &str)]) -> Reload {
        let environment = [("AQ_FLEET_URL", "http://127.0.0.1:9")]
            .iter()
            .chain(variables)
            .map(|(name, value)| ((*name).into(), (*value).into()))
            .collect();
        let queue = Setting {
            value: folder.to_owned(),
            origin: Origin::Default,
        };
        Reload::within(&GlobalFlags::default(), environment, &queue)
    }

    fn mode(news: News) -> (Mode, Vec<String>) {
        match news {
            News::Changed { settings, hidden } => (settings.mode, hidden),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_change_is_told_once() {
        let folder = tempfile::tempdir().unwrap();
        let mut reload = reload(folder.path(), &[]);
        assert_eq!(mode(reload.look()), (Mode::Offline, vec![]));
        assert!(matches!(reload.look(), News::Nothing));
        fs::write(folder.path().join("aq.toml"), "[fleet]\nenabled = true\n").unwrap();
        assert_eq!(mode(reload.look()), (Mode::Local, vec![]));
        assert!(matches!(reload.look(), News::Nothing));
        fs::remove_file(folder.path().join("aq.toml")).unwrap();
        assert_eq!(mode(reload.look()), (Mode::Offline, vec![]));
    }

    #[test]
    fn what_hides_a_change_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let mut reload = reload(folder.path(), &[("AQ_FLEET", "0")]);
        reload.look();
        let text = "[fleet]\nenabled = true\nshadow = true\n";
        fs::write(folder.path().join("aq.toml"), text).unwrap();
        let (mode, hidden) = mode(reload.look());
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
        assert_eq!(mode(reload.look()), (Mode::Offline, vec![]));
        fs::write(&path, "grace = \"2s\"\n[fleet]\nenabled = true\n").unwrap();
        assert_eq!(mode(reload.look()), (Mode::Offline, vec![]));
    }

    #[test]
    fn a_bad_value_is_told_once_and_changes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("aq.toml");
        fs::write(&path, "[fleet]\nenabled = true\n").unwrap();
        let mut reload = reload(folder.path(), &[]);
        reload.look();
        fs::write(&path, "[fleet]\nenabled = \"perhaps\"\n").unwrap();
        match reload.look() {
            News::Bad(problem) => assert!(problem.contains("perhaps"), "{problem}"),
            other => panic!("{other:?}"),
        }
        assert!(matches!(reload.look(), News::Nothing));
        fs::write(&path, "[fleet]\nenabled = true\nshadow = true\n").unwrap();
        assert_eq!(mode(reload.look()).0, Mode::Shadow);
    }

    #[test]
    fn a_file_that_can_not_be_read_any_more_is_told_once_and_changes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("aq.toml");
        let text = "[fleet]\nenabled = true\n";
        fs::write(&path, text).unwrap();
        let mut reload = reload(folder.path(), &[]);
        reload.look();
        fs::remove_file(&path).unwrap();
        fs::create_dir(&path).unwrap();
        assert!(matches!(reload.look(), News::Bad(problem) if problem.contains("aq.toml")));
        for _ in 0..3 {
            assert!(matches!(reload.look(), News::Nothing));
        }
        fs::remove_dir(&path).unwrap();
        fs::write(&path, text).unwrap();
        assert_eq!(mode(reload.look()), (Mode::Local, vec![]));
    }

    #[test]
    fn a_file_that_is_just_being_written_is_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("aq.toml");
        fs::write(&path, "[fleet]\nenabled = true\n").unwrap();
        let mut reload = reload(folder.path(), &[]);
        reload.look();
        fs::write(&path, "").unwrap();
        assert!(matches!(reload.look(), News::Unsettled));
        let long_ago = SystemTime::now() - 2 * EMPTY_FOR;
        fs::File::open(&path).unwrap().set_modified(long_ago).unwrap();
        assert_eq!(mode(reload.look()).0, Mode::Offline);
    }
}
