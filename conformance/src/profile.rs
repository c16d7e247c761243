//! What the harness has to know of a runner in order to drive it: how it is called, what its variables are named,
//! where its log lies and in which form, and what it does not claim to do. `aq` needs none of it; another runner
//! says it in a TOML file (`profile_file`).

mod aq_binary;
pub mod log_format;
mod profile_file;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

pub use aq_binary::{aq_at, find_aq};
pub use profile_file::read;

use schemars::JsonSchema;
use serde::Deserialize;
use siphasher::sip128::SipHasher13;

use crate::known_failures::KnownFailure;
use log_format::LogFormat;

/// How a runner is driven, and what of the contract it claims.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    /// The name that reports give it.
    pub name: String,
    /// Program and leading arguments. A program with a `/` in it is looked for beside this file.
    pub command: Vec<String>,
    /// The runner's words in place of a command of the contract: `run = ["work"]`.
    #[serde(default)]
    pub commands: BTreeMap<String, Vec<String>>,
    /// The runner's words in place of an option of the contract: `"--drain" = []`.
    #[serde(default)]
    pub options: BTreeMap<String, Vec<String>>,
    /// The runner's names of the contract's variables: `AQ_QUEUE = "JOBS_DIR"`.
    #[serde(default)]
    pub environment: BTreeMap<String, String>,
    /// The shadow log.
    #[serde(default)]
    pub log: LogFormat,
    /// Clauses that it does not claim to keep. Their scenarios are not applicable to it.
    #[serde(default)]
    pub unsupported: BTreeSet<String>,
    /// What it is known to get wrong, for a time.
    #[serde(default, rename = "known_failure")]
    pub known_failures: Vec<KnownFailure>,
}

/// Why there is no runner to test.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ProfileError {
    #[error("`{path}`, named by AQ_BIN, is no file; build the runner, or unset AQ_BIN to have it built")]
    NoSuchBinary { path: String },
    #[error(
        "there is no `aq` in {} and none on PATH; install it, name it by AQ_BIN, or name another runner by --profile",
        beside.display()
    )]
    NoAq {
        /// The folder of this program.
        beside: PathBuf,
    },
    #[error("the runner can't be built: {message}")]
    Build { message: String },
    #[error("{}: it can't be read: {message}", path.display())]
    Unreadable { path: PathBuf, message: String },
    #[error("{}:{line}: {message}", path.display())]
    Wrong {
        path: PathBuf,
        line: usize,
        message: String,
    },
}

impl Profile {
    /// The profile of `aq` at this path.
    pub fn aq(binary: &Path) -> Profile {
        Profile {
            name: "aq".into(),
            command: vec![binary.to_string_lossy().into_owned()],
            unsupported: unsupported_here(),
            ..Profile::default()
        }
    }

    /// A digest of the program's file, which is another for each build; none where it is looked for on PATH.
    pub fn digest(&self) -> Option<String> {
        let bytes = std::fs::read(self.command.first()?).ok()?;
        Some(format!("{:032x}", SipHasher13::new().hash(&bytes).as_u128()))
    }

    /// A command line of the contract in this runner's words.
    pub fn words(&self, contract: &[String]) -> Vec<String> {
        let Some((command, rest)) = contract.split_first() else {
            return Vec::new();
        };
        let mut words = match self.commands.get(command) {
            Some(words) => words.clone(),
            None => vec![command.clone()],
        };
        for word in rest {
            match self.options.get(word) {
                Some(own) => words.extend(own.iter().cloned()),
                None => words.push(word.clone()),
            }
        }
        words
    }

    /// What prints the shadow report as JSON.
    pub fn report(&self) -> Vec<String> {
        self.words(&["fleet-shadow-report".into(), "--json".into()])
    }

    /// What prints one job as JSON.
    pub fn show(&self, id: &str) -> Vec<String> {
        self.words(&["show".into(), id.into(), "--json".into()])
    }

    /// The environment with the runner's own names in place of the contract's.
    pub fn renamed(&self, environment: BTreeMap<String, String>) -> BTreeMap<String, String> {
        let named = environment.into_iter().map(|(name, value)| {
            let name = self.environment.get(&name).cloned().unwrap_or(name);
            (name, value)
        });
        named.collect()
    }

    /// Text of the contract with the runner's own names of variables, as its messages have to say them.
    pub fn renamed_in(&self, text: &str) -> String {
        match self.environment.get(text) {
            Some(own) => own.clone(),
            None => text.to_owned(),
        }
    }

    /// Its own names of the contract's fleet variables.
    pub fn fleet_variables(&self) -> Vec<String> {
        let fleet = self
            .environment
            .iter()
            .filter(|(name, _)| name.starts_with("AQ_FLEET"));
        fleet.map(|(_, own)| own.clone()).collect()
    }

    /// The first of these clauses that the runner does not claim.
    pub fn first_unsupported<'a>(&self, clauses: &'a [String]) -> Option<&'a String> {
        clauses.iter().find(|clause| self.unsupported.contains(*clause))
    }
}

/// The clauses of which `aq` can't keep a part on this system. A test holds the file equal to the page. Linux is asked
/// for all of them whichever half was built: what its portable half can't keep is in no scenario.
fn unsupported_here() -> BTreeSet<String> {
    match cfg!(target_os = "linux") {
        true => BTreeSet::new(),
        false => toml::from_str::<Profile>(include_str!("../portable-profile.toml"))
            .map(|profile| profile.unsupported)
            .unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        text.split_whitespace().map(ToOwned::to_owned).collect()
    }

    #[test]
    fn commands_and_options_are_put_into_the_runners_words() {
        let mut profile = Profile::aq(Path::new("jobs"));
        profile.commands.insert("run".into(), words("work now"));
        profile.options.insert("--drain".into(), Vec::new());
        profile.options.insert("--workers".into(), words("-j"));
        assert_eq!(
            profile.words(&words("run --drain --workers 2")),
            words("work now -j 2")
        );
        assert_eq!(profile.words(&words("ship alpha")), words("ship alpha"));
    }

    #[test]
    fn variables_get_the_runners_names_and_keep_their_values() {
        let mut profile = Profile::aq(Path::new("jobs"));
        profile.environment.insert("AQ_QUEUE".into(), "JOBS".into());
        let environment = BTreeMap::from([("AQ_QUEUE".into(), "/q".into()), ("HOME".into(), "/h".into())]);
        let expected = BTreeMap::from([("JOBS".into(), "/q".into()), ("HOME".into(), "/h".into())]);
        assert_eq!(profile.renamed(environment), expected);
    }
}
