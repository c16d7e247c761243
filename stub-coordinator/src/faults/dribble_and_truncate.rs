//! Bodies that are not sent at once: in pieces with pauses between them, or only the first half.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Bytes, HttpBody};
use hyper::body::Frame;

use crate::clock::{Clock, WakeGuard};

type ClockSleep = Pin<Box<dyn Future<Output = WakeGuard> + Send>>;

/// Sends its pieces one by one, a pause before each but the first.
pub(crate) struct DribbleBody {
    left: VecDeque<Bytes>,
    pause: Duration,
    clock: Arc<Clock>,
    waiting: Option<ClockSleep>,
    woken: Option<WakeGuard>,
    sent: bool,
}

impl DribbleBody {
    pub(crate) fn new(body: &Bytes, chunks: u32, over: Duration, clock: Arc<Clock>) -> DribbleBody {
        let chunks = usize::try_from(chunks).unwrap_or(1).max(1);
        let size = body.len().div_ceil(chunks).max(1);
        let left: VecDeque<Bytes> = (0..body.len())
            .step_by(size)
            .map(|at| body.slice(at..body.len().min(at + size)))
            .collect();
        let gaps = u32::try_from(left.len().saturating_sub(1)).unwrap_or(1).max(1);
        DribbleBody {
            left,
            pause: over / gaps,
            clock,
            waiting: None,
            woken: None,
            sent: false,
        }
    }
}

impl HttpBody for DribbleBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.left.is_empty() {
            return Poll::Ready(None);
        }
        if self.sent {
            if self.waiting.is_none() {
                let next = self.clock.now().after(self.pause);
                self.waiting = Some(Box::pin(self.clock.sleep_until(next, "dribble")));
                self.woken = None;
            }
            if let Some(waiting) = self.waiting.as_mut() {
                match waiting.as_mut().poll(context) {
                    Poll::Ready(woken) => self.woken = Some(woken),
                    Poll::Pending => return Poll::Pending,
                }
            }
            self.waiting = None;
        }
        self.sent = true;
        Poll::Ready(self.left.pop_front().map(|piece| Ok(Frame::data(piece))))
    }
}

/// Sends what it has, waits until that is out, and breaks off.
pub(crate) struct TruncatedBody {
    half: Option<Bytes>,
    polls_to_flush: u8,
}

impl TruncatedBody {
    pub(crate) fn new(half: Bytes) -> TruncatedBody {
        // A body that is not ready makes the connection flush what it has; once would do.
        TruncatedBody {
            half: Some(half),
            polls_to_flush: 2,
        }
    }
}

impl HttpBody for TruncatedBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        if let Some(half) = self.half.take() {
            return Poll::Ready(Some(Ok(Frame::data(half))));
        }
        if self.polls_to_flush > 0 {
            self.polls_to_flush -= 1;
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready(Some(Err(io::Error::from(io::ErrorKind::BrokenPipe))))
    }
}
