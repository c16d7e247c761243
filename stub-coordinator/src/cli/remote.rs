//! Talking to a running stub: where it is, who asks, and what it answered. One small HTTP client, because nothing more
//! is needed for one request on one connection.

use std::error::Error;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::ops::ControlFlow;
use std::time::Duration;

use clap::Args;
use serde_json::Value;
use stub_coordinator::control_beside;

/// The longest that a stub is waited for; a wait of its own ends before.
const PATIENCE: Duration = Duration::from_secs(90);
/// How long a connection may take.
const CONNECT_TIME: Duration = Duration::from_secs(5);
/// The largest answer: a whole state.
const ANSWER_LIMIT: u64 = 128 * 1_048_576;

/// An answer of which the head was read.
struct Begun {
    rest: BufReader<TcpStream>,
    /// How long the rest is, where the head says so.
    length: Option<u64>,
    status: u16,
}

/// Connects to a stub: to where its control API listens by itself, where it does. An answer from there comes once what
/// was asked for is so, and it comes in an outage too.
fn connect(authority: &str) -> io::Result<TcpStream> {
    let mut failed = io::Error::from(io::ErrorKind::AddrNotAvailable);
    for address in authority.to_socket_addrs()? {
        if address.ip().is_loopback()
            && let Ok(stream) = TcpStream::connect_timeout(&control_beside(address), CONNECT_TIME)
        {
            return Ok(stream);
        }
        match TcpStream::connect_timeout(&address, CONNECT_TIME) {
            Ok(stream) => return Ok(stream),
            Err(error) => failed = error,
        }
    }
    Err(failed)
}

/// Which stub is meant.
#[derive(Debug, Clone, Args)]
pub(super) struct Target {
    /// The stub's URL, as its first line says; else STUB_URL, else http://127.0.0.1:7700.
    #[arg(long, value_name = "URL")]
    url: Option<String>,
    /// A token of the scope `admin`, where the stub has tokens; else STUB_TOKEN.
    #[arg(long, value_name = "TOKEN")]
    token: Option<String>,
    /// Print what the stub answered, as JSON.
    #[arg(long)]
    pub(super) json: bool,
}

impl Target {
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
        let Begun {
            mut rest,
            length,
            status,
        } = self.open(method, path, body)?;
        let mut text = String::new();
        let limit = length.unwrap_or(ANSWER_LIMIT).min(ANSWER_LIMIT);
        rest.by_ref().take(limit).read_to_string(&mut text)?;
        let answer: Value = serde_json::from_str(&text)
            .map_err(|_| format!("{} answers, but not like a stub; check --url", self.url()))?;
        if status < 300 {
            return Ok(answer);
        }
        let detail = answer["detail"].as_str().unwrap_or("no reason given");
        Err(match status {
            401 => format!("the stub asks for a token: {detail}; give --token or STUB_TOKEN"),
            404 if answer["code"] == "not_found" => format!("the stub knows no {path}: {detail}"),
            _ => detail.to_owned(),
        }
        .into())
    }

    /// Sends a request and reads the head of the answer: what is left is still to come.
    fn open(&self, method: &str, path: &str, body: Option<&Value>) -> Result<Begun, Box<dyn Error>> {
        let (authority, prefix) = self.place()?;
        let unreachable = |error: io::Error| {
            format!(
                "no stub answers at {}: {error}; start one with `stub-coordinator`, or give the --url (in an outage \
                 the controlUrl) of its first line",
                self.url()
            )
        };
        let mut stream = connect(&authority).map_err(unreachable)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let body = body.map(Value::to_string).unwrap_or_default();
        let token = self
            .token
            .clone()
            .or_else(|| std::env::var("STUB_TOKEN").ok())
            .unwrap_or_default();
        if token.contains(['\r', '\n']) {
            return Err("the token has a line break in it; give one line".into());
        }
        let authorization = match token.as_str() {
            "" => String::new(),
            token => format!("authorization: Bearer {token}\r\n"),
        };
        let head = format!(
            "{method} {prefix}{path} HTTP/1.1\r\nhost: {authority}\r\nconnection: close\r\n{authorization}\
             content-type: application/json\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        stream.write_all(head.as_bytes()).map_err(unreachable)?;
        stream.write_all(body.as_bytes()).map_err(unreachable)?;
        let mut reader = BufReader::new(stream);
        let mut line = String::new();
        reader.read_line(&mut line).map_err(unreachable)?;
        let status = line.split(' ').nth(1).and_then(|status| status.parse().ok());
        let status =
            status.ok_or_else(|| format!("{} answers, but not like a stub; check --url", self.url()))?;
        let mut length = None;
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line)? == 0 || line.trim().is_empty() {
                return Ok(Begun {
                    rest: reader,
                    length,
                    status,
                });
            }
            if let Some((name, value)) = line.split_once(':')
                && name.eq_ignore_ascii_case("content-length")
            {
                length = value.trim().parse().ok();
            }
        }
    }

    fn url(&self) -> String {
        let from_environment = || std::env::var("STUB_URL").ok().filter(|url| !url.is_empty());
        self.url
            .clone()
            .or_else(from_environment)
            .unwrap_or_else(|| "http://127.0.0.1:7700".to_owned())
    }

    /// The same stub, asked where no fault reaches it, for who wants to go on listening through an outage.
    pub(super) fn steady(self) -> Result<Target, Box<dyn Error>> {
        let health = self.get("/_stub/health")?;
        // From elsewhere the stub's loopback is not ours.
        let (authority, _) = self.place()?;
        let is_here = authority
            .to_socket_addrs()
            .is_ok_and(|mut addresses| addresses.any(|address| address.ip().is_loopback()));
        let control = health["controlUrl"].as_str().filter(|_| is_here);
        Ok(match control {
            Some(url) => Target {
                url: Some(url.to_owned()),
                ..self
            },
            None => self,
        })
    }

    /// Gives every line of an endless answer to `each`, until the stub ends it or `each` says so.
    pub(super) fn lines<B>(
        &self,
        path: &str,
        mut each: impl FnMut(&str) -> ControlFlow<B>,
    ) -> Result<ControlFlow<B>, Box<dyn Error>> {
        let Begun { rest, status, .. } = self.open("GET", path, None)?;
        if status != 200 {
            return Err(format!(
                "the stub answers {status} to {path}; give --token or STUB_TOKEN where it has tokens"
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
