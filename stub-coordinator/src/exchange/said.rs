//! What the body of a request says that rules match by and readers look for; all else in it is passed over unread.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::Value;

/// The fields of interest, each where it is there and is a string.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Said {
    pub(super) factory: Option<String>,
    pub(super) job: Option<String>,
    pub(super) stage: Option<String>,
    pub(super) lease: Option<String>,
    /// The name of a job that is handed in.
    pub(super) id: Option<String>,
}

impl Said {
    /// What the body says; nothing where it is no JSON object.
    pub(super) fn read(body: &[u8]) -> Said {
        serde_json::from_slice(body).unwrap_or_default()
    }

    fn field(&mut self, name: &str) -> Option<&mut Option<String>> {
        match name {
            "factoryId" => Some(&mut self.factory),
            "jobId" => Some(&mut self.job),
            "stage" => Some(&mut self.stage),
            "leaseId" => Some(&mut self.lease),
            "id" => Some(&mut self.id),
            _ => None,
        }
    }
}

impl<'de> Deserialize<'de> for Said {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Said, D::Error> {
        deserializer.deserialize_map(Fields)
    }
}

struct Fields;

impl<'de> Visitor<'de> for Fields {
    type Value = Said;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Said, A::Error> {
        let mut said = Said::default();
        while let Some(Name(name)) = fields.next_key()? {
            match said.field(&name) {
                Some(field) => {
                    *field = match fields.next_value()? {
                        Value::String(text) => Some(text),
                        _ => None,
                    }
                }
                None => drop(fields.next_value::<IgnoredAny>()?),
            }
        }
        Ok(said)
    }
}

/// A name that is copied only where it is written with escapes.
#[derive(serde::Deserialize)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_of_interest_are_found_and_all_else_is_passed_over() {
        let body = br#"{"caps": ["a", {"jobId": "inner"}], "factoryId": "f", "job\u0049d": "j", "stage": 7,
                        "leaseId": null, "id": "x"}"#;
        let said = Said::read(body);
        assert_eq!(
            (said.factory.as_deref(), said.job.as_deref()),
            (Some("f"), Some("j"))
        );
        assert_eq!(
            (said.stage, said.lease, said.id.as_deref()),
            (None, None, Some("x"))
        );
    }

    #[test]
    fn what_is_no_object_says_nothing() {
        for body in ["", "[]", "7", r#"{"factoryId": "f""#, r#"{"factoryId": "f"} x"#] {
            assert_eq!(Said::read(body.as_bytes()), Said::default(), "{body}");
        }
    }
}
