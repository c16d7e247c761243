//! `dribble`: the honest answer in pieces, with pauses between them.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use axum::http::header;
use hyper::body::Frame;
use schemars::SchemaGenerator;
use serde_json::{Map, Value, json};

use super::fault_behavior::{FaultBehavior, HandlerPlan, TableFault};
use super::fault_syntax::{SPAN_PATTERN, no_other_keys, span, table_schema};
use super::faulty_answer::{FaultContext, FaultyAnswer};
use super::self_check_case::SelfCheckCase;
use crate::clock::{Clock, WakeGuard};
use crate::contract::operation::Operation;
use crate::contract::signed_duration::SignedDuration;
use crate::wire_answer::WireAnswer;

/// An answer in pieces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DribbleFault {
    /// How many pieces, 1 to 1000.
    pub chunks: u32,
    /// The time from the first to the last.
    pub over: SignedDuration,
}

impl TableFault for DribbleFault {
    const NAME: &'static str = "dribble";

    fn read(value: Value, _rest: &mut Map<String, Value>) -> Result<DribbleFault, String> {
        let Value::Object(mut table) = value else {
            return Err("`dribble` takes { chunks = N, over = \"TIME\" }".to_owned());
        };
        let chunks = table
            .remove("chunks")
            .and_then(|chunks| chunks.as_u64())
            .unwrap_or(0);
        let chunks = u32::try_from(chunks)
            .ok()
            .filter(|chunks| (1..=1_000).contains(chunks))
            .ok_or("`chunks` must be a whole number from 1 to 1000")?;
        let over = table.remove("over").ok_or("`dribble` needs `over`")?;
        let over = span("over", over)?;
        no_other_keys(&table, Self::NAME, &["chunks", "over"])?;
        Ok(DribbleFault { chunks, over })
    }

    fn written(&self) -> Value {
        json!({"dribble": {"chunks": self.chunks, "over": self.over}})
    }

    fn schema(_generator: &mut SchemaGenerator) -> Value {
        let time = json!({"type": "string", "pattern": SPAN_PATTERN});
        let pieces = json!({"chunks": {"type": "integer"}, "over": time});
        let pieces = json!({"type": "object", "properties": pieces, "additionalProperties": false});
        table_schema(&json!({"dribble": pieces}), Self::NAME)
    }

    fn cases() -> Vec<SelfCheckCase> {
        vec![SelfCheckCase::anywhere(
            json!({"dribble": {"chunks": 4, "over": "1s"}}),
        )]
    }
}

impl FaultBehavior for DribbleFault {
    fn check(&self) -> Result<(), String> {
        match self.over.millis() < 0 {
            true => Err("`over` is negative".to_owned()),
            false => Ok(()),
        }
    }

    fn plan(&self, _operation: Operation) -> HandlerPlan {
        HandlerPlan::HONEST
    }

    fn corrupt(&self, answer: WireAnswer, context: &FaultContext<'_>) -> FaultyAnswer {
        let length = answer.body.len().to_string();
        let over = self.over.forward().unwrap_or_default();
        let pieces = DribbleBody::new(&answer.body, self.chunks, over, Arc::clone(&context.clock));
        let answer = answer.with(header::CONTENT_LENGTH, length);
        FaultyAnswer::with_body(answer, Body::new(pieces))
    }
}

type ClockSleep = Pin<Box<dyn Future<Output = WakeGuard> + Send>>;

/// Sends its pieces one by one, a pause before each but the first.
struct DribbleBody {
    left: VecDeque<Bytes>,
    pause: Duration,
    clock: Arc<Clock>,
    waiting: Option<ClockSleep>,
    woken: Option<WakeGuard>,
    sent: bool,
}

impl DribbleBody {
    fn new(body: &Bytes, chunks: u32, over: Duration, clock: Arc<Clock>) -> DribbleBody {
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
