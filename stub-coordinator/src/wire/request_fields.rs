//! Reading a request: a JSON object taken apart field by field, with a refusal that names the field at fault.

use std::borrow::Cow;

use super::BorrowedJson;
use crate::contract::ids::InvalidId;
use crate::contract::name_hint::hint;
use crate::contract::problem::Problem;
use crate::contract::stage::Stage;
use crate::contract::timestamp::UtcTimestamp;

/// The largest whole number that every JSON reader holds exactly.
const SAFE: i64 = 9_007_199_254_740_991;

/// The fields of a request that have not been read yet, and the names that have.
pub(crate) struct BodyFields<'a> {
    left: Vec<(Cow<'a, str>, BorrowedJson<'a>)>,
    known: Vec<&'static str>,
}

impl<'a> BodyFields<'a> {
    /// Takes a body that was read, or was not JSON: all but an object is 400 or 422 (C-30).
    pub(crate) fn read(said: Result<BorrowedJson<'a>, serde_json::Error>) -> Result<BodyFields<'a>, Problem> {
        BodyFields::of(
            said.map_err(|error| Problem::new("malformed_json", format!("{error}; send one JSON object")))?,
        )
    }

    pub(crate) fn of(value: BorrowedJson<'a>) -> Result<BodyFields<'a>, Problem> {
        match value {
            BorrowedJson::Object(left) => Ok(BodyFields {
                left,
                known: Vec::new(),
            }),
            _ => Err(Problem::new(
                "invalid_field",
                "the body is not an object; send one JSON object",
            )),
        }
    }

    /// Refuses what nobody read, where the stub was told to be strict.
    pub(crate) fn none_left(self, strict: bool) -> Result<(), Problem> {
        let Some(name) = self.left.first().map(|(name, _)| name).filter(|_| strict) else {
            return Ok(());
        };
        let hint = hint(name, self.known);
        Err(Problem::new(
            "unknown_field",
            format!("`{name}` is no field of this request{hint}"),
        )
        .on(name))
    }

    pub(crate) fn required<T>(
        &mut self,
        name: &'static str,
        read: impl Fn(&'static str, BorrowedJson<'a>) -> Result<T, Problem>,
    ) -> Result<T, Problem> {
        self.optional(name, read)?
            .ok_or_else(|| Problem::new("invalid_field", format!("`{name}` is missing")).on(name))
    }

    /// A field that may be left out. `null` is a value of the wrong shape, not an absence.
    pub(crate) fn optional<T>(
        &mut self,
        name: &'static str,
        read: impl Fn(&'static str, BorrowedJson<'a>) -> Result<T, Problem>,
    ) -> Result<Option<T>, Problem> {
        self.known.push(name);
        self.take(name).map(|value| read(name, value)).transpose()
    }

    /// The value of a field, which is left no more; the later one where it is there twice.
    fn take(&mut self, name: &str) -> Option<BorrowedJson<'a>> {
        let mut taken = None;
        self.left.retain_mut(|(known, value)| {
            let meant = known == name;
            if meant {
                taken = Some(std::mem::replace(value, BorrowedJson::Null));
            }
            !meant
        });
        taken
    }
}

fn wrong(name: &str, wanted: &str) -> Problem {
    Problem::new("invalid_field", format!("`{name}` must be {wanted}")).on(name)
}

/// A string of at least one and at most `longest` characters.
pub(crate) fn text(longest: usize) -> impl Fn(&'static str, BorrowedJson<'_>) -> Result<String, Problem> {
    move |name, value| match value {
        BorrowedJson::Text(text) if !text.is_empty() && text.chars().count() <= longest => {
            Ok(text.into_owned())
        }
        _ => Err(wrong(name, &format!("a string of 1 to {longest} characters"))),
    }
}

/// Lower-case letters, digits and `_`, led by a letter: what a program decides by.
pub(crate) fn code(name: &'static str, value: BorrowedJson<'_>) -> Result<String, Problem> {
    const LONGEST_CODE: usize = 128;
    let is_code = |text: &str| {
        text.len() <= LONGEST_CODE
            && text.starts_with(|first: char| first.is_ascii_lowercase())
            && text
                .chars()
                .all(|letter| matches!(letter, 'a'..='z' | '0'..='9' | '_'))
    };
    match value {
        BorrowedJson::Text(text) if is_code(&text) => Ok(text.into_owned()),
        _ => Err(wrong(
            name,
            "a code: 1 to 128 of a-z, 0-9 and `_`, led by a letter",
        )),
    }
}

/// A string of at most `longest` characters, or none at all.
pub(crate) fn text_or_empty(
    longest: usize,
) -> impl Fn(&'static str, BorrowedJson<'_>) -> Result<String, Problem> {
    move |name, value| match value {
        BorrowedJson::Text(text) if text.chars().count() <= longest => Ok(text.into_owned()),
        _ => Err(wrong(name, &format!("a string of at most {longest} characters"))),
    }
}

pub(crate) fn flag(name: &'static str, value: BorrowedJson<'_>) -> Result<bool, Problem> {
    match value {
        BorrowedJson::Flag(flag) => Ok(flag),
        _ => Err(wrong(name, "true or false")),
    }
}

/// A whole number between two bounds; `5.0` is one too, as JSON Schema has it.
pub(crate) fn whole(
    least: i64,
    most: i64,
) -> impl Fn(&'static str, BorrowedJson<'_>) -> Result<i64, Problem> {
    move |name, value| {
        whole_number(&value)
            .filter(|number| (least..=most).contains(number))
            .ok_or_else(|| wrong(name, &format!("a whole number from {least} to {most}")))
    }
}

/// A whole number of milliseconds, or a fencing token: from `least` up to what JSON holds exactly.
pub(crate) fn count(least: i64) -> impl Fn(&'static str, BorrowedJson<'_>) -> Result<u64, Problem> {
    move |name, value| whole(least, SAFE)(name, value).map(i64::unsigned_abs)
}

pub(crate) fn id<T>(
    parse: impl Fn(&str) -> Result<T, InvalidId>,
) -> impl Fn(&'static str, BorrowedJson<'_>) -> Result<T, Problem> {
    move |name, value| match &value {
        BorrowedJson::Text(text) => {
            parse(text).map_err(|error| Problem::new("invalid_id", error.to_string()).on(name))
        }
        _ => Err(wrong(name, "a string")),
    }
}

pub(crate) fn list<T>(
    most: usize,
    read: impl Fn(&'static str, BorrowedJson<'_>) -> Result<T, Problem>,
) -> impl Fn(&'static str, BorrowedJson<'_>) -> Result<Vec<T>, Problem> {
    move |name, value| match value {
        BorrowedJson::List(items) if items.len() <= most => {
            items.into_iter().map(|item| read(name, item)).collect()
        }
        _ => Err(wrong(name, &format!("a list of at most {most}"))),
    }
}

/// A stage that a job can be in.
pub(crate) fn stage(name: &'static str, value: BorrowedJson<'_>) -> Result<Stage, Problem> {
    stage_that(name, value, |_| true)
}

/// A stage that a report may name.
pub(crate) fn reported_stage(name: &'static str, value: BorrowedJson<'_>) -> Result<Stage, Problem> {
    stage_that(name, value, Stage::is_reported)
}

fn stage_that(
    name: &'static str,
    value: BorrowedJson<'_>,
    fits: fn(Stage) -> bool,
) -> Result<Stage, Problem> {
    let fitting = || Stage::ALL.into_iter().filter(|stage| fits(*stage));
    let names = || fitting().map(Stage::name).collect::<Vec<_>>().join(", ");
    value
        .as_text()
        .and_then(Stage::parse)
        .filter(|stage| fits(*stage))
        .ok_or_else(|| wrong(name, &format!("one of {}", names())))
}

pub(crate) fn instant(name: &'static str, value: BorrowedJson<'_>) -> Result<UtcTimestamp, Problem> {
    value.as_text().and_then(UtcTimestamp::parse).ok_or_else(|| {
        wrong(
            name,
            "an instant such as 2026-01-01T00:00:00.000Z, in UTC with three decimals or none",
        )
    })
}

/// The mark of a shadow request: the number 1.
pub(crate) fn one(name: &'static str, value: BorrowedJson<'_>) -> Result<(), Problem> {
    match whole_number(&value) {
        Some(1) => Ok(()),
        _ => Err(wrong(name, "the number 1")),
    }
}

fn whole_number(value: &BorrowedJson<'_>) -> Option<i64> {
    match value {
        BorrowedJson::Whole(number) => Some(*number),
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_precision_loss,
            reason = "whole and within the safe range, so exact"
        )]
        BorrowedJson::Broken(number) if number.fract() == 0.0 && number.abs() <= SAFE as f64 => {
            Some(*number as i64)
        }
        _ => None,
    }
}

