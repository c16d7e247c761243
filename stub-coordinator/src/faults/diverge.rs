//! `diverge`: a well-formed answer that says something else.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::fault_behavior::{FaultBehavior, HandlerPlan, TableFault};
use super::faulty_answer::{FaultContext, FaultyAnswer};
use super::sample_answers;
use super::self_check_case::SelfCheckCase;
use crate::contract::operation::Operation;
use crate::wire_answer::WireAnswer;

/// In which way an answer diverges.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum DivergeFault {
    /// Names another queued job where there is one, else a plausible one that nobody knows.
    #[serde(skip)]
    Otherwise,
    /// Names this job, whatever it is.
    Job(String),
    /// The honest answer with this JSON merge patch.
    Patch(Value),
    /// The honest answer without this member; `job.id` is a member of `job`.
    Without(String),
}

impl TableFault for DivergeFault {
    const FORM: &'static str = "{ job = \"ID\" }, { patch = {...} } or { without = \"MEMBER\" }, one of `job`, `patch` and `without`";

    fn from_word() -> Option<DivergeFault> {
        Some(DivergeFault::Otherwise)
    }
}

impl FaultBehavior for DivergeFault {
    fn goes_with(&self, operation: Operation) -> bool {
        let grants = matches!(operation, Operation::Claim | Operation::ShadowClaim);
        match self {
            DivergeFault::Otherwise => grants || operation == Operation::ShadowReport,
            DivergeFault::Job(_) => grants,
            DivergeFault::Patch(_) | DivergeFault::Without(_) => true,
        }
    }

    fn plan(&self, operation: Operation) -> HandlerPlan {
        HandlerPlan::without_effect(operation)
    }

    fn corrupt(&self, answer: WireAnswer, context: &FaultContext<'_>) -> FaultyAnswer {
        FaultyAnswer::whole(divergent(self, answer, context))
    }

    fn cases(_name: &str) -> Vec<SelfCheckCase> {
        [
            json!("diverge"),
            json!({"diverge": {"job": "elsewhere"}}),
            json!({"diverge": {"patch": {"job": {"engine": "other"}}}}),
            json!({"diverge": {"without": "job.engine"}}),
        ]
        .map(SelfCheckCase::anywhere)
        .into()
    }
}

fn divergent(diverge: &DivergeFault, honest: WireAnswer, context: &FaultContext<'_>) -> WireAnswer {
    let (status, mut body) = context.body_to_corrupt(&honest);
    match diverge {
        DivergeFault::Patch(patch) => merge(&mut body, patch),
        DivergeFault::Without(member) => {
            remove(&mut body, member);
            return WireAnswer::json(status, &body);
        }
        DivergeFault::Otherwise if context.operation == Operation::ShadowReport => {
            let stage = if body["stage"] == "failed" {
                "shipped"
            } else {
                "failed"
            };
            merge(&mut body, &json!({"accepted": false, "stage": stage}));
        }
        DivergeFault::Otherwise => {
            let honest_job = honest
                .value()
                .and_then(|body| body["job"]["id"].as_str().map(str::to_owned));
            let other = (context.other_job)(honest_job.as_deref());
            body["job"] =
                other.unwrap_or_else(|| sample_answers::job(sample_answers::UNKNOWN_JOB, context.now));
        }
        DivergeFault::Job(name) => {
            let known = (context.job_named)(name);
            body["job"] = known.unwrap_or_else(|| sample_answers::job(name, context.now));
        }
    }
    if let Some(lease) = body.get_mut("lease").and_then(Value::as_object_mut)
        && !matches!(diverge, DivergeFault::Patch(_))
    {
        lease.remove("jobId");
    }
    if let Some(job) = body["job"]["id"].as_str().map(str::to_owned)
        && let Some(lease) = body.get_mut("lease").and_then(Value::as_object_mut)
    {
        lease.entry("jobId").or_insert(Value::String(job));
    }
    WireAnswer::json(status, &body)
}

/// Takes out the member at the end of a path of names with dots between them.
fn remove(target: &mut Value, path: &str) {
    let (within, name) = match path.rsplit_once('.') {
        Some((within, name)) => (
            target.pointer_mut(&format!("/{}", within.replace('.', "/"))),
            name,
        ),
        None => (Some(target), path),
    };
    if let Some(fields) = within.and_then(Value::as_object_mut) {
        fields.remove(name);
    }
}

/// JSON merge patch (RFC 7396).
fn merge(target: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = Value::Object(Map::new());
    }
    let Value::Object(target) = target else { return };
    for (key, value) in patch {
        match value {
            Value::Null => {
                target.remove(key);
            }
            value => merge(target.entry(key.clone()).or_insert(Value::Null), value),
        }
    }
}
