//! The checks of a coordinator, each on jobs of its own. What a check demands is the clause's text and no more.

use serde_json::{Value, json};

use super::probe::{Held, Probe, demand, lease};

pub fn one_live_lease(probe: &Probe) -> Held {
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
    demand(granted == 1, || {
        format!("eight claims at once were given {granted} leases on one job")
    })
}

pub fn tokens_rise(probe: &Probe) -> Held {
    let job = probe.submit("job", &json!({}))?;
    let first = probe.claimed("one", &job)?;
    probe.on_lease("release", "one", &first)?;
    let second = probe.claimed("two", &job)?;
    demand(second.token > first.token, || {
        format!("fencing token {} came after {}", second.token, first.token)
    })
}

pub fn the_first_eligible_job(probe: &Probe) -> Held {
    let low = probe.submit("low", &json!({"lock": "l"}))?;
    let high = probe.submit("high", &json!({"priority": 5, "lock": "l"}))?;
    let able = probe.submit("able", &json!({"priority": 9, "caps": ["gpu"]}))?;
    let first = probe.claimed("plain", &high)?;
    demand(probe.claim("plain", &[])?.is_none(), || {
        format!("{low} was given although its lock is held, or {able} without its capability")
    })?;
    probe.on_lease("release", "plain", &first)?;
    let best = probe.claim("gpu", &["gpu"])?;
    demand(best.is_some_and(|lease| lease.job == able), || {
        "a factory with the capability was not given the job of the highest priority".into()
    })
}

pub fn jobs_come_in_the_order_of_their_submission(probe: &Probe) -> Held {
    let first = probe.submit("z-first", &json!({}))?;
    let second = probe.submit("a-second", &json!({}))?;
    let held = probe.claimed("one", &first)?;
    probe.on_lease("release", "one", &held)?;
    // It keeps its place.
    probe.claimed("two", &first)?;
    probe.claimed("three", &second).map(drop)
}

pub fn nothing_eligible(probe: &Probe) -> Held {
    let answer = probe.claim_raw("idle", &[], None)?;
    demand(answer.status == 204 && answer.is_empty, || {
        format!(
            "a claim with nothing to be had was answered {} {}",
            answer.status, answer.body
        )
    })
}

pub fn a_lease_that_is_not_renewed_ends(probe: &Probe) -> Held {
    let job = probe.submit("job", &json!({}))?;
    let old = probe.claimed("old", &job)?;
    let attempts = probe.job(&job)?["attempts"].as_u64().unwrap_or(0);
    probe.let_pass(old.ttl_ms + 500)?;
    let after = probe.job(&job)?;
    demand(
        after["stage"] == "queued" && after["attempts"].as_u64() == Some(attempts + 1),
        || format!("after its lease ran out the job is {after}"),
    )?;
    lost(&probe.on_lease("renew", "old", &old)?, "a renewal")?;
    lost(&probe.on_lease("release", "old", &old)?, "a release")?;
    let new = probe.claimed("new", &job)?;
    lost(&probe.report("old", &old, "shipped")?, "a report")?;
    demand(new.token > old.token, || "the fencing token did not rise".into())
}

fn lost(answer: &super::client::Answer, what: &str) -> Held {
    demand(
        answer.status == 409 && answer.body["code"] == "lease_lost",
        || {
            format!(
                "{what} under a lease that ended was answered {} {}",
                answer.status, answer.body
            )
        },
    )
}

pub fn a_final_report_may_come_late(probe: &Probe) -> Held {
    let job = probe.submit("job", &json!({}))?;
    let held = probe.claimed("one", &job)?;
    probe.let_pass(held.ttl_ms + 500)?;
    probe.demand_stage(&job, "queued")?;
    let late = probe.report("one", &held, "shipped")?;
    demand(late.status == 202, || {
        format!(
            "the final report of the last lease, with none granted since, was answered {} {}",
            late.status, late.body
        )
    })?;
    probe.demand_stage(&job, "shipped")?;
    let next = probe.claim("two", &[])?;
    demand(next.is_none(), || {
        format!("what shipped was given again: {next:?}")
    })
}

pub fn a_renewal_moves_the_deadline(probe: &Probe) -> Held {
    let job = probe.submit("job", &json!({}))?;
    let held = probe.claimed("one", &job)?;
    for _ in 0..2 {
        probe.let_pass(held.ttl_ms * 2 / 3)?;
        let renewed = probe.on_lease("renew", "one", &held)?;
        demand(renewed.status == 200, || {
            format!("a renewal in time was answered {}", renewed.status)
        })?;
        demand(
            renewed.body["lease"]["fencingToken"].as_u64() == Some(held.token),
            || "a renewal changed the fencing token".into(),
        )?;
    }
    Ok(())
}

pub fn a_release_queues_again(probe: &Probe) -> Held {
    let job = probe.submit("job", &json!({}))?;
    let first = probe.claimed("one", &job)?;
    let released = probe.on_lease("release", "one", &first)?;
    demand(released.status == 200, || {
        format!("a release was answered {}", released.status)
    })?;
    probe.demand_stage(&job, "queued")?;
    let second = probe.claimed("two", &job)?;
    probe.report("two", &second, "shipped")?;
    probe.on_lease("release", "two", &second)?;
    probe.demand_stage(&job, "shipped")
}

