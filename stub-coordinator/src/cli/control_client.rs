//! One request of the control API on one connection. One small HTTP client, because nothing more is needed.

use std::io::{self, BufRead, BufReader, Read, Take, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// How long a connection may take.
const CONNECT_TIME: Duration = Duration::from_secs(5);

/// Who is asked.
#[derive(Debug, Clone)]
pub(super) struct ControlPeer {
    pub(super) address: SocketAddr,
    /// What the request says that it is sent to.
    pub(super) host: String,
    /// The path in front of all paths.
    pub(super) prefix: String,
}

/// What is asked.
pub(super) struct ControlRequest<'a> {
    pub(super) method: &'a str,
    pub(super) path: &'a str,
    pub(super) token: Option<&'a str>,
    pub(super) body: &'a str,
    /// The longest that a part of the answer is waited for.
    pub(super) patience: Duration,
    /// The most that is read of the answer, in bytes.
    pub(super) limit: u64,
}

/// An answer of which the head was read.
pub(super) struct ControlResponse {
    pub(super) status: u16,
    pub(super) rest: BufReader<Take<TcpStream>>,
    /// How long the rest is, where the head says so.
    length: Option<u64>,
}

impl ControlPeer {
    /// Whoever listens there, without any name or path. Who listens everywhere is called by loopback's name.
    pub(super) fn at(address: SocketAddr) -> ControlPeer {
        let host = match address.ip().is_unspecified() {
            true => format!("localhost:{}", address.port()),
            false => address.to_string(),
        };
        ControlPeer {
            address,
            host,
            prefix: String::new(),
        }
    }

    /// Sends a request and reads the head of the answer. Who speaks something else than HTTP gives `InvalidData`.
    pub(super) fn send(&self, request: &ControlRequest<'_>) -> io::Result<ControlResponse> {
        let mut stream = TcpStream::connect_timeout(&self.address, CONNECT_TIME)?;
        stream.set_read_timeout(Some(request.patience))?;
        let authorization = request
            .token
            .map(|token| format!("authorization: Bearer {token}\r\n"));
        let head = format!(
            "{} {}{} HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n{}content-type: application/json\r\n\
             content-length: {}\r\n\r\n",
            request.method,
            self.prefix,
            request.path,
            self.host,
            authorization.unwrap_or_default(),
            request.body.len()
        );
        stream.write_all(head.as_bytes())?;
        stream.write_all(request.body.as_bytes())?;
        ControlResponse::read(BufReader::new(stream.take(request.limit)))
    }
}

impl ControlResponse {
    fn read(mut rest: BufReader<Take<TcpStream>>) -> io::Result<ControlResponse> {
        let mut line = String::new();
        if rest.read_line(&mut line)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let status = line.split(' ').nth(1).and_then(|status| status.parse().ok());
        let status = status.ok_or(io::ErrorKind::InvalidData)?;
        let mut length = None;
        loop {
            line.clear();
            if rest.read_line(&mut line)? == 0 || line.trim().is_empty() {
                return Ok(ControlResponse { status, rest, length });
            }
            if let Some((name, value)) = line.split_once(':')
                && name.eq_ignore_ascii_case("content-length")
            {
                length = value.trim().parse().ok();
            }
        }
    }

    /// All of its body.
    pub(super) fn text(self) -> io::Result<String> {
        let mut text = String::new();
        self.rest
            .take(self.length.unwrap_or(u64::MAX))
            .read_to_string(&mut text)?;
        Ok(text)
    }
}
