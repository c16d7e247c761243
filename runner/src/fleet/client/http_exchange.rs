//! One request and its answer, with every bound on it: time, size, content type, no redirects, no proxies.

use std::time::Duration;

use reqwest::header::{CONTENT_TYPE, DATE, HeaderMap, HeaderValue, RETRY_AFTER};
use reqwest::redirect::Policy;
use reqwest::{Certificate, RequestBuilder};
use serde_json::Value;
use serde_json::error::Category;

use super::ClientError;
use crate::fleet::call_failure::{AnswerPhase, CallFailure, CoordinatorRefusal, FailureKind, shown};
use crate::fleet::wire::ProblemDetails;
use crate::settings::{BearerToken, CertificateAuthorities};

/// The header in which a coordinator says by which policy it assigns jobs, and in which version.
const POLICY: &str = "Coordinator-Policy";
const BODY_BYTES_MAX: usize = 1024 * 1024;
/// The longest wait that a `Retry-After` can ask for.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(3600);

/// An answer with an expected status, its body read whole.
#[derive(Debug)]
pub(super) struct HttpAnswer {
    pub(super) status: u16,
    /// The server's own clock, as far as it tells it.
    pub(super) date: Option<jiff::Timestamp>,
    /// It has a `Retry-After`, which belongs to no expected answer of this API.
    pub(super) asks_to_wait: bool,
    /// Which coordinator answered, as it says itself; it may be anything.
    pub(super) policy: Option<String>,
    content_type: String,
    body: Vec<u8>,
}

impl HttpAnswer {
    pub(super) fn json(&self) -> Result<Value, CallFailure> {
        if self.content_type != "application/json" {
            let kind = FailureKind::WrongContentType;
            return Err(CallFailure::indefinite(kind, &self.content_type));
        }
        serde_json::from_slice(&self.body).map_err(|error| {
            let cut = error.classify() == Category::Eof && !self.body.is_empty();
            let kind = if cut {
                FailureKind::Truncated
            } else {
                FailureKind::NotJson
            };
            CallFailure::indefinite(kind, &error.to_string())
        })
    }
}

/// Plain http needs no certificates, and then none are loaded: that costs milliseconds, and fails on a host that
/// has none.
pub(super) fn build(
    scheme: &str,
    authorities: &CertificateAuthorities,
) -> Result<reqwest::Client, ClientError> {
    let builder = reqwest::Client::builder()
        .no_proxy()
        .redirect(Policy::none())
        .http1_only();
    let builder = match (scheme, authorities) {
        ("http", _) => builder.tls_certs_only([]),
        (_, CertificateAuthorities::System) => builder,
        (_, CertificateAuthorities::SystemAnd(file)) => builder.tls_certs_merge(certificates(&file.pem)?),
        (_, CertificateAuthorities::Only(file)) => builder.tls_certs_only(certificates(&file.pem)?),
    };
    builder.build().map_err(ClientError::Build)
}

fn certificates(pem: &[u8]) -> Result<Vec<Certificate>, ClientError> {
    let certificates = Certificate::from_pem_bundle(pem).map_err(ClientError::Certificates)?;
    match certificates.is_empty() {
        true => Err(ClientError::NoCertificate),
        false => Ok(certificates),
    }
}

pub(super) async fn send(request: RequestBuilder, expected: &[u16]) -> Result<HttpAnswer, CallFailure> {
    let response = request
        .send()
        .await
        .map_err(|error| CallFailure::of_transport(&error, AnswerPhase::Head))?;
    let status = response.status().as_u16();
    if response.status().is_redirection() {
        let detail = format!("status {status}, not followed");
        return Err(CallFailure::indefinite(FailureKind::Redirect, &detail));
    }
    let content_type = media_type(response.headers());
    let date = date(response.headers());
    let asks_to_wait = response.headers().contains_key(RETRY_AFTER);
    let policy = policy(response.headers());
    if expected.contains(&status) {
        let body = match status {
            204 => Vec::new(),
            _ => body(response).await?,
        };
        return Ok(HttpAnswer {
            status,
            date,
            asks_to_wait,
            policy,
            content_type,
            body,
        });
    }
    let retry_after = retry_after(response.headers());
    // A refusal whose text can't be read is still one of that status.
    let body = body(response).await.unwrap_or_default();
    Err(refusal(status, &content_type, &body, retry_after))
}

pub(super) fn authorization(token: &BearerToken) -> Result<HeaderValue, CallFailure> {
    let mut value = HeaderValue::from_str(&format!("Bearer {}", token.reveal())).map_err(|_| {
        // A token is checked when it is read; the error's own text is left out, it might show it.
        CallFailure::indefinite(FailureKind::ConnectFailed, "the token can't be sent in a header")
    })?;
    value.set_sensitive(true);
    Ok(value)
}

async fn body(mut response: reqwest::Response) -> Result<Vec<u8>, CallFailure> {
    let too_large = || CallFailure::indefinite(FailureKind::TooLarge, "the answer has more than 1 MiB");
    let length = response.content_length();
    if length.is_some_and(|bytes| bytes > BODY_BYTES_MAX as u64) {
        return Err(too_large());
    }
    let mut body = Vec::new();
    loop {
        match response.chunk().await {
            Ok(None) => return Ok(body),
            Ok(Some(chunk)) if body.len() + chunk.len() > BODY_BYTES_MAX => return Err(too_large()),
            Ok(Some(chunk)) => body.extend_from_slice(&chunk),
            Err(error) => return Err(CallFailure::of_transport(&error, AnswerPhase::Body)),
        }
    }
}

/// A failure is definite only if the coordinator itself refuses: by problem+json, with a status that says that nothing
/// was done. A proxy's page, an overload (408, 425, 429) or a breakdown (5xx) leaves it open.
fn refusal(status: u16, content_type: &str, body: &[u8], retry_after: Option<Duration>) -> CallFailure {
    let refused = (400..500).contains(&status) && ![408, 425, 429].contains(&status);
    let problem = match content_type {
        "application/problem+json" => serde_json::from_slice::<ProblemDetails>(body).ok(),
        _ => None,
    };
    match problem {
        Some(problem) if refused => CallFailure::Definite(CoordinatorRefusal {
            status,
            code: shown(&problem.code),
            detail: shown(problem.detail.as_deref().unwrap_or(&problem.title)),
            retry_after,
        }),
        problem => CallFailure::Indefinite {
            kind: FailureKind::Status(status),
            detail: match problem {
                Some(problem) => shown(&format!("{}: {}", problem.code, problem.title)),
                None => String::from("no problem+json of the coordinator's"),
            },
            retry_after,
        },
    }
}

/// The server's clock, as the `Date` header has it.
fn date(headers: &HeaderMap) -> Option<jiff::Timestamp> {
    let text = headers.get(DATE)?.to_str().ok()?;
    let parsed = jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(text);
    parsed.ok()
}

/// All its lines, as one: a coordinator that adds one is another than before.
fn policy(headers: &HeaderMap) -> Option<String> {
    let lines = headers.get_all(POLICY).iter();
    let lines: Vec<_> = lines
        .map(|line| String::from_utf8_lossy(line.as_bytes()))
        .collect();
    (!lines.is_empty()).then(|| lines.join(", "))
}

/// The content type without its parameters, in lower case; empty if there is none.
fn media_type(headers: &HeaderMap) -> String {
    let whole = headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let bare = whole.split(';').next().unwrap_or_default();
    shown(&bare.trim().to_ascii_lowercase())
}

/// Whole seconds; the form with a date is not used by this API, and clocks differ.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds: u64 = headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds).min(RETRY_AFTER_MAX))
}
