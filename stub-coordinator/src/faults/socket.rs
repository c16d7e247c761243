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
pub(crate) enum Act {
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
pub(crate) struct Handle(Arc<Mutex<Manners>>);

#[derive(Debug, Default)]
struct Manners {
    act: Act,
    spoke: bool,
}

impl Handle {
    /// Notes a request, to be answered as it should unless somebody says otherwise.
    pub(crate) fn begin(&self) {
        *self.manners() = Manners {
            act: Act::Honest,
            spoke: true,
        };
    }

    pub(crate) fn set(&self, act: Act) {
        self.manners().act = act;
    }

    /// Notes a request on this connection; true for the first.
    pub(crate) fn is_first_request(&self) -> bool {
        !std::mem::replace(&mut self.manners().spoke, true)
    }

    fn act(&self) -> Act {
        self.manners().act
    }

    fn manners(&self) -> MutexGuard<'_, Manners> {
        self.0.lock().expect("no holder of a connection's manners panics")
    }
}

/// A TCP stream that follows its handle.
pub(crate) struct Socket {
    stream: TcpStream,
    handle: Handle,
    garbage_sent: usize,
}

impl Socket {
    pub(crate) fn new(stream: TcpStream, handle: Handle) -> Socket {
        Socket {
            stream,
            handle,
            garbage_sent: 0,
        }
    }

    fn end(&self) -> Poll<io::Result<usize>> {
        Poll::Ready(Err(io::Error::from(io::ErrorKind::ConnectionAborted)))
    }

    fn poll_misbehave(
        &mut self,
        context: &mut Context<'_>,
        bytes: &[u8],
        act: Act,
    ) -> Poll<io::Result<usize>> {
        match act {
            Act::Honest => Pin::new(&mut self.stream).poll_write(context, bytes),
            Act::Close | Act::Cut(0) => self.end(),
            Act::Reset => {
                // With no time to linger, closing discards what is left and sends RST.
                let _ = self.stream.set_zero_linger();
                self.end()
            }
            Act::Cut(left) => {
                let most = usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len());
                let written = match Pin::new(&mut self.stream).poll_write(context, &bytes[..most]) {
                    Poll::Ready(Ok(written)) => written,
                    other => return other,
                };
                self.handle.set(Act::Cut(left - written as u64));
                Poll::Ready(Ok(written))
            }
            Act::Garbage => loop {
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

impl AsyncRead for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let act = self.handle.act();
        self.poll_misbehave(context, bytes, act)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
