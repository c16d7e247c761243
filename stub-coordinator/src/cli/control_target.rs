//! Talking to a running stub: where it is, who asks, and what it answered.

use std::io::{BufRead, BufReader};
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use reqwest::blocking::Response;
use reqwest::{Method, Url};
use serde_json::Value;

use super::control_client::{ControlRequest, root_cause, text_of};
use super::stdout::{say, warn};
use super::stub_finder::{FoundStub, find};
use super::token_file;
use crate::exit_codes::CommandFailure;

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
    pub(super) fn get(&self, path: &str) -> Result<Value, CommandFailure> {
        self.ask(Method::GET, path, None)
    }

    pub(super) fn post(&self, path: &str, body: &Value) -> Result<Value, CommandFailure> {
        self.ask(Method::POST, path, Some(body))
    }

    /// Asks one thing of the control API; a refusal is an error with the stub's own words.
    pub(super) fn ask(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Value, CommandFailure> {
        let answer = self.open(method, path, body)?;
        let status = answer.status().as_u16();
        let answer: Value = serde_json::from_str(&text_of(answer, ANSWER_LIMIT)?).map_err(|_| {
            CommandFailure::usage(format!(
                "{} answers, but not like a stub; check --url",
                self.url()
            ))
        })?;
        if status < 300 {
            return Ok(answer);
        }
        let detail = answer["detail"].as_str().unwrap_or("no reason given");
        Err(match status {
            401 => CommandFailure::usage(format!(
                "the stub asks for a token: {detail}; give --token-file or STUB_TOKEN"
            )),
            404 if answer["code"] == "not_found" => {
                CommandFailure::usage(format!("the stub knows no {path}: {detail}"))
            }
            // What was typed can't be understood, or can't be.
            400 | 422 => CommandFailure::usage(detail),
            _ => CommandFailure::fails(detail),
        })
    }

    /// Prints an answer as JSON or in words, as was asked for.
    pub(super) fn show(
        &self,
        answer: &Value,
        in_words: impl FnOnce() -> String,
    ) -> Result<(), CommandFailure> {
        let text = match self.json {
            true => answer.to_string(),
            false => in_words(),
        };
        Ok(say(&text)?)
    }

    /// Finds the stub, sends it a request and reads the head of the answer: what is left is still to come.
    fn open(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Response, CommandFailure> {
        let token = self.token()?;
        let found = find(&self.parsed_url()?, token.as_deref())?;
        let is_named = matches!(found, FoundStub::Named(_));
        let unproven = || {
            CommandFailure::inconclusive(format!(
                "nobody answers at {}; the stub on the next port says that it is the one, but tokens are told only \
                 where --url says; give --url http://{}",
                self.url(),
                found.peer().address
            ))
        };
        if !is_named && path == STATE_PATH && body.is_some() {
            return Err(unproven());
        }
        let answer = found.peer().send(ControlRequest {
            method,
            path,
            token: token.as_deref().filter(|_| is_named),
            body: body.map(Value::to_string).unwrap_or_default(),
            time_limit: TIME_LIMIT,
        });
        match answer {
            Ok(answer) if answer.status() == 401 && !is_named => Err(unproven()),
            Ok(answer) => Ok(answer),
            Err(error) => Err(CommandFailure::inconclusive(format!(
                "the stub at http://{} answers no more: {}; look whether it has ended",
                found.peer().address,
                root_cause(&error)
            ))),
        }
    }

    fn token(&self) -> Result<Option<String>, CommandFailure> {
        match (&self.token_file, &self.token) {
            (Some(file), _) => token_file::warned(file, |warning| warn(&warning)).map(Some),
            (None, Some(token)) if !token.is_empty() => {
                warn(
                    "everybody on this host can read --token in `ps`; use --token-file or STUB_TOKEN instead",
                );
                let token = token_file::sound(token).map_err(|why| format!("--token is no token: {why}"));
                token.map(Some)
            }
            _ => token_file::from_environment(),
        }
        .map_err(CommandFailure::usage)
    }

    fn url(&self) -> String {
        let from_environment = || std::env::var("STUB_URL").ok().filter(|url| !url.is_empty());
        self.url
            .clone()
            .or_else(from_environment)
            .unwrap_or_else(|| "http://127.0.0.1:7700".to_owned())
    }

    fn parsed_url(&self) -> Result<Url, CommandFailure> {
        let url = self.url();
        let parsed = Url::parse(&url).ok();
        let spoken = parsed.filter(|url| ["http", "https"].contains(&url.scheme()) && url.has_host());
        spoken.ok_or_else(|| {
            CommandFailure::usage(format!(
                "{url} is no http:// or https:// URL; a stub speaks nothing else"
            ))
        })
    }

    /// Gives every line of an endless answer to `each`, until the stub ends it or `each` says so.
    pub(super) fn lines<B>(
        &self,
        path: &str,
        mut each: impl FnMut(&str) -> ControlFlow<B>,
    ) -> Result<ControlFlow<B>, CommandFailure> {
        let answer = self.open(Method::GET, path, None)?;
        let status = answer.status().as_u16();
        if status != 200 {
            return Err(CommandFailure::usage(format!(
                "the stub answers {status} to {path}; give --token-file or STUB_TOKEN where it has tokens"
            )));
        }
        for line in BufReader::new(answer).lines() {
            let told = each(line?.trim_end());
            if told.is_break() {
                return Ok(told);
            }
        }
        Ok(ControlFlow::Continue(()))
    }
}
