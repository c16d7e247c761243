//! One request of the control API.

use std::error::Error;
use std::io::{self, Read};
use std::net::SocketAddr;
use std::time::Duration;

use reqwest::blocking::{Client, Response};
use reqwest::redirect::Policy;
use reqwest::{Method, Url, header};

/// How long a connection may take.
const CONNECT_TIME: Duration = Duration::from_secs(5);

/// Who is asked.
#[derive(Debug, Clone)]
pub(super) struct ControlPeer {
    pub(super) address: SocketAddr,
    /// What it is called there, with the path in front of all paths and without a slash at the end.
    base: String,
}

/// What is asked.
pub(super) struct ControlRequest<'a> {
    pub(super) method: Method,
    pub(super) path: &'a str,
    pub(super) token: Option<&'a str>,
    pub(super) body: String,
    /// The longest that a part of the answer is waited for.
    pub(super) time_limit: Duration,
}

impl ControlPeer {
    /// One address of a name.
    pub(super) fn named(address: SocketAddr, url: &Url) -> ControlPeer {
        ControlPeer {
            address,
            base: url.as_str().trim_end_matches('/').to_owned(),
        }
    }

    /// Whoever listens there, without any name or path. Who listens everywhere is called by loopback's name.
    pub(super) fn at(address: SocketAddr) -> ControlPeer {
        let host = match address.ip().is_unspecified() {
            true => format!("localhost:{}", address.port()),
            false => address.to_string(),
        };
        ControlPeer {
            address,
            base: format!("http://{host}"),
        }
    }

    pub(super) fn is_https(&self) -> bool {
        self.base.starts_with("https:")
    }

    /// Sends a request and reads the head of the answer. Nobody else is asked: a token goes to this address, not by way
    /// of a proxy, nor to where an answer points.
    pub(super) fn send(&self, request: ControlRequest<'_>) -> reqwest::Result<Response> {
        let url = format!("{}{}", self.base, request.path);
        let host = Url::parse(&url)
            .ok()
            .and_then(|url| Some(url.host_str()?.to_owned()));
        let client = Client::builder()
            .resolve(&host.unwrap_or_default(), self.address)
            .no_proxy()
            .redirect(Policy::none())
            .connect_timeout(CONNECT_TIME)
            .timeout(request.time_limit)
            .build()?;
        let mut asked = client
            .request(request.method, url)
            .header(header::CONTENT_TYPE, "application/json")
            .body(request.body);
        if let Some(token) = request.token {
            asked = asked.bearer_auth(token);
        }
        asked.send()
    }
}

/// At most so much of an answer's body.
pub(super) fn text_of(answer: Response, limit: u64) -> io::Result<String> {
    let mut text = String::new();
    answer.take(limit).read_to_string(&mut text)?;
    Ok(text)
}

/// Whether somebody answered, but not in HTTP.
pub(super) fn is_no_http(error: &reqwest::Error) -> bool {
    let mut source = error.source();
    while let Some(cause) = source {
        if cause
            .downcast_ref::<hyper::Error>()
            .is_some_and(hyper::Error::is_parse)
        {
            return true;
        }
        source = cause.source();
    }
    false
}

/// What it comes from in the end: the client's own words around it say nothing more.
pub(super) fn root_cause(error: &reqwest::Error) -> String {
    let mut cause: &dyn Error = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}
