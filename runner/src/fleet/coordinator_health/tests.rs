//! What is told of calls that fail and are answered, and when.

use super::*;
use crate::fleet::call_failure::{CoordinatorRefusal, FailureKind};

const ASK: ApiOperation = ApiOperation::ShadowClaim;
const TELL: ApiOperation = ApiOperation::ShadowReport;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + second).unwrap()
}

fn failure(kind: FailureKind) -> CallFailure {
    CallFailure::indefinite(kind, "x")
}

fn refusal(status: u16) -> CallFailure {
    CallFailure::Definite(CoordinatorRefusal {
        status,
        code: String::from("no"),
        detail: String::new(),
        retry_after: None,
    })
}

/// What is told of calls that fail (`-`) or are answered (`+`), one a second: of each the place of the call.
fn told(calls: &str) -> (Vec<usize>, Vec<usize>) {
    let mut health = CoordinatorHealth::default();
    let (mut begins, mut over) = (Vec::new(), Vec::new());
    for (second, call) in calls.chars().enumerate() {
        let failure = (call == '-').then(|| failure(FailureKind::Timeout));
        match health.ended(ASK, failure.as_ref(), at(second as i64)) {
            Some(HealthNotice::Begins { .. }) => begins.push(second),
            Some(HealthNotice::Over { .. }) => over.push(second),
            Some(
                HealthNotice::NotComparing(_)
                | HealthNotice::ScopeMissing { .. }
                | HealthNotice::Waits { .. },
            )
            | None => {}
        }
    }
    (begins, over)
}

#[test]
fn trouble_is_told_at_its_first_failure_and_at_the_first_answer_after_it() {
    assert_eq!(told("+++"), (vec![], vec![]));
    assert_eq!(told("-----++"), (vec![0], vec![5]));
    assert_eq!(told("++--+"), (vec![2], vec![4]));
}

#[test]
fn a_coordinator_that_fails_every_other_call_is_told_of_once_a_minute() {
    let (begins, over) = told(&"-+".repeat(100));
    assert_eq!((begins, over), (vec![0, 62, 124, 186], vec![1, 63, 125, 187]));
    // What goes on is told although it begins so soon again.
    assert_eq!(told("-+-----+"), (vec![0, 4], vec![1, 7]));
}

#[test]
fn the_answer_to_what_is_told_does_not_end_trouble_of_what_is_asked() {
    let mut health = CoordinatorHealth::default();
    let (down, busy) = (
        failure(FailureKind::ConnectionRefused),
        failure(FailureKind::Status(503)),
    );
    assert!(matches!(
        health.ended(TELL, Some(&down), at(0)),
        Some(HealthNotice::Begins { operation: TELL, .. })
    ));
    assert_eq!(health.ended(ASK, Some(&busy), at(1)), None);
    assert_eq!(health.ended(TELL, None, at(2)), None);
    let trouble = health.trouble.clone().unwrap();
    assert_eq!(
        (trouble.errors, trouble.operation.as_str(), trouble.kind.as_str()),
        (2, "shadow.claim", "status-503")
    );
    assert_eq!(health.last_answer, Some(wire::instant(at(2))));
    let (lasted, errors) = (Duration::from_secs(3), 2);
    assert_eq!(
        health.ended(ASK, None, at(3)),
        Some(HealthNotice::Over { lasted, errors })
    );
    // Nothing is asked while something is to be told.
    assert!(health.ended(TELL, Some(&down), at(100)).is_some());
    assert!(health.ended(ASK, None, at(101)).is_some() && health.trouble.is_none());
}

#[test]
fn the_coordinators_own_word_on_a_lease_is_an_answer_and_a_refused_token_is_none() {
    for (operation, failure, is_answered) in [
        (ApiOperation::Renew, refusal(409), true),
        (ApiOperation::Report, refusal(422), true),
        (ApiOperation::Release, failure(FailureKind::Status(404)), false),
        (ApiOperation::Renew, refusal(401), false),
        (ApiOperation::Report, failure(FailureKind::Timeout), false),
        (ApiOperation::Claim, refusal(409), false),
        (ASK, refusal(404), true),
        (ASK, failure(FailureKind::Status(501)), true),
        (ASK, refusal(403), false),
        (TELL, refusal(422), false),
    ] {
        let mut health = CoordinatorHealth::default();
        health.ended(operation, Some(&failure), at(0));
        assert_eq!(health.trouble.is_none(), is_answered, "{operation:?} {failure}");
    }
}

#[test]
fn what_is_told_names_the_call_its_kind_and_whose_token_was_refused() {
    let text = |operation, failure| HealthNotice::Begins { operation, failure }.text("the token from X");
    let busy = text(ApiOperation::Claim, failure(FailureKind::Status(503)));
    assert!(
        busy.contains("claim: status-503 (x)") && !busy.contains("token"),
        "{busy}"
    );
    let refused = text(ASK, refusal(401));
    assert!(
        refused.contains("refuses the token from X: status-401"),
        "{refused}"
    );
    let mut health = CoordinatorHealth::default();
    let why = ComparisonHalt::DryRunUnsupported;
    let news = health.comparison_halted(why).unwrap();
    assert!(news.text("").contains("dry-run-unsupported"));
    assert_eq!(health.comparison_halted(why), None);
}

