//! Many clients at once over real sockets: each job is granted once, and fencing tokens rise.

mod common;

use std::collections::{HashMap, HashSet};

use common::*;
use stub_coordinator::{ExchangeOutcome, StubConfig};

const CLIENTS: usize = 32;
const JOBS: usize = 400;

#[test]
fn c1_many_factories_at_once_are_granted_each_job_once() {
    let names: Vec<_> = (0..JOBS).map(|number| format!("job-{number:03}")).collect();
    let names: Vec<_> = names.iter().map(String::as_str).collect();
    let stub = start_with(&names, StubConfig::default());
    let start = std::sync::Barrier::new(CLIENTS);
    let granted: Vec<Vec<Held>> = std::thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS)
            .map(|client| {
                let (stub, start) = (&stub, &start);
                scope.spawn(move || {
                    start.wait();
                    let factory = format!("factory-{client}");
                    let claims = std::iter::from_fn(|| {
                        let reply = claim(stub, &factory);
                        (reply.status == 200).then(|| held(&reply))
                    });
                    claims.collect()
                })
            })
            .collect();
        clients
            .into_iter()
            .map(|client| client.join().expect("the client ends"))
            .collect()
    });
    let granted: Vec<&Held> = granted.iter().flatten().collect();
    let jobs: HashSet<_> = granted.iter().map(|held| &held.job).collect();
    let leases: HashSet<_> = granted.iter().map(|held| &held.lease).collect();
    assert_eq!((granted.len(), jobs.len(), leases.len()), (JOBS, JOBS, JOBS));
    stub.fence().expect("no connection is left");
    let counters = stub.counters();
    assert_eq!(counters.mutations["claim"], JOBS as u64);
    assert_eq!(counters.connections, (JOBS + CLIENTS) as u64);
    assert!(
        stub.journal()
            .iter()
            .all(|exchange| exchange.outcome == ExchangeOutcome::Answered)
    );
}

#[test]
fn c2_tokens_rise_strictly_while_clients_claim_and_release() {
    let stub = start(&["a", "b", "c"]);
    std::thread::scope(|scope| {
        for client in 0..8 {
            let stub = &stub;
            scope.spawn(move || {
                for _ in 0..25 {
                    let reply = claim(stub, &format!("factory-{client}"));
                    if reply.status == 200 {
                        assert_eq!(held(&reply).release(stub).status, 200);
                    }
                }
            });
        }
    });
    // No token is granted twice and none is missing, so each grant was one above the grant before it.
    let mut tokens: HashMap<String, HashSet<u64>> = HashMap::new();
    for exchange in stub.journal() {
        let Some(body) = exchange.handler_answer.and_then(|answer| answer.body) else {
            continue;
        };
        if let (Some(job), Some(token)) = (body["job"]["id"].as_str(), body["lease"]["fencingToken"].as_u64())
        {
            assert!(
                tokens.entry(job.to_owned()).or_default().insert(token),
                "{job} was given {token} twice"
            );
        }
    }
    for (job, tokens) in tokens {
        let highest = *tokens.iter().max().expect("a token");
        assert_eq!(
            tokens.len() as u64,
            highest,
            "{job}: none is missing below the highest"
        );
    }
}
