//! A small HTTP proxy that a mutant puts between the runner and the coordinator: one request a connection,
//! passed on as it is, save for what `proxy_faults` makes of it.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, PoisonError};

use super::proxied_exchange::{ProxiedAnswer, ProxiedRequest};
use super::proxy_faults::ProxyFaultInjector;

/// Where the proxy listens. Its threads end with the process.
pub(super) struct FaultProxy {
    pub(super) url: String,
    /// A port whose connections are closed once the first shadow claim is over.
    pub(super) gate: u16,
}

/// Starts the proxy in front of `upstream`, a plain `http://HOST:PORT`.
pub(super) fn start(upstream: &str, injector: ProxyFaultInjector) -> std::io::Result<FaultProxy> {
    let upstream = upstream
        .trim_start_matches("http://")
        .trim_end_matches('/')
        .to_owned();
    let injector = Arc::new(injector);
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
            let (upstream, opened, injector) = (upstream.clone(), Arc::clone(&opened), Arc::clone(&injector));
            std::thread::spawn(move || {
                // A request that the client gave up, or that the coordinator dropped, is over too.
                let path =
                    pass_on(client, &upstream, &injector).unwrap_or_else(|_| "/v1/shadow/claims".into());
                if path.ends_with("/shadow/claims") {
                    *opened.0.lock().unwrap_or_else(PoisonError::into_inner) = true;
                    opened.1.notify_all();
                }
            });
        }
    });
    Ok(FaultProxy { url, gate: port })
}

fn pass_on(mut client: TcpStream, upstream: &str, injector: &ProxyFaultInjector) -> std::io::Result<String> {
    let mut request = ProxiedRequest::read(&client)?;
    if let Some(answer) = injector.before(&mut request, upstream)? {
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
    if injector.looks_at_answers() {
        let answer = injector.answer(&request, ProxiedAnswer::read(&server), upstream)?;
        answer.write(&mut client)?;
    } else {
        std::io::copy(&mut server, &mut client)?;
    }
    injector.afterwards(&request, upstream)?;
    client.shutdown(Shutdown::Both)?;
    Ok(request.path)
}
