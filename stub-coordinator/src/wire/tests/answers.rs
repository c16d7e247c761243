//! Answers as they are written, against the examples of the document.

use super::*;

fn record(stage: Stage) -> JobRecord {
    let document = document();
    let full = examples(&operation_object(&document, Operation::JobSubmit)["requestBody"]["content"])
        .into_iter()
        .find(|(name, _)| name == "full")
        .expect("the example")
        .1;
    let Ok(Some(CoordinatorCommand::Submit(submission))) =
        read(Operation::JobSubmit, full.to_string().as_bytes(), true)
    else {
        panic!("the example is a job")
    };
    JobRecord {
        spec_digest: Digest::default(),
        spec: Arc::new(submission.spec),
        sequence: 2,
        submitted_at: UtcTimestamp::parse("2026-03-02T09:30:00.000Z").expect("a moment"),
        stage,
        attempts: 0,
        fencing_token: 3,
        last_lease: None,
        quarantines: Vec::new(),
    }
}

fn lease(expires_at: &str) -> Lease {
    Lease {
        number: LeaseNumber(17),
        job: JobId::parse("tidy-changelog").expect("an id"),
        factory: FactoryId::parse("forge-2").expect("an id"),
        fencing_token: 3,
        ttl_ms: 60_000,
        expires_at: UtcTimestamp::parse(expires_at).expect("a moment"),
    }
}

fn then() -> UtcTimestamp {
    UtcTimestamp::parse("2026-03-02T09:30:45.250Z").expect("a moment")
}

fn quarantined() -> JobRecord {
    let record_of = QuarantineRecord {
        factory: FactoryId::parse("forge-2").expect("an id"),
        lease: Some(LeaseId::parse("lease-17").expect("an id")),
        fencing_token: Some(3),
        reason: "lease_lost".to_owned(),
        detail: Some("no renewal got through".to_owned()),
        at: then(),
        current: true,
    };
    JobRecord {
        quarantines: vec![record_of],
        ..record(Stage::Quarantined)
    }
}

/// What the coordinator would have to say for each answer example.
fn replies() -> Vec<(Operation, &'static str, CommandReply)> {
    let mut second = record(Stage::Queued);
    second.attempts = 1;
    Arc::make_mut(&mut second.spec).id = JobId::parse("bump-deps").expect("an id");
    let enrolled = CommandReply::Enrolled {
        factory: FactoryId::parse("forge-2").expect("an id"),
        token: "an-example-token".to_owned(),
        scopes: vec![Scope::Shadow, Scope::Work],
        heartbeat_ms: 15_000,
    };
    let mirrored = |accepted, stage| CommandReply::Mirrored {
        accepted,
        stage,
        real_stage: Stage::Queued,
    };
    vec![
        (
            Operation::JobSubmit,
            "submitted",
            CommandReply::Submitted(record(Stage::Queued)),
        ),
        (
            Operation::JobList,
            "page",
            CommandReply::Jobs {
                jobs: vec![record(Stage::Building), second],
                next: Some(2),
            },
        ),
        (
            Operation::JobList,
            "none",
            CommandReply::Jobs {
                jobs: Vec::new(),
                next: None,
            },
        ),
        (
            Operation::JobGet,
            "building",
            CommandReply::Job(record(Stage::Building)),
        ),
        (Operation::JobGet, "quarantined", CommandReply::Job(quarantined())),
        (Operation::FactoryEnrol, "enrolled", enrolled),
        (
            Operation::FactoryHeartbeat,
            "noted",
            CommandReply::Noted { server_time: then() },
        ),
        (
            Operation::Claim,
            "granted",
            CommandReply::Granted {
                job: record(Stage::Building),
                lease: lease("2026-03-02T09:31:00.000Z"),
            },
        ),
        (
            Operation::LeaseRenew,
            "renewed",
            CommandReply::Renewed(lease("2026-03-02T09:31:45.250Z")),
        ),
        (
            Operation::LeaseRelease,
            "queued-again",
            CommandReply::Released(Stage::Queued),
        ),
        (
            Operation::LeaseRelease,
            "was-final",
            CommandReply::Released(Stage::Shipped),
        ),
        (
            Operation::JobReport,
            "testing",
            CommandReply::Reported(Stage::Testing),
        ),
        (
            Operation::JobReport,
            "shipped",
            CommandReply::Reported(Stage::Shipped),
        ),
        (
            Operation::JobQuarantine,
            "by-the-holder",
            CommandReply::Recorded(Stage::Quarantined),
        ),
        (
            Operation::JobQuarantine,
            "by-a-stale-holder",
            CommandReply::Recorded(Stage::Building),
        ),
        (
            Operation::JobWithdraw,
            "withdrawn",
            CommandReply::Withdrawn {
                job: JobId::parse("tidy-changelog").expect("an id"),
                sequence: 1,
            },
        ),
        (
            Operation::ShadowClaim,
            "would-assign",
            CommandReply::WouldGrant {
                job: record(Stage::Queued),
                lease: None,
            },
        ),
        (
            Operation::ShadowReport,
            "accepted",
            mirrored(true, Stage::Building),
        ),
        (
            Operation::ShadowReport,
            "not-accepted",
            mirrored(false, Stage::Shipped),
        ),
    ]
}

