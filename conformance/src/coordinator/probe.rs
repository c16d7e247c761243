//! What the checks do to a coordinator, in the API's own operations: jobs and factories of one prefix, each check with
//! an engine of its own, so that no claim of one can reach the job of another, or anybody else's.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};

use super::assertions::{
    GrantedLease, ProbeError, ProbeResult, ensure, ensure_authorized, lease, no_answer_error,
};
use super::http_client::{CoordinatorAnswer, CoordinatorClient};
use crate::driver::stop_signal::StopSignal;

/// Leases longer than this are not waited for.
const WAIT_LIMIT_MS: u64 = 10_000;

/// Restarts the coordinator and returns once it answers again, or says why it does not.
pub type RestartAction = Arc<dyn Fn() -> Result<(), String> + Send + Sync>;

/// What whoever has the checks made decides: which are made, when they end; who is called before a wait with its
/// milliseconds; and how the coordinator is restarted.
#[derive(Clone, Default)]
pub struct CheckRunControl {
    pub stop: StopSignal,
    /// The ids of the checks that are wanted; all where none is named.
    pub only: Vec<String>,
    pub waits: Option<Arc<dyn Fn(u64) + Send + Sync>>,
    /// How the coordinator is restarted; none where it is not to be.
    pub restart: Option<RestartAction>,
}

/// The hands of one check.
pub struct CoordinatorProbe {
    pub client: CoordinatorClient,
    control: CheckRunControl,
    /// Whether the check is over, and only its traces are still taken away.
    over: AtomicBool,
    /// The prefix of every id of this check, unlike those of any other.
    pub name: String,
    /// The leases that were granted, with the factory that holds each.
    granted: Mutex<Vec<(String, GrantedLease)>>,
}

impl CoordinatorProbe {
    pub fn new(client: &CoordinatorClient, name: String, control: CheckRunControl) -> CoordinatorProbe {
        CoordinatorProbe {
            client: client.clone(),
            control,
            over: AtomicBool::new(false),
            name,
            granted: Mutex::default(),
        }
    }

    pub fn id(&self, word: &str) -> String {
        format!("{}-{word}", self.name)
    }

    pub fn post(&self, path: &str, body: &Value) -> Result<CoordinatorAnswer, ProbeError> {
        self.not_interrupted()?;
        self.client.post(path, body).map_err(no_answer_error)
    }

    pub fn get(&self, path: &str) -> Result<CoordinatorAnswer, ProbeError> {
        self.not_interrupted()?;
        self.client.get(path).map_err(no_answer_error)
    }

    /// Asks, and demands this status.
    pub fn expect(&self, path: &str, body: &Value, status: u16) -> Result<CoordinatorAnswer, ProbeError> {
        let answer = self.post(path, body)?;
        ensure_authorized(&answer)?;
        answer.must_be(status, &format!("POST {path} {body}"))?;
        Ok(answer)
    }

    /// Submits a job that only this check's factories can be given.
    pub fn submit(&self, word: &str, more: &Value) -> Result<String, ProbeError> {
        self.expect("/v1/jobs", &self.job_named(word, more), 201)?;
        Ok(self.id(word))
    }

    /// A job that only this check's factories can be given.
    pub fn job_named(&self, word: &str, more: &Value) -> Value {
        let mut job = json!({"id": self.id(word), "engine": self.name, "body": "nothing is to be done"});
        if let (Some(job), Some(more)) = (job.as_object_mut(), more.as_object()) {
            job.extend(more.clone());
        }
        job
    }

    /// What a submit under this key is answered.
    pub fn submit_keyed(&self, job: &Value, key: &str) -> Result<CoordinatorAnswer, ProbeError> {
        self.post_keyed("/v1/jobs", key, job)
    }

    /// What a withdrawal under this key is answered, or under a fresh one.
    pub fn withdraw(&self, job: &str, key: Option<&str>) -> Result<CoordinatorAnswer, ProbeError> {
        let key = key.map_or_else(|| self.fresh_key(), ToOwned::to_owned);
        self.post_keyed(&format!("/v1/jobs/{job}/withdraw"), &key, &json!({}))
    }

