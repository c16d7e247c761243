//! How a job is taken back, what becomes of its id, and that it is shown whole: C-12 to C-14.

use serde_json::{Value, json};

use crate::coordinator::assertions::{ProbeError, ProbeResult, ensure};
use crate::coordinator::probe::CoordinatorProbe;

pub fn a_withdrawn_job_is_given_to_nobody(probe: &CoordinatorProbe) -> ProbeResult {
    let job = probe.submit("job", &json!({}))?;
    probe.withdrawn(&job)?;
    probe.ensure_stage(&job, "withdrawn")?;
    given_to_nobody(probe, &job)?;
    let key = format!("{}-again", probe.name);
    for key in [None, Some(key.as_str()), Some(key.as_str())] {
        let again = probe.withdraw(&job, key)?;
        again.must_be(200, "the withdrawal of a withdrawn job")?;
    }
    probe.ensure_stage(&job, "withdrawn")?;
    given_to_nobody(probe, &job)
}

/// Neither a dry run nor a claim.
fn given_to_nobody(probe: &CoordinatorProbe, job: &str) -> ProbeResult {
    let listed = probe.get("/v1/jobs?stage=queued&limit=1000")?.body["jobs"].clone();
    let listed = listed.as_array().into_iter().flatten();
    ensure(listed.into_iter().all(|listed| listed["id"] != job), || {
        format!("{job} is withdrawn, and listed as queued")
    })?;
    let named = probe.dry_run("watching", &[])?;
    ensure(named.is_none(), || {
        format!("{job} is withdrawn, and a dry run named {named:?}")
    })?;
    let given = probe.claim("working", &[])?;
    ensure(given.is_none(), || {
        format!("{job} is withdrawn, and a claim was given {given:?}")
    })
}

pub fn what_is_held_or_has_ended_is_not_withdrawn(probe: &CoordinatorProbe) -> ProbeResult {
    let job = probe.submit("job", &json!({}))?;
    let held = probe.claimed("one", &job)?;
    let before = probe.job(&job)?;
    let refused = probe.withdraw(&job, None)?;
    refused.must_refuse(409, "leased", "the withdrawal of a job that somebody holds")?;
    let after = probe.job(&job)?;
    ensure(before == after, || {
        format!("a refused withdrawal changed {before} into {after}")
    })?;
    let renewed = probe.on_lease("renew", "one", &held)?;
    renewed.must_be(200, "a renewal after a refused withdrawal")?;
    let named = probe.report("one", &held, "withdrawn")?;
    ensure(matches!(named.status, 409 | 422), || {
        format!(
            "a report of `withdrawn` was answered {} {}",
            named.status, named.body
        )
    })?;
    probe
        .report("one", &held, "shipped")?
        .must_be(202, "a final report")?;
    let refused = probe.withdraw(&job, None)?;
    refused.must_refuse(409, "final", "the withdrawal of a job that has shipped")?;
    probe.ensure_stage(&job, "shipped")?;
    let unknown = probe.withdraw(&probe.id("nobody-knows"), None)?;
    unknown.must_be(404, "the withdrawal of an unknown job")?;
    still_queued_after_a_refusal(probe)
}

/// A lease that is over keeps nobody from withdrawing, and whoever held it hears that it is lost.
fn still_queued_after_a_refusal(probe: &CoordinatorProbe) -> ProbeResult {
    let job = probe.submit("released", &json!({}))?;
    let held = probe.claimed("one", &job)?;
    probe
        .withdraw(&job, None)?
        .must_refuse(409, "leased", "a second such withdrawal")?;
    probe
        .on_lease("release", "one", &held)?
        .must_be(200, "a release")?;
    probe.withdrawn(&job)?;
    probe.report("one", &held, "shipped")?.must_be_lost("a report")
}

pub fn a_job_is_either_withdrawn_or_granted(probe: &CoordinatorProbe) -> ProbeResult {
    for round in 0..8 {
        let job = probe.submit(&format!("job-{round}"), &json!({}))?;
        let (granted, withdrawn) = std::thread::scope(|scope| {
            let claims =
                [0, 1, 2].map(|number| scope.spawn(move || probe.claim(&format!("factory-{number}"), &[])));
            let withdrawal = scope.spawn(|| probe.withdraw(&job, None));
            let claims = claims.map(|thread| thread.join().expect("a check does not panic"));
            (claims, withdrawal.join().expect("a check does not panic"))
        });
        let granted: Vec<_> = granted.into_iter().collect::<Result<Vec<_>, ProbeError>>()?;
        let granted: Vec<_> = granted.into_iter().flatten().collect();
        let withdrawn = withdrawn?;
        ensure(granted.len() + usize::from(withdrawn.status == 200) == 1, || {
            format!(
                "{job} was withdrawn with {} {} while claims came, and they were given {granted:?}",
                withdrawn.status, withdrawn.body
            )
        })?;
        for lease in granted {
            withdrawn.must_refuse(409, "leased", "the withdrawal of a job that a claim was given")?;
            let holder = [0, 1, 2].map(|number| format!("factory-{number}"));
            let ended = holder
                .iter()
                .map(|factory| probe.report(factory, &lease, "failed"));
            // One of them holds it.
            let ended = ended.collect::<Result<Vec<_>, _>>()?;
            ensure(ended.iter().any(|answer| answer.status == 202), || {
                format!("nobody could end {lease:?}")
            })?;
        }
    }
    Ok(())
}

