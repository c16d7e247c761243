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
    /// Before every shadow claim, the same once more.
    Again,
    /// In every shadow claim, the job that was decided on.
    Decision,
    /// In every shadow claim, a string where a list belongs.
    Misshapen,
    /// Before every shadow claim, a request that no API has.
    Nonsense,
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
    let mut request = read(&client)?;
    let asks = request.path.ends_with("/shadow/claims");
    match extra {
        Extra::Again if asks => send(
            upstream,
            "/v1/shadow/claims",
            &request.authorization,
            &request.body,
        )?,
        Extra::Nonsense if asks => send(upstream, "/v1/shadow/nonsense", &request.authorization, b"{}")?,
        Extra::Decision if asks => request.body = patched(&request.body, "localJob", Some("alpha"))?,
        Extra::Misshapen if asks => request.body = patched(&request.body, "caps", Some("linux"))?,
        _ => {}
    }
    let mut server = TcpStream::connect(upstream)?;
    // A client that gives up must be noticed while the coordinator is still silent.
    let (watched, ended) = (client.try_clone()?, server.try_clone()?);
    std::thread::spawn(move || {
        let mut watched = watched;
        let _ = watched.read(&mut [0]);
        let _ = ended.shutdown(std::net::Shutdown::Both);
    });
    write!(
        server,
        "{}content-length: {}\r\nconnection: close\r\n\r\n",
        request.head,
        request.body.len()
    )?;
    server.write_all(&request.body)?;
    std::io::copy(&mut server, &mut client)?;
    if extra == Extra::RealClaim && asks {
        send(
            upstream,
            "/v1/claims",
            &request.authorization,
            &patched(&request.body, "shadow", None)?,
        )?;
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
    Ok(Request {
        path,
        head,
        authorization,
        body,
    })
}

/// A JSON body with one field set, or taken out.
fn patched(body: &[u8], field: &str, value: Option<&str>) -> std::io::Result<Vec<u8>> {
    let mut body: serde_json::Value = serde_json::from_slice(body)?;
    if let Some(fields) = body.as_object_mut() {
        match value {
            Some(value) => fields.insert(field.to_owned(), value.into()),
            None => fields.remove(field),
        };
    }
    Ok(body.to_string().into_bytes())
}

/// A request of the mutant's own; nobody looks at its answer.
fn send(upstream: &str, path: &str, authorization: &str, body: &[u8]) -> std::io::Result<()> {
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
    std::io::copy(&mut server, &mut std::io::sink()).map(drop)
}
