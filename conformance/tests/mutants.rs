//! The harness's proof that its checks can fail: runners that are wrong in one way each, the check that has
//! to notice, and the same runner without the fault, which has to pass.

#[expect(dead_code, reason = "other test binaries use the rest of it")]
mod common;

use common::{aq, checks, harness, scenario, suite};
use conformance::mutant::{ALL, Mutant};
use conformance::scenario::Scenario;
use conformance::verdict::{Outcome, Verdict};
use rstest::rstest;

fn judged(mutant: &str, id: &str, scenario: &Scenario) -> Verdict {
    let mutant = Mutant::named(mutant).expect("the mutant exists");
    suite(mutant.around(&aq(), &harness())).judge_scenario(id, scenario)
}

fn passes_unmutated(id: &str, scenario: &Scenario) {
    let control = judged("control", id, scenario);
    assert_eq!(
        control.outcome,
        Outcome::Pass,
        "the control must pass, or a mutant proves nothing\n{}",
        control.story
    );
}

#[rstest]
#[case("claims-for-real", "shadow/agree", "only-shadow-operations")]
#[case("waits-for-the-lane", "shadow/hang-delays-nothing", "order")]
#[case("acts-on-diverge", "shadow/diverge-order", "runs")]
#[case("agrees-always", "shadow/diverge-unknown", "verdicts")]
#[case("fails-on-shadow-errors", "faults/status-500", "exit")]
#[case("connects-when-off", "flags/off", "connections")]
#[case("leaks-the-token", "shadow/token", "token")]
#[case("leaves-a-process", "shadow/agree", "no-stragglers")]
#[case("runs-twice", "shadow/agree", "runs")]
#[case("does-nothing", "shadow/agree", "shadow-seen")]
#[case("does-nothing", "shadow/agree", "stages")]
#[case("says-nothing", "flags/bad-value-shadow", "output")]
#[case("hides-errors", "faults/status-500", "errors")]
#[case("logs-twice", "shadow/agree", "one-outcome")]
#[case("tears-its-log", "shadow/agree", "log-lines")]
#[case("asks-twice", "shadow/agree", "dry-runs")]
#[case("asks-twice", "shadow/agree", "calls")]
#[case("tells-its-decision", "shadow/agree", "blind")]
#[case("misshapes-claims", "shadow/agree", "document-requests")]
#[case("talks-nonsense", "shadow/agree", "known-requests")]
#[case("passes-the-fleet-on", "shadow/agree", "engine-environment")]
#[case("holds-stdin-open", "shadow/failed-job", "stdin")]
#[case("skips-permissions", "shadow/agree", "permissions")]
#[case("ignores-locks", "offline/lock", "locks")]
#[case("stays-offline", "flags/off-both", "connects-with")]
#[case("stays-offline", "shadow/agree", "verdicts")]
#[case("forgets-a-decision", "shadow/several-agree", "decisions")]
#[case("miscounts-its-report", "report/of-a-run", "report")]
#[case("keeps-a-copy", "shadow/agree", "one-stage")]
#[case("ships-after-a-loss", "route/lease-lost", "ships")]
#[case("moves-a-failure", "shadow/failed-job", "stages")]
fn a_wrong_runner_fails_the_check_that_is_about_it(
    #[case] mutant: &str,
    #[case] id: &str,
    #[case] check: &str,
) {
    let mut scenario = scenario(id);
    if mutant == "waits-for-the-lane" {
        // What it waits for comes only when the runner gives up; that need not take long.
        scenario.runner.env.insert("AQ_FLEET_TIMEOUT".into(), "3s".into());
    }
    passes_unmutated(id, &scenario);
    let verdict = judged(mutant, id, &scenario);
    assert!(
        verdict.story.contains(": fired"),
        "{mutant} never did what is wrong about it\n{}",
        verdict.story
    );
    assert_eq!(verdict.outcome, Outcome::Fail, "{mutant} survived {id}");
    let failed = checks(&verdict, Outcome::Fail);
    assert!(
        failed.contains(&check),
        "{mutant} failed {failed:?}, not `{check}`\n{}",
        verdict.story
    );
}

#[test]
fn a_real_claim_that_gets_through_is_seen_in_counters_and_digest() {
    let mut scenario = scenario("shadow/agree");
    scenario.runner.scopes = Some(vec!["shadow".into(), "work".into()]);
    passes_unmutated("shadow/agree", &scenario);
    let verdict = judged("claims-for-real", "shadow/agree", &scenario);
    let failed = checks(&verdict, Outcome::Fail);
    assert!(
        failed.contains(&"mutations") && failed.contains(&"digest"),
        "{failed:?}\n{}",
        verdict.story
    );
}

#[test]
fn every_mutant_but_the_control_has_a_case() {
    let source = include_str!("mutants.rs");
    for mutant in ALL.iter().filter(|mutant| mutant.name != "control") {
        assert!(
            source.contains(&format!("#[case(\"{}\"", mutant.name)),
            "{} has no case",
            mutant.name
        );
    }
}
