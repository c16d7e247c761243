//! A request on which a fault shows, as a value: the self-check sends it to a stub with the fault and to one without.

use serde_json::Value;

/// A fault with a request on which it shows.
#[derive(Debug, Clone)]
pub(crate) struct SelfCheckCase {
    /// The fault, as it is written.
    pub(crate) fault: Value,
    /// The operation of the request, in the phase `before`.
    pub(crate) on: &'static str,
    /// Whether it is checked after a committed claim too.
    pub(crate) after: bool,
    /// What happens before the rule is armed.
    pub(crate) first: &'static [ProbeStep],
    /// What happens after that, before the request in question.
    pub(crate) then: &'static [ProbeStep],
    /// How often the rule fires; left out: until disarmed.
    pub(crate) times: Option<u64>,
    /// The fault of a rule behind it, for a fault that shows only in front of another.
    pub(crate) behind: Option<Value>,
}

/// Something that happens around the arming of a rule, before the request in question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ProbeStep {
    /// The first job is claimed; its lease is the first.
    Claim,
    /// That lease is given back.
    Release,
    /// The first job is withdrawn.
    Withdraw,
    /// The request in question, an earlier time, whatever comes of it.
    SendEarlier,
}

impl SelfCheckCase {
    /// A fault that shows on a request of this operation, and can't follow one that was carried out.
    pub(super) fn on(on: &'static str, fault: Value) -> SelfCheckCase {
        SelfCheckCase {
            fault,
            on,
            after: false,
            first: &[],
            then: &[],
            times: None,
            behind: None,
        }
    }

    /// A fault that any operation can meet, in both phases.
    pub(super) fn anywhere(fault: Value) -> SelfCheckCase {
        SelfCheckCase {
            after: true,
            ..SelfCheckCase::on("shadow.claim", fault)
        }
    }
}