#[test]
fn every_answer_example_is_what_is_written_here() {
    let document = document();
    let replies = replies();
    for operation in Operation::ALL {
        if matches!(operation, Operation::Health | Operation::Openapi) {
            continue;
        }
        let object = operation_object(&document, operation);
        for (status, response) in object["responses"].as_object().expect("responses") {
            if !status.starts_with('2') {
                continue;
            }
            for (name, example) in examples(&response["content"]) {
                let reply = replies
                    .iter()
                    .find(|(of, called, _)| *of == operation && *called == name);
                let (_, _, reply) =
                    reply.unwrap_or_else(|| panic!("no reply for {} {name}", operation.name()));
                let (wrote, body) = encode(reply);
                let body = body.map(|body| serde_json::from_slice::<Value>(&body).expect("JSON"));
                assert_eq!(wrote.to_string(), *status, "{} {name}", operation.name());
                assert_eq!(body, Some(example), "{} {name}", operation.name());
            }
        }
    }
    assert_eq!(encode(&CommandReply::Nothing), (204, None));
}

#[test]
fn every_refusal_is_a_problem_that_the_document_shows() {
    let job = JobId::parse("tidy-chnagelog").expect("an id");
    let lease = LeaseId::parse("lease-17").expect("an id");
    let factory = FactoryId::parse("forge-9").expect("an id");
    let document = document();
    let mut shown = Vec::new();
    collect_problems(&document, &mut shown);
    for refusal in [
        CommandRefusal::Unauthenticated,
        CommandRefusal::InvalidEnrolToken,
        CommandRefusal::InsufficientScope(Scope::Work),
        CommandRefusal::UnknownJob(job.clone()),
        CommandRefusal::UnknownLease(lease.clone()),
        CommandRefusal::UnknownFactory(factory.clone()),
        CommandRefusal::JobExists(job.clone()),
        CommandRefusal::Leased(job.clone()),
        CommandRefusal::Ended(Stage::Shipped),
        CommandRefusal::Superseded(job),
        CommandRefusal::FactoryExists(factory),
        CommandRefusal::LeaseLost(lease),
        CommandRefusal::IllegalTransition {
            from: Stage::Testing,
            to: Stage::Building,
        },
        CommandRefusal::IdempotencyMismatch,
        CommandRefusal::Full("jobs"),
    ] {
        let problem = serde_json::to_value(problem_of(&refusal)).expect("JSON");
        let example = shown.iter().find(|example| example["code"] == problem["code"]);
        let example = example.unwrap_or_else(|| panic!("{problem} is not in the document"));
        for field in ["type", "title", "status", "field"] {
            assert_eq!(problem.get(field), example.get(field), "{problem}");
        }
    }
}

fn collect_problems(value: &Value, found: &mut Vec<Value>) {
    match value {
        Value::Object(fields) if fields.contains_key("code") && fields.contains_key("title") => {
            found.push(value.clone());
        }
        Value::Object(fields) => fields.values().for_each(|inner| collect_problems(inner, found)),
        Value::Array(items) => items.iter().for_each(|inner| collect_problems(inner, found)),
        _ => {}
    }
}
