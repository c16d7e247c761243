//! From a request to a command, one reader an operation.

use std::collections::BTreeSet;

use super::request_fields::{
    code, count, digits, flag, id, instant, list, one, reported_stage, stage, text, text_or_empty, whole,
};
use super::{BodyFields, BorrowedJson, QueryParameters};
use crate::contract::ids::{Capability, FactoryId, JobId, LeaseId, LockName};
use crate::contract::operation::Operation;
use crate::contract::problem::Problem;
use crate::coordinator::commands::{
    CoordinatorCommand, EnrolmentRequest, JobNaming, JobSubmission, QuarantineRequest,
};
use crate::coordinator::job::JobSpec;
use crate::coordinator::lease::LeaseHolder;

const MOST_CAPS: usize = 256;
const MOST_RUNNING: usize = 1_024;
const LONGEST_TEXT: usize = 65_536;
/// The longest that a claim waits, whatever it asks for.
const LONGEST_WAIT_MS: u64 = 30_000;

/// Reads the command of an operation out of its path, its query and what its body says. `bearer` is the caller's token.
///
/// Health and the document are no commands; they give none.
pub(crate) fn read_command(
    operation: Operation,
    path_id: Option<&str>,
    query: QueryParameters,
    said: Result<BorrowedJson<'_>, serde_json::Error>,
    bearer: Option<&str>,
    strict: bool,
) -> Result<Option<CoordinatorCommand>, Problem> {
    if !operation.takes_body() {
        return read_query(operation, path_id, query, strict);
    }
    let mut fields = BodyFields::read(said)?;
    let fields_mut = &mut fields;
    let command = match operation {
        Operation::JobSubmit => submission(fields_mut)?,
        Operation::FactoryEnrol => enrolment(fields_mut, bearer)?,
        Operation::FactoryHeartbeat => heartbeat(fields_mut, path(path_id, FactoryId::parse)?, strict)?,
        Operation::Claim => {
            let (factory, caps) = asking(fields_mut)?;
            fields_mut.optional("waitMs", count(0))?;
            CoordinatorCommand::Claim { factory, caps }
        }
        Operation::LeaseRenew => {
            CoordinatorCommand::Renew(holder(fields_mut, path(path_id, LeaseId::parse)?)?)
        }
        Operation::LeaseRelease => {
            CoordinatorCommand::Release(holder(fields_mut, path(path_id, LeaseId::parse)?)?)
        }
        Operation::JobReport => report(fields_mut, path(path_id, JobId::parse)?)?,
        Operation::JobQuarantine => quarantine(fields_mut, path(path_id, JobId::parse)?)?,
        Operation::JobWithdraw => CoordinatorCommand::Withdraw(path(path_id, JobId::parse)?),
        Operation::ShadowClaim => {
            let (factory, caps) = asking(fields_mut)?;
            fields_mut.required("shadow", one)?;
            CoordinatorCommand::ShadowClaim { factory, caps }
        }
        Operation::ShadowReport => shadow_report(fields_mut)?,
        Operation::JobList | Operation::JobGet | Operation::Health | Operation::Openapi => return Ok(None),
    };
    fields.none_left(strict)?;
    Ok(Some(command))
}

/// How long a claim is willing to wait; what is no such time is refused when the claim is read.
pub(crate) fn claim_wait_ms(said: &BorrowedJson<'_>) -> u64 {
    said.field("waitMs")
        .and_then(|value| count(0)("waitMs", value.clone()).ok())
        .unwrap_or(0)
        .min(LONGEST_WAIT_MS)
}

fn read_query(
    operation: Operation,
    path_id: Option<&str>,
    mut query: QueryParameters,
    strict: bool,
) -> Result<Option<CoordinatorCommand>, Problem> {
    let command = match operation {
        Operation::JobGet => Some(CoordinatorCommand::Get(path(path_id, JobId::parse)?)),
        Operation::JobList => {
            let stage = query.optional("stage", stage)?;
            let limit = query.optional("limit", digits(1, 1_000))?.unwrap_or(100);
            let after = query
                .optional("cursor", digits(0, 9_999_999_999_999_999_999))?
                .unwrap_or(0);
            Some(CoordinatorCommand::List {
                stage,
                limit: usize::try_from(limit).unwrap_or(100),
                after,
            })
        }
        _ => None,
    };
    query.none_left(strict)?;
    Ok(command)
}

fn path<T>(
    id: Option<&str>,
    parse: impl Fn(&str) -> Result<T, crate::contract::ids::InvalidId>,
) -> Result<T, Problem> {
    parse(id.unwrap_or_default()).map_err(|error| Problem::new("invalid_id", error.to_string()).on("id"))
}

