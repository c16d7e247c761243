//! A connection that can misbehave: it writes what it is given until it is told to reset, close, stop after so many
//! bytes, or send garbage instead.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// What the connection does with the answer that comes next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum ConnectionAction {
    #[default]
    Honest,
    /// End with RST, without a byte.
    Reset,
    /// End with FIN, without a byte.
    Close,
    /// End with FIN after this many bytes.
    Cut(u64),
    /// Send what is no HTTP, then end with FIN.
    Garbage,
}

const GARBAGE: &[u8] = b"\x00\xff\x13 this is not the protocol you are looking for \x7f\x00\r\n\r\n";

/// Tells a connection what to do; shared between the connection and whoever answers on it.
#[derive(Debug, Clone, Default)]
pub(crate) struct ConnectionHandle(Arc<Mutex<ConnectionState>>);

#[derive(Debug, Default)]
struct ConnectionState {
    /// What becomes of the next answer: written by the exchange, followed by the stream.
    act: ConnectionAction,
    /// Whether a request has come over the connection yet.
    had_request: bool,
}

impl ConnectionHandle {
    /// Notes a request, to be answered as it should unless somebody says otherwise.
    pub(crate) fn begin(&self) {
        *self.connection_state() = ConnectionState {
            act: ConnectionAction::Honest,
            had_request: true,
        };
    }

    pub(crate) fn set(&self, act: ConnectionAction) {
        self.connection_state().act = act;
    }

    /// Notes a request on this connection; true for the first.
    pub(crate) fn is_first_request(&self) -> bool {
        !std::mem::replace(&mut self.connection_state().had_request, true)
    }

    fn act(&self) -> ConnectionAction {
        self.connection_state().act
    }

    fn connection_state(&self) -> MutexGuard<'_, ConnectionState> {
        self.0.lock().expect("no holder of a connection's lock panics")
    }
}

/// A TCP stream that follows its handle.
pub(crate) struct FaultyStream {
    stream: TcpStream,
    handle: ConnectionHandle,
    garbage_sent: usize,
}

impl FaultyStream {
    pub(crate) fn new(stream: TcpStream, handle: ConnectionHandle) -> FaultyStream {
        FaultyStream {
            stream,
            handle,
            garbage_sent: 0,
        }
    }

    fn end(&self) -> Poll<io::Result<usize>> {
        Poll::Ready(Err(io::Error::from(io::ErrorKind::ConnectionAborted)))
    }

    fn poll_faulty_write(
        &mut self,
        context: &mut Context<'_>,
        bytes: &[u8],
        act: ConnectionAction,
    ) -> Poll<io::Result<usize>> {
        match act {
            ConnectionAction::Honest => Pin::new(&mut self.stream).poll_write(context, bytes),
            ConnectionAction::Close | ConnectionAction::Cut(0) => self.end(),
            ConnectionAction::Reset => {
                // With no time to linger, closing discards what is left and sends RST.
                let _ = self.stream.set_zero_linger();
                self.end()
            }
            ConnectionAction::Cut(left) => {
                let most = usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len());
                let written = match Pin::new(&mut self.stream).poll_write(context, &bytes[..most]) {
                    Poll::Ready(Ok(written)) => written,
                    other => return other,
                };
                self.handle.set(ConnectionAction::Cut(left - written as u64));
                Poll::Ready(Ok(written))
            }
            ConnectionAction::Garbage => loop {
                let left = &GARBAGE[self.garbage_sent..];
                if left.is_empty() {
                    return self.end();
                }
                match Pin::new(&mut self.stream).poll_write(context, left) {
                    Poll::Ready(Ok(written)) => self.garbage_sent += written,
                    other => return other,
                }
            },
        }
    }
}

impl AsyncRead for FaultyStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for FaultyStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let act = self.handle.act();
        self.poll_faulty_write(context, bytes, act)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
