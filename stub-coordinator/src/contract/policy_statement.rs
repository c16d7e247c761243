//! What a coordinator says of itself on each answer: the policy by which it assigns jobs, and its version (C-33).

use std::fmt;

use thiserror::Error;

/// The longest name of a policy, and the longest version.
const LONGEST: usize = 64;

/// A policy with the version of the coordinator that has it. It is typed as `NAME@VERSION`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyStatement {
    /// A token of RFC 9651.
    policy: String,
    /// Fit to stand in a string of RFC 9651 without escapes.
    version: String,
}

/// Why a text is no policy.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error(
    "{text:?} is no policy; write NAME@VERSION: a name of letters, digits and `._-`, led by a letter, and a version of \
     visible ASCII without `\"` and `\\`, each at most {LONGEST} characters"
)]
pub struct InvalidPolicy {
    text: String,
}

impl PolicyStatement {
    /// A policy, with the version of this stub where none is named.
    pub fn new(policy: &str, version: Option<&str>) -> Result<PolicyStatement, InvalidPolicy> {
        let version = version.unwrap_or(env!("CARGO_PKG_VERSION"));
        let is_name = policy.starts_with(|first: char| first.is_ascii_alphabetic())
            && policy
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte));
        let is_version = version
            .bytes()
            .all(|byte| byte.is_ascii_graphic() && byte != b'"' && byte != b'\\');
        let fits = [policy, version].map(|text| (1..=LONGEST).contains(&text.len()));
        match is_name && is_version && fits == [true, true] {
            true => Ok(PolicyStatement {
                policy: policy.to_owned(),
                version: version.to_owned(),
            }),
            false => Err(InvalidPolicy {
                text: format!("{policy}@{version}").chars().take(2 * LONGEST).collect(),
            }),
        }
    }

    /// Reads `NAME` or `NAME@VERSION`.
    pub fn parse(text: &str) -> Result<PolicyStatement, InvalidPolicy> {
        match text.split_once('@') {
            Some((policy, version)) => PolicyStatement::new(policy, Some(version)),
            None => PolicyStatement::new(text, None),
        }
    }

    /// The name of the policy.
    #[must_use]
    pub fn policy(&self) -> &str {
        &self.policy
    }

    /// The version of the coordinator.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.version
    }

    /// The value of the header `Coordinator-Policy`.
    #[must_use]
    pub fn header(&self) -> String {
        format!("{};version=\"{}\"", self.policy, self.version)
    }
}

impl fmt::Display for PolicyStatement {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}@{}", self.policy, self.version)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_is_typed_with_its_version_or_has_that_of_the_stub() {
        let policy = PolicyStatement::parse("fair-share@2.1+b@x").expect("a policy");
        assert_eq!(policy.header(), "fair-share;version=\"2.1+b@x\"");
        assert_eq!(policy.to_string(), "fair-share@2.1+b@x");
        let own = PolicyStatement::parse("fifo").expect("a policy");
        assert_eq!((own.policy(), own.version()), ("fifo", env!("CARGO_PKG_VERSION")));
    }

    #[test]
    fn what_could_not_stand_in_the_header_is_no_policy() {
        let long = "x".repeat(LONGEST + 1);
        for text in [
            "", "@1", "fifo@", "1st", "a b", "a;b", "a@1 2", "a@\"1\"", "a@1\\", "a@1\n", "é", "a@é", &long,
        ] {
            assert!(PolicyStatement::parse(text).is_err(), "{text:?}");
        }
    }
}
