//! When the time of a lease is over at the coordinator. Nothing reports it: no request arrives then, and a runner that was
//! stopped asks for nothing. It is reckoned from the answers that the fake gave to claims and renewals.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use stub_coordinator::Exchange;

const FINAL: [&str; 3] = ["shipped", "failed", "quarantined"];

/// The leases that live, as far as the answers show.
#[derive(Debug, Default)]
pub(super) struct LeaseExpiryTracker(BTreeMap<String, TrackedLease>);

#[derive(Debug)]
struct TrackedLease {
    id: String,
    ends: Instant,
}

impl LeaseExpiryTracker {
    /// Takes note of an exchange that is over.
    pub(super) fn note(&mut self, exchange: &Exchange) {
        let answer = exchange.handler_answer.as_ref();
        let Some(answer) = answer.filter(|answer| (200..300).contains(&answer.status)) else {
            return;
        };
        let lease = answer.body.as_ref().and_then(|body| body.get("lease"));
        match (exchange.operation.as_deref(), lease) {
            (Some("claim" | "lease.renew"), Some(lease)) => {
                let (Some(job), Some(id)) = (lease["jobId"].as_str(), lease["id"].as_str()) else {
                    return;
                };
                let Some(ttl_ms) = lease["ttlMs"].as_u64() else {
                    return;
                };
                let again = self.0.get(job).is_some_and(|known| known.id == id);
                if again && exchange.operation.as_deref() == Some("claim") {
                    // Asked once more with its key: the same lease, and no longer for it (C-11).
                    return;
                }
                let ends = exchange.completed.unwrap_or(exchange.arrived) + Duration::from_millis(ttl_ms);
                let id = id.to_owned();
                self.0.insert(job.to_owned(), TrackedLease { id, ends });
            }
            (Some("lease.release"), _) => self
                .0
                .retain(|_, lease| Some(&lease.id) != exchange.lease.as_ref()),
            (Some("job.report"), _)
                if exchange
                    .stage
                    .as_deref()
                    .is_some_and(|stage| FINAL.contains(&stage)) =>
            {
                self.over(exchange);
            }
            (Some("job.quarantine"), _) => self.over(exchange),
            _ => {}
        }
    }

    pub(super) fn next_expiry(&self) -> Option<Instant> {
        self.0.values().map(|lease| lease.ends).min()
    }

    /// The jobs of the leases that are over by now, each once.
    pub(super) fn take_expired(&mut self, now: Instant) -> Vec<String> {
        let expired: Vec<String> = self
            .0
            .iter()
            .filter(|(_, lease)| lease.ends <= now)
            .map(|(job, _)| job.clone())
            .collect();
        self.0.retain(|_, lease| lease.ends > now);
        expired
    }

    fn over(&mut self, exchange: &Exchange) {
        if let Some(job) = &exchange.job {
            self.0.remove(job);
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use stub_coordinator::{ExchangeOutcome, RecordedAnswer};

    use super::*;

    fn exchange(operation: &str, at: Instant, body: Option<Value>) -> Exchange {
        Exchange {
            seq: 1,
            operation: Some(operation.to_owned()),
            method: "POST".to_owned(),
            path: "/".to_owned(),
            factory: None,
            job: Some("alpha".to_owned()),
            stage: None,
            lease: Some("lease-1".to_owned()),
            token_scopes: Vec::new(),
            request_headers: BTreeMap::new(),
            request_body: None,
            rule: None,
            fault: None,
            handler_answer: Some(RecordedAnswer {
                status: 200,
                headers: BTreeMap::new(),
                body,
            }),
            wire_answer: None,
            digest_before: String::new(),
            digest_after: String::new(),
            mutated: true,
            outcome: ExchangeOutcome::Answered,
            arrived: at,
            completed: Some(at),
            at: String::new(),
        }
    }

    fn lease() -> Option<Value> {
        Some(json!({"lease": {"id": "lease-1", "jobId": "alpha", "ttlMs": 1000}}))
    }

    #[test]
    fn a_lease_lapses_its_time_after_the_last_renewal_and_once() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let mut leases = LeaseExpiryTracker::default();
        leases.note(&exchange("claim", start, lease()));
        leases.note(&exchange("lease.renew", at(600), lease()));
        leases.note(&exchange("claim", at(900), lease()));
        assert_eq!(leases.next_expiry(), Some(at(1600)));
        assert!(leases.take_expired(at(1599)).is_empty());
        assert_eq!(leases.take_expired(at(1600)), ["alpha"]);
        assert!(leases.take_expired(at(9999)).is_empty());
    }

    #[test]
    fn a_lease_that_something_ends_does_not_lapse() {
        let start = Instant::now();
        let shipped = Exchange {
            stage: Some("shipped".to_owned()),
            ..exchange("job.report", start, None)
        };
        let ends = [
            exchange("lease.release", start, None),
            exchange("job.quarantine", start, None),
            shipped,
        ];
        for end in ends {
            let mut leases = LeaseExpiryTracker::default();
            leases.note(&exchange("claim", start, lease()));
            leases.note(&exchange("job.report", start, None));
            assert!(leases.next_expiry().is_some());
            leases.note(&end);
            assert_eq!(leases.next_expiry(), None, "{end:?}");
        }
    }
}
