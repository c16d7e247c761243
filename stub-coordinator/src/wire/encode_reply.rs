//! From a reply to an answer: status and JSON body, written in one go without a tree of values in between.

use serde::Serialize;
use serde_json::Value;

use crate::contract::ids::{Capability, FactoryId, JobId, LeaseId, LockName};
use crate::contract::scope::Scope;
use crate::contract::stage::Stage;
use crate::contract::timestamp::UtcTimestamp;
use crate::coordinator::commands::CommandReply;
use crate::coordinator::job::{JobRecord, QuarantineRecord};
use crate::coordinator::lease::Lease;

/// What most answers fit in, so that writing one seldom moves it.
const USUAL_LENGTH: usize = 512;

/// The status of a reply and its JSON body; 204 has none.
pub(crate) fn encode(reply: &CommandReply) -> (u16, Option<Vec<u8>>) {
    (status(reply), content(reply))
}

fn status(reply: &CommandReply) -> u16 {
    match reply {
        CommandReply::Submitted(_) | CommandReply::Enrolled { .. } => 201,
        CommandReply::Reported(_) | CommandReply::Recorded(_) | CommandReply::Mirrored { .. } => 202,
        CommandReply::Nothing => 204,
        CommandReply::Noted { .. }
        | CommandReply::Granted { .. }
        | CommandReply::Renewed(_)
        | CommandReply::Released(_)
        | CommandReply::Withdrawn { .. }
        | CommandReply::WouldGrant { .. }
        | CommandReply::Jobs { .. }
        | CommandReply::Job(_) => 200,
    }
}

/// A job as the API shows it.
pub(crate) fn job_value(job: &JobRecord) -> Value {
    serde_json::to_value(JobBody::of(job)).expect("a job holds strings, numbers and lists alone")
}

fn content(reply: &CommandReply) -> Option<Vec<u8>> {
    let answer = match reply {
        CommandReply::Submitted(job) | CommandReply::Job(job) => ReplyBody::Job(JobBody::of(job)),
        CommandReply::Enrolled {
            factory,
            token,
            scopes,
            heartbeat_ms,
        } => ReplyBody::Enrolment {
            factory_id: factory,
            token,
            scopes,
            heartbeat_ms: *heartbeat_ms,
        },
        CommandReply::Noted { server_time } => ReplyBody::Heartbeat {
            server_time: *server_time,
        },
        CommandReply::Granted { job, lease } => ReplyBody::Claim {
            job: JobBody::of(job),
            lease: LeaseBody::of(lease),
        },
        CommandReply::Nothing => return None,
        CommandReply::Renewed(lease) => ReplyBody::Renewal {
            lease: LeaseBody::of(lease),
        },
        CommandReply::Released(stage) | CommandReply::Reported(stage) => ReplyBody::Stage { stage: *stage },
        CommandReply::Withdrawn { .. } => ReplyBody::Stage {
            stage: Stage::Withdrawn,
        },
        CommandReply::Recorded(stage) => ReplyBody::Recorded {
            stage: *stage,
            recorded: true,
        },
        CommandReply::WouldGrant { job, lease } => ReplyBody::ShadowClaim {
            dry_run: true,
            job: JobBody::of(job),
            lease: lease.as_ref().map(LeaseBody::of),
        },
        CommandReply::Mirrored {
            accepted,
            stage,
            real_stage,
        } => ReplyBody::ShadowReport {
            shadow: 1,
            accepted: *accepted,
            stage: *stage,
            real_stage: *real_stage,
        },
        CommandReply::Jobs { jobs, next } => ReplyBody::JobList {
            jobs: jobs.iter().map(JobBody::of).collect(),
            next_cursor: next.map(|next| next.to_string()),
        },
    };
    let mut bytes = Vec::with_capacity(USUAL_LENGTH);
    serde_json::to_writer(&mut bytes, &answer).expect("answers hold strings, numbers and lists alone");
    Some(bytes)
}

