//! A request's body as JSON that borrows its text from the bytes it came in: read once, for whoever looks at it.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Json<'a> {
    Null,
    Flag(bool),
    Whole(i64),
    /// Any other number.
    Broken(f64),
    Text(Cow<'a, str>),
    List(Vec<Json<'a>>),
    /// As it is written; of two fields with the same name the later one counts.
    Object(Vec<(Cow<'a, str>, Json<'a>)>),
}

impl<'a> Json<'a> {
    pub(crate) fn read(body: &'a [u8]) -> Result<Json<'a>, serde_json::Error> {
        serde_json::from_slice(body)
    }

    /// A field, where this is an object that has it.
    pub(crate) fn field(&self, name: &str) -> Option<&Json<'a>> {
        let Json::Object(fields) = self else { return None };
        let of_that_name = fields.iter().rev().find(|(known, _)| known == name);
        of_that_name.map(|(_, value)| value)
    }

    /// The text in a field, where there is such a field and it holds text.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.field(name).and_then(Json::as_text)
    }

    pub(crate) fn as_text(&self) -> Option<&str> {
        match self {
            Json::Text(text) => Some(text),
            _ => None,
        }
    }
}

impl<'de> Deserialize<'de> for Json<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Json<'de>, D::Error> {
        deserializer.deserialize_any(Anything)
    }
}

struct Anything;

impl<'de> Visitor<'de> for Anything {
    type Value = Json<'de>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("JSON")
    }

    fn visit_unit<E: Error>(self) -> Result<Json<'de>, E> {
        Ok(Json::Null)
    }

    fn visit_bool<E: Error>(self, flag: bool) -> Result<Json<'de>, E> {
        Ok(Json::Flag(flag))
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Json<'de>, E> {
        Ok(Json::Whole(number))
    }

    #[expect(
        clippy::cast_precision_loss,
        reason = "beyond what any field of the contract holds"
    )]
    fn visit_u64<E: Error>(self, number: u64) -> Result<Json<'de>, E> {
        Ok(i64::try_from(number).map_or(Json::Broken(number as f64), Json::Whole))
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<Json<'de>, E> {
        Ok(Json::Broken(number))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Json<'de>, E> {
        Ok(Json::Text(Cow::Owned(text.to_owned())))
    }

    fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Json<'de>, E> {
        Ok(Json::Text(Cow::Borrowed(text)))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Json<'de>, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Json::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Json<'de>, A::Error> {
        let mut object = Vec::new();
        while let Some((Name(name), value)) = fields.next_entry()? {
            object.push((name, value));
        }
        Ok(Json::Object(object))
    }
}

/// A name that is copied only where it is written with escapes.
#[derive(serde::Deserialize)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_found_by_its_field_and_the_later_of_two_counts() {
        let body = br#"{"caps": ["a", {"jobId": "inner"}], "factoryId": "e", "job\u0049d": "j", "stage": 7,
                        "leaseId": null, "factoryId": "f"}"#;
        let said = Json::read(body).expect("JSON");
        assert_eq!(
            (said.text("factoryId"), said.text("jobId")),
            (Some("f"), Some("j"))
        );
        assert_eq!(
            (said.text("stage"), said.text("leaseId"), said.text("id")),
            (None, None, None)
        );
    }

    #[test]
    fn what_is_no_object_holds_no_text_and_what_is_no_json_is_refused() {
        for body in ["[]", "7", "null", r#""factoryId""#] {
            let said = Json::read(body.as_bytes()).expect("JSON");
            assert_eq!(said.text("factoryId"), None, "{body}");
        }
        for body in ["", r#"{"factoryId": "f""#, r#"{"factoryId": "f"} x"#] {
            assert!(Json::read(body.as_bytes()).is_err(), "{body}");
        }
    }

    #[test]
    fn every_kind_of_value_is_read_as_it_is_written() {
        let said = Json::read(br#"[null, true, -3, 2.5, 18446744073709551615, "a\nb", {}]"#).expect("JSON");
        let expected = [
            Json::Null,
            Json::Flag(true),
            Json::Whole(-3),
            Json::Broken(2.5),
            Json::Broken(18_446_744_073_709_551_615.0),
            Json::Text("a\nb".into()),
            Json::Object(Vec::new()),
        ];
        assert_eq!(said, Json::List(expected.into()));
    }
}
