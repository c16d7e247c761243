//! Wrong decisions, put in the place of production's: the model has to find each of them.

use std::time::Duration;

use super::decisions::{ModelCounts, ModelDecisions};
use super::explore;
use crate::boot_clock::BootInstant;
use crate::fleet::call_failure::{CallFailure, FailureKind};
use crate::fleet::cut_over::{CutOver, cut_over};
use crate::queue::{RecoveryDecision, recovery_decision};
use crate::run::attempt::AttemptStep;
use crate::run::transition::{LeaseStatus, NextAction, transition};

/// The rarest of them shows itself in one of a few hundred.
const HISTORIES: u64 = 4_000;

/// Explores until the break shows itself, in one of these ways.
fn is_found(rules: ModelDecisions, kinds: &[&str]) {
    for seed in 1..=HISTORIES {
        if let Err(failed) = explore(seed, rules, &mut ModelCounts::default()) {
            let what = failed.what;
            let expected = kinds.iter().any(|kind| what.starts_with(kind));
            assert!(expected, "seed {seed}: {what}, and not: {kinds:?}");
            eprintln!("found after {seed} histories: {what}");
            return;
        }
    }
    panic!("not found in {HISTORIES} histories: {kinds:?}");
}

#[test]
fn ship_without_a_fresh_renewal_is_found() {
    let at_once = |state: &_, event, allowed| match transition(state, event, allowed) {
        NextAction::ConfirmLease => NextAction::Prepare(AttemptStep::Ship),
        next => next,
    };
    let rules = ModelDecisions {
        transition: at_once,
        ..ModelDecisions::production()
    };
    is_found(rules, &["shipped without a fresh renewal"]);
}

#[test]
fn a_lease_that_neither_runner_nor_supervisor_look_at_the_clock_for_is_found() {
    // Either look would do for what is started.
    let rules = ModelDecisions {
        right: |leased, _| LeaseStatus::of(leased, true),
        is_too_late: |_| false,
        ..ModelDecisions::production()
    };
    is_found(rules, &["started without a lease"]);
}

#[test]
fn trust_in_the_time_of_day_of_the_coordinator_is_found() {
    let rules = ModelDecisions {
        // `expiresAt`, on a clock that is three seconds off.
        counts_from: |_, answered| answered + Duration::from_secs(3),
        ..ModelDecisions::production()
    };
    is_found(
        rules,
        &["started without a lease", "shipped without a fresh renewal"],
    );
}

#[test]
fn a_clock_that_stands_still_in_suspension_is_found() {
    let rules = ModelDecisions {
        clock: |now_ms, slept_ms| BootInstant::at_ms(now_ms - slept_ms),
        ..ModelDecisions::production()
    };
    // Neither runner nor supervisor see that the lease is over: what is started is wrong, and so is what runs on.
    is_found(rules, &["started without a lease", "two at once"]);
}

#[test]
fn a_command_that_nobody_ends_while_its_runner_is_stopped_is_found() {
    let rules = ModelDecisions {
        is_fenced: |_| false,
        ..ModelDecisions::production()
    };
    is_found(rules, &["two at once"]);
}

#[test]
fn an_order_that_came_too_late_and_is_carried_out_is_found() {
    let rules = ModelDecisions {
        is_too_late: |_| false,
        ..ModelDecisions::production()
    };
    is_found(rules, &["started without a lease"]);
}

#[test]
fn a_lost_lease_that_is_ignored_is_found() {
    let rules = ModelDecisions {
        renewal: |answer| answer.map_err(|_| CallFailure::indefinite(FailureKind::Timeout, "ignored")),
        ..ModelDecisions::production()
    };
    is_found(rules, &["started without a lease"]);
}

#[test]
fn a_new_key_for_a_claim_that_is_repeated_is_found() {
    let rules = ModelDecisions {
        claim_key: |key, sent| format!("{key}-{sent}"),
        ..ModelDecisions::production()
    };
    is_found(rules, &["a lost answer cost a second lease"]);
}

#[test]
fn a_new_key_for_a_report_that_is_repeated_is_found() {
    let rules = ModelDecisions {
        letter_key: |key, said| format!("{key}-{said}"),
        ..ModelDecisions::production()
    };
    is_found(rules, &["two last words on one lease"]);
}

#[test]
fn an_outbox_that_is_not_emptied_is_found() {
    let rules = ModelDecisions {
        is_answered: |_| false,
        ..ModelDecisions::production()
    };
    is_found(rules, &["delivered twice"]);
}

#[test]
fn an_outbox_that_is_emptied_too_early_is_found() {
    let rules = ModelDecisions {
        is_answered: |_| true,
        ..ModelDecisions::production()
    };
    is_found(rules, &["dropped undelivered"]);
}

#[test]
fn another_go_at_an_interrupted_ship_is_found() {
    let rules = ModelDecisions {
        recovery_decision: |known| match recovery_decision(known) {
            RecoveryDecision::ShipUnknown => RecoveryDecision::FinishMove(crate::stage::Stage::Inbox),
            found => found,
        },
        ..ModelDecisions::production()
    };
    is_found(rules, &["shipped twice"]);
}

#[test]
fn a_second_run_of_what_was_finished_here_is_found() {
    let rules = ModelDecisions {
        cut_over: |here| match cut_over(here) {
            CutOver::Report(_) => CutOver::Run,
            decided => decided,
        },
        ..ModelDecisions::production()
    };
    is_found(rules, &["ran a finished job"]);
}
