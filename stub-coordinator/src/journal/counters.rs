//! Counters over the whole life of a stub. Unlike the journal they forget nothing.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// What was counted since the stub started, or since the counters were reset.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct StubCounters {
    /// Connections accepted, the reader's own fences left out.
    pub connections: u64,
    /// Requests by operation, counted when they arrive.
    pub requests: BTreeMap<String, u64>,
    /// Requests that were no operation, or not of its shape.
    pub unexpected: u64,
    /// Operations that wrote real state, counted when they do.
    pub mutations: BTreeMap<String, u64>,
    /// Dry runs asked for.
    pub dry_runs: u64,
    /// Shadow reports received.
    pub shadow_reports: u64,
    /// Refusals of the handler by problem code.
    pub refusals: BTreeMap<String, u64>,
    /// Faults injected by kind.
    pub faults: BTreeMap<String, u64>,
}

impl StubCounters {
    /// All mutations, whatever the operation.
    pub fn mutations_total(&self) -> u64 {
        self.mutations.values().sum()
    }

    /// Requests of one operation.
    pub fn requests_of(&self, operation: &str) -> u64 {
        self.requests.get(operation).copied().unwrap_or(0)
    }
}

/// Counts one more under a name.
pub(crate) fn count(counts: &mut BTreeMap<String, u64>, name: &str) {
    match counts.get_mut(name) {
        Some(count) => *count += 1,
        None => {
            counts.insert(name.to_owned(), 1);
        }
    }
}
