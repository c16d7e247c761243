//! What each operation sends, and what it makes of a good answer.

use std::io::Write;

use super::*;

#[test]
fn a_shadow_report_tells_how_it_was_taken() {
    let report = |answer: String| {
        let (url, requests) = answering(answer);
        let client = CoordinatorClient::new(&settings(&url, &[])).unwrap();
        let outcome = run(client.shadow_report(&JobId::new("a:b").unwrap(), Stage::Inbox));
        (outcome, requests.recv().unwrap())
    };
    let taken = r#"{"shadow":1,"accepted":false,"stage":"testing","realStage":"queued","action":"abort","cancel":false}"#;
    let (outcome, request) = report(json("202 Accepted", taken));
    assert_eq!(
        outcome.unwrap(),
        ShadowReportOutcome::Noted {
            accepted: false,
            stage: String::from("testing"),
            unknown: vec![String::from("action")]
        }
    );
    let body: Value = serde_json::from_str(request.split_once("\r\n\r\n").unwrap().1).unwrap();
    assert_eq!(
        (&body["jobId"], &body["stage"], &body["shadow"]),
        (&"a:b".into(), &"queued".into(), &1.into())
    );
    let honest = r#"{"shadow":1,"accepted":true,"stage":"queued","realStage":"queued""#;
    for (more, expected) in [
        ("", &[][..]),
        (r#","cancel":null,"lease":false"#, &[]),
        (r#","problem":{"action":"abort"}"#, &["problem"]),
        (
            r#","directives":["stop"],"x\u001b[2J":1"#,
            &["directives", "x\\u{1b}[2J"],
        ),
        (r#","shadow":0"#, &["shadow"]),
        (r#","realStage":{"then":"quarantine"}"#, &["realStage"]),
    ] {
        let (outcome, _) = report(json("202 Accepted", &format!("{honest}{more}}}")));
        let Ok(ShadowReportOutcome::Noted { unknown, .. }) = outcome else {
            panic!("{more}: {outcome:?}")
        };
        assert_eq!(unknown, expected, "{more}");
    }
    let waits = json(
        "202 Accepted\r\nretry-after: Fri, 31 Dec 2100 23:59:59 GMT",
        &format!("{honest}}}"),
    );
    let (outcome, _) = report(waits);
    assert!(matches!(outcome, Ok(ShadowReportOutcome::Noted { unknown, .. }) if unknown == ["Retry-After"]));
    let (outcome, _) = report(json("404 Not Found", "{}"));
    assert_eq!(outcome.unwrap(), ShadowReportOutcome::UnknownJob);
    let (outcome, _) = report(json("200 OK", taken));
    assert_eq!(outcome.unwrap_err().kind(), FailureKind::Status(200));
}

#[test]
fn calls_about_a_lease_carry_its_token_and_a_key_where_they_change_something() {
    let proof = LeaseProof {
        lease: crate::ids::LeaseId::new("lease-9").unwrap(),
        fencing_token: 4,
    };
    let lease = r#"{"lease":{"id":"lease-9","jobId":"a","factoryId":"forge-2","fencingToken":4,"ttlMs":900,"expiresAt":"x"}}"#;
    let (url, requests) = server(4, {
        let answers = std::sync::Mutex::new(vec![
            json("202 Accepted", r#"{"stage":"quarantined","recorded":true}"#),
            json("202 Accepted", r#"{"stage":"testing"}"#),
            json("200 OK", r#"{"stage":"queued"}"#),
            json("200 OK", lease),
        ]);
        move |mut stream| {
            stream
                .write_all(answers.lock().unwrap().pop().unwrap().as_bytes())
                .unwrap();
        }
    });
    let client = CoordinatorClient::new(&settings(&url, &[])).unwrap();
    let job = JobId::new("a").unwrap();
    let news = StageReport {
        key: "unused".into(),
        stage: Stage::Testing,
        at: wire::instant(jiff::Timestamp::UNIX_EPOCH),
        reason: None,
    };
    run(async {
        assert_eq!(
            client.renew(&proof, Duration::from_secs(3)).await.unwrap(),
            Duration::from_millis(900)
        );
        client.release(&proof, "key-1").await.unwrap();
        assert_eq!(
            client.report(&job, &proof, &news, "key-2").await.unwrap(),
            Stage::Testing
        );
        client
            .quarantine(
                &job,
                Some(&proof),
                Some(&ReasonCode::LeaseLost.with("told")),
                "key-3",
            )
            .await
            .unwrap();
    });
    for (path, key) in [
        ("/v1/leases/lease-9/renew", None),
        ("/v1/leases/lease-9/release", Some("key-1")),
        ("/v1/jobs/a/reports", Some("key-2")),
        ("/v1/jobs/a/quarantine", Some("key-3")),
    ] {
        let request = requests.recv().unwrap();
        assert!(request.starts_with(&format!("POST {path} ")), "{request}");
        let sent = request
            .lines()
            .find_map(|line| line.strip_prefix("idempotency-key: "));
        assert_eq!(sent, key, "{path}");
        let body: Value = serde_json::from_str(request.split_once("\r\n\r\n").unwrap().1).unwrap();
        assert_eq!(
            (&body["factoryId"], &body["fencingToken"]),
            (&"forge-2".into(), &4.into()),
            "{path}"
        );
    }
}

#[test]
fn a_renewal_of_another_lease_is_no_renewal() {
    let other = r#"{"lease":{"id":"lease-9","jobId":"a","fencingToken":5,"ttlMs":900}}"#;
    let (url, _requests) = answering(json("200 OK", other));
    let client = CoordinatorClient::new(&settings(&url, &[])).unwrap();
    let proof = LeaseProof {
        lease: crate::ids::LeaseId::new("lease-9").unwrap(),
        fencing_token: 4,
    };
    let failure = run(client.renew(&proof, Duration::from_secs(3))).unwrap_err();
    assert_eq!(failure.kind(), FailureKind::WrongShape);
}

#[test]
fn a_claim_may_wait_longer_than_the_limit_of_a_call() {
    let job = r#"{"id":"a","engine":"sh","body":"true","stage":"building"}"#;
    let answer = json(
        "200 OK",
        &format!(r#"{{"job":{job},"lease":{{"id":"l","jobId":"a","fencingToken":1,"ttlMs":5}}}}"#),
    );
    let (url, requests) = answering(answer);
    let client = CoordinatorClient::new(&settings(&url, &[])).unwrap();
    let FleetClaim::Job(claim) = run(client.claim(&[], Some(Duration::from_secs(20)), "key-1")).unwrap()
    else {
        panic!("a job was offered")
    };
    assert_eq!(
        (
            claim.job.id.as_str(),
            claim.lease.fencing_token,
            claim.job.retries
        ),
        ("a", 1, 0)
    );
    let request = requests.recv().unwrap();
    assert!(
        request.contains("\"waitMs\":20000") && request.contains("idempotency-key: key-1"),
        "{request}"
    );
}

#[test]
fn health_sends_no_token_and_the_token_check_does() {
    let (url, requests) = server(2, {
        let answers = std::sync::Mutex::new(vec![
            json("200 OK", r#"{"jobs":[]}"#),
            json("200 OK", r#"{"status":"ok","serverTime":"x"}"#),
        ]);
        move |mut stream| {
            stream
                .write_all(answers.lock().unwrap().pop().unwrap().as_bytes())
                .unwrap();
        }
    });
    let client = CoordinatorClient::new(&settings(&url, &[])).unwrap();
    run(async {
        client.health().await.unwrap();
        client.check_token().await.unwrap();
    });
    let health = requests.recv().unwrap();
    assert!(
        health.starts_with("GET /v1/health ") && !health.contains("sesame"),
        "{health}"
    );
    let check = requests.recv().unwrap();
    assert!(
        check.starts_with("GET /v1/jobs?limit=1 ") && check.contains("Bearer sesame"),
        "{check}"
    );
}

#[test]
fn the_scopes_of_a_token_are_asked_for_with_it_and_may_be_left_out() {
    let (url, requests) = server(2, {
        let answers = std::sync::Mutex::new(vec![
            json("200 OK", r#"{"status":"ok"}"#),
            json("200 OK", r#"{"status":"ok","scopes":["shadow","work"]}"#),
        ]);
        move |mut stream| {
            stream
                .write_all(answers.lock().unwrap().pop().unwrap().as_bytes())
                .unwrap();
        }
    });
    let client = CoordinatorClient::new(&settings(&url, &[])).unwrap();
    let told = run(async { [client.token_scopes().await, client.token_scopes().await] });
    let [first, second] = told.map(Result::unwrap);
    assert_eq!(
        (first, second),
        (Some(vec!["shadow".into(), "work".into()]), None)
    );
    assert!(requests.recv().unwrap().contains("Bearer sesame"));
}

#[test]
fn a_client_shows_no_token_when_it_is_printed() {
    let client = CoordinatorClient::new(&settings("http://127.0.0.1:1", &[])).unwrap();
    assert!(!format!("{client:?}").contains("sesame"));
}

#[test]
fn keys_are_ids_and_never_the_same() {
    let [first, second] = [fresh_key("claim"), fresh_key("claim")];
    assert!(crate::ids::is_id(&first), "{first}");
    assert_ne!(first, second);
}
