//! `dribble`: the honest answer in pieces, with pauses between them.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::header;
use futures_util::stream::{self, Stream, StreamExt};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::fault_behavior::{FaultBehavior, HandlerPlan, TableFault};
use super::fault_syntax::whole;
use super::faulty_answer::{FaultContext, FaultyAnswer};
use super::self_check_case::SelfCheckCase;
use crate::clock::{Clock, WakeGuard};
use crate::contract::operation::Operation;
use crate::contract::signed_duration::SignedDuration;
use crate::wire_answer::WireAnswer;

/// An answer in pieces.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DribbleFault {
    /// How many pieces, 1 to 1000.
    #[serde(deserialize_with = "whole::<1, 1_000, _, _>")]
    pub chunks: u32,
    /// The time from the first to the last.
    pub over: SignedDuration,
}

impl TableFault for DribbleFault {
    const FORM: &'static str = "{ chunks = N, over = \"TIME\" }, with 1 to 1000 chunks";
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
        let pieces = pieces(&answer.body, self.chunks, over, Arc::clone(&context.clock));
        let answer = answer.with(header::CONTENT_LENGTH, length);
        FaultyAnswer::with_body(answer, Body::from_stream(pieces.map(Ok::<Bytes, Infallible>)))
    }

    fn cases(_name: &str) -> Vec<SelfCheckCase> {
        vec![SelfCheckCase::anywhere(
            json!({"dribble": {"chunks": 4, "over": "1s"}}),
        )]
    }
}

/// The pieces of a body one by one, a pause before each but the first.
fn pieces(body: &Bytes, chunks: u32, over: Duration, clock: Arc<Clock>) -> impl Stream<Item = Bytes> + use<> {
    let chunks = usize::try_from(chunks).unwrap_or(1).max(1);
    let size = body.len().div_ceil(chunks).max(1);
    let left: VecDeque<Bytes> = (0..body.len())
        .step_by(size)
        .map(|at| body.slice(at..body.len().min(at + size)))
        .collect();
    let gaps = u32::try_from(left.len().saturating_sub(1)).unwrap_or(1).max(1);
    let pause = over / gaps;
    // What was woken is kept until the next pause is known to the clock, so that whoever advanced it waits for the piece.
    stream::unfold((left, false, None), move |(mut left, is_next, woken)| {
        let clock = Arc::clone(&clock);
        async move {
            let piece = left.pop_front()?;
            if !is_next {
                return Some((piece, (left, true, None)));
            }
            let pausing = clock.sleep_until(clock.now().after(pause), "dribble");
            drop::<Option<WakeGuard>>(woken);
            Some((piece, (left, true, Some(pausing.await))))
        }
    })
}