pub fn a_withdrawal_outlives_a_restart(probe: &CoordinatorProbe) -> ProbeResult {
    let job = probe.submit("job", &json!({}))?;
    let held = probe.claimed("one", &job)?;
    probe
        .on_lease("release", "one", &held)?
        .must_be(200, "a release")?;
    probe.withdrawn(&job)?;
    probe.restart()?;
    probe.ensure_stage(&job, "withdrawn")?;
    given_to_nobody(probe, &job)?;
    probe.submit("job", &json!({}))?;
    probe.restart()?;
    let next = probe.claimed("two", &job)?;
    ensure(next.token > held.token, || {
        format!(
            "after restarts fencing token {} came after {}",
            next.token, held.token
        )
    })
}

pub fn a_withdrawn_id_is_submitted_again_as_a_new_job(probe: &CoordinatorProbe) -> ProbeResult {
    let job = probe.submit("job", &json!({}))?;
    let other = probe.submit("other", &json!({}))?;
    let held = probe.claimed("one", &job)?;
    let again = probe.post("/v1/jobs", &probe.job_named("job", &json!({})))?;
    again.must_refuse(409, "job_exists", "a submit of an id that was not withdrawn")?;
    probe.quarantine("former", &held)?;
    probe
        .on_lease("release", "one", &held)?
        .must_be(200, "a release")?;
    probe.shadow_report("watching", &job, "building")?;
    probe.withdrawn(&job)?;
    probe.submit("job", &json!({"priority": 0}))?;
    let new = probe.job(&job)?;
    let is_new = new["stage"] == "queued" && new["attempts"] == 0 && new["quarantines"].is_null();
    ensure(is_new, || format!("the new job of a withdrawn id is {new}"))?;
    let first = probe.claimed("one", &other)?;
    let named = probe.dry_run("watching", &[])?;
    ensure(named.as_ref() == Some(&job), || {
        format!("a dry run named {named:?}, though nothing was reported of the new {job}")
    })?;
    let next = probe.claimed("two", &job)?;
    ensure(next.token > held.token, || {
        format!(
            "fencing token {} of the new job came after {} of the withdrawn one",
            next.token, held.token
        )
    })?;
    probe.report("one", &held, "shipped")?.must_be_lost("a report")?;
    probe.on_lease("renew", "two", &next)?.must_be(200, "a renewal")?;
    probe.report("one", &first, "failed").map(drop)
}

pub fn an_answer_that_is_no_longer_true_is_not_repeated(probe: &CoordinatorProbe) -> ProbeResult {
    let body = probe.job_named("job", &json!({}));
    let job = probe.id("job");
    let [over, back] = ["over", "back"].map(|word| format!("{}-{word}", probe.name));
    probe.submit_keyed(&body, &over)?.must_be(201, "a submit")?;
    probe
        .submit_keyed(&body, &over)?
        .must_be(201, "a submit repeated with its key")?;
    for _ in 0..2 {
        probe
            .withdraw(&job, Some(&back))?
            .must_be(200, "a withdrawal, or the same again")?;
    }
    let late = probe.submit_keyed(&body, &over)?;
    late.must_refuse(409, "superseded", "a submit repeated after its job was withdrawn")?;
    probe.ensure_stage(&job, "withdrawn")?;
    probe.submit("job", &json!({}))?;
    let late = probe.withdraw(&job, Some(&back))?;
    late.must_refuse(
        409,
        "superseded",
        "a withdrawal repeated after the id was submitted again",
    )?;
    probe.ensure_stage(&job, "queued")
}

pub fn a_job_is_shown_as_it_was_submitted(probe: &CoordinatorProbe) -> ProbeResult {
    let whole = json!({"cwd": "/srv/site", "yolo": true, "lock": "l", "timeoutMs": 1, "idleTimeoutMs": 90_000,
        "priority": -3, "caps": ["gpu"], "verify": "make\tcheck\n", "review": true, "ship": "true",
        "retries": 2, "body": "\n---\r\n\u{e9} \u{1f9ea}\n\n"});
    let job = probe.submit("whole", &whole)?;
    shown_as(probe, &job, &whole)?;
    probe.withdrawn(&job)?;
    shown_as(probe, &job, &whole)?;
    let left_out = json!({"yolo": false, "priority": 0, "caps": [], "review": false, "retries": 0});
    let bare = probe.submit("bare", &json!({}))?;
    shown_as(probe, &bare, &left_out)?;
    let shown = probe.job(&bare)?;
    let none = ["cwd", "lock", "timeoutMs", "idleTimeoutMs", "verify", "ship"];
    ensure(none.iter().all(|field| shown[field].is_null()), || {
        format!("of fields that were left out the job says {shown}")
    })
}

fn shown_as(probe: &CoordinatorProbe, job: &str, submitted: &Value) -> ProbeResult {
    let shown = probe.job(job)?;
    for (field, value) in submitted.as_object().into_iter().flatten() {
        ensure(shown[field] == *value, || {
            format!(
                "`{field}` of {job} was submitted as {value}, and is shown as {}",
                shown[field]
            )
        })?;
    }
    Ok(())
}
