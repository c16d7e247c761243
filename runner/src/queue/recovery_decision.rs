//! What becomes of a job that a dead runner left in work, by what its history says last: pure (clauses O-7, T-13 and
//! T-14). Whether anything of it is still alive is found out before.

use super::JobHistory;
use crate::stage::Stage;
use crate::supervise::orphan_scan::OrphanProcess;

/// What became of a job that was found in work.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum RecoveryOutcome {
    /// Its change of stage was finished, or it was put back or given up.
    Moved { to: Stage },
    /// A living runner has it.
    Owned,
    /// Its runner is gone and its supervisor is still ending what it had started.
    Ending,
    /// Runner and supervisor are gone; these are to be ended first.
    Orphaned(Vec<OrphanProcess>),
    /// Something stands in the way that may be gone in a moment: in words, what.
    Blocked(String),
    /// Gone meanwhile.
    Gone,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RecoveryDecision {
    /// `ship` was started, and nothing says how it ended: nobody may start it again.
    ShipUnknown,
    /// This change was announced; the crash fell before the move.
    FinishMove(Stage),
    /// Its lease can't be relied on any more: it must not run again from here.
    LeaseLost,
    /// It is taken up again, or has failed, by its `retries`.
    Retry,
}

pub(crate) fn recovery_decision(known: &JobHistory) -> RecoveryDecision {
    let announced = known.lines.last().map(|line| line.stage);
    match (known.is_shipping(), known.is_routed(), announced) {
        (true, ..) => RecoveryDecision::ShipUnknown,
        (false, true, Some(stage)) if stage.is_final() => RecoveryDecision::FinishMove(stage),
        (false, true, _) => RecoveryDecision::LeaseLost,
        (false, false, Some(Stage::Building | Stage::Testing)) => RecoveryDecision::Retry,
        // Without a word it was taken from the inbox a moment ago.
        (false, false, to) => RecoveryDecision::FinishMove(to.unwrap_or(Stage::Inbox)),
    }
}

#[cfg(test)]
mod tests {
    use super::super::HistoryEntry;
    use super::*;
    use crate::ids::{LeaseId, LeaseProof};
    use crate::job_reason::{JobReason, ReasonCode};

    /// Started, under a lease or not, and then these lines.
    fn known(leased: bool, then: &[(Stage, Option<ReasonCode>)]) -> JobHistory {
        let proof = LeaseProof {
            lease: LeaseId::new("lease-9").unwrap(),
            fencing_token: 4,
        };
        let mut known = JobHistory::default();
        known.lines.push(HistoryEntry::started(
            &JobHistory::default(),
            leased.then_some(&proof),
            None,
        ));
        for (stage, reason) in then {
            let reason = reason.clone().map(JobReason::from);
            known
                .lines
                .push(HistoryEntry::moved(&known, *stage, 1, reason.as_ref()));
        }
        known
    }

    #[test]
    fn an_interrupted_ship_is_never_started_again() {
        for leased in [false, true] {
            let mut known = known(leased, &[]);
            known.lines.push(HistoryEntry::shipping(&known, Stage::Building));
            assert_eq!(recovery_decision(&known), RecoveryDecision::ShipUnknown);
        }
    }

    #[test]
    fn what_was_announced_is_finished() {
        for (leased, stage) in [
            (true, Stage::Shipped),
            (false, Stage::Failed),
            (false, Stage::Inbox),
        ] {
            let known = known(leased, &[(stage, None)]);
            assert_eq!(recovery_decision(&known), RecoveryDecision::FinishMove(stage));
        }
        let taken = RecoveryDecision::FinishMove(Stage::Inbox);
        assert_eq!(recovery_decision(&JobHistory::default()), taken);
    }

    #[test]
    fn only_the_queues_own_jobs_are_taken_up_again() {
        for stage in [Stage::Building, Stage::Testing] {
            let local = known(false, &[(stage, Some(ReasonCode::Idle))]);
            assert_eq!(recovery_decision(&local), RecoveryDecision::Retry);
            let leased = known(true, &[(stage, Some(ReasonCode::Idle))]);
            assert_eq!(recovery_decision(&leased), RecoveryDecision::LeaseLost);
        }
        // Being given back is no end of it here: the lease may still live.
        let given_back = known(true, &[(Stage::Inbox, None)]);
        assert_eq!(recovery_decision(&given_back), RecoveryDecision::LeaseLost);
    }
}