/// The parameters behind the `?` of a reading request.
pub(crate) struct QueryParameters(Vec<(String, String)>);

impl QueryParameters {
    pub(crate) fn new(pairs: Vec<(String, String)>) -> QueryParameters {
        QueryParameters(pairs)
    }

    /// The parameter's value as a JSON string, to be read like a field.
    pub(crate) fn optional<T>(
        &mut self,
        name: &'static str,
        read: impl Fn(&'static str, BorrowedJson<'_>) -> Result<T, Problem>,
    ) -> Result<Option<T>, Problem> {
        let at = self.0.iter().position(|(key, _)| key == name);
        at.map(|at| read(name, BorrowedJson::Text(self.0.remove(at).1.into())))
            .transpose()
    }

    pub(crate) fn none_left(self, strict: bool) -> Result<(), Problem> {
        match self.0.first() {
            Some((name, _)) if strict => Err(Problem::new(
                "unknown_field",
                format!("`{name}` is no parameter of this request, or is given twice"),
            )
            .on(name)),
            _ => Ok(()),
        }
    }
}

/// A whole number written in digits alone.
pub(crate) fn digits(
    least: u64,
    most: u64,
) -> impl Fn(&'static str, BorrowedJson<'_>) -> Result<u64, Problem> {
    move |name, value| {
        value
            .as_text()
            .filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()))
            .and_then(|text| text.parse().ok())
            .filter(|number| (least..=most).contains(number))
            .ok_or_else(|| wrong(name, &format!("a whole number from {least} to {most}")))
    }
}
