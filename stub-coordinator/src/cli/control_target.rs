//! Talking to a running stub: where it is, who asks, and what it answered.

use std::error::Error;
use std::io::BufRead;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use serde_json::Value;

use super::control_client::{ControlRequest, ControlResponse};
use super::stdout::warn;
use super::stub_finder::{FoundStub, find};
use super::token_file;

/// The longest that an answer is waited for; a wait of the stub's own ends before.
const TIME_LIMIT: Duration = Duration::from_secs(90);
/// The largest answer: a whole state.
const ANSWER_LIMIT: u64 = 128 * 1_048_576;
/// Where a state goes, which holds tokens.
const STATE_PATH: &str = "/_stub/state";

/// Which stub is meant.
#[derive(Debug, Clone, Args)]
pub(super) struct TargetArguments {
    /// The stub's url or controlUrl, as its first line says; else STUB_URL, else http://127.0.0.1:7700.
    #[arg(long, value_name = "URL")]
    url: Option<String>,
    /// A file with a token of the scope `admin`, where the stub has tokens; else STUB_TOKEN. The token is sent where
    /// --url says and to the control port of the stub there, nowhere else.
    #[arg(long, value_name = "FILE", conflicts_with = "token")]
    token_file: Option<PathBuf>,
    /// The token itself, which everybody on this host can then read in `ps`.
    #[arg(long, value_name = "TOKEN")]
    token: Option<String>,
    /// Print what the stub answered, as JSON.
    #[arg(long)]
    pub(super) json: bool,
}

impl TargetArguments {
    pub(super) fn get(&self, path: &str) -> Result<Value, Box<dyn Error>> {
        self.ask("GET", path, None)
    }

    pub(super) fn post(&self, path: &str, body: &Value) -> Result<Value, Box<dyn Error>> {
        self.ask("POST", path, Some(body))
    }

    /// Asks one thing of the control API; a refusal is an error with the stub's own words.
    pub(super) fn ask(
        &self,
        method: &str,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Value, Box<dyn Error>> {
        let begun = self.open(method, path, body, ANSWER_LIMIT)?;
        let status = begun.status;
        let answer: Value = serde_json::from_str(&begun.text()?)
            .map_err(|_| format!("{} answers, but not like a stub; check --url", self.url()))?;
        if status < 300 {
            return Ok(answer);
        }
        let detail = answer["detail"].as_str().unwrap_or("no reason given");
        Err(match status {
            401 => format!("the stub asks for a token: {detail}; give --token-file or STUB_TOKEN"),
            404 if answer["code"] == "not_found" => format!("the stub knows no {path}: {detail}"),
            _ => detail.to_owned(),
        }
        .into())
    }

    /// Finds the stub, sends it a request and reads the head of the answer: what is left is still to come.
    fn open(
        &self,
        method: &str,
        path: &str,
        body: Option<&Value>,
        limit: u64,
    ) -> Result<ControlResponse, Box<dyn Error>> {
        let token = self.token()?;
        let (authority, prefix) = self.place()?;
        let found = find(&self.url(), &authority, &prefix, token.as_deref())?;
        let is_named = matches!(found, FoundStub::Named(_));
        let unproven = || {
            format!(
                "nobody answers at {}; the stub on the next port says that it is the one, but tokens are told only \
                 where --url says; give --url http://{}",
                self.url(),
                found.peer().address
            )
        };
        if !is_named && path == STATE_PATH && body.is_some() {
            return Err(unproven().into());
        }
        let begun = found.peer().send(&ControlRequest {
            method,
            path,
            token: token.as_deref().filter(|_| is_named),
            body: &body.map(Value::to_string).unwrap_or_default(),
            patience: TIME_LIMIT,
            limit,
        });
        match begun {
            Ok(begun) if begun.status == 401 && !is_named => Err(unproven().into()),
            Ok(begun) => Ok(begun),
            Err(error) => Err(format!(
                "the stub at http://{} answers no more: {error}; look whether it has ended",
                found.peer().address
            )
            .into()),
        }
    }

    fn token(&self) -> Result<Option<String>, Box<dyn Error>> {
        match (&self.token_file, &self.token) {
            (Some(file), _) => Ok(Some(token_file::warned(file, |warning| warn(&warning))?)),
            (None, Some(token)) if !token.is_empty() => {
                warn(
                    "everybody on this host can read --token in `ps`; use --token-file or STUB_TOKEN instead",
                );
                let token = token_file::sound(token).map_err(|why| format!("--token is no token: {why}"))?;
                Ok(Some(token))
            }
            _ => Ok(token_file::from_environment()?),
        }
    }

    fn url(&self) -> String {
        let from_environment = || std::env::var("STUB_URL").ok().filter(|url| !url.is_empty());
        self.url
            .clone()
            .or_else(from_environment)
            .unwrap_or_else(|| "http://127.0.0.1:7700".to_owned())
    }

    /// Gives every line of an endless answer to `each`, until the stub ends it or `each` says so.
    pub(super) fn lines<B>(
        &self,
        path: &str,
        mut each: impl FnMut(&str) -> ControlFlow<B>,
    ) -> Result<ControlFlow<B>, Box<dyn Error>> {
        let ControlResponse { rest, status, .. } = self.open("GET", path, None, u64::MAX)?;
        if status != 200 {
            return Err(format!(
                "the stub answers {status} to {path}; give --token-file or STUB_TOKEN where it has tokens"
            )
            .into());
        }
        for line in rest.lines() {
            let wish = each(line?.trim_end());
            if wish.is_break() {
                return Ok(wish);
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    /// Host and port, and the path in front of all paths.
    fn place(&self) -> Result<(String, String), String> {
        let url = self.url();
        let rest = url
            .strip_prefix("http://")
            .ok_or_else(|| format!("{} is no http:// URL; a stub speaks nothing else", self.url()))?;
        let (authority, prefix) = match rest.split_once('/') {
            Some((authority, path)) => (authority, format!("/{}", path.trim_end_matches('/'))),
            None => (rest, String::new()),
        };
        let prefix = if prefix == "/" { String::new() } else { prefix };
        let has_port = authority
            .rsplit_once(':')
            .is_some_and(|(_, port)| port.parse::<u16>().is_ok());
        match has_port {
            true => Ok((authority.to_owned(), prefix)),
            false => Ok((format!("{authority}:80"), prefix)),
        }
    }
}
