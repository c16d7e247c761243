//! The names of things: one newtype an idea, one rule for what a name may look like.

use std::borrow::Borrow;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, de};
use thiserror::Error;

/// The longest name, in bytes.
pub(crate) const LONGEST: usize = 128;

/// Why a string is no id.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error(
    "{text:?} is no id; use 1 to 128 of letters, digits and `._:@-`, led by a letter or digit, without `..`"
)]
pub struct InvalidId {
    text: String,
}

/// Whether a string may name something: the rule of the wire contract.
pub(crate) fn is_id(text: &str) -> bool {
    let bytes = text.as_bytes();
    let led_well = bytes.first().is_some_and(u8::is_ascii_alphanumeric);
    let allowed = |byte: &u8| byte.is_ascii_alphanumeric() || b"._:@-".contains(byte);
    led_well && bytes.len() <= LONGEST && bytes.iter().all(allowed) && !text.contains("..")
}

macro_rules! id {
    ($(#[$meta:meta])* $name:ident) => {
        $(#[$meta])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
        #[serde(transparent)]
        pub struct $name(Arc<str>);

        impl $name {
            /// Takes the string for an id, or says why it is none.
            pub fn parse(text: &str) -> Result<Self, InvalidId> {
                if is_id(text) {
                    Ok($name(Arc::from(text)))
                } else {
                    Err(InvalidId { text: text.chars().take(LONGEST).collect() })
                }
            }

            /// The id as it is written.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str(self.as_str())
            }
        }

        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                $name::parse(&text).map_err(de::Error::custom)
            }
        }
    };
}

id!(
    /// Names a job.
    JobId
);
id!(
    /// Names a factory: a host that runs jobs.
    FactoryId
);
id!(
    /// Names a lease.
    LeaseId
);
id!(
    /// Names a lock: no two jobs of one lock are leased at the same time.
    LockName
);
id!(
    /// Something that a factory can do and a job may need.
    Capability
);
id!(
    /// A client's name for a request that it means once.
    EventKey
);
id!(
    /// Names a rule.
    RuleId
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_the_contract_are_ids() {
        for text in ["a", "9", "engine:devin", "me@host-1.example", &"x".repeat(128)] {
            assert!(JobId::parse(text).is_ok(), "{text}");
        }
    }

    #[test]
    fn hostile_strings_are_no_ids() {
        let long = "x".repeat(129);
        for text in [
            "",
            ".a",
            "-a",
            "../etc",
            "a..b",
            "a/b",
            "a\nb",
            "a b",
            "é",
            "a\0",
            long.as_str(),
        ] {
            assert!(JobId::parse(text).is_err(), "{text:?}");
        }
    }
}
