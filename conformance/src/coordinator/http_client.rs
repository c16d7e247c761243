//! The client of the checks: one request after the other, with the body exactly as given. It follows no redirect, uses no
//! proxy and waits for a limited time, as the runner does.

use std::io::Read;
use std::time::Duration;

use reqwest::blocking::{Client, Response};
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE};
use reqwest::redirect::Policy;
use reqwest::{Certificate, Method, Url};
use serde_json::Value;

use crate::printable_text::error_chain;

/// How long an answer may take. A claim that waits at the coordinator's is asked to wait for less.
const LIMIT: Duration = Duration::from_secs(20);
/// How long it may take to find out whether there is a coordinator at all.
const RECOGNITION_LIMIT: Duration = Duration::from_secs(10);
/// The most of an answer that is read, in bytes.
const ANSWER_LIMIT: u64 = 4 << 20;
/// Every coordinator answers it, and it needs no token.
const HEALTH: &str = "/v1/health";

/// Where the coordinator is, and with which token it is asked.
#[derive(Debug, Clone)]
pub struct CoordinatorClient {
    http: Client,
    /// Without a `/` at its end.
    base: String,
    pub token: Option<String>,
}

/// An answer; its body is null where there is none, or none that is JSON.
#[derive(Debug, Clone, PartialEq)]
pub struct CoordinatorAnswer {
    pub status: u16,
    pub content_type: String,
    /// What `Coordinator-Policy` says; several such headers are joined as HTTP joins them.
    pub policy: Option<String>,
    pub body: Value,
    pub is_empty: bool,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    #[error("`{url}` is no address of a coordinator; it begins with http:// or https://")]
    Address { url: String },
    #[error("the file of certificates holds none that can be used: give a PEM file")]
    Certificates,
    #[error("no client can be made; are the system's CA certificates installed?")]
    Build(#[source] reqwest::Error),
    #[error("{method} {path} got no answer")]
    NoAnswer {
        method: String,
        path: String,
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl CoordinatorClient {
    /// `authorities`: certificates in PEM that are trusted besides the system's.
    pub fn new(
        url: &str,
        token: Option<String>,
        authorities: Option<&[u8]>,
    ) -> Result<CoordinatorClient, ClientError> {
        let parsed = Url::parse(url).ok().filter(Url::has_host);
        let scheme = parsed.as_ref().map_or("", Url::scheme);
        if !matches!(scheme, "http" | "https") {
            return Err(ClientError::Address { url: url.into() });
        }
        let builder = Client::builder()
            .no_proxy()
            .redirect(Policy::none())
            .http1_only()
            // A connection that a coordinator has just closed would make an answer fail that it never gave.
            .pool_max_idle_per_host(0)
            .timeout(LIMIT);
        // Plain http needs no certificates, and a host may have none.
        let builder = match (scheme, authorities) {
            ("http", _) => builder.tls_certs_only([]),
            (_, None) => builder,
            (_, Some(pem)) => match Certificate::from_pem_bundle(pem) {
                Ok(certificates) if !certificates.is_empty() => builder.tls_certs_merge(certificates),
                _ => return Err(ClientError::Certificates),
            },
        };
        Ok(CoordinatorClient {
            http: builder.build().map_err(ClientError::Build)?,
            base: url.trim_end_matches('/').to_owned(),
            token,
        })
    }

    /// Whether the API is there at all. An error is one sentence that says what was asked and what came.
    pub fn recognise(&self) -> Result<(), String> {
        let base = &self.base;
        let asked = format!("GET {base}{HEALTH}");
        let answered = match self
            .http
            .get(format!("{base}{HEALTH}"))
            .timeout(RECOGNITION_LIMIT)
            .send()
        {
            Err(error) if error.is_timeout() => {
                let seconds = RECOGNITION_LIMIT.as_secs();
                return Err(format!(
                    "{asked} got no answer within {seconds} s; is that the coordinator's address?"
                ));
            }
            Err(error) if error.is_connect() => {
                let why = error_chain(&error);
                return Err(format!(
                    "nobody answers at {base} ({why}); is it running, and is that its address?"
                ));
            }
            Err(error) => {
                let why = error_chain(&error);
                return Err(format!(
                    "{asked} was answered by something that is no HTTP server ({why})"
                ));
            }
            Ok(response) => read(response),
        };
        let answer = answered.map_err(|error| format!("the answer to {asked} broke off ({error})"))?;
        if answer.is_of_the_api() {
            return Ok(());
        }
        let hint = match base.strip_suffix("/v1") {
            Some(base) => format!("leave out `/v1`: --url {base}"),
            None => "give the address that `/v1/health` is below".to_owned(),
        };
        let what = match answer.content_type.as_str() {
            "" => "without a content type".to_owned(),
            kind => format!("with `{kind}`"),
        };
        Err(format!(
            "this is not the coordinator API: {asked} was answered {} {what}; {hint}",
            answer.status
        ))
    }

    /// The same coordinator asked with another token, or with none.
    pub fn with_token(&self, token: Option<&str>) -> CoordinatorClient {
        CoordinatorClient {
            token: token.map(ToOwned::to_owned),
            ..self.clone()
        }
    }

    pub fn get(&self, path: &str) -> Result<CoordinatorAnswer, ClientError> {
        self.send("GET", path, None, "")
    }

    pub fn post(&self, path: &str, body: &Value) -> Result<CoordinatorAnswer, ClientError> {
        self.send("POST", path, None, &body.to_string())
    }

    pub fn post_keyed(&self, path: &str, key: &str, body: &Value) -> Result<CoordinatorAnswer, ClientError> {
        self.send("POST", path, Some(key), &body.to_string())
    }

    /// Sends a request with this very body.
    pub fn send(
        &self,
        method: &str,
        path: &str,
        key: Option<&str>,
        body: &str,
    ) -> Result<CoordinatorAnswer, ClientError> {
        let failed = |source: Box<dyn std::error::Error + Send + Sync>| ClientError::NoAnswer {
            method: method.into(),
            path: path.into(),
            source,
        };
        let verb = Method::from_bytes(method.as_bytes()).map_err(|error| failed(error.into()))?;
        let mut request = self.http.request(verb, format!("{}{path}", self.base));
        if let Some(token) = &self.token {
            request = request.header(AUTHORIZATION, format!("Bearer {token}"));
        }
        if let Some(key) = key {
            request = request.header("idempotency-key", key);
        }
        if method != "GET" {
            request = request
                .header(CONTENT_TYPE, "application/json")
                .body(body.to_owned());
        }
        let response = request.send().map_err(|error| failed(error.into()))?;
        read(response).map_err(|error| failed(error.into()))
    }
}

impl CoordinatorAnswer {
    /// Health is told, or refused as the API refuses. That there is no such path is what any server says.
    fn is_of_the_api(&self) -> bool {
        let is_health = self.status == 200 && self.body["status"].is_string();
        let is_problem = self.content_type == "application/problem+json" && self.body["code"].is_string();
        is_health || (is_problem && !matches!(self.status, 404 | 405))
    }
}

fn read(response: Response) -> std::io::Result<CoordinatorAnswer> {
    let status = response.status().as_u16();
    let texts = |name: &str| -> Vec<String> {
        let values = response.headers().get_all(name).iter();
        values
            .map(|value| String::from_utf8_lossy(value.as_bytes()).trim().to_owned())
            .collect()
    };
    let policy = texts("coordinator-policy");
    let content_type = texts("content-type").into_iter().next().unwrap_or_default();
    let mut body = Vec::new();
    response.take(ANSWER_LIMIT).read_to_end(&mut body)?;
    Ok(CoordinatorAnswer {
        status,
        content_type,
        policy: policy.into_iter().reduce(|first, next| first + ", " + &next),
        is_empty: body.is_empty(),
        body: serde_json::from_slice(&body).unwrap_or(Value::Null),
    })
}
