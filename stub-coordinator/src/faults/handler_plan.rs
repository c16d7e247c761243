//! What a fault asks of the handler: not to run, to run, to rehearse, or to lie.

use crate::contract::execution_mode::{ExecutionMode, SemanticFault};
use crate::contract::operation::Operation;
use crate::rules::{Fault, FaultPhase};

/// Whether and how the operation is carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum HandlerPlan {
    Skip,
    Run(ExecutionMode),
}

/// How the operation is carried out under a fault.
pub(crate) fn handling(fault: &Fault, phase: FaultPhase, operation: Operation) -> HandlerPlan {
    if phase == FaultPhase::After {
        return HandlerPlan::Run(ExecutionMode::Honest);
    }
    // A dry run and a read have no effect anyway, so they show what the handler would have said.
    let without_effect = match operation.mutates() || operation == Operation::ShadowReport {
        true => ExecutionMode::WithoutCommit,
        false => ExecutionMode::Honest,
    };
    match fault {
        // What fires is a step of a sequence, never the sequence itself.
        Fault::Sequence { .. } => HandlerPlan::Run(ExecutionMode::Honest),
        Fault::Agree | Fault::Delay(_) | Fault::Gate(_) | Fault::Dribble { .. } | Fault::ClockSkew(_) => {
            HandlerPlan::Run(ExecutionMode::Honest)
        }
        Fault::Diverge(_) | Fault::Malformed(_) | Fault::Cut(_) => HandlerPlan::Run(without_effect),
        Fault::AckWithoutCommit => HandlerPlan::Run(ExecutionMode::WithoutCommit),
        Fault::DoubleGrant => HandlerPlan::Run(ExecutionMode::Dishonest(SemanticFault::DoubleGrant)),
        Fault::TokenRegress => HandlerPlan::Run(ExecutionMode::Dishonest(SemanticFault::TokenRegress)),
        Fault::StaleRead => HandlerPlan::Run(ExecutionMode::Dishonest(SemanticFault::StaleRead)),
        Fault::DryRunGrants => HandlerPlan::Run(ExecutionMode::Dishonest(SemanticFault::DryRunGrants)),
        Fault::LeakyShadow => HandlerPlan::Run(ExecutionMode::Dishonest(SemanticFault::LeakyShadow)),
        Fault::Empty
        | Fault::Status(_)
        | Fault::Refuse(_)
        | Fault::Redirect(_)
        | Fault::Hang
        | Fault::Reset
        | Fault::Close
        | Fault::Garbage
        | Fault::Down => HandlerPlan::Skip,
    }
}

/// Whether the fault takes its time before the handler runs, rather than after.
pub(crate) fn delays_before_handler(phase: FaultPhase) -> bool {
    phase == FaultPhase::Before
}

/// Whether the handler's own answer is the fault.
pub(crate) fn is_semantic_fault(fault: &Fault) -> bool {
    matches!(
        fault,
        Fault::AckWithoutCommit
            | Fault::DoubleGrant
            | Fault::TokenRegress
            | Fault::StaleRead
            | Fault::DryRunGrants
            | Fault::LeakyShadow
    )
}