    /// Withdraws what has to be possible to withdraw.
    pub fn withdrawn(&self, job: &str) -> ProbeResult {
        let answer = self.withdraw(job, None)?;
        ensure_authorized(&answer)?;
        answer.must_be(200, &format!("the withdrawal of {job}"))?;
        ensure(answer.body["stage"] == "withdrawn", || {
            format!("the withdrawal of {job} was answered {}", answer.body)
        })
    }

    fn post_keyed(&self, path: &str, key: &str, body: &Value) -> Result<CoordinatorAnswer, ProbeError> {
        self.not_interrupted()?;
        let answer = self.client.post_keyed(path, key, body);
        answer.map_err(no_answer_error)
    }

    /// Restarts the coordinator.
    pub fn restart(&self) -> ProbeResult {
        self.not_interrupted()?;
        let Some(restart) = &self.control.restart else {
            return Err(ProbeError::Inconclusive("nobody says how it is restarted".into()));
        };
        restart().map_err(|why| ProbeError::Inconclusive(format!("it could not be restarted: {why}")))
    }

    fn asks(&self, factory: &str, caps: &[&str]) -> Value {
        let mut all = vec![format!("engine:{}", self.name)];
        all.extend(caps.iter().map(|cap| (*cap).to_owned()));
        json!({"factoryId": self.id(factory), "caps": all})
    }

    /// What a claim is answered.
    pub fn claim_raw(
        &self,
        factory: &str,
        caps: &[&str],
        key: Option<&str>,
    ) -> Result<CoordinatorAnswer, ProbeError> {
        let body = self.asks(factory, caps);
        let key = key.map_or_else(|| self.fresh_key(), ToOwned::to_owned);
        let answer = self.post_keyed("/v1/claims", &key, &body)?;
        if let (200, Ok(lease)) = (answer.status, lease(&answer)) {
            let mut granted = self.granted.lock().unwrap_or_else(PoisonError::into_inner);
            granted.push((factory.to_owned(), lease));
        }
        Ok(answer)
    }

    /// Claims; `None` where nothing is to be had.
    pub fn claim(&self, factory: &str, caps: &[&str]) -> Result<Option<GrantedLease>, ProbeError> {
        let answer = self.claim_raw(factory, caps, None)?;
        ensure_authorized(&answer)?;
        match answer.status {
            204 => Ok(None),
            200 => lease(&answer).map(Some),
            other => Err(ProbeError::Violation(format!(
                "a claim was answered {other} {}",
                answer.body
            ))),
        }
    }

    /// Claims what must be there.
    pub fn claimed(&self, factory: &str, job: &str) -> Result<GrantedLease, ProbeError> {
        let lease = self.claim(factory, &[])?;
        match lease {
            Some(lease) if lease.job == job => Ok(lease),
            other => Err(ProbeError::Violation(format!(
                "a claim that has to be given {job} got {other:?}"
            ))),
        }
    }

    /// What a dry run names.
    pub fn dry_run(&self, factory: &str, caps: &[&str]) -> Result<Option<String>, ProbeError> {
        let mut body = self.asks(factory, caps);
        body["shadow"] = json!(1);
        let answer = self.post("/v1/shadow/claims", &body)?;
        ensure(matches!(answer.status, 200 | 204), || {
            format!("a dry run was answered {} {}", answer.status, answer.body)
        })?;
        ensure(answer.body["lease"].is_null(), || {
            "a dry run was given a lease".into()
        })?;
        ensure(answer.status == 204 || answer.body["dryRun"] == true, || {
            format!("a dry run was answered without `dryRun: true`: {}", answer.body)
        })?;
        Ok(answer.body["job"]["id"].as_str().map(ToOwned::to_owned))
    }

    pub fn shadow_report(
        &self,
        factory: &str,
        job: &str,
        stage: &str,
    ) -> Result<CoordinatorAnswer, ProbeError> {
        let at = format!("{:.3}", jiff::Timestamp::now());
        let body =
            json!({"factoryId": self.id(factory), "jobId": job, "stage": stage, "at": at, "shadow": 1});
        self.post("/v1/shadow/reports", &body)
    }

