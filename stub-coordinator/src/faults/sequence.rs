//! `sequence`: one fault after the other, a step each time that the rule fires.

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, de};
use serde_json::{Value, json};

use super::Fault;
use super::fault_behavior::{FaultBehavior, FaultError, HandlerPlan, TableFault};
use super::self_check_case::{ProbeStep, SelfCheckCase};
use crate::contract::operation::Operation;

/// The most steps of a sequence.
const SEQUENCE_LIMIT: usize = 1_000;

/// Faults one after the other.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SequenceFault {
    /// The steps, in order: 2 to 1000, none of which is a sequence or lasts beyond its request.
    #[serde(rename = "sequence", deserialize_with = "read_steps")]
    #[schemars(length(min = 2))]
    pub steps: Vec<Fault>,
    /// What comes after the last.
    pub end: SequenceEnd,
}

/// What a rule does once its sequence is through.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum SequenceEnd {
    /// The last step again and again.
    Hold,
    /// The first step again, and so on.
    Wrap,
    /// The rule fires no more; what comes is for the rules behind it.
    Pass,
}

/// Reads the steps one by one, so that an error names the step.
fn read_steps<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Fault>, D::Error> {
    let steps = Vec::<Value>::deserialize(deserializer)?.into_iter().enumerate();
    let read = |(at, step)| {
        Fault::deserialize(step)
            .map_err(|error| de::Error::custom(format_args!("step {} of the sequence: {error}", at + 1)))
    };
    steps.map(read).collect()
}

impl TableFault for SequenceFault {
    const FORM: &'static str = "a list of faults, and `end` says how it ends: \"hold\", \"wrap\" or \"pass\"";
    const HAS_OTHER_KEYS: bool = true;
}

impl FaultBehavior for SequenceFault {
    /// It has steps, all of which can come, none of which lasts beyond its request.
    fn check_firing(&self, times: Option<u64>, sticky: bool) -> Result<(), FaultError> {
        let SequenceFault { steps, end } = self;
        let unsound = |why: &str| Err(FaultError::Unsound(why.to_owned()));
        let never_reached = |times: u64| usize::try_from(times).is_ok_and(|times| times < steps.len());
        match (times, end) {
            _ if steps.len() < 2 => {
                unsound("a sequence has two steps or more; write a single fault without `sequence`")
            }
            _ if steps.len() > SEQUENCE_LIMIT => unsound("a sequence has at most 1000 steps"),
            _ if steps.iter().any(|step| matches!(step, Fault::Sequence(_))) => {
                unsound("a sequence holds no sequence; write its steps out")
            }
            _ if steps.contains(&Fault::Down) => {
                unsound("`down` lasts until it is disarmed and can be no step; arm a rule of its own")
            }
            (Some(times), _) if never_reached(times) => Err(FaultError::Never(
                "`times` is over before the last steps of the sequence; raise it or drop them",
            )),
            (Some(_), SequenceEnd::Pass) => unsound("`end = \"pass\"` says how often it fires; drop `times`"),
            (None, SequenceEnd::Pass) if sticky => {
                unsound("`sticky` keeps going what `end = \"pass\"` ends; use one of them")
            }
            _ => Ok(()),
        }
    }

    fn goes_with(&self, operation: Operation) -> bool {
        self.steps.iter().all(|step| step.goes_with(operation))
    }

    /// What fires is a step, never the sequence itself.
    fn plan(&self, _operation: Operation) -> HandlerPlan {
        HandlerPlan::HONEST
    }

    fn cases(_name: &str) -> Vec<SelfCheckCase> {
        let statuses = json!({"sequence": [{"status": 500}, "close"], "end": "hold"});
        let mut cases = vec![SelfCheckCase::anywhere(statuses)];
        // Looked at where only a sequence that goes on, and ends as it says, differs from one that does nothing.
        for (steps, end, then) in [
            (
                ["agree", "close"],
                "hold",
                &[ProbeStep::SendEarlier, ProbeStep::SendEarlier] as &[ProbeStep],
            ),
            (
                ["close", "agree"],
                "wrap",
                &[ProbeStep::SendEarlier, ProbeStep::SendEarlier],
            ),
            (["agree", "close"], "pass", &[ProbeStep::SendEarlier]),
        ] {
            cases.push(SelfCheckCase {
                then,
                ..SelfCheckCase::on("shadow.claim", json!({"sequence": steps, "end": end}))
            });
        }
        cases
    }
}

impl Fault {
    /// The fault of the firing that comes after so many; none where a sequence is through and passes.
    pub(crate) fn after_firings(&self, fired: u64) -> Option<&Fault> {
        let Fault::Sequence(SequenceFault { steps, end }) = self else {
            return Some(self);
        };
        let at = usize::try_from(fired).unwrap_or(usize::MAX);
        match end {
            SequenceEnd::Hold => steps.get(at.min(steps.len().saturating_sub(1))),
            SequenceEnd::Wrap => steps.get(at.checked_rem(steps.len())?),
            SequenceEnd::Pass => steps.get(at),
        }
    }

    /// The single faults: the steps of a sequence, or the fault itself.
    pub(crate) fn steps(&self) -> &[Fault] {
        match self {
            Fault::Sequence(sequence) => &sequence.steps,
            single => std::slice::from_ref(single),
        }
    }

    /// Whether its rule fires no more at some time, whatever `when` says.
    pub(crate) fn ends(&self) -> bool {
        matches!(self, Fault::Sequence(sequence) if sequence.end == SequenceEnd::Pass)
    }
}
