//! The control API's own listener, which no fault closes: an outage is ended from there.
//!
//! It is at the API's address, so that whoever reaches the one reaches the other, and by default on the next port, so
//! that whoever knows the one knows the other. What it serves is handed in; connections here are nobody's evidence and
//! are not counted.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tower::Service;

use super::socket_for;
use crate::http_layers::{guarded, limited_connection};
use crate::origin_guard::{GuardedService, OriginGuard};

/// The most connections that are open at a time; more wait for one to end.
const CONNECTION_LIMIT: usize = 256;

/// Where the control API of a stub listens by itself that serves the API here, where nobody said otherwise. None where
/// the API has the last port.
pub fn control_beside(api: SocketAddr) -> Option<SocketAddr> {
    api.port().checked_add(1).map(|port| on_port(api, port))
}

/// The same address with this port.
pub(crate) fn on_port(mut address: SocketAddr, port: u16) -> SocketAddr {
    address.set_port(port);
    address
}

/// Needs a runtime around it.
pub(crate) fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = socket_for(address)?;
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(1_024)
}

/// Serves until the runtime around it ends.
pub(crate) async fn run(listener: TcpListener, service: Router, guard: OriginGuard, head_limit: Duration) {
    let places = Arc::new(Semaphore::new(CONNECTION_LIMIT));
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else {
            return;
        };
        match listener.accept().await {
            Ok((stream, _)) => {
                let service = guarded(&guard, stream.local_addr(), service.clone());
                tokio::spawn(serve(stream, service, head_limit, place));
            }
            // Out of descriptors, most likely: give connections a moment to end instead of spinning.
            Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
        }
    }
}

async fn serve(
    stream: TcpStream,
    service: GuardedService<Router>,
    head_limit: Duration,
    _place: OwnedSemaphorePermit,
) {
    let answer = hyper::service::service_fn(move |request: hyper::Request<Incoming>| {
        service.clone().call(request.map(Body::new))
    });
    let connection = limited_connection(head_limit).serve_connection(TokioIo::new(stream), answer);
    // How a connection ended is the client's matter.
    let _ = connection.await;
}
