//! The check finds nothing wrong with the stub as it is, and something wrong with each fault that does nothing.

use std::collections::BTreeSet;

use super::*;
use crate::script::Fault;

fn all() -> Vec<Case> {
    let mut cases = cases();
    cases.extend(after_cases());
    cases
}

#[test]
fn every_fault_does_what_it_says() {
    let wrong: Vec<_> = self_check()
        .into_iter()
        .filter(|one| one.wrong.is_some())
        .collect();
    assert_eq!(wrong, []);
}

#[test]
fn no_fault_of_the_vocabulary_is_left_out() {
    let checked: BTreeSet<_> = cases().iter().map(|case| case.rule.fault.kind()).collect();
    assert_eq!(checked, vocabulary().into_iter().collect());
    let malformed: BTreeSet<_> = cases()
        .iter()
        .filter_map(|case| match case.rule.fault {
            Fault::Malformed(kind) => Some(kind.name()),
            _ => None,
        })
        .collect();
    assert_eq!(malformed, Malformed::ALL.map(|(_, name)| name).into());
}

/// Each fault in turn is one that fires and does nothing, as if its code were gone.
#[test]
fn a_fault_that_does_nothing_is_found_whichever_it_is() {
    for case in all() {
        let mut idle = case.armed();
        match case.rule.fault {
            // Where doing nothing is the fault, its absence is the defect.
            Fault::Agree => idle = case.disarmed(),
            _ => idle[0].fault = Fault::Agree,
        }
        let checked = check(&case, idle);
        assert!(checked.wrong.is_some(), "{}", checked.rule);
    }
}

/// The other half of `after`: a fault that spoils the answer and commits nothing.
#[test]
fn a_fault_of_the_phase_after_that_commits_nothing_is_found_whichever_it_is() {
    for case in after_cases() {
        let mut early = case.armed();
        early[0].phase = Phase::Before;
        // These two let the operation be carried out in either phase, at once.
        let commits_anyway = matches!(case.rule.fault, Fault::Dribble { .. } | Fault::ClockSkew(_));
        let found = check(&case, early).wrong.is_some();
        assert_eq!(found, !commits_anyway, "{}", case.rule.fault);
    }
}
