//! Leases: live ones with their end, past ones with how they ended, and their names.
//!
//! Lease names count up, so a name that was ever granted is known without keeping it: `lease_lost` holds for ever
//! (C-5) in bounded memory.

use serde::{Deserialize, Serialize};

use crate::contract::ids::{FactoryId, JobId, LeaseId};
use crate::contract::timestamp::UtcTimestamp;

/// The ordinal of a lease among all ever granted; its name is made from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(crate) struct LeaseNumber(pub(crate) u64);

impl LeaseNumber {
    pub(crate) fn id(self) -> LeaseId {
        LeaseId::parse(&format!("lease-{}", self.0)).expect("`lease-` and a number is an id")
    }

    /// The number behind a name, where it is spelt exactly as names are spelt here.
    pub(crate) fn of(id: &LeaseId) -> Option<LeaseNumber> {
        let number: u64 = id.as_str().strip_prefix("lease-")?.parse().ok()?;
        (LeaseNumber(number).id() == *id).then_some(LeaseNumber(number))
    }
}

/// A live lease.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) struct Lease {
    /// Counted from 1 by the coordinator; the lease's id is made from it.
    pub(crate) number: LeaseNumber,
    /// The job that it is on.
    pub(crate) job: JobId,
    /// Who holds it.
    pub(crate) factory: FactoryId,
    /// Higher than that of every earlier lease on the job (C-2).
    pub(crate) fencing_token: u64,
    /// How long it lives without a renewal, in milliseconds.
    pub(crate) ttl_ms: u64,
    /// When it runs out; moved by each renewal.
    pub(crate) expires_at: UtcTimestamp,
}

/// How a lease ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LeaseEnd {
    /// Nobody renewed it in time.
    Expired,
    /// The holder gave it back.
    Released,
    /// The job reached a final stage under it.
    Finished,
}

/// What a job remembers of the last lease granted on it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) struct PastLease {
    pub(crate) number: LeaseNumber,
    pub(crate) factory: FactoryId,
    pub(crate) fencing_token: u64,
    /// None while it lives.
    pub(crate) end: Option<LeaseEnd>,
}

/// Who says that it holds a lease.
#[derive(Debug, Clone)]
pub(crate) struct LeaseHolder {
    pub(crate) factory: FactoryId,
    pub(crate) lease: LeaseId,
    pub(crate) fencing_token: u64,
}

impl LeaseHolder {
    pub(crate) fn is_of(&self, lease: &Lease) -> bool {
        self.factory == lease.factory && self.fencing_token == lease.fencing_token
    }

    pub(crate) fn was_of(&self, past: &PastLease) -> bool {
        LeaseNumber::of(&self.lease) == Some(past.number)
            && self.factory == past.factory
            && self.fencing_token == past.fencing_token
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_exact_spelling_of_a_lease_is_its_name() {
        let id = |text| LeaseId::parse(text).expect("an id");
        assert_eq!(LeaseNumber::of(&id("lease-17")), Some(LeaseNumber(17)));
        for text in [
            "lease-017",
            "lease-",
            "17",
            "Lease-17",
            "lease-18446744073709551616",
        ] {
            assert_eq!(LeaseNumber::of(&id(text).clone()), None, "{text}");
        }
    }
}
