//! `refuse`: a refusal by a code of the contract, though the state would allow the request.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::fault_behavior::{FaultBehavior, TableFault};
use super::faulty_answer::{FaultContext, FaultyAnswer};
use super::self_check_case::SelfCheckCase;
use crate::contract::name_hint::hint;
use crate::contract::operation::Operation;
use crate::contract::problem::Problem;
use crate::wire_answer::WireAnswer;

/// A refusal by a code of the contract.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct RefuseFault {
    /// The problem's code, such as `lease_lost`; it decides the status.
    pub code: String,
}

impl TableFault for RefuseFault {
    const FORM: &'static str = "a problem code of the contract";
}

impl FaultBehavior for RefuseFault {
    fn check(&self) -> Result<(), String> {
        let code = &self.code;
        match Problem::status_of(code) {
            Some(_) => Ok(()),
            None => {
                let hint = hint(code, Problem::codes());
                Err(format!("`{code}` is no problem code of the contract{hint}"))
            }
        }
    }

    fn goes_with(&self, operation: Operation) -> bool {
        operation.takes_body()
    }

    fn corrupt(&self, _answer: WireAnswer, _context: &FaultContext<'_>) -> FaultyAnswer {
        let problem = Problem::new(&self.code, "the stub was told to refuse");
        FaultyAnswer::whole(WireAnswer::problem(&problem))
    }

    fn cases(_name: &str) -> Vec<SelfCheckCase> {
        vec![SelfCheckCase::anywhere(json!({"refuse": "lease_lost"}))]
    }
}
