//! The lies of a coordinator, as rules of the stub.

use serde_json::{Value, json};

/// The lie, and the checks that it may not get past.
pub fn lies() -> Vec<(Value, Vec<&'static str>)> {
    vec![
        (
            json!({"on": "claim", "fault": "double_grant"}),
            vec!["one-live-lease"],
        ),
        (
            json!({"on": "claim", "fault": "token_regress"}),
            vec!["tokens-rise"],
        ),
        (
            json!({"on": "claim", "fault": {"diverge": {"job": "another"}}}),
            vec!["first-eligible", "submission-order"],
        ),
        (
            json!({"on": "shadow.claim", "fault": {"diverge": {"without": "dryRun"}}}),
            vec!["dry-run"],
        ),
        (
            json!({"on": "shadow.claim", "fault": {"diverge": {"patch": {"dryRun": "true"}}}}),
            vec!["dry-run"],
        ),
        (
            json!({"on": "claim", "fault": {"status": 404}}),
            vec!["nothing-eligible"],
        ),
        (
            json!({"on": "lease.renew", "fault": "ack_without_commit"}),
            vec!["renewal"],
        ),
        (
            json!({"on": "lease.release", "fault": "ack_without_commit"}),
            vec!["release"],
        ),
        (
            json!({"on": "lease.renew", "fault": {"refuse": "stale_fencing_token"}}),
            vec!["lease-ends"],
        ),
        (
            json!({"on": "job.report", "fault": {"refuse": "lease_lost"}}),
            vec!["late-final-report"],
        ),
        (
            json!({"on": "shadow.report", "fault": {"status": 202}}),
            vec!["view-holds-locks"],
        ),
        (
            json!({"on": "lease.release", "fault": {"status": 500}}),
            vec!["unknown-things"],
        ),
        (
            json!({"on": "job.report", "fault": "ack_without_commit"}),
            vec!["stage-order", "final-stage"],
        ),
        (
            json!({"on": "job.quarantine", "fault": "ack_without_commit"}),
            vec!["quarantine"],
        ),
        (
            json!({"on": "claim", "when": {"skip": 1}, "fault": {"diverge": {"patch": {"lease": {"id": "lease-x"}}}}}),
            vec!["repeated-claim"],
        ),
        (
            json!({"on": "shadow.claim", "fault": "dry_run_grants"}),
            vec!["no-trace"],
        ),
        (
            json!({"on": "shadow.report", "fault": "leaky_shadow"}),
            vec!["no-trace"],
        ),
        (
            json!({"on": "shadow.claim", "fault": {"diverge": {"job": "another"}}}),
            vec!["dry-run", "view"],
        ),
        (
            json!({"on": "shadow.report", "fault": {"status": 500}}),
            vec!["unknown-job", "view"],
        ),
        (
            json!({"on": "shadow.claim", "fault": {"status": 500}}),
            vec!["mistakes"],
        ),
        (
            json!({"on": "claim", "when": {"skip": 1}, "fault": {"status": 500}}),
            vec!["reused-key"],
        ),
        (
            json!({"on": "job.withdraw", "fault": "withdraw_leased"}),
            vec!["not-withdrawn"],
        ),
        (
            json!({"on": "job.withdraw", "fault": "withdraw_unsaid"}),
            vec!["not-withdrawn"],
        ),
        (
            json!({"on": "claim", "fault": "claim_withdrawn"}),
            vec!["withdrawn"],
        ),
        (
            json!({"on": "job.withdraw", "fault": "ack_without_commit"}),
            vec!["withdrawn", "superseded"],
        ),
        (
            json!({"on": "job.withdraw", "when": {"skip": 1}, "fault": {"refuse": "final"}}),
            vec!["withdrawn"],
        ),
        (
            json!({"on": "job.withdraw", "fault": {"status": 200}}),
            vec!["withdrawn-or-granted", "superseded"],
        ),
        (
            json!({"on": "job.submit", "fault": "token_reset"}),
            vec!["submitted-again"],
        ),
        (
            json!({"on": "job.get", "fault": {"diverge": {"without": "verify"}}}),
            vec!["as-submitted"],
        ),
        (
            json!({"on": "shadow.claim", "fault": {"policy": ""}}),
            vec!["policy-header"],
        ),
        (
            json!({"on": "job.get", "fault": {"policy": "fifo@1.1"}}),
            vec!["policy-header"],
        ),
        (
            json!({"on": "health", "fault": {"diverge": {"patch": {"version": "1.1"}}}}),
            vec!["policy-header"],
        ),
    ]
}
