//! Reads `aq.toml` in the queue folder strictly, so that a misspelt key is reported and never silently without effect.
//!
//! Engines' own keys are left to the engine table; here they only have to be tables under a name.

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::ops::Range;
use std::path::{Path, PathBuf};

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::error::{SettingsError, shown};
use super::known_keys::{self, SettingKey};
use super::setting_value::{RawSetting, SettingOrigin, TypedValue};
use super::value_parsers;
use crate::file_ownership::ForeignWriter;
use crate::mode::SwitchState;
use crate::queue_root::QueueRoot;

const NAME: &str = "aq.toml";
/// The only settings that can change while a runner runs.
pub(super) const SWITCHES: [SettingKey; 3] = [known_keys::FLEET, known_keys::ROUTE, known_keys::SHADOW];
/// The tables of settings; those of engines are no settings.
const TABLES: [&str; 7] = ["fleet", "route", "run", "log", "notify", "metrics", "gate"];
const FILE_BYTES_MAX: u64 = 1024 * 1024;
/// Keys that stood under `[fleet]` in an earlier version.
const MOVED_KEYS: [&str; 2] = ["allow_engines", "allow_cwd"];

/// The content of the file; a file that is not there counts as empty.
#[derive(Debug, Clone, Default)]
pub(crate) struct ConfigFile {
    path: PathBuf,
    values: BTreeMap<&'static str, (usize, TypedValue)>,
    pub(crate) engines: BTreeMap<String, toml::Table>,
}

impl ConfigFile {
    pub(crate) fn read(queue: &Path) -> Result<ConfigFile, SettingsError> {
        let text = ConfigFile::text(&QueueRoot::at(queue))?;
        ConfigFile::parse(ConfigFile::path(queue), &text)
    }

    pub(crate) fn path(queue: &Path) -> PathBuf {
        queue.join(NAME)
    }

    /// Reads the text, which is empty if there is no file. A file that others can change is refused (clause O-19).
    pub(crate) fn text(queue: &QueueRoot) -> Result<String, SettingsError> {
        let path = ConfigFile::path(queue.path());
        match read_bounded(queue, &path) {
            Ok((_, Some(writer))) => Err(SettingsError::Exposed { path, writer }),
            Ok((text, None)) => Ok(text),
            Err(error) if is_absent(&error) => Ok(String::new()),
            Err(source) => Err(SettingsError::ReadFile { path, source }),
        }
    }

    /// Returns this file with the switches of a later one: nothing else of that counts in a run that is under way
    /// (clause F-11).
    pub(crate) fn with_switches_from(&self, later: &ConfigFile) -> ConfigFile {
        let is_switch = |name: &str| SWITCHES.iter().any(|key| key.file == name);
        let own = self.values.iter().filter(|(name, _)| !is_switch(name));
        let switches = later.values.iter().filter(|(name, _)| is_switch(name));
        let values = own.chain(switches).map(|(name, value)| (*name, value.clone()));
        ConfigFile {
            values: values.collect(),
            ..self.clone()
        }
    }

    /// The settings, but for the switches, in which a later file differs from this one.
    pub(crate) fn differing(&self, later: &ConfigFile) -> BTreeMap<String, String> {
        let others = known_keys::ALL
            .iter()
            .filter(|key| SWITCHES.iter().all(|switch| switch.file != key.file));
        let changed = others.filter_map(|key| {
            let [old, new] = [self, later].map(|file| file.values.get(key.file).map(|(_, typed)| typed));
            (old != new).then(|| (key.file.to_owned(), format!("{new:?}")))
        });
        let names = self.engines.keys().chain(later.engines.keys());
        let engines = names.filter_map(|name| {
            let (old, new) = (self.engines.get(name), later.engines.get(name));
            (old != new).then(|| (format!("engine.{name}"), format!("{new:?}")))
        });
        changed.chain(engines).collect()
    }

