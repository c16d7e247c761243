//! The answers of a coordinator, one by one, and what follows from each.

use super::*;
use crate::fleet::call_failure::{CoordinatorRefusal, FailureKind};

fn refused<T>(status: u16, code: &str) -> Result<T, CallFailure> {
    Err(CallFailure::Definite(CoordinatorRefusal {
        status,
        code: code.to_owned(),
        detail: String::new(),
        retry_after: None,
    }))
}

fn lost<T>() -> Result<T, CallFailure> {
    Err(CallFailure::indefinite(FailureKind::Timeout, "no answer"))
}

fn job(body: &str) -> Job {
    let text = format!("---\nengine: sh\nretries: 2\nretry_delay: 5s\ncaps: [x]\n---\n{body}");
    job::parse(JobIdSource::FileName("a"), "a.md", text.as_bytes())
        .unwrap()
        .job
}

fn found(body: &str, stage: Option<Stage>) -> Result<CoordinatorJob, CallFailure> {
    let job = wire_job(&job(body));
    Ok(CoordinatorJob { job, stage })
}

/// What a submission comes to, with this answer to the look that it may take.
fn submitted(
    answer: Result<(), CallFailure>,
    maybe_sent: bool,
    look: Result<CoordinatorJob, CallFailure>,
) -> &'static str {
    let verdict =
        submit_answer(answer, maybe_sent).unwrap_or_else(|pending| pending.decide(&job("x\n"), look));
    match verdict {
        SubmitVerdict::Taken => "taken",
        SubmitVerdict::Withdrawn => "withdrawn",
        SubmitVerdict::Refused(_) => "refused",
        SubmitVerdict::TokenRefused(_) => "token refused",
        SubmitVerdict::Unclear(_) => "unclear",
    }
}

#[test]
fn a_job_that_was_sent_is_the_coordinators_until_it_is_proven_not_to_be() {
    let (queued, shipped) = (Some(Stage::Inbox), Some(Stage::Shipped));
    for maybe_sent in [false, true] {
        let taken = submitted(Ok(()), maybe_sent, lost());
        assert_eq!(taken, "taken");
        let same = submitted(refused(409, "job_exists"), maybe_sent, found("x\n", queued));
        assert_eq!(same, "taken");
        let other = submitted(refused(409, "job_exists"), maybe_sent, found("y\n", queued));
        assert_eq!(other, "refused");
        let gone = submitted(refused(409, "superseded"), maybe_sent, found("x\n", None));
        assert_eq!(gone, "withdrawn");
    }
    for (answer, look, fresh, resumed) in [
        (lost(), lost(), "refused", "unclear"),
        (refused(422, "invalid_field"), lost(), "refused", "unclear"),
        (
            refused(422, "invalid_field"),
            refused(404, "unknown_job"),
            "refused",
            "refused",
        ),
        (
            refused(403, "insufficient_scope"),
            refused(404, "unknown_job"),
            "token refused",
            "unclear",
        ),
        (
            refused(403, "insufficient_scope"),
            refused(404, "not_found"),
            "token refused",
            "unclear",
        ),
        (
            refused(403, "insufficient_scope"),
            found("x\n", queued),
            "token refused",
            "taken",
        ),
        (
            refused(409, "job_exists"),
            found("x\n", shipped),
            "refused",
            "taken",
        ),
    ] {
        assert_eq!(
            submitted(answer.clone(), false, look.clone()),
            fresh,
            "{answer:?}"
        );
        assert_eq!(submitted(answer.clone(), true, look), resumed, "{answer:?}");
    }
}

#[test]
fn a_job_comes_back_on_a_word_of_the_coordinator_alone() {
    use HandoverPhase::{Handed, Recalling};
    let look = |phase, found| look_before_recall(phase, found, false);
    for phase in [Handed, Recalling] {
        assert_eq!(look(phase, found("x", Some(Stage::Inbox))), RecallStep::Withdraw);
        assert_eq!(
            look(phase, found("x", Some(Stage::Building))),
            RecallStep::Withdraw
        );
        let failed = look(phase, found("x", Some(Stage::Failed)));
        assert_eq!(failed, RecallStep::Return(Stage::Failed));
        assert_eq!(
            look(phase, refused(404, "unknown_job")),
            RecallStep::Return(Stage::Inbox)
        );
        assert!(matches!(
            look(phase, refused(404, "not_found")),
            RecallStep::Stay(_)
        ));
    }
    assert_eq!(look(Recalling, found("x", None)), RecallStep::Withdraw);
    assert!(matches!(
        look(Handed, found("x", None)),
        RecallStep::Stay(HandoverOutcome::Refused(_))
    ));
    assert_eq!(
        look_before_recall(Handed, found("x", None), true),
        RecallStep::Withdraw
    );
    assert!(matches!(
        look(Recalling, lost()),
        RecallStep::Stay(HandoverOutcome::Unclear(_))
    ));
}

#[test]
fn a_withdrawal_that_was_refused_leaves_the_job_where_it_is() {
    assert_eq!(recall_answer(Ok(()), true), RecallStep::Return(Stage::Inbox));
    assert_eq!(recall_answer(refused(409, "final"), true), RecallStep::Look);
    for maybe_sent in [false, true] {
        let leased = recall_answer(refused(409, "leased"), maybe_sent);
        assert!(matches!(leased, RecallStep::Stay(HandoverOutcome::Held(_))));
    }
    for answer in [
        lost(),
        refused(403, "insufficient_scope"),
        refused(404, "unknown_job"),
    ] {
        let fresh = recall_answer(answer.clone(), false);
        assert!(
            matches!(
                fresh,
                RecallStep::Stay(HandoverOutcome::Refused(_) | HandoverOutcome::TokenRefused(_))
            ),
            "{answer:?}"
        );
        let resumed = recall_answer(answer.clone(), true);
        assert!(
            matches!(resumed, RecallStep::Stay(HandoverOutcome::Unclear(_))),
            "{answer:?}"
        );
    }
}

#[test]
fn a_job_is_the_same_after_its_way_over_the_wire_whatever_its_retries_wait() {
    let ours = job("do it\n\n---\nnot front matter\n");
    assert!(same_job(&ours, &wire_job(&ours)));
    let mut theirs = wire_job(&ours);
    theirs.timeout_ms = None;
    assert!(same_job(&ours, &theirs), "the default is the same");
    theirs.priority = 1;
    assert!(!same_job(&ours, &theirs));
}
