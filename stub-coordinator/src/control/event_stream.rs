//! `GET /_stub/events`: what changes, as server-sent events, for a page or a person's terminal.
//!
//! A subscriber is looked after by a task that looks at everything ten times a second and sends what is new. Nothing
//! is queued for it: one that reads slowly is simply looked at the journal for less often, and told what it lost. So
//! requests pay nothing for who watches them. What is sent is `event_feed`'s matter, how an exchange is shown `exchange_summary`'s.

mod event_feed;
mod exchange_summary;
mod stub_snapshot;
#[cfg(test)]
mod tests;

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, Response, header};
use axum::routing::get;
use futures_util::stream::{self, StreamExt};
use serde::Deserialize;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::time::{Instant, MissedTickBehavior, interval};

use super::{ControlAnswer, QueryOf, StubExtractor, asked, invalid_field, problem};
use crate::contract::signed_duration::SignedDuration;
use crate::shared_stub::SharedStub;
use event_feed::EventFeed;

/// How often a subscriber is told what is new; what happens in between is told at once.
const POLL_INTERVAL: Duration = Duration::from_millis(100);
/// How long it may be silent where nothing else was asked for.
const HEARTBEAT: Duration = Duration::from_secs(10);
const SHORTEST_HEARTBEAT: Duration = Duration::from_millis(100);
const LONGEST_HEARTBEAT: Duration = Duration::from_secs(60);
/// The most that follow at a time.
const SUBSCRIBER_LIMIT: usize = 64;

/// What all subscribers of one stub share.
#[derive(Clone)]
struct EventSubscribers {
    places: Arc<Semaphore>,
}

/// The stream, and the exchanges that it tells of.
pub(super) fn routes() -> Router<Arc<SharedStub>> {
    let subscribers = EventSubscribers::new();
    let follow = get(move |shared, asked_for, headers| subscribers.follow(shared, asked_for, headers));
    Router::new()
        .route("/events", follow)
        .route("/journal/{seq}", get(exchange_summary::one))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct EventStreamQuery {
    heartbeat: Option<SignedDuration>,
}

impl EventSubscribers {
    fn new() -> EventSubscribers {
        EventSubscribers {
            places: Arc::new(Semaphore::new(SUBSCRIBER_LIMIT)),
        }
    }

    /// Answers a subscriber: a stream that ends when it leaves, or with the stub.
    async fn follow(
        self,
        State(shared): StubExtractor,
        query: QueryOf<EventStreamQuery>,
        headers: HeaderMap,
    ) -> ControlAnswer {
        let heartbeat = asked(query)?
            .heartbeat
            .map_or(Some(HEARTBEAT), SignedDuration::forward);
        let heartbeat = heartbeat
            .filter(|heartbeat| (SHORTEST_HEARTBEAT..=LONGEST_HEARTBEAT).contains(heartbeat))
            .ok_or_else(|| invalid_field("`heartbeat` must be a length of time from 100ms to 60s"))?;
        let place = Arc::clone(&self.places).try_acquire_owned().map_err(|_| {
            let detail = format!("{SUBSCRIBER_LIMIT} follow already; close one of the pages or terminals");
            problem(503, "too_many_subscribers", detail)
        })?;
        let last = headers.get("last-event-id").and_then(|id| id.to_str().ok());
        let feed = EventFeed::new(shared, last);
        // One frame at a time: what the reader has not taken is not yet made.
        let (frames, mut to_reader) = mpsc::channel(1);
        tokio::spawn(run_subscriber(feed, frames, heartbeat, place));
        let frames = stream::poll_fn(move |context| to_reader.poll_recv(context));
        let mut response = Response::new(Body::from_stream(frames.map(Ok::<Bytes, Infallible>)));
        let headers = response.headers_mut();
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("text/event-stream"),
        );
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        Ok(response)
    }
}

/// Looks and tells, until the reader has left.
async fn run_subscriber(
    mut feed: EventFeed,
    frames: mpsc::Sender<Bytes>,
    heartbeat: Duration,
    _place: OwnedSemaphorePermit,
) {
    let mut looks = interval(POLL_INTERVAL);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut last_sent = Instant::now();
    loop {
        tokio::select! {
            _ = looks.tick() => {}
            () = frames.closed() => return,
        }
        let mut news = feed.look();
        if news.is_empty() {
            if last_sent.elapsed() < heartbeat {
                continue;
            }
            news = feed.heartbeat();
        }
        if frames.send(Bytes::from(news)).await.is_err() {
            return;
        }
        last_sent = Instant::now();
    }
}