    pub(crate) fn parse(path: PathBuf, text: &str) -> Result<ConfigFile, SettingsError> {
        let syntax = |error: &toml::de::Error| SettingsError::Syntax {
            path: path.clone(),
            line: line_at(text, error.span().unwrap_or_default()),
            message: error.message().to_owned(),
        };
        let document = DeTable::parse(text).map_err(|error| syntax(&error))?;
        let mut whole: toml::Table = toml::from_str(text).map_err(|error| syntax(&error))?;
        let mut reader = ConfigReader {
            path: &path,
            text,
            values: BTreeMap::new(),
        };
        for (key, value) in document.get_ref() {
            match (key.get_ref().as_ref(), value.get_ref()) {
                (name, DeValue::Table(table)) if TABLES.contains(&name) => {
                    let mut entries = table.iter();
                    entries.try_for_each(|(key, value)| reader.entry(&format!("{name}."), key, value))?;
                }
                ("engine", DeValue::Table(table)) => reader.engines(table)?,
                (name, other) if name == "engine" || TABLES.contains(&name) => {
                    let want = match name {
                        "engine" => String::from("make it tables, such as [engine.mine]"),
                        _ => format!("make it a table: [{name}]"),
                    };
                    return Err(reader.bad(value.span(), name, other, &want));
                }
                _ => reader.entry("", key, value)?,
            }
        }
        let values = reader.values;
        // That they are tables was looked at above.
        let engines = whole.remove("engine").and_then(|engines| engines.try_into().ok());
        let engines = engines.unwrap_or_default();
        Ok(ConfigFile {
            path,
            values,
            engines,
        })
    }

    /// What the file says about `key`, parsed.
    pub(crate) fn parsed<T>(
        &self,
        key: SettingKey,
        parse: fn(&RawSetting) -> Result<T, SettingsError>,
    ) -> Result<Option<T>, SettingsError> {
        self.get(key.file).map(|raw| parse(&raw)).transpose()
    }

    pub(crate) fn get(&self, key: &str) -> Option<RawSetting> {
        let (line, typed) = self.values.get(key)?;
        Some(RawSetting {
            typed: typed.clone(),
            origin: SettingOrigin::File(self.path.clone()),
            name: format!("{}:{line}: {key}", self.path.display()),
        })
    }

    /// Whether it says that ROUTE is on.
    pub(super) fn is_route_on(&self) -> Result<bool, SettingsError> {
        let on = self.parsed(known_keys::ROUTE, value_parsers::switch)?;
        Ok(on == Some(SwitchState::On))
    }

    /// The folder that relative paths in the file start from.
    pub(crate) fn folder(&self) -> &Path {
        self.path.parent().unwrap_or(Path::new("."))
    }
}

/// What one pass over the document needs for its messages.
struct ConfigReader<'a> {
    path: &'a Path,
    text: &'a str,
    values: BTreeMap<&'static str, (usize, TypedValue)>,
}

impl ConfigReader<'_> {
    fn entry(
        &mut self,
        prefix: &str,
        key: &Spanned<toml::de::DeString<'_>>,
        value: &Spanned<DeValue<'_>>,
    ) -> Result<(), SettingsError> {
        let (path, line) = (self.path.to_owned(), line_at(self.text, key.span()));
        let name = format!("{prefix}{}", key.get_ref());
        if name == "fleet.token" {
            return Err(SettingsError::TokenInFile { path, line });
        }
        if let Some(key) = MOVED_KEYS.into_iter().find(|key| name == format!("fleet.{key}")) {
            let instead = format!("{key} = {}", as_list(value.get_ref()));
            return Err(SettingsError::Moved {
                path,
                line,
                key,
                instead,
            });
        }
        let is_known = |known: &&SettingKey| known.file == name && !name.is_empty();
        let Some(known) = known_keys::ALL.iter().find(is_known) else {
            let (nearest, key) = (nearest(&name), shown(&name));
            return Err(SettingsError::UnknownKey {
                path,
                line,
                key,
                nearest,
            });
        };
        let typed = typed(value.get_ref())
            .ok_or_else(|| self.bad(value.span(), &name, value.get_ref(), "give it a plain value"))?;
        self.values.insert(known.file, (line, typed));
        Ok(())
    }

    fn engines(&self, table: &DeTable<'_>) -> Result<(), SettingsError> {
        for (name, value) in table {
            let named = format!("engine.{}", name.get_ref());
            if !crate::ids::is_id(name.get_ref()) {
                let want = "name the engine with letters, digits and . _ : @ -";
                return Err(self.bad(name.span(), &named, value.get_ref(), want));
            }
            if !value.get_ref().is_table() {
                let want = format!("make it a table: [{named}]");
                return Err(self.bad(value.span(), &named, value.get_ref(), &want));
            }
        }
        Ok(())
    }

    fn bad(&self, span: Range<usize>, key: &str, value: &DeValue<'_>, want: &str) -> SettingsError {
        let text = self.text.get(span.clone()).unwrap_or(value.type_str());
        let (path, line) = (self.path.display(), line_at(self.text, span));
        SettingsError::BadValue {
            name: format!("{path}:{line}: {}", shown(key)),
            value: shown(text),
            want: want.to_owned(),
        }
    }
}

