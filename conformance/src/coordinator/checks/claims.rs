//! Which job a claim is given, and under which lease and token: C-1 to C-4, C-11, C-32.

use serde_json::json;

use crate::coordinator::assertions::{ProbeResult, ensure, lease};
use crate::coordinator::probe::CoordinatorProbe;

pub fn one_live_lease(probe: &CoordinatorProbe) -> ProbeResult {
    let job = probe.submit("job", &json!({}))?;
    let claims: Vec<_> = std::thread::scope(|scope| {
        let asked: Vec<_> = (0..8)
            .map(|number| scope.spawn(move || probe.claim(&format!("factory-{number}"), &[])))
            .collect();
        asked
            .into_iter()
            .map(|thread| thread.join().expect("a check does not panic"))
            .collect()
    });
    let mut granted = 0;
    for claim in claims {
        granted += usize::from(claim?.is_some_and(|lease| lease.job == job));
    }
    ensure(granted == 1, || {
        format!("eight claims at once were given {granted} leases on one job")
    })
}

pub fn tokens_rise(probe: &CoordinatorProbe) -> ProbeResult {
    let job = probe.submit("job", &json!({}))?;
    let first = probe.claimed("one", &job)?;
    probe.on_lease("release", "one", &first)?;
    let second = probe.claimed("two", &job)?;
    ensure(second.token > first.token, || {
        format!("fencing token {} came after {}", second.token, first.token)
    })
}

pub fn the_first_eligible_job(probe: &CoordinatorProbe) -> ProbeResult {
    let low = probe.submit("low", &json!({"lock": "l"}))?;
    let high = probe.submit("high", &json!({"priority": 5, "lock": "l"}))?;
    let able = probe.submit("able", &json!({"priority": 9, "caps": ["gpu"]}))?;
    let first = probe.claimed("plain", &high)?;
    ensure(probe.claim("plain", &[])?.is_none(), || {
        format!("{low} was given although its lock is held, or {able} without its capability")
    })?;
    probe.on_lease("release", "plain", &first)?;
    let best = probe.claim("gpu", &["gpu"])?;
    ensure(best.is_some_and(|lease| lease.job == able), || {
        "a factory with the capability was not given the job of the highest priority".into()
    })
}

pub fn jobs_come_in_the_order_of_their_submission(probe: &CoordinatorProbe) -> ProbeResult {
    let first = probe.submit("z-first", &json!({}))?;
    let second = probe.submit("a-second", &json!({}))?;
    let held = probe.claimed("one", &first)?;
    probe.on_lease("release", "one", &held)?;
    // It keeps its place.
    probe.claimed("two", &first)?;
    probe.claimed("three", &second).map(drop)
}

pub fn nothing_eligible(probe: &CoordinatorProbe) -> ProbeResult {
    let answer = probe.claim_raw("idle", &[], None)?;
    ensure(answer.status == 204 && answer.is_empty, || {
        format!(
            "a claim with nothing to be had was answered {} {}",
            answer.status, answer.body
        )
    })
}

pub fn a_claim_repeated_is_the_same_claim(probe: &CoordinatorProbe) -> ProbeResult {
    probe.submit("first", &json!({}))?;
    probe.submit("second", &json!({}))?;
    let key = format!("{}-same", probe.name);
    let one = lease(&probe.claim_raw("one", &[], Some(&key))?)?;
    let again = lease(&probe.claim_raw("one", &[], Some(&key))?)?;
    ensure(one == again, || {
        format!("{one:?} the first time, {again:?} the second")
    })?;
    probe.on_lease("release", "one", &one)?;
    let late = probe.claim_raw("one", &[], Some(&key))?;
    late.must_be_lost("a repeated claim")
}

pub fn a_key_with_another_body_is_refused(probe: &CoordinatorProbe) -> ProbeResult {
    probe.submit("first", &json!({}))?;
    let key = format!("{}-key", probe.name);
    lease(&probe.claim_raw("one", &[], Some(&key))?)?;
    let other = probe.claim_raw("another", &[], Some(&key))?;
    other.must_refuse(422, "idempotency_mismatch", "a key with another body")
}
