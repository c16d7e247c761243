//! Finds the block between the two `---` lines, reads it as YAML within narrow limits, and returns a list of keys with
//! their lines. What a key means is decided elsewhere.

use serde::de::{self, Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::{Location, Spanned};

use super::{JobDiagnostic, source_text};

const SHAPE: &str =
    "start the file with a line `---`, then keys such as `engine: claude`, then another line `---`";

/// No job has as many.
const KEYS_MAX: usize = 100;

/// A job file, cut at its two `---` lines.
pub(super) struct JobFileParts<'a> {
    pub(super) yaml: &'a str,
    pub(super) body: &'a str,
    /// The line on which the body starts.
    pub(super) body_line: usize,
}

/// One key of the front matter.
pub(super) struct FrontMatterEntry {
    pub(super) key: String,
    pub(super) value: FrontMatterValue,
    /// Its line in the file, counted from 1.
    pub(super) line: usize,
    /// The value of a plain scalar as its author wrote it, before YAML makes a number of it.
    pub(super) written: String,
    /// A comment follows the plain scalar on one of its lines.
    pub(super) is_cut: bool,
}

/// The value of a key, before its meaning is known.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum FrontMatterValue {
    Nothing,
    Bool(bool),
    Integer(i64),
    Text(String),
    List(Vec<ListItem>),
    Fraction,
    Table,
}

/// One value of a list.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct ListItem {
    pub(super) value: FrontMatterValue,
    /// As of an entry; empty until the text was looked at.
    pub(super) written: String,
    /// Where it stands.
    place: Location,
}

pub(super) fn split<'a>(file: &str, text: &'a str) -> Result<JobFileParts<'a>, JobDiagnostic> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut lines = text.split_inclusive('\n');
    let Some(first) = lines.next().filter(|line| line.trim_end() == "---") else {
        return Err(JobDiagnostic::new(
            file,
            1,
            format!("there is no front matter: {SHAPE}"),
        ));
    };
    let mut end = first.len();
    for (index, line) in lines.enumerate() {
        if line.trim_end() == "---" {
            let body = &text[end + line.len()..];
            return Ok(JobFileParts {
                yaml: &text[first.len()..end],
                body,
                body_line: index + 3,
            });
        }
        end += line.len();
    }
    Err(JobDiagnostic::new(
        file,
        1,
        format!("the front matter has no end: {SHAPE}"),
    ))
}

pub(super) fn parse(file: &str, yaml: &str) -> Result<Vec<FrontMatterEntry>, JobDiagnostic> {
    let options = serde_saphyr::options! {
        budget: serde_saphyr::budget! { max_anchors: 0, max_aliases: 0, max_depth: 16, max_documents: 1 },
        strict_booleans: true,
    };
    // Front matter that holds nothing but comments has no value at all, which the parser reports as an error.
    if yaml
        .lines()
        .all(|line| line.trim().is_empty() || line.trim_start().starts_with('#'))
    {
        return Ok(Vec::new());
    }
    let entries: FrontMatterEntries =
        serde_saphyr::from_str_with_options(yaml, options).map_err(|error| {
            let line = error.location().map_or(1, |location| file_line(location.line()));
            JobDiagnostic::new(
                file,
                line,
                advice(&error.without_snippet().to_string(), yaml, line),
            )
        })?;
    if let Some(entry) = entries.0.get(KEYS_MAX) {
        let text = format!("more than {KEYS_MAX} keys: put what isn't a key of a job into the body");
        return Err(JobDiagnostic::new(
            file,
            file_line(entry.key.referenced.line()),
            text,
        ));
    }
    for entry in &entries.0 {
        let place = entry.key.referenced;
        if let Some(line) = source_text::tagged_line(yaml, place) {
            let quoted = source_text::in_quotes(line).unwrap_or_else(|| format!("{}: '…'", entry.key.value));
            let text =
                format!("YAML takes what begins with `!` for a tag and not for text: write `{quoted}`");
            return Err(JobDiagnostic::new(file, file_line(place.line()), text));
        }
    }
    Ok(entries.0.into_iter().map(|raw| raw.into_entry(yaml)).collect())
}

