//! A body in pieces: with pauses between them, or with an end that comes too early.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Bytes, HttpBody};
use hyper::body::Frame;

use crate::clock::{Clock, Woken};

type Pause = Pin<Box<dyn Future<Output = Woken> + Send>>;

/// Sends its pieces one by one, a pause before each but the first.
pub(crate) struct Pieces {
    left: VecDeque<Bytes>,
    pause: Duration,
    clock: Arc<Clock>,
    waiting: Option<Pause>,
    woken: Option<Woken>,
    sent: bool,
}

impl Pieces {
    pub(crate) fn new(body: &Bytes, chunks: u32, over: Duration, clock: Arc<Clock>) -> Pieces {
        let chunks = usize::try_from(chunks).unwrap_or(1).max(1);
        let size = body.len().div_ceil(chunks).max(1);
        let left: VecDeque<Bytes> = (0..body.len())
            .step_by(size)
            .map(|at| body.slice(at..body.len().min(at + size)))
            .collect();
        let gaps = u32::try_from(left.len().saturating_sub(1)).unwrap_or(1).max(1);
        Pieces {
            left,
            pause: over / gaps,
            clock,
            waiting: None,
            woken: None,
            sent: false,
        }
    }
}

impl HttpBody for Pieces {
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
                let (clock, pause) = (Arc::clone(&self.clock), self.pause);
                self.woken = None;
                self.waiting = Some(Box::pin(async move { clock.sleep(pause, "dribble").await }));
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
