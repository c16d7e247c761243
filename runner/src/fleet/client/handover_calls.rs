//! The calls that hand jobs over and take them back. Nobody follows how these fare: a person made them, and is told.

use reqwest::Method;

use super::answer_parsing::shaped;
use super::http_exchange::send;
use super::{CoordinatorClient, KEY, wrong_shape};
use crate::fleet::call_failure::{CallFailure, shown};
use crate::fleet::wire::{JobAnswer, StageAnswer, SubmitAnswer, WireJob, stage_of_wire_name};
use crate::ids::JobId;
use crate::stage::Stage;

/// What the coordinator calls the stage of a job that was given back.
const WITHDRAWN: &str = "withdrawn";

/// A job as the coordinator has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CoordinatorJob {
    pub(crate) job: WireJob,
    /// None: it was withdrawn.
    pub(crate) stage: Option<Stage>,
}

impl CoordinatorClient {
    pub(crate) async fn submit(&self, job: &WireJob, key: &str) -> Result<(), CallFailure> {
        let request = self.post(&["v1", "jobs"], job)?.header(KEY, key);
        let answer: SubmitAnswer = shaped(send(request, &[201]).await?.json()?)?;
        match answer.id == job.id {
            true => Ok(()),
            false => Err(wrong_shape("the answer is about another job")),
        }
    }

    pub(crate) async fn job(&self, id: &JobId) -> Result<CoordinatorJob, CallFailure> {
        let request = self.authorized(Method::GET, self.url(&["v1", "jobs", id.as_str()])?)?;
        let answer: JobAnswer = shaped(send(request, &[200]).await?.json()?)?;
        if answer.job.id != id.as_str() {
            return Err(wrong_shape("the answer is about another job"));
        }
        let stage = match answer.stage.as_str() {
            WITHDRAWN => None,
            name => Some(stage_of_wire_name(name).ok_or_else(|| no_stage(name))?),
        };
        Ok(CoordinatorJob {
            job: answer.job,
            stage,
        })
    }

    /// Takes a job out of the coordinator's queue for good.
    pub(crate) async fn withdraw(&self, id: &JobId, key: &str) -> Result<(), CallFailure> {
        let path = ["v1", "jobs", id.as_str(), "withdraw"];
        let request = self.post(&path, &serde_json::json!({}))?.header(KEY, key);
        let answer: StageAnswer = shaped(send(request, &[200]).await?.json()?)?;
        match answer.stage.as_str() {
            WITHDRAWN => Ok(()),
            other => Err(no_stage(other)),
        }
    }
}

fn no_stage(name: &str) -> CallFailure {
    wrong_shape(&format!("the answer's stage is `{}`", shown(name)))
}
