//! A request's body as JSON that borrows its text from the bytes it came in: read once, for whoever looks at it.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum BorrowedJson<'a> {
    Null,
    Flag(bool),
    Whole(i64),
    /// Any other number.
    Broken(f64),
    Text(Cow<'a, str>),
    List(Vec<BorrowedJson<'a>>),
    /// As it is written; of two fields with the same name the later one counts.
    Object(Vec<(Cow<'a, str>, BorrowedJson<'a>)>),
}

impl<'a> BorrowedJson<'a> {
    pub(crate) fn read(body: &'a [u8]) -> Result<BorrowedJson<'a>, serde_json::Error> {
        serde_json::from_slice(body)
    }

    /// A field, where this is an object that has it.
    pub(crate) fn field(&self, name: &str) -> Option<&BorrowedJson<'a>> {
        let BorrowedJson::Object(fields) = self else {
            return None;
        };
        let of_that_name = fields.iter().rev().find(|(known, _)| known == name);
        of_that_name.map(|(_, value)| value)
    }

    /// The text in a field, where there is such a field and it holds text.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.field(name).and_then(BorrowedJson::as_text)
    }

    pub(crate) fn as_text(&self) -> Option<&str> {
        match self {
            BorrowedJson::Text(text) => Some(text),
            _ => None,
        }
    }
}

impl<'de> Deserialize<'de> for BorrowedJson<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<BorrowedJson<'de>, D::Error> {
        deserializer.deserialize_any(JsonVisitor)
    }
}

struct JsonVisitor;

impl<'de> Visitor<'de> for JsonVisitor {
    type Value = BorrowedJson<'de>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("JSON")
    }

    fn visit_unit<E: Error>(self) -> Result<BorrowedJson<'de>, E> {
        Ok(BorrowedJson::Null)
    }

    fn visit_bool<E: Error>(self, flag: bool) -> Result<BorrowedJson<'de>, E> {
        Ok(BorrowedJson::Flag(flag))
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<BorrowedJson<'de>, E> {
        Ok(BorrowedJson::Whole(number))
    }

    #[expect(
        clippy::cast_precision_loss,
        reason = "beyond what any field of the contract holds"
    )]
    fn visit_u64<E: Error>(self, number: u64) -> Result<BorrowedJson<'de>, E> {
        Ok(i64::try_from(number).map_or(BorrowedJson::Broken(number as f64), BorrowedJson::Whole))
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<BorrowedJson<'de>, E> {
        Ok(BorrowedJson::Broken(number))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<BorrowedJson<'de>, E> {
        Ok(BorrowedJson::Text(Cow::Owned(text.to_owned())))
    }

    fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<BorrowedJson<'de>, E> {
        Ok(BorrowedJson::Text(Cow::Borrowed(text)))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<BorrowedJson<'de>, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(BorrowedJson::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<BorrowedJson<'de>, A::Error> {
        let mut object = Vec::new();
        while let Some((MemberName(name), value)) = fields.next_entry()? {
            object.push((name, value));
        }
        Ok(BorrowedJson::Object(object))
    }
}

/// A name that is copied only where it is written with escapes.
#[derive(serde::Deserialize)]
struct MemberName<'a>(#[serde(borrow)] Cow<'a, str>);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_found_by_its_field_and_the_later_of_two_counts() {
        let body = br#"{"caps": ["a", {"jobId": "inner"}], "factoryId": "e", "job\u0049d": "j", "stage": 7,
                        "leaseId": null, "factoryId": "f"}"#;
        let said = BorrowedJson::read(body).expect("JSON");
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
            let said = BorrowedJson::read(body.as_bytes()).expect("JSON");
            assert_eq!(said.text("factoryId"), None, "{body}");
        }
        for body in ["", r#"{"factoryId": "f""#, r#"{"factoryId": "f"} x"#] {
            assert!(BorrowedJson::read(body.as_bytes()).is_err(), "{body}");
        }
    }

    #[test]
    fn every_kind_of_value_is_read_as_it_is_written() {
        let said =
            BorrowedJson::read(br#"[null, true, -3, 2.5, 18446744073709551615, "a\nb", {}]"#).expect("JSON");
        let expected = [
            BorrowedJson::Null,
            BorrowedJson::Flag(true),
            BorrowedJson::Whole(-3),
            BorrowedJson::Broken(2.5),
            BorrowedJson::Broken(18_446_744_073_709_551_615.0),
            BorrowedJson::Text("a\nb".into()),
            BorrowedJson::Object(Vec::new()),
        ];
        assert_eq!(said, BorrowedJson::List(expected.into()));
    }
}