fn submission(fields: &mut BodyFields<'_>) -> Result<CoordinatorCommand, Problem> {
    let name = fields.optional("id", id(JobId::parse))?;
    let naming = if name.is_some() {
        JobNaming::BySubmitter
    } else {
        JobNaming::ByCoordinator
    };
    let unnamed = || JobId::parse("unnamed").expect("the word is an id");
    let spec = JobSpec {
        id: name.unwrap_or_else(unnamed),
        engine: fields.required("engine", engine)?,
        cwd: fields.optional("cwd", text(4_096))?,
        yolo: fields.optional("yolo", flag)?.unwrap_or(false),
        lock: fields.optional("lock", id(LockName::parse))?,
        timeout_ms: fields.optional("timeoutMs", count(1))?,
        idle_timeout_ms: fields.optional("idleTimeoutMs", count(1))?,
        priority: whole_i32(fields.optional("priority", whole(i32::MIN.into(), i32::MAX.into()))?),
        caps: fields
            .optional("caps", list(MOST_CAPS, id(Capability::parse)))?
            .unwrap_or_default(),
        verify: fields.optional("verify", text(LONGEST_TEXT))?,
        review: fields.optional("review", flag)?.unwrap_or(false),
        ship: fields.optional("ship", text(LONGEST_TEXT))?,
        retries: whole_i32(fields.optional("retries", whole(0, i32::MAX.into()))?).unsigned_abs(),
        body: fields.required("body", text(usize::MAX))?,
    };
    Ok(CoordinatorCommand::Submit(JobSubmission { spec, naming }))
}

fn whole_i32(number: Option<i64>) -> i32 {
    number.and_then(|number| i32::try_from(number).ok()).unwrap_or(0)
}

/// An engine's name, short enough that `engine:NAME` is a capability.
fn engine(name: &'static str, value: BorrowedJson<'_>) -> Result<String, Problem> {
    let engine = id(Capability::parse)(name, value)?;
    if engine.as_str().len() > 120 {
        return Err(Problem::new("invalid_id", "`engine` is longer than 120 characters").on(name));
    }
    Ok(engine.to_string())
}

fn enrolment(fields: &mut BodyFields<'_>, bearer: Option<&str>) -> Result<CoordinatorCommand, Problem> {
    Ok(CoordinatorCommand::Enrol(EnrolmentRequest {
        factory: fields.required("factoryId", id(FactoryId::parse))?,
        caps: fields.required("caps", list(MOST_CAPS, id(Capability::parse)))?,
        enrol_token: fields.optional("enrolToken", text(1_024))?,
        bearer: bearer.map(str::to_owned),
        version: fields.required("version", text(128))?,
    }))
}

fn heartbeat(
    fields: &mut BodyFields<'_>,
    factory: FactoryId,
    strict: bool,
) -> Result<CoordinatorCommand, Problem> {
    let pair = |_: &'static str, value: BorrowedJson<'_>| {
        let mut fields = BodyFields::of(value)?;
        let pair = (
            fields.required("jobId", id(JobId::parse))?,
            fields.required("leaseId", id(LeaseId::parse))?,
        );
        fields.none_left(strict)?;
        Ok(pair)
    };
    let running = fields.required("running", list(MOST_RUNNING, pair))?;
    Ok(CoordinatorCommand::Heartbeat { factory, running })
}

fn asking(fields: &mut BodyFields<'_>) -> Result<(FactoryId, BTreeSet<Capability>), Problem> {
    let factory = fields.required("factoryId", id(FactoryId::parse))?;
    let caps = fields.required("caps", list(MOST_CAPS, id(Capability::parse)))?;
    Ok((factory, caps.into_iter().collect()))
}

fn holder(fields: &mut BodyFields<'_>, lease: LeaseId) -> Result<LeaseHolder, Problem> {
    Ok(LeaseHolder {
        factory: fields.required("factoryId", id(FactoryId::parse))?,
        lease,
        fencing_token: fields.required("fencingToken", count(1))?,
    })
}

fn report(fields: &mut BodyFields<'_>, job: JobId) -> Result<CoordinatorCommand, Problem> {
    let factory = fields.required("factoryId", id(FactoryId::parse))?;
    let lease = fields.required("leaseId", id(LeaseId::parse))?;
    let fencing_token = fields.required("fencingToken", count(1))?;
    let stage = fields.required("stage", reported_stage)?;
    fields.required("at", instant)?;
    fields.optional("reason", code)?;
    fields.optional("detail", text_or_empty(LONGEST_TEXT))?;
    Ok(CoordinatorCommand::Report {
        job,
        holder: LeaseHolder {
            factory,
            lease,
            fencing_token,
        },
        stage,
    })
}

fn quarantine(fields: &mut BodyFields<'_>, job: JobId) -> Result<CoordinatorCommand, Problem> {
    let quarantine = QuarantineRequest {
        factory: fields.required("factoryId", id(FactoryId::parse))?,
        lease: fields.optional("leaseId", id(LeaseId::parse))?,
        fencing_token: fields.optional("fencingToken", count(1))?,
        reason: fields.required("reason", code)?,
        detail: fields.optional("detail", text_or_empty(LONGEST_TEXT))?,
    };
    Ok(CoordinatorCommand::Quarantine { job, quarantine })
}

fn shadow_report(fields: &mut BodyFields<'_>) -> Result<CoordinatorCommand, Problem> {
    let factory = fields.required("factoryId", id(FactoryId::parse))?;
    let job = fields.required("jobId", id(JobId::parse))?;
    let stage = fields.required("stage", reported_stage)?;
    fields.required("at", instant)?;
    fields.required("shadow", one)?;
    Ok(CoordinatorCommand::ShadowReport { factory, job, stage })
}
