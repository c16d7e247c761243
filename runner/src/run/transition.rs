//! What the loop does with an attempt next, and what its lease allows at that moment: pure (clauses T-1, T-4, T-8, T-10,
//! T-13 and T-14). What follows from the end of a command alone is said in `step_outcome`.
//!
//! Whether a lease holds is read from the clock just before, and handed in: after a stop of the process the order of
//! events proves nothing.

use super::step_outcome::{AttemptStep, StepOutcome, StopReason};
use crate::fleet::lease_time::NO_RENEWAL;
use crate::job_reason::JobReason;
use crate::queue::RequeueCause;
use crate::stage::Stage;

/// Of a job, at this instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LeaseStatus {
    /// The job is this queue's own.
    Local,
    /// The coordinator's lease holds.
    Held,
    /// It was the coordinator's, and can't be relied on any more.
    Lost,
}

impl LeaseStatus {
    /// `holds`: of a job under a lease, whether that can be relied on.
    pub(crate) fn of(leased: bool, holds: bool) -> LeaseStatus {
        match (leased, holds) {
            (false, _) => LeaseStatus::Local,
            (true, true) => LeaseStatus::Held,
            (true, false) => LeaseStatus::Lost,
        }
    }
}

/// The loop's next step with an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum AttemptTransition {
    Start(AttemptStep),
    /// Nothing is published but after a renewal that is asked for now.
    ConfirmLease,
    EnterStage(Stage, Option<JobReason>),
    PutBack(RequeueCause, JobReason),
    /// The lease is given back, and the job with it.
    GiveBack(JobReason),
    /// Another attempt under the same lease: it never waits in the inbox.
    Retry(JobReason),
}

pub(crate) fn attempt_transition(next: StepOutcome, leased: bool) -> AttemptTransition {
    match next {
        StepOutcome::Run(AttemptStep::Ship) if leased => AttemptTransition::ConfirmLease,
        StepOutcome::Run(step) => AttemptTransition::Start(step),
        StepOutcome::Review => AttemptTransition::EnterStage(Stage::Review, None),
        StepOutcome::Shipped => AttemptTransition::EnterStage(Stage::Shipped, None),
        StepOutcome::Failed(reason) => AttemptTransition::EnterStage(Stage::Failed, Some(reason)),
        StepOutcome::Quarantine(reason) => AttemptTransition::EnterStage(Stage::Quarantine, Some(reason)),
        StepOutcome::PutBack(RequeueCause::Interruption, reason) if leased => {
            AttemptTransition::GiveBack(reason)
        }
        StepOutcome::PutBack(RequeueCause::Failure, reason) if leased => AttemptTransition::Retry(reason),
        StepOutcome::PutBack(cause, reason) => AttemptTransition::PutBack(cause, reason),
    }
}

/// Read last before any command is started, and first after it has ended: without the lease all that is left to wish
/// for is the end.
pub(crate) fn stop_reason_under(right: LeaseStatus, stop_reason: Option<StopReason>) -> Option<StopReason> {
    match (right, stop_reason) {
        (LeaseStatus::Lost, Some(stop_reason @ StopReason::LeaseLost(_))) => Some(stop_reason),
        (LeaseStatus::Lost, _) => Some(StopReason::LeaseLost(NO_RENEWAL.to_owned())),
        (LeaseStatus::Local | LeaseStatus::Held, stop_reason) => stop_reason,
    }
}

/// What may be published when the renewal that was asked for has been answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ShipDecision {
    /// Something else has come in between, and decides.
    Superseded,
    /// There is nothing but to say so.
    FinishWithoutShip,
    Ship,
}

/// `waits`: the attempt runs no command, and nothing wished for its end meanwhile.
pub(crate) fn ship_decision(right: LeaseStatus, waits: bool, has_ship: bool) -> ShipDecision {
    match (right, waits, has_ship) {
        (LeaseStatus::Lost, ..) | (_, false, _) => ShipDecision::Superseded,
        (_, true, true) => ShipDecision::Ship,
        (_, true, false) => ShipDecision::FinishWithoutShip,
    }
}

/// What the coordinator is told when an attempt has left a stage for another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FinalReport {
    /// The lease goes on.
    None,
    /// A letter, on the disk before the file moves.
    SendReport,
    ReleaseLease,
}

pub(crate) fn final_report(leased: bool, to: Stage) -> FinalReport {
    match to {
        _ if !leased => FinalReport::None,
        Stage::Review | Stage::Building | Stage::Testing => FinalReport::None,
        Stage::Shipped | Stage::Failed | Stage::Quarantine => FinalReport::SendReport,
        Stage::Inbox => FinalReport::ReleaseLease,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job_reason::ReasonCode;

    #[test]
    fn under_a_lease_nothing_is_published_and_nothing_put_back_as_it_would_be_here() {
        let reason = || JobReason::from(ReasonCode::Idle);
        let interrupted = || StepOutcome::PutBack(RequeueCause::Interruption, reason());
        let failed = || StepOutcome::PutBack(RequeueCause::Failure, reason());
        assert_eq!(
            attempt_transition(StepOutcome::Run(AttemptStep::Ship), true),
            AttemptTransition::ConfirmLease
        );
        assert_eq!(
            attempt_transition(StepOutcome::Run(AttemptStep::Ship), false),
            AttemptTransition::Start(AttemptStep::Ship)
        );
        assert_eq!(
            attempt_transition(StepOutcome::Run(AttemptStep::Verify), true),
            AttemptTransition::Start(AttemptStep::Verify)
        );
        assert_eq!(
            attempt_transition(interrupted(), true),
            AttemptTransition::GiveBack(reason())
        );
        assert_eq!(
            attempt_transition(failed(), true),
            AttemptTransition::Retry(reason())
        );
        let requeue = AttemptTransition::PutBack(RequeueCause::Failure, reason());
        assert_eq!(attempt_transition(failed(), false), requeue);
    }

    #[test]
    fn without_the_lease_every_other_wish_is_outweighed() {
        let lost = |why: &str| Some(StopReason::LeaseLost(why.to_owned()));
        assert_eq!(stop_reason_under(LeaseStatus::Local, None), None);
        assert_eq!(
            stop_reason_under(LeaseStatus::Held, Some(StopReason::Cancel)),
            Some(StopReason::Cancel)
        );
        assert_eq!(
            stop_reason_under(LeaseStatus::Lost, Some(StopReason::Cancel)),
            lost(NO_RENEWAL)
        );
        assert_eq!(
            stop_reason_under(LeaseStatus::Lost, lost("refused")),
            lost("refused")
        );
    }

    #[test]
    fn a_confirmation_publishes_only_what_still_waits_for_it() {
        assert_eq!(ship_decision(LeaseStatus::Held, true, true), ShipDecision::Ship);
        assert_eq!(
            ship_decision(LeaseStatus::Held, true, false),
            ShipDecision::FinishWithoutShip
        );
        assert_eq!(
            ship_decision(LeaseStatus::Lost, true, true),
            ShipDecision::Superseded
        );
        assert_eq!(
            ship_decision(LeaseStatus::Held, false, true),
            ShipDecision::Superseded
        );
    }

    #[test]
    fn each_end_under_a_lease_has_one_last_word() {
        for stage in Stage::ALL {
            assert_eq!(final_report(false, stage), FinalReport::None);
            let expected = match stage {
                Stage::Inbox => FinalReport::ReleaseLease,
                stage if stage.is_final() => FinalReport::SendReport,
                _ => FinalReport::None,
            };
            assert_eq!(final_report(true, stage), expected, "{stage}");
        }
    }
}
