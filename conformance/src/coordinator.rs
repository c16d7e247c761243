//! Judges a coordinator by the clauses of its contract, over HTTP alone. `checks` says what is demanded, `probe` how
//! that is asked, `client` how it gets there, `assertions` whether it is so.

mod assertions;
mod checks;
pub mod http_client;
pub mod probe;

use std::time::Instant;

use crate::case_result::CaseResult;
use crate::outcome::{Finding, Outcome};
use assertions::{ProbeError, ProbeResult};
use http_client::CoordinatorClient;
use probe::CoordinatorProbe;

pub use probe::{CheckRunControl, RestartAction};

/// A check of a coordinator.
#[derive(Debug, Clone, Copy)]
pub struct CoordinatorCheck {
    pub name: &'static str,
    pub clauses: &'static [&'static str],
    pub needs: CheckAccess,
    run: fn(&CoordinatorProbe) -> ProbeResult,
}

/// What a check may do, and so what its token must allow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CheckAccess {
    /// Reads and shadow calls: any token.
    Watching,
    /// The same, with a token that may do nothing else.
    OnlyWatching,
    /// Jobs of its own, claims, reports.
    Working,
    /// The same, and it is restarted on the way.
    Restarting,
}

/// How much may be done to the coordinator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AccessLevel {
    Everything,
    /// The same, and it may be restarted.
    EverythingAndRestarts,
    /// Nothing that changes real state.
    Observe,
}

macro_rules! checks {
    ($($needs:ident $name:literal [$($clause:literal),*] $run:ident)*) => {
        /// Every check of a coordinator.
        pub const ALL: &[CoordinatorCheck] = &[$(CoordinatorCheck {
            name: $name, clauses: &[$($clause),*], needs: CheckAccess::$needs, run: checks::$run,
        }),*];
    };
}

checks! {
    Working "one-live-lease" ["C-1"] one_live_lease
    Working "tokens-rise" ["C-2"] tokens_rise
    Working "first-eligible" ["C-3"] the_first_eligible_job
    Working "submission-order" ["C-3"] jobs_come_in_the_order_of_their_submission
    Working "nothing-eligible" ["C-4"] nothing_eligible
    Working "lease-ends" ["C-5"] a_lease_that_is_not_renewed_ends
    Working "late-final-report" ["C-5"] a_final_report_may_come_late
    Working "renewal" ["C-6"] a_renewal_moves_the_deadline
    Working "release" ["C-7"] a_release_queues_again
    Working "stage-order" ["C-8"] stages_go_forward
    Working "final-stage" ["C-9"] a_final_stage_is_final
    Working "quarantine" ["C-10"] quarantine_by_holder_and_by_former_holder
    Working "repeated-claim" ["C-11"] a_claim_repeated_is_the_same_claim
    Working "withdrawn" ["C-12"] a_withdrawn_job_is_given_to_nobody
    Working "not-withdrawn" ["C-12"] what_is_held_or_has_ended_is_not_withdrawn
    Working "withdrawn-or-granted" ["C-12"] a_job_is_either_withdrawn_or_granted
    Restarting "withdrawn-for-good" ["C-12", "C-13"] a_withdrawal_outlives_a_restart
    Working "submitted-again" ["C-13"] a_withdrawn_id_is_submitted_again_as_a_new_job
    Working "superseded" ["C-13"] an_answer_that_is_no_longer_true_is_not_repeated
    Working "as-submitted" ["C-14"] a_job_is_shown_as_it_was_submitted
    Working "no-trace" ["C-20"] shadow_calls_leave_no_trace
    Working "dry-run" ["C-21"] a_dry_run_names_what_a_claim_would_give
    Working "view-holds-locks" ["C-21"] a_lock_of_the_view_is_held
    Working "view" ["C-22"] the_view_is_one_factorys_own
    Watching "unknown-job" ["C-23"] a_report_of_an_unknown_job
    Watching "mistakes" ["C-30"] mistakes_are_told
    Working "unknown-things" ["C-30"] what_is_not_there_is_told
    Watching "tokens" ["C-31"] tokens_are_asked_for
    OnlyWatching "watching-token" ["C-31"] a_watching_token_changes_nothing
    Working "reused-key" ["C-32"] a_key_with_another_body_is_refused
    Watching "policy-header" ["C-33"] each_answer_tells_the_same_policy
}

/// Makes the checks that this access allows, one after the other, and cleans up after each, also after one that is
/// interrupted, on which there is no verdict then.
pub fn judge(
    client: &CoordinatorClient,
    access: AccessLevel,
    control: &CheckRunControl,
    mut on_result: impl FnMut(&CaseResult),
) -> Vec<CaseResult> {
    let run = probe::nonce();
    let mut verdicts = Vec::new();
    for check in within(access, &control.only) {
        let name = format!("conformance-{}-{}", &run[..8], check.name);
        let probe = CoordinatorProbe::new(client, name, control.clone());
        let verdict = judge_one(check, &probe);
        if control.stop.is_asked() {
            break;
        }
        on_result(&verdict);
        verdicts.push(verdict);
    }
    verdicts
}

/// The ids of the checks that this access allows.
pub fn ids(access: AccessLevel) -> Vec<String> {
    within(access, &[]).map(id).collect()
}

fn within(access: AccessLevel, only: &[String]) -> impl Iterator<Item = &'static CoordinatorCheck> {
    let wanted = |check: &CoordinatorCheck| only.is_empty() || only.contains(&id(check));
    ALL.iter()
        .filter(move |check| match access {
            AccessLevel::Everything => matches!(check.needs, CheckAccess::Watching | CheckAccess::Working),
            AccessLevel::EverythingAndRestarts => check.needs != CheckAccess::OnlyWatching,
            AccessLevel::Observe => matches!(check.needs, CheckAccess::Watching | CheckAccess::OnlyWatching),
        })
        .filter(move |check| wanted(check))
}

fn id(check: &CoordinatorCheck) -> String {
    format!("coordinator/{}", check.name)
}

fn judge_one(check: &CoordinatorCheck, probe: &CoordinatorProbe) -> CaseResult {
    let started = Instant::now();
    let held = (check.run)(probe);
    if matches!(check.needs, CheckAccess::Working | CheckAccess::Restarting) {
        probe.clean_up();
    }
    let clauses: Vec<String> = check.clauses.iter().map(|clause| (*clause).to_owned()).collect();
    let text = crate::clause::named(check.clauses[0]).map_or("", |clause| clause.text.as_str());
    let (outcome, observed) = match held {
        Ok(()) => (Outcome::Pass, "that".to_owned()),
        Err(ProbeError::Violation(what)) => (Outcome::Fail, what),
        Err(ProbeError::Inconclusive(what)) => (Outcome::Broken, what),
    };
    let finding = Finding {
        check: check.name.into(),
        clauses: clauses.clone(),
        outcome,
        expected: text.to_owned(),
        observed,
    };
    let mut result = CaseResult::of_findings(&id(check), text, &clauses, vec![finding]);
    for bad in result.findings.iter().filter(|finding| finding.outcome.is_bad()) {
        let report = format!("{} asks: {text}\nobserved: {}\n", check.clauses[0], bad.observed);
        result.failure_report = crate::printable_text::escape_control(&report);
    }
    result.took_since(started);
    result
}
