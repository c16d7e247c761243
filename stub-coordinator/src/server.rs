//! The server: handed a listener, it accepts, counts and answers until it is told to stop.
//!
//! Its own accept loop instead of the framework's: connections are counted, carry a handle to misbehave with, have
//! limits on slow senders, and all end at once when told so. While nobody is to listen, a bound socket that never
//! listens keeps the port, so that connects are refused and the port is still ours afterwards.

pub(crate) mod control_port;

use std::collections::HashMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use thiserror::Error;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{mpsc, oneshot, watch};
use tower::Service;

use crate::exchange::{ConnectionEpoch, serve_request};
use crate::faults::{ConnectionHandle, FaultyStream};
use crate::http_layers::{guarded, limited_connection};
use crate::origin_guard::OriginGuard;
use crate::shared_stub::SharedStub;

/// How long a fence waits for other connections to end.
const FENCE_TIME: Duration = Duration::from_secs(5);

/// Why a fence did not hold.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum FenceError {
    /// Connections of others stayed open, so what they will do is not yet known.
    #[error("{0} connections are still open; read the evidence after their owners have ended")]
    StillConnected(usize),
    /// The fence's own connection could not be made.
    #[error("the fence could not connect: {0}")]
    Connect(String),
    /// The server has stopped.
    #[error("the stub has stopped")]
    Stopped,
}

/// What a running server can be told.
pub(crate) enum ServerCommand {
    Fence(std::sync::mpsc::SyncSender<Result<(), FenceError>>),
    /// Drop every connection; state and port stay. Answered once it is done.
    Restart(std::sync::mpsc::SyncSender<()>),
    Stop,
}

/// A port that is ours, listened on or not.
pub(crate) struct ReservedPort {
    address: SocketAddr,
    /// Bound and never listening.
    _holder: TcpSocket,
}

impl ReservedPort {
    /// Takes the port. Needs a runtime around it.
    pub(crate) fn bind(wanted: SocketAddr) -> io::Result<ReservedPort> {
        // Nobody else may have it: not to listen, and not to keep it through an outage, which only who listens finds out.
        if wanted.port() != 0 {
            drop(control_port::listen(wanted)?);
        }
        let holder = socket_for(wanted)?;
        holder.set_reuseaddr(true)?;
        // Without sharing at first: a port that somebody else listens on is an error, not a partnership.
        holder.bind(wanted)?;
        holder.set_reuseport(true)?;
        // From now on it is shared with our own listener alone.
        holder.set_reuseaddr(false)?;
        Ok(ReservedPort {
            address: holder.local_addr()?,
            _holder: holder,
        })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn listen(&self) -> io::Result<TcpListener> {
        let socket = socket_for(self.address)?;
        socket.set_reuseaddr(true)?;
        socket.set_reuseport(true)?;
        socket.bind(self.address)?;
        socket.listen(1_024)
    }
}

fn socket_for(address: SocketAddr) -> io::Result<TcpSocket> {
    if address.is_ipv4() {
        TcpSocket::new_v4()
    } else {
        TcpSocket::new_v6()
    }
}

/// What the connections of one server share.
struct ServerConnections {
    shared: Arc<SharedStub>,
    guard: OriginGuard,
    service: Router,
    /// How many are open.
    open: watch::Sender<usize>,
    /// Changes when all are to be dropped.
    epoch: watch::Sender<u64>,
    /// Fences on their way, by their own address.
    fences: Mutex<HashMap<SocketAddr, oneshot::Sender<()>>>,
}

/// Serves until told to stop.
pub(crate) async fn run(
    port: ReservedPort,
    mut listener: Option<TcpListener>,
    guard: OriginGuard,
    service: Router,
    mut orders: mpsc::Receiver<ServerCommand>,
) {
    let shared = Arc::clone(&guard.shared);
    let followed = Arc::clone(&shared);
    followed.listens.send_replace(Some(listener.is_some()));
    let mut listening = shared.listening.subscribe();
    // It may have been switched before anybody looked.
    listening.mark_changed();
    let connections = Arc::new(ServerConnections {
        shared,
        guard,
        service,
        open: watch::Sender::new(0),
        epoch: watch::Sender::new(0),
        fences: Mutex::default(),
    });
    loop {
        tokio::select! {
            // An accepted connection is counted before any order that came after it is looked at.
            biased;
            accepted = accept(listener.as_ref()) => connections.take(accepted),
            _ = listening.changed() => {
                let listen = *listening.borrow_and_update();
                if listen && listener.is_none() {
                    listener = port.listen().ok();
                } else if !listen {
                    listener = None;
                    connections.drop_all();
                }
                followed.listens.send_replace(Some(listen));
            }
            order = orders.recv() => match order {
                Some(ServerCommand::Fence(reply)) => {
                    let fence = Arc::clone(&connections).fence(port.address(), listener.is_some());
                    tokio::spawn(async move { let _ = reply.try_send(fence.await); });
                }
                Some(ServerCommand::Restart(reply)) => {
                    connections.drop_all();
                    // Whoever asked may have given up.
                    let _ = reply.try_send(());
                }
                Some(ServerCommand::Stop) | None => {
                    connections.drop_all();
                    followed.listens.send_replace(None);
                    return;
                }
            },
        }
    }
}

/// Whether a path may be the console's or the control API's. All others are spared the way through a router.
fn is_besides_the_api(path: &str) -> bool {
    path == "/" || path == "/metrics" || path.starts_with("/_stub")
}

async fn accept(listener: Option<&TcpListener>) -> Option<(TcpStream, SocketAddr)> {
    match listener {
        Some(listener) => match listener.accept().await {
            Ok(accepted) => Some(accepted),
            Err(_) => {
                // Out of descriptors, most likely: give connections a moment to end instead of spinning.
                tokio::time::sleep(Duration::from_millis(20)).await;
                None
            }
        },
        None => std::future::pending().await,
    }
}

impl ServerConnections {
    fn take(self: &Arc<Self>, accepted: Option<(TcpStream, SocketAddr)>) {
        let Some((stream, peer)) = accepted else { return };
        let fence = self
            .fences
            .lock()
            .expect("no holder of the fences' lock panics")
            .remove(&peer);
        if let Some(fence) = fence {
            // Whoever asked for it may have given up.
            let _ = fence.send(());
            return;
        }
        self.shared.journal.connected();
        if *self.open.borrow() >= self.shared.limits.connections {
            return;
        }
        self.open.send_modify(|open| *open += 1);
        let connections = Arc::clone(self);
        let mut epoch = self.epoch.subscribe();
        tokio::spawn(async move {
            tokio::select! {
                () = connections.serve(stream) => {}
                _ = epoch.changed() => {}
            }
            connections.open.send_modify(|open| *open -= 1);
        });
    }

