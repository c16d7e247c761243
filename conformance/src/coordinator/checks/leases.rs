//! How a lease is kept, ends and is reported on: C-5 to C-10.

use serde_json::json;

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
    probe.on_lease("renew", "old", &old)?.must_be_lost("a renewal")?;
    probe
        .on_lease("release", "old", &old)?
        .must_be_lost("a release")?;
    let new = probe.claimed("new", &job)?;
    probe.report("old", &old, "shipped")?.must_be_lost("a report")?;
    ensure(new.token > old.token, || "the fencing token did not rise".into())
}

pub fn a_final_report_may_come_late(probe: &CoordinatorProbe) -> ProbeResult {
    let job = probe.submit("job", &json!({}))?;
    let held = probe.claimed("one", &job)?;
    probe.advance_time(held.ttl_ms + 500)?;
    probe.ensure_stage(&job, "queued")?;
    let late = probe.report("one", &held, "shipped")?;
    late.must_be(202, "the last lease's final report, with none granted since,")?;
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
        renewed.must_be(200, "a renewal in time")?;
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
    released.must_be(200, "a release")?;
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
        let what = format!("a report of `{stage}`");
        match status {
            202 => answer.must_be(status, &what)?,
            _ => answer.must_refuse(status, "illegal_transition", &what)?,
        }
    }
    probe.ensure_stage(&job, "review")
}

pub fn a_final_stage_is_final(probe: &CoordinatorProbe) -> ProbeResult {
    let job = probe.submit("job", &json!({}))?;
    let held = probe.claimed("one", &job)?;
    let done = probe.report("one", &held, "shipped")?;
    done.must_be(202, "a final report")?;
    probe.ensure_stage(&job, "shipped")?;
    let late = probe.report("one", &held, "failed")?;
    late.must_be(409, "a report after the end")?;
    probe.quarantine("one", &held)?;
    probe.ensure_stage(&job, "shipped")
}

pub fn quarantine_by_holder_and_by_former_holder(probe: &CoordinatorProbe) -> ProbeResult {
    let job = probe.submit("job", &json!({}))?;
    let former = probe.claimed("old", &job)?;
    probe.on_lease("release", "old", &former)?;
    let present = probe.claimed("new", &job)?;
    let answer = probe.quarantine("old", &former)?;
    answer.must_be(202, "a former holder's quarantine")?;
    probe.ensure_stage(&job, "building")?;
    let renewed = probe.on_lease("renew", "new", &present)?;
    ensure(renewed.status == 200, || {
        "a former holder's quarantine ended the present lease".into()
    })?;
    probe.quarantine("new", &present)?;
    probe.ensure_stage(&job, "quarantined")
}
