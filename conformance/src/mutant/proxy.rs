//! A small HTTP proxy that a mutant puts between the runner and the coordinator: one request a connection,
//! passed on as it is, with something extra where the mutant wants it.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, PoisonError};

const BODY_LIMIT: u64 = 4 << 20;

/// What the proxy does beside passing requests on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Extra {
    Nothing,
    /// After every shadow claim, a real one.
    RealClaim,
}

/// Where the proxy listens. Its threads end with the process.
pub(super) struct Proxy {
    pub(super) url: String,
    /// A port whose connections are closed once the first shadow claim is over.
    pub(super) gate: u16,
}

/// Starts the proxy in front of `upstream`, a plain `http://HOST:PORT`.
pub(super) fn start(upstream: &str, extra: Extra) -> std::io::Result<Proxy> {
    let upstream = upstream
        .trim_start_matches("http://")
        .trim_end_matches('/')
        .to_owned();
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
            let (upstream, opened) = (upstream.clone(), Arc::clone(&opened));
            std::thread::spawn(move || {
                // A request that the client gave up, or that the coordinator dropped, is over too.
                let path = pass_on(client, &upstream, extra).unwrap_or_else(|_| "/v1/shadow/claims".into());
                if path.ends_with("/shadow/claims") {
                    *opened.0.lock().unwrap_or_else(PoisonError::into_inner) = true;
                    opened.1.notify_all();
                }
            });
        }
    });
    Ok(Proxy { url, gate: port })
}

/// A request as far as the proxy has to understand it.
struct Request {
    path: String,
    head: String,
    authorization: String,
    body: Vec<u8>,
}

fn pass_on(mut client: TcpStream, upstream: &str, extra: Extra) -> std::io::Result<String> {
    let request = read(&client)?;
    let mut server = TcpStream::connect(upstream)?;
    // A client that gives up must be noticed while the coordinator is still silent.
    let (watched, ended) = (client.try_clone()?, server.try_clone()?);
    std::thread::spawn(move || {
        let mut watched = watched;
        let _ = watched.read(&mut [0]);
        let _ = ended.shutdown(std::net::Shutdown::Both);
    });
    write!(server, "{}connection: close\r\n\r\n", request.head)?;
    server.write_all(&request.body)?;
    std::io::copy(&mut server, &mut client)?;
    if extra == Extra::RealClaim && request.path.ends_with("/shadow/claims") {
        claim(&request, upstream)?;
    }
    client.shutdown(std::net::Shutdown::Both)?;
    Ok(request.path)
}

fn read(client: &TcpStream) -> std::io::Result<Request> {
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
            "content-length" => length = line[15..].trim().parse().unwrap_or(0),
            "authorization" => authorization = line.clone(),
            "connection" => continue,
            _ => {}
        }
        head.push_str(&line);
    }
    let mut body = Vec::new();
    reader.take(length.min(BODY_LIMIT)).read_to_end(&mut body)?;
    Ok(Request {
        path,
        head,
        authorization,
        body,
    })
}

/// The real claim that a shadow claim must never become.
fn claim(shadow: &Request, upstream: &str) -> std::io::Result<()> {
    let mut body: serde_json::Value = serde_json::from_slice(&shadow.body)?;
    if let Some(fields) = body.as_object_mut() {
        fields.remove("shadow");
    }
    let body = body.to_string();
    let mut server = TcpStream::connect(upstream)?;
    write!(
        server,
        "POST /v1/claims HTTP/1.1\r\nhost: {upstream}\r\n{}content-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
        shadow.authorization,
        body.len()
    )?;
    std::io::copy(&mut server, &mut std::io::sink()).map(drop)
}