/// The parser names lines of its own counting, and options of its own; a person needs neither. `line`: of the file.
fn advice(reason: &str, yaml: &str, line: usize) -> String {
    let reason = reason.lines().next().unwrap_or_default();
    let reason = reason
        .rsplit_once(" at line ")
        .map_or(reason, |(reason, _)| reason);
    let twice = reason
        .strip_prefix("duplicate mapping key: ")
        .and_then(|text| text.split_once(','));
    match twice {
        Some((key, _)) => format!("`{key}` stands here a second time: remove one of the two"),
        None => {
            let quoted = yaml
                .lines()
                .nth(line.saturating_sub(2))
                .and_then(source_text::in_quotes);
            let quoted = quoted.map_or(String::new(), |line| {
                format!(", or put the value in quotes: `{line}`")
            });
            format!("the front matter can't be read ({reason}): write one `key: value` a line{quoted}")
        }
    }
}

/// The YAML starts on the second line of the file.
fn file_line(yaml_line: u64) -> usize {
    usize::try_from(yaml_line).unwrap_or(usize::MAX - 1) + 1
}

struct FrontMatterEntries(Vec<ParsedEntry>);

/// An entry before the text is looked at again.
struct ParsedEntry {
    key: Spanned<String>,
    value: Spanned<FrontMatterValue>,
}

impl ParsedEntry {
    /// Adds what only the text tells.
    fn into_entry(self, yaml: &str) -> FrontMatterEntry {
        let place = self.value.referenced;
        let value = match self.value.value {
            FrontMatterValue::List(items) => FrontMatterValue::List(
                items
                    .into_iter()
                    .map(|item| ListItem {
                        written: source_text::word_at(yaml, item.place).to_owned(),
                        ..item
                    })
                    .collect(),
            ),
            other => other,
        };
        FrontMatterEntry {
            key: self.key.value,
            value,
            line: file_line(self.key.referenced.line()),
            written: source_text::word_at(yaml, place).to_owned(),
            is_cut: source_text::is_cut_by_comment(yaml, self.key.referenced, place),
        }
    }
}

impl<'de> Deserialize<'de> for FrontMatterEntries {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(EntriesVisitor)
    }
}

struct EntriesVisitor;

impl<'de> Visitor<'de> for EntriesVisitor {
    type Value = FrontMatterEntries;

    fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("keys with values")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<FrontMatterEntries, A::Error> {
        let mut entries = Vec::new();
        while let Some(key) = map.next_key::<Spanned<String>>()? {
            let value = map.next_value()?;
            entries.push(ParsedEntry { key, value });
        }
        Ok(FrontMatterEntries(entries))
    }
}

impl<'de> Deserialize<'de> for FrontMatterValue {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ValueVisitor)
    }
}

struct ValueVisitor;

impl<'de> Visitor<'de> for ValueVisitor {
    type Value = FrontMatterValue;

    fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("a value")
    }

    fn visit_unit<E: de::Error>(self) -> Result<FrontMatterValue, E> {
        Ok(FrontMatterValue::Nothing)
    }

    fn visit_none<E: de::Error>(self) -> Result<FrontMatterValue, E> {
        Ok(FrontMatterValue::Nothing)
    }

    fn visit_bool<E: de::Error>(self, value: bool) -> Result<FrontMatterValue, E> {
        Ok(FrontMatterValue::Bool(value))
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<FrontMatterValue, E> {
        Ok(FrontMatterValue::Integer(value))
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<FrontMatterValue, E> {
        Ok(i64::try_from(value).map_or(FrontMatterValue::Fraction, FrontMatterValue::Integer))
    }

    fn visit_f64<E: de::Error>(self, _value: f64) -> Result<FrontMatterValue, E> {
        Ok(FrontMatterValue::Fraction)
    }

    fn visit_str<E: de::Error>(self, value: &str) -> Result<FrontMatterValue, E> {
        Ok(FrontMatterValue::Text(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<FrontMatterValue, A::Error> {
        let mut values = Vec::new();
        while let Some(item) = sequence.next_element::<Spanned<FrontMatterValue>>()? {
            values.push(ListItem {
                value: item.value,
                written: String::new(),
                place: item.referenced,
            });
        }
        Ok(FrontMatterValue::List(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<FrontMatterValue, A::Error> {
        while map.next_entry::<de::IgnoredAny, de::IgnoredAny>()?.is_some() {}
        Ok(FrontMatterValue::Table)
    }
}
