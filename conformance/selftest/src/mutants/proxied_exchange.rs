//! Requests and answers as far as the proxy has to understand them, and how they are read and written.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;

const BODY_LIMIT: u64 = 4 << 20;

/// A request as far as the proxy has to understand it.
pub(super) struct ProxiedRequest {
    pub(super) path: String,
    /// Request line and header fields, without those that the proxy sets itself.
    pub(super) head: String,
    pub(super) authorization: String,
    pub(super) body: Vec<u8>,
}

/// An answer that was read whole.
pub(super) struct ProxiedAnswer {
    pub(super) status: u16,
    pub(super) location: Option<String>,
    pub(super) content_type: String,
    pub(super) body: Vec<u8>,
}

impl ProxiedRequest {
    /// Reads a request whole.
    pub(super) fn read(client: &TcpStream) -> std::io::Result<ProxiedRequest> {
        let mut reader = BufReader::new(client);
        let (mut head, mut length, mut authorization, mut path) =
            (String::new(), 0_u64, String::new(), String::new());
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line)? == 0 || line.trim().is_empty() {
                break;
            }
            let name = line.split(':').next().unwrap_or_default().to_ascii_lowercase();
            match name.as_str() {
                _ if head.is_empty() => path = line.split(' ').nth(1).unwrap_or_default().to_owned(),
                "content-length" => {
                    length = line[15..].trim().parse().unwrap_or(0);
                    continue;
                }
                "authorization" => authorization = line.clone(),
                "connection" => continue,
                _ => {}
            }
            head.push_str(&line);
        }
        let mut body = Vec::new();
        reader.take(length.min(BODY_LIMIT)).read_to_end(&mut body)?;
        Ok(ProxiedRequest {
            path,
            head,
            authorization,
            body,
        })
    }
}

impl ProxiedAnswer {
    /// An answer of the proxy's own.
    pub(super) fn json(status: u16, body: &serde_json::Value) -> ProxiedAnswer {
        ProxiedAnswer {
            status,
            location: None,
            content_type: "application/json".into(),
            body: body.to_string().into_bytes(),
        }
    }

    /// One that says that there is nothing.
    pub(super) fn empty() -> ProxiedAnswer {
        ProxiedAnswer {
            status: 204,
            location: None,
            content_type: String::new(),
            body: Vec::new(),
        }
    }

    /// Reads to the end of the connection, which the proxy asked to be closed.
    pub(super) fn read(server: &TcpStream) -> std::io::Result<ProxiedAnswer> {
        let mut reader = BufReader::new(server);
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let status = line.split(' ').nth(1).and_then(|status| status.parse().ok());
        let status = status.ok_or_else(|| std::io::Error::other("no answer"))?;
        let (mut location, mut content_type) = (None, String::new());
        loop {
            line.clear();
            if reader.read_line(&mut line)? == 0 || line.trim().is_empty() {
                break;
            }
            match line.split_once(':') {
                Some((name, value)) if name.eq_ignore_ascii_case("location") => {
                    location = Some(value.trim().to_owned());
                }
                Some((name, value)) if name.eq_ignore_ascii_case("content-type") => {
                    value.trim().clone_into(&mut content_type);
                }
                _ => {}
            }
        }
        let mut body = Vec::new();
        reader.take(BODY_LIMIT).read_to_end(&mut body)?;
        Ok(ProxiedAnswer {
            status,
            location,
            content_type,
            body,
        })
    }

    pub(super) fn write(&self, client: &mut TcpStream) -> std::io::Result<()> {
        let mut head = format!("HTTP/1.1 {} Proxied\r\nconnection: close\r\n", self.status);
        if let Some(location) = &self.location {
            head.push_str(&format!("location: {location}\r\n"));
        }
        if self.status != 204 {
            let (kind, length) = (&self.content_type, self.body.len());
            head.push_str(&format!("content-type: {kind}\r\ncontent-length: {length}\r\n"));
        }
        write!(client, "{head}\r\n")?;
        client.write_all(&self.body)
    }
}

/// A request of the mutant's own, and what is answered to it.
pub(super) fn send(
    upstream: &str,
    path: &str,
    authorization: &str,
    body: &[u8],
) -> std::io::Result<ProxiedAnswer> {
    let mut server = TcpStream::connect(upstream)?;
    let length = body.len();
    write!(
        server,
        "POST {path} HTTP/1.1\r\nhost: {upstream}\r\n{authorization}"
    )?;
    write!(
        server,
        "content-type: application/json\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n"
    )?;
    server.write_all(body)?;
    ProxiedAnswer::read(&server)
}
