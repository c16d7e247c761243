//! What the loop does with an attempt next, and what its lease allows at that moment: pure (clauses T-1, T-4, T-8, T-10,
//! T-13 and T-14). What follows from the end of a command alone is said in `pipeline`.
//!
//! Whether a lease holds is read from the clock just before, and handed in: after a stop of the process the order of
//! events proves nothing.

use super::pipeline::{Next, Step, Wish};
use crate::fleet::lease::NO_RENEWAL;
use crate::queue::Cause;
use crate::stage::Stage;

/// Of a job, at this instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Right {
    /// The job is this queue's own.
    Local,
    /// The coordinator's lease holds.
    Held,
    /// It was the coordinator's, and can't be relied on any more.
    Gone,
}

impl Right {
    /// `holds`: of a job under a lease, whether that can be relied on.
    pub(crate) fn of(leased: bool, holds: bool) -> Right {
        match (leased, holds) {
            (false, _) => Right::Local,
            (true, true) => Right::Held,
            (true, false) => Right::Gone,
        }
    }
}

/// The loop's next step with an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Move {
    Start(Step),
    /// Nothing is published but after a renewal that is asked for now.
    Confirm,
    Settle(Stage, Option<String>),
    PutBack(Cause, String),
    /// The lease is given back, and the job with it.
    GiveBack(String),
    /// Another attempt under the same lease: it never waits in the inbox.
    Again(String),
}

pub(crate) fn next_move(next: Next, leased: bool) -> Move {
    match next {
        Next::Run(Step::Ship) if leased => Move::Confirm,
        Next::Run(step) => Move::Start(step),
        Next::Review => Move::Settle(Stage::Review, None),
        Next::Shipped => Move::Settle(Stage::Shipped, None),
        Next::Failed(reason) => Move::Settle(Stage::Failed, Some(reason)),
        Next::Quarantine(reason) => Move::Settle(Stage::Quarantine, Some(reason)),
        Next::PutBack(Cause::Interruption, reason) if leased => Move::GiveBack(reason),
        Next::PutBack(Cause::Failure, reason) if leased => Move::Again(reason),
        Next::PutBack(cause, reason) => Move::PutBack(cause, reason),
    }
}

/// Read last before any command is started, and first after it has ended: without the lease all that is left to wish
/// for is the end.
pub(crate) fn wish_of(right: Right, wish: Option<Wish>) -> Option<Wish> {
    match (right, wish) {
        (Right::Gone, Some(wish @ Wish::LeaseLost(_))) => Some(wish),
        (Right::Gone, _) => Some(Wish::LeaseLost(NO_RENEWAL.to_owned())),
        (Right::Local | Right::Held, wish) => wish,
    }
}

/// What may be published when the renewal that was asked for has been answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Publication {
    /// Something else has come in between, and decides.
    NotNow,
    /// There is nothing but to say so.
    Said,
    Ship,
}

/// `waits`: the attempt runs no command, and nothing wished for its end meanwhile.
pub(crate) fn at_confirmation(right: Right, waits: bool, has_ship: bool) -> Publication {
    match (right, waits, has_ship) {
        (Right::Gone, ..) | (_, false, _) => Publication::NotNow,
        (_, true, true) => Publication::Ship,
        (_, true, false) => Publication::Said,
    }
}

/// What the coordinator is told when an attempt has left a stage for another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LastWord {
    /// The lease goes on.
    None,
    /// A letter, on the disk before the file moves.
    Post,
    Release,
}

pub(crate) fn last_word(leased: bool, to: Stage) -> LastWord {
    match to {
        _ if !leased => LastWord::None,
        Stage::Review | Stage::Building | Stage::Testing => LastWord::None,
        Stage::Shipped | Stage::Failed | Stage::Quarantine => LastWord::Post,
        Stage::Inbox => LastWord::Release,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn under_a_lease_nothing_is_published_and_nothing_put_back_as_it_would_be_here() {
        let interrupted = || Next::PutBack(Cause::Interruption, "x".to_owned());
        let failed = || Next::PutBack(Cause::Failure, "x".to_owned());
        assert_eq!(next_move(Next::Run(Step::Ship), true), Move::Confirm);
        assert_eq!(next_move(Next::Run(Step::Ship), false), Move::Start(Step::Ship));
        assert_eq!(
            next_move(Next::Run(Step::Verify), true),
            Move::Start(Step::Verify)
        );
        assert_eq!(next_move(interrupted(), true), Move::GiveBack("x".to_owned()));
        assert_eq!(next_move(failed(), true), Move::Again("x".to_owned()));
        let put_back = Move::PutBack(Cause::Failure, "x".to_owned());
        assert_eq!(next_move(failed(), false), put_back);
    }

    #[test]
    fn without_the_lease_every_other_wish_is_outweighed() {
        let lost = |why: &str| Some(Wish::LeaseLost(why.to_owned()));
        assert_eq!(wish_of(Right::Local, None), None);
        assert_eq!(wish_of(Right::Held, Some(Wish::Cancel)), Some(Wish::Cancel));
        assert_eq!(wish_of(Right::Gone, Some(Wish::Cancel)), lost(NO_RENEWAL));
        assert_eq!(wish_of(Right::Gone, lost("refused")), lost("refused"));
    }

    #[test]
    fn a_confirmation_publishes_only_what_still_waits_for_it() {
        assert_eq!(at_confirmation(Right::Held, true, true), Publication::Ship);
        assert_eq!(at_confirmation(Right::Held, true, false), Publication::Said);
        assert_eq!(at_confirmation(Right::Gone, true, true), Publication::NotNow);
        assert_eq!(at_confirmation(Right::Held, false, true), Publication::NotNow);
    }

    #[test]
    fn each_end_under_a_lease_has_one_last_word() {
        for stage in Stage::ALL {
            assert_eq!(last_word(false, stage), LastWord::None);
            let expected = match stage {
                Stage::Inbox => LastWord::Release,
                stage if stage.is_final() => LastWord::Post,
                _ => LastWord::None,
            };
            assert_eq!(last_word(true, stage), expected, "{stage}");
        }
    }
}
