//! The names that travel between files, processes and the wire, as types that hold only valid ones.
//!
//! One rule for all of them (the coordinator API's conventions): it starts with a letter or a digit, goes on
//! with those and `. _ : @ -`, has at most 128 characters and no `..`. A value of these types is therefore
//! safe as a file name and in a URL path; a string that is not such a value is never used as either.

use std::fmt;

const ID_LENGTH_MAX: usize = 128;

/// Whether `text` may name a job, a lock, an engine or a capability.
pub(crate) fn is_id(text: &str) -> bool {
    let mut bytes = text.bytes();
    bytes.next().is_some_and(|first| first.is_ascii_alphanumeric())
        && bytes.all(|byte| byte.is_ascii_alphanumeric() || b"._:@-".contains(&byte))
        && text.len() <= ID_LENGTH_MAX
        && !text.contains("..")
}

/// A string that is no id, shown escaped and cut so that it can't disturb a terminal or a log.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{shown}` is no id: use letters, digits and . _ : @ - (at most 128, no `..`, first a letter or digit)"
)]
pub(crate) struct InvalidId {
    shown: String,
}

macro_rules! id_type {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub(crate) struct $name(String);

        impl $name {
            pub(crate) fn new(text: &str) -> Result<Self, InvalidId> {
                match is_id(text) {
                    true => Ok(Self(text.to_owned())),
                    false => Err(InvalidId { shown: text.escape_default().take(ID_LENGTH_MAX).collect() }),
                }
            }

            pub(crate) fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str(&self.0)
            }
        }
    };
}

id_type!(
    /// A job: its file's name without `.md`.
    JobId
);

impl JobId {
    /// What its file is called, in whatever stage it lies.
    pub(crate) fn file_name(&self) -> String {
        format!("{self}.md")
    }
}

id_type!(
    /// A lock: at most one job that names it runs at a time.
    LockName
);
id_type!(
    /// An engine: a key of the adapter table.
    EngineName
);
id_type!(
    /// A capability of a factory, or one that a job asks for.
    Capability
);
id_type!(
    /// A factory: the host that runs jobs, as the coordinator knows it.
    FactoryId
);
id_type!(
    /// A lease: the coordinator's promise that one factory may work on one job for a while.
    LeaseId
);

/// 128 random bits in hexadecimal digits, so that no other process has the same.
pub(crate) fn random_hex() -> String {
    use std::hash::{BuildHasher, Hasher, RandomState};
    // Two independently seeded hashers are 128 bits from the system's generator.
    let [high, low] = [(); 2].map(|()| RandomState::new().build_hasher().finish());
    format!("{high:016x}{low:016x}")
}

/// The holder's proof, sent with every call about a lease.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LeaseProof {
    pub(crate) lease: LeaseId,
    pub(crate) fencing_token: u64,
}