fn typed(value: &DeValue<'_>) -> Option<TypedValue> {
    match value {
        DeValue::Boolean(on) => Some(TypedValue::Bool(*on)),
        DeValue::Integer(integer) => i64::from_str_radix(integer.as_str(), integer.radix())
            .ok()
            .map(TypedValue::Integer),
        DeValue::String(text) => Some(TypedValue::Text(text.clone().into_owned())),
        DeValue::Array(array) => {
            let texts = array
                .iter()
                .map(|item| item.get_ref().as_str().map(str::to_owned));
            texts.collect::<Option<Vec<String>>>().map(TypedValue::List)
        }
        DeValue::Float(float) => Some(TypedValue::Float(float.as_str().to_owned())),
        DeValue::Datetime(_) | DeValue::Table(_) => None,
    }
}

/// Writes a list as it has to stand elsewhere.
fn as_list(value: &DeValue<'_>) -> String {
    let raw = typed(value).map(|typed| RawSetting {
        typed,
        origin: SettingOrigin::Default,
        name: String::new(),
    });
    let items = raw.iter().flat_map(RawSetting::list).map(toml::Value::from);
    toml::Value::Array(items.collect()).to_string()
}

/// The known key that `name` most likely was meant to be, written as it stands in its table; with the table's name
/// where that is another one.
fn nearest(name: &str) -> Option<String> {
    let (table, typed) = name.rsplit_once('.').unwrap_or(("", name));
    // A short name is near to too many others.
    let edits_max = (typed.chars().count() / 3).clamp(1, 3);
    let known = known_keys::ALL.iter().map(|key| key.file);
    let known = known.filter(|file| !file.is_empty());
    let tables = TABLES.into_iter().chain(["engine"]);
    known
        .chain(tables)
        .map(|file| file.rsplit_once('.').unwrap_or(("", file)))
        .filter(|(place, _)| place.is_empty() == table.is_empty())
        .map(|(place, key)| {
            (
                strsim::damerau_levenshtein(key, typed),
                place != table,
                place,
                key,
            )
        })
        .min()
        .filter(|(edits, ..)| *edits <= edits_max)
        .map(|(_, elsewhere, place, key)| match elsewhere {
            true => format!("[{place}] {key}"),
            false => key.to_owned(),
        })
}

fn line_at(text: &str, span: Range<usize>) -> usize {
    let before = text.get(..span.start).unwrap_or_default();
    before.bytes().filter(|byte| *byte == b'\n').count() + 1
}

/// The text, and who else can change it.
fn read_bounded(queue: &QueueRoot, path: &Path) -> io::Result<(String, Option<ForeignWriter>)> {
    let mut text = String::new();
    let file = queue.open(path)?;
    let writer = ForeignWriter::of(&file.metadata()?);
    let read = file.take(FILE_BYTES_MAX + 1).read_to_string(&mut text)?;
    match read as u64 > FILE_BYTES_MAX {
        true => Err(io::Error::new(io::ErrorKind::FileTooLarge, "over 1 MiB")),
        false => Ok((text, writer)),
    }
}

/// Whether there is no file, or no queue folder yet.
fn is_absent(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
    )
}