#[test]
fn when_the_next_try_is_due_is_known_until_it_was_made() {
    let mut health = CoordinatorHealth::default();
    let timeout = failure(FailureKind::Timeout);
    health.retries_in(at(0), Duration::from_secs(4));
    health.ended(ApiOperation::Claim, Some(&timeout), at(0));
    health.retries_in(at(0), Duration::from_secs(4));
    let next = |health: &CoordinatorHealth| {
        health
            .trouble
            .as_ref()
            .and_then(|trouble| trouble.next_try.clone())
    };
    assert_eq!(next(&health), Some(wire::instant(at(4))));
    health.ended(ApiOperation::Claim, Some(&timeout), at(4));
    assert_eq!(next(&health), None);
}

#[test]
fn a_record_is_read_as_it_was_written() {
    let mut health = CoordinatorHealth::default();
    health.ended(ASK, Some(&failure(FailureKind::Timeout)), at(0));
    health.comparison_halted(ComparisonHalt::DryRunNotHonoured);
    let text = serde_json::to_string(&health).unwrap();
    let read: CoordinatorHealth = serde_json::from_str(&text).unwrap();
    assert_eq!(serde_json::to_string(&read).unwrap(), text);
}

#[test]
fn the_first_long_wait_for_the_next_try_is_told_once_in_a_trouble() {
    let mut health = CoordinatorHealth::default();
    let mut waits = |second, wait_s| {
        health.ended(
            ApiOperation::Claim,
            Some(&failure(FailureKind::Timeout)),
            at(second),
        );
        let notice = health.retries_in(at(second), Duration::from_secs(wait_s));
        notice.map(|notice| notice.text("the token"))
    };
    assert_eq!((waits(0, 1), waits(1, 4)), (None, None));
    let told = waits(5, 14).unwrap();
    assert!(told.contains("fails for 5.0s; next try in 14s"), "{told}");
    assert_eq!(waits(19, 30), None);
    health.ended(ApiOperation::Claim, None, at(100));
    let again = |health: &mut CoordinatorHealth, second| {
        health.ended(
            ApiOperation::Claim,
            Some(&failure(FailureKind::Timeout)),
            at(second),
        );
        health.retries_in(at(second), Duration::from_secs(14)).is_some()
    };
    assert!(again(&mut health, 200) && !again(&mut health, 201));
}

#[test]
fn a_scope_that_is_missing_for_shadow_calls_is_told_once_and_gone_with_the_first_answer() {
    for operation in [ASK, TELL] {
        let mut health = CoordinatorHealth::default();
        let notice = health.ended(operation, Some(&refusal(403)), at(0)).unwrap();
        let text = notice.text("the token from X");
        assert!(
            text.starts_with("no comparison is possible: the token lacks scope `shadow`"),
            "{text}"
        );
        assert!(
            text.contains("status-403") && text.contains("the token from X"),
            "{text}"
        );
        assert_eq!(health.not_comparing, Some(ComparisonHalt::ScopeMissing));
        assert_eq!(health.ended(TELL, Some(&refusal(403)), at(1)), None);
        assert_eq!(health.ended(ASK, Some(&refusal(403)), at(100)), None);
        let over = health.ended(ASK, None, at(101));
        assert!(
            matches!(over, Some(HealthNotice::Over { errors: 3, .. })),
            "{over:?}"
        );
        assert_eq!(health.not_comparing, None);
    }
}

#[test]
fn a_token_that_is_not_taken_at_all_or_lacks_the_scope_of_work_is_trouble_like_any() {
    for (operation, failure) in [(ASK, refusal(401)), (ApiOperation::Claim, refusal(403))] {
        let mut health = CoordinatorHealth::default();
        let notice = health.ended(operation, Some(&failure), at(0));
        assert!(matches!(notice, Some(HealthNotice::Begins { .. })), "{notice:?}");
        assert_eq!(health.not_comparing, None);
    }
}

#[test]
fn a_coordinator_without_a_dry_run_is_not_said_to_lack_a_scope() {
    let mut health = CoordinatorHealth::default();
    let why = ComparisonHalt::DryRunUnsupported;
    health.comparison_halted(why);
    let notice = health.ended(TELL, Some(&refusal(403)), at(0));
    assert!(matches!(notice, Some(HealthNotice::Begins { .. })), "{notice:?}");
    health.ended(TELL, None, at(1));
    assert_eq!(health.not_comparing, Some(why));
}

#[test]
fn a_halt_is_written_as_it_is_called() {
    use ComparisonHalt::{DryRunNotHonoured, DryRunUnsupported, ScopeMissing};
    for halt in [DryRunUnsupported, DryRunNotHonoured, ScopeMissing] {
        assert_eq!(serde_json::to_value(halt).unwrap(), halt.name());
    }
}
