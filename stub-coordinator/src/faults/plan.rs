//! What a fault asks of the handler: not to run, to run, to rehearse, or to lie.

use crate::coordinator::outcome::{Lie, Manner};
use crate::operation::Operation;
use crate::script::{Fault, Phase};

/// Whether and how the operation is carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Handling {
    Skip,
    Run(Manner),
}

/// How the operation is carried out under a fault.
pub(crate) fn handling(fault: &Fault, phase: Phase, operation: Operation) -> Handling {
    if phase == Phase::After {
        return Handling::Run(Manner::Honest);
    }
    // A dry run and a read have no effect anyway, so they show what the handler would have said.
    let without_effect = match operation.mutates() || operation == Operation::ShadowReport {
        true => Manner::Rehearsed,
        false => Manner::Honest,
    };
    match fault {
        // What fires is a step of a sequence, never the sequence itself.
        Fault::Sequence { .. } => Handling::Run(Manner::Honest),
        Fault::Agree | Fault::Delay(_) | Fault::Gate(_) | Fault::Dribble { .. } | Fault::ClockSkew(_) => {
            Handling::Run(Manner::Honest)
        }
        Fault::Diverge(_) | Fault::Malformed(_) | Fault::Cut(_) => Handling::Run(without_effect),
        Fault::AckWithoutCommit => Handling::Run(Manner::Rehearsed),
        Fault::DoubleGrant => Handling::Run(Manner::Lying(Lie::DoubleGrant)),
        Fault::TokenRegress => Handling::Run(Manner::Lying(Lie::TokenRegress)),
        Fault::StaleRead => Handling::Run(Manner::Lying(Lie::StaleRead)),
        Fault::DryRunGrants => Handling::Run(Manner::Lying(Lie::DryRunGrants)),
        Fault::LeakyShadow => Handling::Run(Manner::Lying(Lie::LeakyShadow)),
        Fault::Empty
        | Fault::Status(_)
        | Fault::Refuse(_)
        | Fault::Redirect(_)
        | Fault::Hang
        | Fault::Reset
        | Fault::Close
        | Fault::Garbage
        | Fault::Down => Handling::Skip,
    }
}

/// Whether the fault takes its time before the handler runs, rather than after.
pub(crate) fn holds_first(phase: Phase) -> bool {
    phase == Phase::Before
}

/// Whether the handler's own answer is the fault.
pub(crate) fn is_lie(fault: &Fault) -> bool {
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
