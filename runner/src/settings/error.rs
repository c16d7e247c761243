//! Why the settings could not be understood: every one of these ends a command with exit code 2.

use std::io;
use std::path::PathBuf;

use crate::file_ownership::ForeignWriter;

#[derive(Debug, thiserror::Error)]
pub(crate) enum SettingsError {
    #[error("{name} is `{value}`: {want}")]
    BadValue {
        /// The variable, the flag, or `FILE:LINE: key`.
        name: String,
        /// The value, escaped and cut, because it may be anything.
        value: String,
        want: String,
    },
    #[error(
        "{switch} is 1, but no coordinator is named: set AQ_FLEET_URL (or --fleet-url, or url under [fleet] in aq.toml), or AQ_FLEET=0"
    )]
    UrlMissing { switch: String },
    #[error("can't read the token file {} that {name} names: put the token there, readable for you alone, or set AQ_FLEET=0", .path.display())]
    TokenFile {
        name: String,
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("{name} can't be used as a token: {why}")]
    TokenUnusable { name: String, why: &'static str },
    #[error("can't read the certificates in {} that {name} names: give a PEM file that you may read", .path.display())]
    CertificateFile {
        name: String,
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error(
        "{switch} is 1, but no certificate authority is named: set AQ_FLEET_CA=FILE (or --fleet-ca, or ca under [fleet] in aq.toml), or {switch} to 0"
    )]
    CertificateMissing { switch: String },
    #[error(
        "{name} is {url}: over plain http to another host the token and all jobs can be read on the way, and whoever can change an answer there runs commands here: use https, or consent to that with AQ_FLEET_INSECURE=1 (or --fleet-insecure 1, or insecure = true under [fleet] in aq.toml)"
    )]
    PlainHttp { name: String, url: reqwest::Url },
    #[error("can't read {}: mend it or take it away", .path.display())]
    ReadFile {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("{} is not safe from others: {writer}, and what stands there decides what runs and who gets the token: {}", .path.display(), .writer.advice(.path))]
    Exposed { path: PathBuf, writer: ForeignWriter },
    #[error("{}:{line}: this is no TOML: {message}", .path.display())]
    Syntax {
        path: PathBuf,
        line: usize,
        message: String,
    },
    #[error("{}:{line}: `{key}` is no setting{}", .path.display(), did_you_mean(.nearest.as_deref()))]
    UnknownKey {
        path: PathBuf,
        line: usize,
        key: String,
        nearest: Option<String>,
    },
    #[error(
        "{}:{line}: `{key}` is no setting of [fleet] any more: take it out, and write under a line `[route]` what the coordinator's jobs may do here: `{instead}` (aq fleet-status shows what is allowed)",
        .path.display()
    )]
    Moved {
        path: PathBuf,
        line: usize,
        key: &'static str,
        /// The line to write.
        instead: String,
    },
    #[error(
        "{}:{line}: a token must not stand in this file, which others can read and which is often committed: put it into a file of its own and name that as token_file, or set AQ_FLEET_TOKEN",
        .path.display()
    )]
    TokenInFile { path: PathBuf, line: usize },
}

fn did_you_mean(nearest: Option<&str>) -> String {
    match nearest {
        Some(known) => format!("; did you mean `{known}`?"),
        None => String::from("; take it out, or see `aq help` for the settings there are"),
    }
}

/// Makes a value fit to be shown: escaped, and cut to a length that leaves the rest of the message readable.
pub(crate) fn shown(value: &str) -> String {
    const SHOWN_MAX: usize = 128;
    value.escape_debug().take(SHOWN_MAX).collect()
}