    async fn serve(&self, stream: TcpStream) {
        // Answers are small; waiting to fill a packet would only delay them.
        let _ = stream.set_nodelay(true);
        let handle = ConnectionHandle::default();
        let for_requests = handle.clone();
        let mut epoch = self.shared.epoch.subscribe();
        let connection_epoch = ConnectionEpoch(*epoch.borrow_and_update());
        let handle_of_requests = &for_requests;
        let local = stream.local_addr();
        let answer = tower::service_fn(move |mut request: hyper::Request<Incoming>| async move {
            if !is_besides_the_api(request.uri().path()) {
                return Ok(serve_request(&self.shared, handle_of_requests, connection_epoch, request).await);
            }
            request.extensions_mut().insert(handle_of_requests.clone());
            request.extensions_mut().insert(connection_epoch);
            self.service.clone().call(request.map(Body::new)).await
        });
        let answer = TowerToHyperService::new(guarded(&self.guard, local, answer));
        let connection = limited_connection(self.shared.limits.head)
            .auto_date_header(false)
            .serve_connection(TokioIo::new(FaultyStream::new(stream, handle)), answer);
        tokio::pin!(connection);
        loop {
            tokio::select! {
                // How a connection ended is the client's matter, or the rules'.
                _ = connection.as_mut() => return,
                // After a reset an idle one ends, so that its owner makes a new one; one in the middle of a request
                // is let end, and the request told that it is late.
                Ok(()) = epoch.changed() => connection.as_mut().graceful_shutdown(),
            }
        }
    }

    fn drop_all(&self) {
        self.shared.journal.end_in_flight();
        self.epoch.send_modify(|epoch| *epoch += 1);
    }

    /// Returns when every connection made before this call is counted, and all of them have ended.
    async fn fence(self: Arc<Self>, port: SocketAddr, listening: bool) -> Result<(), FenceError> {
        if listening {
            self.pass_through(port).await?;
        }
        let mut open = self.open.subscribe();
        let none_open = open.wait_for(|open| *open == 0);
        match tokio::time::timeout(FENCE_TIME, none_open).await {
            Ok(_) => Ok(()),
            Err(_) => Err(FenceError::StillConnected(*self.open.borrow())),
        }
    }

    /// Makes one connection of its own: the queue of accepts is in order, so all earlier ones are through by then.
    async fn pass_through(&self, port: SocketAddr) -> Result<(), FenceError> {
        let failed = |error: io::Error| FenceError::Connect(error.to_string());
        let socket = socket_for(port).map_err(failed)?;
        let own: SocketAddr = match port {
            SocketAddr::V4(_) => (Ipv4Addr::LOCALHOST, 0).into(),
            SocketAddr::V6(_) => (std::net::Ipv6Addr::LOCALHOST, 0).into(),
        };
        socket.bind(own).map_err(failed)?;
        let own = socket.local_addr().map_err(failed)?;
        let (passed, through) = oneshot::channel();
        self.fences
            .lock()
            .expect("no holder of the fences' lock panics")
            .insert(own, passed);
        let target = match port.ip().is_unspecified() {
            true => SocketAddr::new(own.ip(), port.port()),
            false => port,
        };
        let connected = tokio::time::timeout(FENCE_TIME, socket.connect(target)).await;
        let _stream = connected.map_err(|_| FenceError::Stopped)?.map_err(failed)?;
        through.await.map_err(|_| FenceError::Stopped)
    }
}
