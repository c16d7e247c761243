//! A small HTTP proxy that a mutant puts between the runner and the coordinator: one request a connection,
//! passed on as it is, save for what `proxy_faults` makes of it.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, PoisonError};

use super::proxy_faults::ProxyFaultInjector;

const BODY_LIMIT: u64 = 4 << 20;

/// Where the proxy listens. Its threads end with the process.
pub(super) struct FaultProxy {
    pub(super) url: String,
    /// A port whose connections are closed once the first shadow claim is over.
    pub(super) gate: u16,
}

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

/// Starts the proxy in front of `upstream`, a plain `http://HOST:PORT`.
pub(super) fn start(upstream: &str, tamperer: ProxyFaultInjector) -> std::io::Result<FaultProxy> {
    let upstream = upstream
        .trim_start_matches("http://")
        .trim_end_matches('/')
        .to_owned();
    let tamperer = Arc::new(tamperer);
    let opened = Arc::new((Mutex::new(false), Condvar::new()));
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let url = format!("http://{}", listener.local_addr()?);
    let gate = TcpListener::bind("127.0.0.1:0")?;
    let port = gate.local_addr()?.port();
    let waited_for = Arc::clone(&opened);
    std::thread::spawn(move || {
        for waiting in gate.incoming().flatten() {
            let (open, changed) = &*waited_for;
            let held = open.lock().unwrap_or_else(PoisonError::into_inner);
            drop(changed.wait_while(held, |open| !*open));
            drop(waiting);
        }
    });
    std::thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let (upstream, opened, tamperer) = (upstream.clone(), Arc::clone(&opened), Arc::clone(&tamperer));
            std::thread::spawn(move || {
                // A request that the client gave up, or that the coordinator dropped, is over too.
                let path =
                    pass_on(client, &upstream, &tamperer).unwrap_or_else(|_| "/v1/shadow/claims".into());
                if path.ends_with("/shadow/claims") {
                    *opened.0.lock().unwrap_or_else(PoisonError::into_inner) = true;
                    opened.1.notify_all();
                }
            });
        }
    });
    Ok(FaultProxy { url, gate: port })
}

fn pass_on(mut client: TcpStream, upstream: &str, tamperer: &ProxyFaultInjector) -> std::io::Result<String> {
    let mut request = read(&client)?;
    if let Some(answer) = tamperer.before(&mut request, upstream)? {
        answer.write(&mut client)?;
        client.shutdown(Shutdown::Both)?;
        return Ok(request.path);
    }
    let mut server = TcpStream::connect(upstream)?;
    // A client that gives up must be noticed while the coordinator is still silent.
    let (watched, ended) = (client.try_clone()?, server.try_clone()?);
    std::thread::spawn(move || {
        let mut watched = watched;
        let _ = watched.read(&mut [0]);
        let _ = ended.shutdown(Shutdown::Both);
    });
    write!(
        server,
        "{}content-length: {}\r\nconnection: close\r\n\r\n",
        request.head,
        request.body.len()
    )?;
    server.write_all(&request.body)?;
    if tamperer.looks_at_answers() {
        let answer = tamperer.answer(&request, ProxiedAnswer::read(&server), upstream)?;
        answer.write(&mut client)?;
    } else {
        std::io::copy(&mut server, &mut client)?;
    }
    tamperer.afterwards(&request, upstream)?;
    client.shutdown(Shutdown::Both)?;
    Ok(request.path)
}

fn read(client: &TcpStream) -> std::io::Result<ProxiedRequest> {
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
    fn read(server: &TcpStream) -> std::io::Result<ProxiedAnswer> {
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

    fn write(&self, client: &mut TcpStream) -> std::io::Result<()> {
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
