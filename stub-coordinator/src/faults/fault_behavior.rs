//! What a fault has to say of itself: how it is written, what it does, and where that shows.

use std::time::Duration;

use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::json;

use super::faulty_answer::{FaultContext, FaultyAnswer};
use super::self_check_case::SelfCheckCase;
use crate::contract::execution_mode::ExecutionMode;
use crate::contract::operation::Operation;
use crate::wire_answer::WireAnswer;

/// A fault that is written as a table, which is led by its name. How, its type says to serde.
pub(super) trait TableFault:
    FaultBehavior + PartialEq + Serialize + DeserializeOwned + JsonSchema
{
    /// What stands behind the name, for whoever wrote something else there.
    const FORM: &'static str;
    /// Whether there are keys beside the name: then the type is the whole table, else what stands behind the name.
    const HAS_OTHER_KEYS: bool = false;

    /// The fault for the name alone, where that says enough.
    fn from_word() -> Option<Self> {
        None
    }
}

/// What a fault does. What is not said here is honest.
pub(super) trait FaultBehavior {
    /// Requests on which the self-check sees it. A fault that is written as one word is written as its name.
    fn cases(name: &str) -> Vec<SelfCheckCase>
    where
        Self: Sized,
    {
        vec![SelfCheckCase::anywhere(json!(name))]
    }

    /// What is wrong with its values.
    fn check(&self) -> Result<(), String> {
        Ok(())
    }

    /// Whether it goes with how often its rule fires.
    fn check_firing(&self, _times: Option<u64>, _sticky: bool) -> Result<(), FaultError> {
        Ok(())
    }

    /// Whether it can happen to a request of this operation.
    fn goes_with(&self, _operation: Operation) -> bool {
        true
    }

    /// How the coordinator itself breaks the contract, where the handler's own answer is the fault.
    fn semantic(&self) -> Option<ExecutionMode> {
        None
    }

    /// Whether it can follow an operation that was carried out. What decides how that is done can't.
    fn has_after(&self) -> bool {
        self.semantic().is_none()
    }

    /// How the operation is carried out before the fault: not at all, where the answer has nothing of it.
    fn plan(&self, _operation: Operation) -> HandlerPlan {
        self.semantic().map_or(HandlerPlan::Skip, HandlerPlan::Run)
    }

    /// What the exchange waits for.
    fn wait(&self, _draw: f64) -> FaultWait<'_> {
        FaultWait::Nothing
    }

    /// What becomes of the answer, which is an empty one where the handler never ran.
    fn corrupt(&self, answer: WireAnswer, _context: &FaultContext<'_>) -> FaultyAnswer {
        FaultyAnswer::whole(answer)
    }

    /// What it does to the stub as a whole.
    fn arm_effect(&self) -> Option<ArmEffect<'_>> {
        None
    }
}

/// Whether and how the operation is carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum HandlerPlan {
    Skip,
    Run(ExecutionMode),
}

impl HandlerPlan {
    pub(crate) const HONEST: HandlerPlan = HandlerPlan::Run(ExecutionMode::Honest);

    /// The handler says what it would have answered, and commits nothing. A dry run and a read have no effect anyway.
    pub(super) fn without_effect(operation: Operation) -> HandlerPlan {
        HandlerPlan::Run(
            match operation.mutates() || operation == Operation::ShadowReport {
                true => ExecutionMode::WithoutCommit,
                false => ExecutionMode::Honest,
            },
        )
    }
}

/// What an exchange waits for. Disarming the rule ends each wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FaultWait<'a> {
    Nothing,
    /// So long after the rule fired, on the stub's clock.
    Time(Duration),
    /// Until the gate of this name is open.
    Gate(&'a str),
    /// Until the rule is disarmed; then there is no answer.
    Disarming,
}

/// What a rule does to the stub as a whole once it is armed or fires.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ArmEffect<'a> {
    /// Nobody listens until the rule is disarmed.
    StopListening,
    /// The state of now is kept, to be shown later.
    KeepPastState,
    /// The gate of this name is closed.
    CloseGate(&'a str),
}

/// Why a fault does not go with its rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum FaultError {
    /// It could never fire.
    Never(&'static str),
    /// It can't be carried out.
    Unsound(String),
}
