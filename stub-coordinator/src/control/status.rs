//! What the stub is and holds now: `/_stub/health`, `/_stub/identity`, `/_stub/counters`, `/_stub/digest`, `/_stub/jobs`.

use std::sync::atomic::Ordering;

use axum::extract::State;
use serde_json::json;

use super::{ControlAnswer, StubExtractor, document};
use crate::shared_stub::StubAddresses;
use crate::stub_identity::StubIdentity;

pub(super) async fn health(State(shared): StubExtractor) -> ControlAnswer {
    let places = shared.places.get();
    let late = shared.late.load(Ordering::Relaxed);
    let refused = shared.refused.load(Ordering::Relaxed);
    Ok(document(&json!({
        "status": "ok",
        "url": places.map(StubAddresses::url),
        "controlUrl": places.and_then(StubAddresses::control_url),
        "seed": shared.seed,
        "clock": shared.clock.kind(),
        "lateRequests": late,
        "refusedRequests": refused,
        "stateTrouble": shared.state_write_error(),
    })))
}

pub(super) async fn identity(State(shared): StubExtractor) -> ControlAnswer {
    let places = shared.places.get();
    Ok(document(&StubIdentity {
        stub: shared.instance.clone(),
        url: places.map(StubAddresses::url).unwrap_or_default(),
        control_url: places.and_then(StubAddresses::control_url),
    }))
}

pub(super) async fn counters(State(shared): StubExtractor) -> ControlAnswer {
    let counters = shared.journal.counters();
    let total = counters.mutations_total();
    Ok(document(&json!({"counters": counters, "mutationsTotal": total})))
}

pub(super) async fn digest(State(shared): StubExtractor) -> ControlAnswer {
    Ok(document(&json!({"digest": shared.digest()})))
}

pub(super) async fn jobs(State(shared): StubExtractor) -> ControlAnswer {
    Ok(document(&json!({"jobs": shared.jobs()})))
}