    /// `renew` or `release` of a lease.
    pub fn on_lease(
        &self,
        what: &str,
        factory: &str,
        lease: &GrantedLease,
    ) -> Result<CoordinatorAnswer, ProbeError> {
        let body = json!({"factoryId": self.id(factory), "fencingToken": lease.token});
        self.post(&format!("/v1/leases/{}/{what}", lease.id), &body)
    }

    pub fn report(
        &self,
        factory: &str,
        lease: &GrantedLease,
        stage: &str,
    ) -> Result<CoordinatorAnswer, ProbeError> {
        let at = format!("{:.3}", jiff::Timestamp::now());
        let body = json!({"factoryId": self.id(factory), "leaseId": lease.id, "fencingToken": lease.token,
            "stage": stage, "at": at});
        self.post(&format!("/v1/jobs/{}/reports", lease.job), &body)
    }

    pub fn quarantine(&self, factory: &str, lease: &GrantedLease) -> Result<CoordinatorAnswer, ProbeError> {
        let body = json!({"factoryId": self.id(factory), "leaseId": lease.id, "fencingToken": lease.token,
            "reason": "lease_lost", "detail": "a check of the coordinator"});
        self.post(&format!("/v1/jobs/{}/quarantine", lease.job), &body)
    }

    pub fn job(&self, id: &str) -> Result<Value, ProbeError> {
        let answer = self.get(&format!("/v1/jobs/{id}"))?;
        answer.must_be(200, &format!("job {id}"))?;
        Ok(answer.body)
    }

    /// The stage that a job has to be in.
    pub fn ensure_stage(&self, id: &str, stage: &str) -> ProbeResult {
        let job = self.job(id)?;
        ensure(job["stage"] == stage, || {
            format!("{id} is `{}`, not `{stage}`", job["stage"])
        })
    }

    /// Lets so much time pass: by the manual clock of a stub, else by waiting, within reason.
    pub fn advance_time(&self, ms: u64) -> ProbeResult {
        let moved = self
            .client
            .post("/_stub/clock", &json!({"advance": format!("{ms}ms")}));
        if moved.is_ok_and(|answer| answer.status == 200) {
            return Ok(());
        }
        if ms > WAIT_LIMIT_MS {
            return Err(ProbeError::Inconclusive(format!(
                "its leases last too long to be waited for ({ms} ms); give it leases of a few seconds"
            )));
        }
        if let Some(on_wait) = &self.control.waits {
            on_wait(ms);
        }
        let (sender, ended) = channel();
        let _listening = self.control.stop.listen(move || {
            let _ = sender.send(());
        });
        // Either the time passes, or it is ended.
        let _ = ended.recv_timeout(Duration::from_millis(ms));
        self.not_interrupted()
    }

    /// Nothing new is begun once an end is asked for; what is to be taken away still is.
    fn not_interrupted(&self) -> ProbeResult {
        match self.control.stop.is_asked() && !self.over.load(Ordering::Relaxed) {
            true => Err(ProbeError::Inconclusive("it was interrupted".into())),
            false => Ok(()),
        }
    }

    /// Takes what is left of this check's jobs out of the queue. What was final already stays, as history.
    pub fn clean_up(&self) {
        self.over.store(true, Ordering::Relaxed);
        let granted = std::mem::take(&mut *self.granted.lock().unwrap_or_else(PoisonError::into_inner));
        for (factory, lease) in granted {
            // What is not held any more can't be reported on, and need not be.
            let _ = self.report(&factory, &lease, "failed");
        }
        for _ in 0..64 {
            match self.claim("broom", &["gpu"]) {
                Ok(Some(lease)) => drop(self.report("broom", &lease, "failed")),
                _ => return,
            }
        }
    }

    fn fresh_key(&self) -> String {
        format!("{}-{}", self.name, nonce())
    }
}

/// A word that nobody else comes up with.
pub fn nonce() -> String {
    use std::hash::{BuildHasher, Hasher, RandomState};
    format!("{:016x}", RandomState::new().build_hasher().finish())
}
