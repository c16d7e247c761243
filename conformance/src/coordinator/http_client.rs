//! A client as small as the checks need: one request a connection, over plain HTTP, with the body exactly as given.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::Value;

const LIMIT: Duration = Duration::from_secs(20);
const ANSWER_LIMIT: u64 = 4 << 20;

/// Where the coordinator is, and with which token it is asked.
#[derive(Debug, Clone)]
pub struct CoordinatorClient {
    host: String,
    prefix: String,
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
    #[error("`{url}` is no http:// address; put a proxy that ends TLS on loopback in front of an https one")]
    Address { url: String },
    #[error("{method} {path} got no answer")]
    Io {
        method: String,
        path: String,
        #[source]
        source: std::io::Error,
    },
    #[error("{method} {path} was answered by something that is no HTTP")]
    NoHttp { method: String, path: String },
}

impl CoordinatorClient {
    pub fn new(url: &str, token: Option<String>) -> Result<CoordinatorClient, ClientError> {
        let rest = url
            .strip_prefix("http://")
            .ok_or_else(|| ClientError::Address { url: url.into() })?;
        let (host, prefix) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let host = if host.contains(':') {
            host.to_owned()
        } else {
            format!("{host}:80")
        };
        Ok(CoordinatorClient {
            host,
            prefix: prefix.trim_end_matches('/').to_owned(),
            token,
        })
    }

    /// Whether anybody listens there at all.
    pub fn check_connection(&self) -> std::io::Result<()> {
        TcpStream::connect(&self.host).map(drop)
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
        let failed = |source| ClientError::Io {
            method: method.into(),
            path: path.into(),
            source,
        };
        let bytes = self.exchange(method, path, key, body).map_err(failed)?;
        answer(&bytes).ok_or_else(|| ClientError::NoHttp {
            method: method.into(),
            path: path.into(),
        })
    }

    fn exchange(&self, method: &str, path: &str, key: Option<&str>, body: &str) -> std::io::Result<Vec<u8>> {
        let mut stream = TcpStream::connect(&self.host)?;
        stream.set_read_timeout(Some(LIMIT))?;
        stream.set_write_timeout(Some(LIMIT))?;
        let mut head = format!(
            "{method} {}{path} HTTP/1.1\r\nhost: {}\r\n",
            self.prefix, self.host
        );
        if let Some(token) = &self.token {
            head.push_str(&format!("authorization: Bearer {token}\r\n"));
        }
        if let Some(key) = key {
            head.push_str(&format!("idempotency-key: {key}\r\n"));
        }
        if method != "GET" {
            head.push_str(&format!(
                "content-type: application/json\r\ncontent-length: {}\r\n",
                body.len()
            ));
        }
        head.push_str("connection: close\r\n\r\n");
        stream.write_all(head.as_bytes())?;
        stream.write_all(body.as_bytes())?;
        let mut bytes = Vec::new();
        stream.take(ANSWER_LIMIT).read_to_end(&mut bytes)?;
        Ok(bytes)
    }
}

fn answer(bytes: &[u8]) -> Option<CoordinatorAnswer> {
    let text = String::from_utf8_lossy(bytes);
    let (head, body) = text.split_once("\r\n\r\n")?;
    let mut lines = head.lines();
    let status = lines
        .next()?
        .strip_prefix("HTTP/1.")?
        .split(' ')
        .nth(1)?
        .parse()
        .ok()?;
    let headers: Vec<(String, &str)> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim()))
        .collect();
    let header = |wanted: &str| {
        headers
            .iter()
            .find(|(name, _)| name == wanted)
            .map(|(_, value)| *value)
    };
    let policy = headers.iter().filter(|(name, _)| name == "coordinator-policy");
    let policy = policy.map(|(_, value)| (*value).to_owned());
    let body = match header("transfer-encoding") {
        Some("chunked") => joined(body),
        _ => body.to_owned(),
    };
    Some(CoordinatorAnswer {
        status,
        content_type: header("content-type").unwrap_or_default().to_owned(),
        policy: policy.reduce(|first, next| first + ", " + &next),
        is_empty: body.is_empty(),
        body: serde_json::from_str(&body).unwrap_or(Value::Null),
    })
}

/// A chunked body in one piece.
fn joined(mut rest: &str) -> String {
    let mut whole = String::new();
    while let Some((size, after)) = rest.split_once("\r\n") {
        let size = usize::from_str_radix(size.split(';').next().unwrap_or(size).trim(), 16).unwrap_or(0);
        let Some(chunk) = after.get(..size).filter(|chunk| !chunk.is_empty()) else {
            break;
        };
        whole.push_str(chunk);
        rest = after.get(size + 2..).unwrap_or_default();
    }
    whole
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_read_whole_or_in_chunks() {
        let plain = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n{\"a\":1}";
        let chunked = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n3\r\n{\"a\r\n4\r\n\":1}\r\n0\r\n\r\n";
        let read = answer(plain).expect("an answer");
        assert_eq!((read.status, &read.body["a"]), (200, &Value::from(1)));
        assert_eq!(Some(read), answer(chunked));
        assert_eq!(answer(b"garbage"), None);
    }
}
