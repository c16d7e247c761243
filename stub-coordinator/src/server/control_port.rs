//! The control API's own listener, which no fault closes: an outage is ended from there.
//!
//! Always on loopback. By default it has the API's port on an address of its own, so that whoever knows the one knows
//! the other. What it serves is handed in; connections here are nobody's evidence and are not counted.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use hyper::body::Incoming;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tower::Service;

use super::HEAD_LIMIT;
use crate::config::ControlPlace;

/// The most connections that are open at a time; more wait for one to end.
const CONNECTION_LIMIT: usize = 256;

/// Where the control API of a stub listens by itself that serves the API here, where nobody said otherwise.
pub fn control_beside(api: SocketAddr) -> SocketAddr {
    (Ipv4Addr::new(127, 0, 0, 2), api.port()).into()
}

/// Listens where it is wanted; nowhere where it is to share the API's listener. Needs a runtime around it.
pub(crate) fn bind(place: ControlPlace, api: SocketAddr) -> io::Result<Option<TcpListener>> {
    let on_own_port = |port: u16| listen((Ipv4Addr::LOCALHOST, port).into(), false);
    // Where the API listens on every address the port is ours on this one, too; else sharing would be a partnership
    // with somebody.
    let is_ours = api.ip().is_unspecified();
    match place {
        ControlPlace::Shared => Ok(None),
        // Somebody else may have just that port; the place is told in any case.
        ControlPlace::Beside => listen(control_beside(api), is_ours)
            .or_else(|_| on_own_port(0))
            .map(Some),
        ControlPlace::Port(port) => on_own_port(port).map(Some),
    }
}

fn listen(address: SocketAddr, is_ours: bool) -> io::Result<TcpListener> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    socket.set_reuseport(is_ours)?;
    socket.bind(address)?;
    socket.listen(1_024)
}

/// Serves until the runtime around it ends.
pub(crate) async fn run(listener: TcpListener, service: Router, head_limit: Duration) {
    let places = Arc::new(Semaphore::new(CONNECTION_LIMIT));
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else {
            return;
        };
        match listener.accept().await {
            Ok((stream, _)) => drop(tokio::spawn(serve(stream, service.clone(), head_limit, place))),
            // Out of descriptors, most likely: give connections a moment to end instead of spinning.
            Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
        }
    }
}

async fn serve(stream: TcpStream, service: Router, head_limit: Duration, _place: OwnedSemaphorePermit) {
    let answer = hyper::service::service_fn(move |request: hyper::Request<Incoming>| {
        service.clone().call(request.map(Body::new))
    });
    let connection = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(head_limit)
        .max_buf_size(HEAD_LIMIT)
        .serve_connection(TokioIo::new(stream), answer);
    // How a connection ended is the client's matter.
    let _ = connection.await;
}