/// The body of an answer, by what was asked.
#[derive(Serialize)]
#[serde(untagged, rename_all_fields = "camelCase")]
enum ReplyBody<'a> {
    Job(JobBody<'a>),
    Enrolment {
        factory_id: &'a FactoryId,
        token: &'a str,
        scopes: &'a [Scope],
        heartbeat_ms: u64,
    },
    Heartbeat {
        server_time: UtcTimestamp,
    },
    Claim {
        job: JobBody<'a>,
        lease: LeaseBody<'a>,
    },
    Renewal {
        lease: LeaseBody<'a>,
    },
    Stage {
        stage: Stage,
    },
    Recorded {
        stage: Stage,
        recorded: bool,
    },
    ShadowClaim {
        dry_run: bool,
        job: JobBody<'a>,
        #[serde(skip_serializing_if = "Option::is_none")]
        lease: Option<LeaseBody<'a>>,
    },
    ShadowReport {
        shadow: u8,
        accepted: bool,
        stage: Stage,
        real_stage: Stage,
    },
    JobList {
        jobs: Vec<JobBody<'a>>,
        #[serde(skip_serializing_if = "Option::is_none")]
        next_cursor: Option<String>,
    },
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct JobBody<'a> {
    id: &'a JobId,
    engine: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    cwd: Option<&'a str>,
    yolo: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    lock: Option<&'a LockName>,
    #[serde(skip_serializing_if = "Option::is_none")]
    timeout_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    idle_timeout_ms: Option<u64>,
    priority: i32,
    caps: &'a [Capability],
    #[serde(skip_serializing_if = "Option::is_none")]
    verify: Option<&'a str>,
    review: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    ship: Option<&'a str>,
    retries: u32,
    body: &'a str,
    stage: Stage,
    submitted_at: UtcTimestamp,
    attempts: u32,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    quarantines: Vec<QuarantineBody<'a>>,
}

impl<'a> JobBody<'a> {
    fn of(job: &'a JobRecord) -> JobBody<'a> {
        let spec = &*job.spec;
        JobBody {
            id: &spec.id,
            engine: &spec.engine,
            cwd: spec.cwd.as_deref(),
            yolo: spec.yolo,
            lock: spec.lock.as_ref(),
            timeout_ms: spec.timeout_ms,
            idle_timeout_ms: spec.idle_timeout_ms,
            priority: spec.priority,
            caps: &spec.caps,
            verify: spec.verify.as_deref(),
            review: spec.review,
            ship: spec.ship.as_deref(),
            retries: spec.retries,
            body: &spec.body,
            stage: job.stage,
            submitted_at: job.submitted_at,
            attempts: job.attempts,
            quarantines: job.quarantines.iter().map(QuarantineBody::of).collect(),
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct QuarantineBody<'a> {
    factory_id: &'a FactoryId,
    #[serde(skip_serializing_if = "Option::is_none")]
    lease_id: Option<&'a LeaseId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    fencing_token: Option<u64>,
    reason: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<&'a str>,
    at: UtcTimestamp,
    current: bool,
}

impl<'a> QuarantineBody<'a> {
    fn of(record: &'a QuarantineRecord) -> QuarantineBody<'a> {
        QuarantineBody {
            factory_id: &record.factory,
            lease_id: record.lease.as_ref(),
            fencing_token: record.fencing_token,
            reason: &record.reason,
            detail: record.detail.as_deref(),
            at: record.at,
            current: record.current,
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct LeaseBody<'a> {
    id: LeaseId,
    job_id: &'a JobId,
    factory_id: &'a FactoryId,
    fencing_token: u64,
    ttl_ms: u64,
    expires_at: UtcTimestamp,
}

impl<'a> LeaseBody<'a> {
    fn of(lease: &'a Lease) -> LeaseBody<'a> {
        LeaseBody {
            id: lease.number.id(),
            job_id: &lease.job,
            factory_id: &lease.factory,
            fencing_token: lease.fencing_token,
            ttl_ms: lease.ttl_ms,
            expires_at: lease.expires_at,
        }
    }
}