pub fn stages_go_forward(probe: &Probe) -> Held {
    let job = probe.submit("job", &json!({}))?;
    let held = probe.claimed("one", &job)?;
    for (stage, status) in [
        ("testing", 202),
        ("testing", 202),
        ("building", 409),
        ("review", 202),
    ] {
        let answer = probe.report("one", &held, stage)?;
        demand(answer.status == status, || {
            format!(
                "a report of `{stage}` was answered {} {}, not {status}",
                answer.status, answer.body
            )
        })?;
        let code = &answer.body["code"];
        demand(status == 202 || code == "illegal_transition", || {
            format!("its code is {code}")
        })?;
    }
    probe.demand_stage(&job, "review")
}

pub fn a_final_stage_is_final(probe: &Probe) -> Held {
    let job = probe.submit("job", &json!({}))?;
    let held = probe.claimed("one", &job)?;
    let done = probe.report("one", &held, "shipped")?;
    demand(done.status == 202, || {
        format!("a final report was answered {}", done.status)
    })?;
    probe.demand_stage(&job, "shipped")?;
    let late = probe.report("one", &held, "failed")?;
    demand(late.status == 409, || {
        format!("a report after the end was answered {}", late.status)
    })?;
    probe.quarantine("one", &held)?;
    probe.demand_stage(&job, "shipped")
}

pub fn quarantine_by_holder_and_by_former_holder(probe: &Probe) -> Held {
    let job = probe.submit("job", &json!({}))?;
    let former = probe.claimed("old", &job)?;
    probe.on_lease("release", "old", &former)?;
    let present = probe.claimed("new", &job)?;
    let told = probe.quarantine("old", &former)?;
    demand(told.status == 202, || {
        format!("a former holder's quarantine was answered {}", told.status)
    })?;
    probe.demand_stage(&job, "building")?;
    let renewed = probe.on_lease("renew", "new", &present)?;
    demand(renewed.status == 200, || {
        "a former holder's quarantine ended the present lease".into()
    })?;
    probe.quarantine("new", &present)?;
    probe.demand_stage(&job, "quarantined")
}

pub fn a_claim_repeated_is_the_same_claim(probe: &Probe) -> Held {
    probe.submit("first", &json!({}))?;
    probe.submit("second", &json!({}))?;
    let key = format!("{}-same", probe.name);
    let one = lease(&probe.claim_raw("one", &[], Some(&key))?)?;
    let again = lease(&probe.claim_raw("one", &[], Some(&key))?)?;
    demand(one == again, || {
        format!("{one:?} the first time, {again:?} the second")
    })?;
    probe.on_lease("release", "one", &one)?;
    lost(&probe.claim_raw("one", &[], Some(&key))?, "a repeated claim")
}

pub fn a_key_with_another_body_is_refused(probe: &Probe) -> Held {
    probe.submit("first", &json!({}))?;
    let key = format!("{}-key", probe.name);
    lease(&probe.claim_raw("one", &[], Some(&key))?)?;
    let other = probe.claim_raw("another", &[], Some(&key))?;
    demand(
        other.status == 422 && other.body["code"] == "idempotency_mismatch",
        || {
            format!(
                "a key with another body was answered {} {}",
                other.status, other.body
            )
        },
    )
}

pub fn shadow_calls_leave_no_trace(probe: &Probe) -> Held {
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
    demand(before.0 == after.0 && mine(&before.1) == mine(&after.1), || {
        format!("shadow calls changed {} into {}", before.0, after.0)
    })?;
    probe.claimed("one", &job).map(drop)
}

pub fn a_dry_run_names_what_a_claim_would_give(probe: &Probe) -> Held {
    probe.submit("low", &json!({}))?;
    let high = probe.submit("high", &json!({"priority": 5}))?;
    let named = probe.dry_run("one", &[])?;
    demand(named.as_deref() == Some(&high), || {
        format!("a dry run named {named:?}, not {high}")
    })?;
    let given = probe.claim("one", &[])?;
    demand(given.is_some_and(|lease| lease.job == high), || {
        "the claim gave something else".into()
    })
}

pub fn a_lock_of_the_view_is_held(probe: &Probe) -> Held {
    let first = probe.submit("first", &json!({"lock": "l"}))?;
    probe.submit("same-lock", &json!({"lock": "l"}))?;
    let free = probe.submit("free", &json!({}))?;
    for stage in ["building", "testing"] {
        probe.shadow_report("one", &first, stage)?;
        let named = probe.dry_run("one", &[])?;
        demand(named.as_ref() == Some(&free), || {
            format!("with {first} at `{stage}` in its view, a dry run named {named:?}, not {free}")
        })?;
    }
    let named = probe.dry_run("two", &[])?;
    demand(named.as_ref() == Some(&first), || {
        format!("to another factory a dry run named {named:?}, not {first}")
    })
}

