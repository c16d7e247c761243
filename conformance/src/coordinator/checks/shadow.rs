//! Dry runs and the view that they are answered from: C-20 to C-23.

use serde_json::{Value, json};

use crate::coordinator::assertions::{ProbeResult, ensure};
use crate::coordinator::probe::CoordinatorProbe;

pub fn shadow_calls_leave_no_trace(probe: &CoordinatorProbe) -> ProbeResult {
    let job = probe.submit("job", &json!({}))?;
    let before = (
        probe.job(&job)?,
        probe.get("/v1/jobs?stage=queued&limit=100")?.body["jobs"].clone(),
    );
    probe.dry_run("one", &[])?;
    for stage in ["building", "shipped"] {
        probe.shadow_report("one", &job, stage)?;
        probe.dry_run("one", &[])?;
    }
    let after = (
        probe.job(&job)?,
        probe.get("/v1/jobs?stage=queued&limit=100")?.body["jobs"].clone(),
    );
    let mine = |listed: &Value| -> Vec<Value> {
        let all = listed.as_array().cloned().unwrap_or_default();
        all.into_iter()
            .filter(|listed| listed["id"] == job.as_str())
            .collect()
    };
    ensure(before.0 == after.0 && mine(&before.1) == mine(&after.1), || {
        format!("shadow calls changed {} into {}", before.0, after.0)
    })?;
    probe.claimed("one", &job).map(drop)
}

pub fn a_dry_run_names_what_a_claim_would_give(probe: &CoordinatorProbe) -> ProbeResult {
    probe.submit("low", &json!({}))?;
    let high = probe.submit("high", &json!({"priority": 5}))?;
    let named = probe.dry_run("one", &[])?;
    ensure(named.as_deref() == Some(&high), || {
        format!("a dry run named {named:?}, not {high}")
    })?;
    let given = probe.claim("one", &[])?;
    ensure(given.is_some_and(|lease| lease.job == high), || {
        "the claim gave something else".into()
    })
}

pub fn a_lock_of_the_view_is_held(probe: &CoordinatorProbe) -> ProbeResult {
    let first = probe.submit("first", &json!({"lock": "l"}))?;
    probe.submit("same-lock", &json!({"lock": "l"}))?;
    let free = probe.submit("free", &json!({}))?;
    for stage in ["building", "testing"] {
        probe.shadow_report("one", &first, stage)?;
        let named = probe.dry_run("one", &[])?;
        ensure(named.as_ref() == Some(&free), || {
            format!("with {first} at `{stage}` in its view, a dry run named {named:?}, not {free}")
        })?;
    }
    let named = probe.dry_run("two", &[])?;
    ensure(named.as_ref() == Some(&first), || {
        format!("to another factory a dry run named {named:?}, not {first}")
    })
}

pub fn the_view_is_one_factorys_own(probe: &CoordinatorProbe) -> ProbeResult {
    let first = probe.submit("first", &json!({}))?;
    let second = probe.submit("second", &json!({}))?;
    let reported = probe.shadow_report("one", &first, "building")?;
    reported.must_be(202, "a shadow report")?;
    for (factory, job) in [("one", &second), ("two", &first)] {
        let named = probe.dry_run(factory, &[])?;
        ensure(named.as_ref() == Some(job), || {
            format!("to {factory} a dry run named {named:?}, not {job}")
        })?;
    }
    probe.shadow_report("one", &first, "queued")?;
    let named = probe.dry_run("one", &[])?;
    ensure(named.as_ref() == Some(&first), || {
        format!("after it was taken back {named:?} is named")
    })
}

pub fn a_report_of_an_unknown_job(probe: &CoordinatorProbe) -> ProbeResult {
    let answer = probe.shadow_report("one", &probe.id("nobody-knows"), "building")?;
    answer.must_be(404, "it")
}
