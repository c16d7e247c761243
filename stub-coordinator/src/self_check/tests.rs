//! The check finds nothing wrong with the stub as it is; with any fault left out it finds that one, and nothing else.

use crate::faults::{Fault, MalformedFault};
use std::collections::BTreeSet;

use super::*;
use crate::contract::timestamp::UtcTimestamp;
use crate::rules::RuleEngine;

/// What a stub shows that lacks the fault: the rule is armed and fires, and does nothing.
fn left_out(case: &FaultCase) -> Result<ProbeResult, String> {
    let mut idle = case.armed();
    match case.rule.fault {
        // Where doing nothing is the fault, its absence is that the rule behind it fires.
        Fault::Agree => idle = case.disarmed(),
        _ => idle[0].fault = Fault::Agree,
    }
    observe(case, idle)
}

fn wrong(checked: &[FaultCheck]) -> Vec<&FaultCheck> {
    checked.iter().filter(|one| one.wrong.is_some()).collect()
}

#[test]
fn whichever_fault_is_left_out_the_check_reports_that_one_and_nothing_else() {
    let sound: Vec<_> = all_cases().into_iter().map(FaultObservation::of).collect();
    assert_eq!(
        wrong(&judge(&sound)),
        Vec::<&FaultCheck>::new(),
        "as it is, nothing is wrong"
    );
    let without: Vec<_> = sound.iter().map(|one| left_out(&one.case)).collect();
    for kind in vocabulary() {
        let mut lacking = sound.clone();
        let of_it = |one: &FaultObservation| one.case.rule.fault.kind() == kind;
        for (one, without) in lacking.iter_mut().zip(&without) {
            if of_it(one) {
                one.with.clone_from(without);
            }
        }
        let judged = judge(&lacking);
        let meant: Vec<_> = judged
            .iter()
            .zip(&lacking)
            .filter(|(_, one)| of_it(one))
            .collect();
        assert!(!meant.is_empty(), "{kind} is not checked at all");
        let meant: Vec<_> = meant.into_iter().map(|(checked, _)| checked).collect();
        assert_eq!(wrong(&judged), meant, "without {kind}");
    }
    // One way of being malformed, one kind of delay, one phase: each by itself as well.
    for (at, without) in without.into_iter().enumerate() {
        let mut lacking = sound.clone();
        lacking[at].with = without;
        let judged = judge(&lacking);
        assert_eq!(wrong(&judged), [&judged[at]]);
    }
}

#[test]
fn no_fault_of_the_vocabulary_is_left_out() {
    let checked: BTreeSet<_> = cases().iter().map(|case| case.rule.fault.kind()).collect();
    assert_eq!(checked, vocabulary().into_iter().collect());
    let all = cases();
    let is_checked = |way: &MalformedFault| all.iter().any(|case| case.rule.fault == Fault::Malformed(*way));
    assert!(MalformedFault::ALL.iter().all(is_checked));
}

#[test]
fn every_fault_that_can_follow_an_operation_is_checked_there_too() {
    let can_follow = |case: &FaultCase| {
        let rule_engine = RuleEngine::new(Some(1));
        rule_engine
            .arm(case.rule.clone().after(), UtcTimestamp::MANUAL_START)
            .is_ok()
    };
    let kinds =
        |cases: Vec<FaultCase>| -> BTreeSet<_> { cases.iter().map(|case| case.rule.fault.kind()).collect() };
    let following = cases().into_iter().filter(can_follow).collect();
    let unchecked: Vec<_> = kinds(following)
        .difference(&kinds(after_cases()))
        .copied()
        .collect();
    assert_eq!(unchecked, Vec::<&str>::new());
}

/// The other half of `after`: a fault that corrupts the answer and commits nothing.
#[test]
fn a_fault_of_the_phase_after_that_commits_nothing_is_found_whichever_it_is() {
    for case in after_cases() {
        let mut early = case.armed();
        early[0].phase = FaultPhase::Before;
        // These let the operation be carried out in either phase, at once.
        let commits_anyway = matches!(
            case.rule.fault,
            Fault::Dribble(_) | Fault::ClockSkew(_) | Fault::Policy(_)
        );
        let observed = FaultObservation {
            with: observe(&case, early),
            ..FaultObservation::of(case.clone())
        };
        let found = observed.judged().wrong.is_some();
        assert_eq!(found, !commits_anyway, "{}", case.rule.fault);
    }
}
