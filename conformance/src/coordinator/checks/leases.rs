//! How a lease is kept, ends and is reported on: C-5 to C-10.

use serde_json::json;

use super::lost;
use crate::coordinator::assertions::{ProbeResult, ensure};
use crate::coordinator::probe::CoordinatorProbe;

pub fn a_lease_that_is_not_renewed_ends(probe: &CoordinatorProbe) -> ProbeResult {
    let job = probe.submit("job", &json!({}))?;
    let old = probe.claimed("old", &job)?;
    let attempts = probe.job(&job)?["attempts"].as_u64().unwrap_or(0);
    probe.advance_time(old.ttl_ms + 500)?;
    let after = probe.job(&job)?;
    ensure(
        after["stage"] == "queued" && after["attempts"].as_u64() == Some(attempts + 1),
        || format!("after its lease ran out the job is {after}"),
    )?;
    lost(&probe.on_lease("renew", "old", &old)?, "a renewal")?;
    lost(&probe.on_lease("release", "old", &old)?, "a release")?;
    let new = probe.claimed("new", &job)?;
    lost(&probe.report("old", &old, "shipped")?, "a report")?;
    ensure(new.token > old.token, || "the fencing token did not rise".into())
}

pub fn a_final_report_may_come_late(probe: &CoordinatorProbe) -> ProbeResult {
    let job = probe.submit("job", &json!({}))?;
    let held = probe.claimed("one", &job)?;
    probe.advance_time(held.ttl_ms + 500)?;
    probe.ensure_stage(&job, "queued")?;
    let late = probe.report("one", &held, "shipped")?;
    ensure(late.status == 202, || {
        format!(
            "the final report of the last lease, with none granted since, was answered {} {}",
            late.status, late.body
        )
    })?;
    probe.ensure_stage(&job, "shipped")?;
    let next = probe.claim("two", &[])?;
    ensure(next.is_none(), || {
        format!("what shipped was given again: {next:?}")
    })
}

pub fn a_renewal_moves_the_deadline(probe: &CoordinatorProbe) -> ProbeResult {
    let job = probe.submit("job", &json!({}))?;
    let held = probe.claimed("one", &job)?;
    for _ in 0..2 {
        probe.advance_time(held.ttl_ms * 2 / 3)?;
        let renewed = probe.on_lease("renew", "one", &held)?;
        ensure(renewed.status == 200, || {
            format!("a renewal in time was answered {}", renewed.status)
        })?;
        ensure(
            renewed.body["lease"]["fencingToken"].as_u64() == Some(held.token),
            || "a renewal changed the fencing token".into(),
        )?;
    }
    Ok(())
}

pub fn a_release_queues_again(probe: &CoordinatorProbe) -> ProbeResult {
    let job = probe.submit("job", &json!({}))?;
    let first = probe.claimed("one", &job)?;
    let released = probe.on_lease("release", "one", &first)?;
    ensure(released.status == 200, || {
        format!("a release was answered {}", released.status)
    })?;
    probe.ensure_stage(&job, "queued")?;
    let second = probe.claimed("two", &job)?;
    probe.report("two", &second, "shipped")?;
    probe.on_lease("release", "two", &second)?;
    probe.ensure_stage(&job, "shipped")
}

pub fn stages_go_forward(probe: &CoordinatorProbe) -> ProbeResult {
    let job = probe.submit("job", &json!({}))?;
    let held = probe.claimed("one", &job)?;
    for (stage, status) in [
        ("testing", 202),
        ("testing", 202),
        ("building", 409),
        ("review", 202),
    ] {
        let answer = probe.report("one", &held, stage)?;
        ensure(answer.status == status, || {
            format!(
                "a report of `{stage}` was answered {} {}, not {status}",
                answer.status, answer.body
            )
        })?;
        let code = &answer.body["code"];
        ensure(status == 202 || code == "illegal_transition", || {
            format!("its code is {code}")
        })?;
    }
    probe.ensure_stage(&job, "review")
}

pub fn a_final_stage_is_final(probe: &CoordinatorProbe) -> ProbeResult {
    let job = probe.submit("job", &json!({}))?;
    let held = probe.claimed("one", &job)?;
    let done = probe.report("one", &held, "shipped")?;
    ensure(done.status == 202, || {
        format!("a final report was answered {}", done.status)
    })?;
    probe.ensure_stage(&job, "shipped")?;
    let late = probe.report("one", &held, "failed")?;
    ensure(late.status == 409, || {
        format!("a report after the end was answered {}", late.status)
    })?;
    probe.quarantine("one", &held)?;
    probe.ensure_stage(&job, "shipped")
}

pub fn quarantine_by_holder_and_by_former_holder(probe: &CoordinatorProbe) -> ProbeResult {
    let job = probe.submit("job", &json!({}))?;
    let former = probe.claimed("old", &job)?;
    probe.on_lease("release", "old", &former)?;
    let present = probe.claimed("new", &job)?;
    let answer = probe.quarantine("old", &former)?;
    ensure(answer.status == 202, || {
        format!("a former holder's quarantine was answered {}", answer.status)
    })?;
    probe.ensure_stage(&job, "building")?;
    let renewed = probe.on_lease("renew", "new", &present)?;
    ensure(renewed.status == 200, || {
        "a former holder's quarantine ended the present lease".into()
    })?;
    probe.quarantine("new", &present)?;
    probe.ensure_stage(&job, "quarantined")
}
