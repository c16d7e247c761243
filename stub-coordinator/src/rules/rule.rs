//! A rule as people write it: on which requests, when, in which phase, what goes wrong.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::contract::match_fields::match_fields;
use crate::contract::signed_duration::SignedDuration;
use crate::faults::{Fault, FaultPhase};

/// One piece of scripted misbehaviour.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// Its name; made up where left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// An operation of the API (`shadow.claim`), or `*` for each of them.
    pub on: String,
    /// What the request has to say, all of it.
    #[serde(default, rename = "match", skip_serializing_if = "is_default")]
    pub matching: RuleMatch,
    /// Which of the matching requests it fires on.
    #[serde(default, skip_serializing_if = "is_default")]
    pub when: FiringCondition,
    /// Before the operation is carried out, or after.
    #[serde(default, skip_serializing_if = "is_default")]
    pub phase: FaultPhase,
    /// What goes wrong.
    pub fault: Fault,
}

match_fields! {
    /// What a request has to say for a rule to match it; all that is given has to hold.
    pub struct RuleMatch {}
}

/// Which of the matching requests a rule fires on.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FiringCondition {
    /// Let this many matching requests through first.
    #[serde(default, skip_serializing_if = "is_default")]
    pub skip: u64,
    /// Then fire this often; left out: until disarmed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub times: Option<u64>,
    /// Start this long after the rule was armed, in the stub's time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<SignedDuration>,
    /// End this long after that.
    #[serde(default, rename = "for", skip_serializing_if = "Option::is_none")]
    pub lasting: Option<SignedDuration>,
    /// Fire with this probability, decided by the stub's seed, the rule's id and the ordinal of the match.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chance: Option<f64>,
    /// Once it has fired, fire on every match.
    #[serde(default, skip_serializing_if = "is_default")]
    pub sticky: bool,
}

impl Rule {
    /// A rule that fires on every request of an operation until it is disarmed; `*` stands for each operation.
    ///
    /// ```
    /// use stub_coordinator::{CutFault, Fault, Rule};
    ///
    /// // The third claim is carried out, and its answer is cut off after 20 bytes.
    /// let rule = Rule::on("claim", CutFault { bytes: 20 }).after().skip(2).times(1);
    /// // The same as it is written in a scenario or sent to `POST /_stub/rules`.
    /// let written = r#"{"on": "claim", "phase": "after", "when": {"skip": 2, "times": 1}, "fault": {"cut": 20}}"#;
    /// assert_eq!(rule, serde_json::from_str(written)?);
    /// assert_eq!(Rule::on("*", Fault::Hang).fault.to_string(), "hang");
    /// # Ok::<(), serde_json::Error>(())
    /// ```
    pub fn on(operation: &str, fault: impl Into<Fault>) -> Rule {
        Rule {
            id: None,
            on: operation.to_owned(),
            matching: RuleMatch::default(),
            when: FiringCondition::default(),
            phase: FaultPhase::Before,
            fault: fault.into(),
        }
    }

    /// The rule under a name of its own.
    pub fn named(mut self, id: &str) -> Rule {
        self.id = Some(id.to_owned());
        self
    }

    /// The rule, carried out in the other phase: the operation is committed, then the answer is corrupted.
    pub fn after(mut self) -> Rule {
        self.phase = FaultPhase::After;
        self
    }

    /// The rule, firing this often.
    pub fn times(mut self, times: u64) -> Rule {
        self.when.times = Some(times);
        self
    }

    /// The rule, letting this many matching requests through first.
    pub fn skip(mut self, skip: u64) -> Rule {
        self.when.skip = skip;
        self
    }
}

impl RuleMatch {
    pub(crate) fn is_empty(&self) -> bool {
        *self == RuleMatch::default()
    }
}

/// Whether it says what is so where nothing is said.
fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}
