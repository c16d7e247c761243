//! A coordinator that keeps jobs, for the tests of those who hand them over.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use crate::coordinator::Coordinator;

/// What it has, and what goes wrong with it.
#[derive(Default)]
pub struct KeptJobs {
    /// Stage and job, by id.
    pub jobs: BTreeMap<String, (String, Value)>,
    /// Operations whose answer is lost: the work is done.
    pub lost: BTreeSet<&'static str>,
    /// Operations that are refused with this status and code.
    pub refused: BTreeMap<&'static str, (u16, &'static str)>,
    /// The requests that change something, each with its key.
    pub requests: Vec<(String, String)>,
    answers: BTreeMap<String, (u16, Value)>,
}

impl KeptJobs {
    pub fn stage(&self, id: &str) -> &str {
        self.jobs.get(id).map_or("unknown", |(stage, _)| stage)
    }

    pub fn set_stage(&mut self, id: &str, stage: &str) {
        self.jobs.get_mut(id).unwrap().0 = stage.to_owned();
    }

    /// The keys of the requests of one operation on a job.
    pub fn keys(&self, request: &str) -> Vec<&str> {
        let of = self.requests.iter().filter(|(what, _)| what == request);
        of.map(|(_, key)| key.as_str()).collect()
    }

    fn answer(&mut self, path: &str, body: &Value) -> Option<(u16, Value)> {
        let parts: Vec<&str> = path.trim_start_matches("/v1/").split('/').collect();
        match parts.as_slice() {
            ["jobs?limit=1"] => Some((200, json!({"jobs": []}))),
            ["jobs"] => Some(self.change("submit", body["id"].as_str()?, body)),
            ["jobs", id, "withdraw"] => Some(self.change("withdraw", id, body)),
            ["jobs", id] => Some(match (self.refused.get("get"), self.jobs.get(*id)) {
                (Some((status, code)), _) => problem(*status, code),
                (None, None) => problem(404, "unknown_job"),
                (None, Some((stage, job))) => {
                    let mut job = job.clone();
                    job["stage"] = stage.as_str().into();
                    (200, job)
                }
            }),
            _ => None,
        }
    }

    fn change(&mut self, operation: &'static str, id: &str, body: &Value) -> (u16, Value) {
        let key = body["key"].as_str().unwrap().to_owned();
        self.requests.push((format!("{operation} {id}"), key.clone()));
        if let Some((status, code)) = self.refused.get(operation) {
            return problem(*status, code);
        }
        let answer = match self.answers.get(&key) {
            Some(known) => known.clone(),
            None => self.carry_out(operation, id, body),
        };
        self.answers.insert(key, answer.clone());
        match self.lost.contains(operation) {
            true => (500, Value::Null),
            false => answer,
        }
    }

    fn carry_out(&mut self, operation: &str, id: &str, body: &Value) -> (u16, Value) {
        match (operation, self.stage(id)) {
            ("submit", "unknown" | "withdrawn") => {
                let mut job = body.clone();
                job.as_object_mut().unwrap().remove("key");
                self.jobs
                    .insert(id.to_owned(), (String::from("queued"), job.clone()));
                (201, job)
            }
            ("submit", _) => problem(409, "job_exists"),
            (_, "unknown") => problem(404, "unknown_job"),
            (_, "queued" | "withdrawn") => {
                self.set_stage(id, "withdrawn");
                (200, json!({"stage": "withdrawn"}))
            }
            (_, "building" | "testing" | "review") => problem(409, "leased"),
            _ => problem(409, "final"),
        }
    }
}

fn problem(status: u16, code: &str) -> (u16, Value) {
    (status, json!({"code": code, "title": code}))
}

pub struct HandingCoordinator {
    pub coordinator: Coordinator,
    pub kept: Arc<Mutex<KeptJobs>>,
}

impl HandingCoordinator {
    /// `assigned`: the job that it hands out to the first claim.
    pub fn start(assigned: Value) -> HandingCoordinator {
        let kept = Arc::new(Mutex::new(KeptJobs::default()));
        let theirs = Arc::clone(&kept);
        let coordinator = Coordinator::with(assigned, move |path, body| {
            theirs.lock().unwrap().answer(path, body)
        });
        HandingCoordinator { coordinator, kept }
    }

    pub fn kept(&self) -> std::sync::MutexGuard<'_, KeptJobs> {
        self.kept.lock().unwrap()
    }
}
