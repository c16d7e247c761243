//! Questions about what arrived, by both ways, HTTP and the handle: the answers are the same.

use super::*;

#[test]
fn a_question_without_a_body_is_about_everything_and_a_path_that_is_not_there_is_told() {
    let stub = start(&["a"]);
    claim(&stub, "f");
    let counted = send(&stub, "POST", "/_stub/journal/count", &[], None);
    assert_eq!((counted.status, &counted.json()["count"]), (200, &json!(1)));
    let lost = get(&stub, "/_stub/jurnal");
    assert_eq!((lost.status, lost.code().as_str()), (404, "not_found"));
    assert_eq!(stub.journal().len(), 1, "it is no request of the API");
}

#[test]
fn nobody_is_told_that_none_arrived_of_what_cannot_arrive() {
    let stub = start(&[]);
    let clam = json!({"operation": "clam"});
    for (path, body) in [
        ("journal/verify", json!({"match": clam, "count": 0})),
        ("journal/verify-sequence", json!({"sequence": [clam]})),
        ("journal/count", json!({"match": clam})),
        ("journal/wait", json!({"match": clam, "count": 0, "limit": "1s"})),
    ] {
        let refused = post(&stub, &format!("/_stub/{path}"), &body);
        let helps = refused.text.contains("did you mean `claim`?");
        assert!(refused.status == 422 && helps, "{path}: {refused:?}");
    }
    assert_eq!(get(&stub, "/_stub/journal?operation=clam").status, 422);
    let clam = ExchangeMatch::operation("clam");
    for verification in [stub.verify(&clam, 0, Some(0)), stub.verify_sequence(&[clam])] {
        assert_eq!(verification.verdict, Verdict::Inconclusive);
        assert!(
            verification.why.contains("did you mean `claim`?"),
            "{verification:?}"
        );
    }
}

#[test]
fn past_the_edge_of_the_journal_counting_and_waiting_are_inconclusive() {
    let config = StubConfig {
        journal_limit: 1,
        ..StubConfig::default()
    };
    let stub = start_with(&[], config);
    let count = || {
        post(
            &stub,
            "/_stub/journal/count",
            &json!({"match": {"operation": "health"}}),
        )
        .json()
    };
    get(&stub, "/v1/health");
    assert_eq!(
        (&count()["count"], &count()["inconclusive"]),
        (&json!(1), &json!(false))
    );
    get(&stub, "/v1/health");
    assert_eq!(
        (&count()["forgotten"], &count()["inconclusive"]),
        (&json!(1), &json!(true))
    );
    let wait = json!({"match": {"operation": "health"}, "count": 3, "limit": "1ms"});
    let waited = post(&stub, "/_stub/journal/wait", &wait);
    assert_eq!((waited.status, waited.code().as_str()), (409, "inconclusive"));
    let too_long = json!({"count": 3, "limit": "61s"});
    assert_eq!(post(&stub, "/_stub/journal/wait", &too_long).status, 422);
}

#[test]
fn violations_are_told_over_http_as_by_the_handle() {
    let stub = start(&["a"]);
    stub.arm(Rule::on("shadow.report", Fault::LeakyShadow))
        .expect("armed");
    shadow_report(&stub, "f", "a", "building");
    assert_eq!(stub.violations().len(), 1);
    assert_eq!(
        get(&stub, "/_stub/violations").json()["violations"],
        json!(stub.violations())
    );
}