pub fn the_view_is_one_factorys_own(probe: &Probe) -> Held {
    let first = probe.submit("first", &json!({}))?;
    let second = probe.submit("second", &json!({}))?;
    let reported = probe.shadow_report("one", &first, "building")?;
    demand(reported.status == 202, || {
        format!("a shadow report was answered {}", reported.status)
    })?;
    for (factory, job) in [("one", &second), ("two", &first)] {
        let named = probe.dry_run(factory, &[])?;
        demand(named.as_ref() == Some(job), || {
            format!("to {factory} a dry run named {named:?}, not {job}")
        })?;
    }
    probe.shadow_report("one", &first, "queued")?;
    let named = probe.dry_run("one", &[])?;
    demand(named.as_ref() == Some(&first), || {
        format!("after it was taken back {named:?} is named")
    })
}

pub fn a_report_of_an_unknown_job(probe: &Probe) -> Held {
    let answer = probe.shadow_report("one", &probe.id("nobody-knows"), "building")?;
    demand(answer.status == 404, || {
        format!("it was answered {}", answer.status)
    })
}

pub fn mistakes_are_told(probe: &Probe) -> Held {
    let unknown = format!("/v1/jobs/{}", probe.id("nobody-knows"));
    let huge = format!("{{\"factoryId\":\"{}\"}}", "x".repeat(1 << 20));
    let mistakes = [
        ("POST", "/v1/shadow/claims", "{", 400),
        ("POST", "/v1/shadow/claims", "{\"factoryId\":7}", 422),
        ("POST", "/v1/shadow/claims", &huge, 413),
        ("DELETE", "/v1/shadow/claims", "", 405),
        ("GET", unknown.as_str(), "", 404),
    ];
    for (method, path, body, status) in mistakes {
        let answer = probe.client.send(method, path, None, body);
        let answer = answer.map_err(|error| super::probe::Trouble::Wrong(crate::suite::chain(&error)))?;
        let problem =
            answer.content_type.starts_with("application/problem+json") && answer.body["code"].is_string();
        demand(answer.status == status && problem, || {
            format!(
                "{method} {path} was answered {} {}, not {status} with a problem",
                answer.status, answer.body
            )
        })?;
    }
    let health = probe.get("/v1/health")?;
    demand(health.status == 200, || {
        format!("after that, health is {}", health.status)
    })
}

pub fn what_is_not_there_is_told(probe: &Probe) -> Held {
    let (factory, nobody) = (probe.id("factory"), probe.id("nobody-knows"));
    let fenced = json!({"factoryId": factory, "fencingToken": 1});
    let report = json!({"factoryId": factory, "leaseId": nobody, "fencingToken": 1, "stage": "testing",
        "at": format!("{:.3}", jiff::Timestamp::now())});
    for (path, body) in [
        (format!("/v1/leases/{nobody}/renew"), &fenced),
        (format!("/v1/leases/{nobody}/release"), &fenced),
        (format!("/v1/jobs/{nobody}/reports"), &report),
        (
            format!("/v1/factories/{nobody}/heartbeat"),
            &json!({"running": []}),
        ),
    ] {
        let answer = probe.expect(&path, body, 404)?;
        demand(
            answer.content_type.starts_with("application/problem+json"),
            || format!("POST {path} was answered 404 as {}", answer.content_type),
        )?;
    }
    probe
        .expect("/v1/claims", &json!({"factoryId": 7}), 422)
        .map(drop)
}

pub fn tokens_are_asked_for(probe: &Probe) -> Held {
    let stranger = format!("stranger-{}", super::probe::nonce());
    for token in [None, Some(stranger.as_str())] {
        let client = probe.client.with_token(token);
        for (path, body) in mutating(probe) {
            let answer = client.post(&path, &body);
            let answer = answer.map_err(|error| super::probe::Trouble::Wrong(crate::suite::chain(&error)))?;
            demand(answer.status == 401, || {
                format!(
                    "POST {path} with {} was answered {}",
                    if token.is_some() {
                        "an unknown token"
                    } else {
                        "no token"
                    },
                    answer.status
                )
            })?;
        }
    }
    Ok(())
}

pub fn a_watching_token_changes_nothing(probe: &Probe) -> Held {
    for (path, body) in mutating(probe) {
        let answer = probe.post(&path, &body)?;
        demand(answer.status == 403, || {
            format!("POST {path} was answered {}, not 403", answer.status)
        })?;
    }
    Ok(())
}

/// Requests that would change something, on nothing that exists: harmless where they are let through.
fn mutating(probe: &Probe) -> Vec<(String, Value)> {
    let (factory, nobody) = (probe.id("factory"), probe.id("nobody-knows"));
    let fenced = json!({"factoryId": factory, "fencingToken": 1});
    vec![
        ("/v1/claims".into(), json!({"factoryId": factory, "caps": []})),
        (format!("/v1/leases/{nobody}/renew"), fenced.clone()),
        (format!("/v1/leases/{nobody}/release"), fenced),
        (
            format!("/v1/jobs/{nobody}/quarantine"),
            json!({"factoryId": factory, "reason": "a check"}),
        ),
    ]
}
