//! What holds of every job that the coordinator assigned, whatever the scenario is about.

use std::time::Instant;

use super::{CheckFindings, assertion};
use crate::evidence::RunEvidence;
use crate::fake_engine::SHIP;
use crate::fake_engine::engine_run::EngineRun;

pub(super) fn check(seen: &RunEvidence, findings: &mut CheckFindings) {
    let leases = leases(seen);
    if !leases.is_empty() {
        assertion("ship-environment", findings).none(
            "`ship` under a lease finds job and fencing token in its environment",
            &unproven(seen, &leases),
        );
    }
}

/// A lease, from its claim to its release, where there was one.
struct RoutedLease {
    job: String,
    token: String,
    claimed: Instant,
    released: Option<Instant>,
}

/// Every lease that a claim was answered with, also where the answer was lost on its way.
fn leases(seen: &RunEvidence) -> Vec<RoutedLease> {
    let granted = seen.exchanges("claim").filter_map(|claim| {
        let lease = claim.handler_answer.as_ref()?.body.as_ref()?.get("lease")?;
        let id = lease["id"].as_str()?;
        let mut releases = seen.exchanges("lease.release");
        let release = releases.find(|release| release.lease.as_deref() == Some(id));
        Some(RoutedLease {
            job: lease["jobId"].as_str()?.to_owned(),
            token: lease["fencingToken"].as_u64()?.to_string(),
            claimed: claim.arrived,
            released: release.map(|release| release.arrived),
        })
    });
    granted.collect()
}

/// Starts of `ship` while there was a lease on the job, which could not prove which one they are under.
fn unproven(seen: &RunEvidence, leases: &[RoutedLease]) -> Vec<String> {
    let [id_name, token_name] = &seen.job_variables;
    let under = |run: &EngineRun, lease: &RoutedLease| {
        run.job.as_ref() == Some(&lease.job)
            && lease.claimed < run.started
            && lease.released.is_none_or(|released| run.started < released)
    };
    let ships = seen.runs.iter().filter(|run| run.tool == SHIP);
    let variable = ships.filter_map(|run| {
        let tokens: Vec<&String> = leases
            .iter()
            .filter(|lease| under(run, lease))
            .map(|lease| &lease.token)
            .collect();
        let variable = |name: &String| run.hello.environment.get(name);
        let proven = variable(id_name) == run.job.as_ref()
            && variable(token_name).is_some_and(|token| tokens.contains(&token));
        (!tokens.is_empty() && !proven).then(|| {
            format!(
                "{:?}: {id_name} is {:?}, {token_name} is {:?}; its tokens are {tokens:?}",
                run.job,
                variable(id_name),
                variable(token_name)
            )
        })
    });
    variable.collect()
}
