//! The calls that the runner makes, one function an operation, each with a typed answer or a [`CallFailure`].
//!
//! It neither retries nor waits for anything but one answer, and knows nothing of jobs' files. Every call has a
//! time limit; redirects are not followed and proxies not used, so that the token goes to the configured origin
//! alone (clause S-12).

mod answer_parsing;
mod handover_calls;
mod http_exchange;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use reqwest::header::{AUTHORIZATION, CONTENT_TYPE};
use reqwest::{Method, RequestBuilder, Url};
use serde_json::Value;

pub(crate) use answer_parsing::{
    DryRunAnswer, FleetClaim, OfferedJob, ShadowOffer, ShadowReportOutcome, UnrequestedLease,
};

use super::call_failure::{CallFailure, FailureKind, shown};
use super::coordinator_health::ApiOperation;
use super::health_reporter::HealthReporter;
use super::wire::{self, ClaimRequest, LeaseHolder, QuarantineRequest, ReportRequest};
pub(crate) use crate::ids::LeaseProof;
use crate::ids::{Capability, FactoryId, JobId, random_hex};
use crate::job_reason::{JobReason, ReasonCode};
use crate::settings::{BearerToken, Settings};
use crate::stage::Stage;
use answer_parsing::{offer, shaped, unknown_members};
pub(crate) use handover_calls::CoordinatorJob;
use http_exchange::{HttpAnswer, authorization, send};

/// The header of a request that takes effect once.
const KEY: &str = "Idempotency-Key";
/// What is wrong with a lease whose `ttlMs` can't be read.
pub(crate) const NO_TIME: &str = "ttlMs is no whole number of milliseconds";

/// Why no client could be made; the settings are to be mended.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ClientError {
    #[error("no coordinator is named: set AQ_FLEET_URL")]
    NoUrl,
    #[error("AQ_FLEET_CA holds no certificate that can be used: give a PEM file")]
    Certificates(#[source] reqwest::Error),
    #[error("AQ_FLEET_CA holds no certificate: give a PEM file")]
    NoCertificate,
    #[error("can't start the thread that calls the coordinator: is a limit on processes reached?")]
    Thread(#[source] std::io::Error),
    #[error("can't prepare https to the coordinator: are the system's CA certificates installed?")]
    Build(#[source] reqwest::Error),
}

/// A connection to the coordinator, made when the first call needs it.
#[derive(Debug, Clone)]
pub(crate) struct CoordinatorClient {
    http: reqwest::Client,
    base: Url,
    token: Option<BearerToken>,
    factory: FactoryId,
    limit: Duration,
    /// Gets how each call fared but for claims: whether the answer to a claim can be used is known in `job_claimer`
    /// alone.
    health: HealthReporter,
}

impl CoordinatorClient {
    /// Building costs milliseconds with https: callers make one when they first need it, and keep it.
    pub(crate) fn new(settings: &Settings) -> Result<CoordinatorClient, ClientError> {
        let url = settings.fleet.url.as_ref().ok_or(ClientError::NoUrl)?;
        let base = url.value.clone();
        let http = http_exchange::build(base.scheme(), &settings.fleet.authorities)?;
        Ok(CoordinatorClient {
            http,
            base,
            token: settings.fleet.token.as_ref().map(|token| token.value.clone()),
            factory: settings.factory_id.value.clone(),
            limit: settings.fleet.timeout.value,
            health: HealthReporter::default(),
        })
    }

    pub(crate) fn reporting_to(self, health: &HealthReporter) -> CoordinatorClient {
        let health = health.clone();
        CoordinatorClient { health, ..self }
    }

    pub(crate) fn health_reporter(&self) -> &HealthReporter {
        &self.health
    }

    /// Asks what the coordinator would assign now, without a lease. The request holds nothing of the local decision.
    pub(crate) async fn shadow_claim(&self, caps: &[Capability]) -> Result<DryRunAnswer, CallFailure> {
        self.noted(ApiOperation::ShadowClaim, async {
            let body = wire::ShadowClaimRequest {
                factory_id: self.factory.as_str().to_owned(),
                caps: capability_names(caps),
                shadow: wire::SHADOW,
            };
            let request = self.post(&["v1", "shadow", "claims"], &body)?;
            let answer = send(request, &[200, 204]).await?;
            Ok(DryRunAnswer {
                offer: match answer.status {
                    204 => ShadowOffer::Nothing,
                    _ => offer(answer.json()?)?,
                },
                policy: answer.policy,
            })
        })
        .await
    }

    pub(crate) async fn shadow_report(
        &self,
        job: &JobId,
        stage: Stage,
    ) -> Result<ShadowReportOutcome, CallFailure> {
        self.noted(ApiOperation::ShadowReport, async {
            let body = wire::ShadowReportRequest {
                factory_id: self.factory.as_str().to_owned(),
                job_id: job.to_string(),
                stage: stage.wire_name().to_owned(),
                at: wire::instant(jiff::Timestamp::now()),
                shadow: wire::SHADOW,
            };
            let request = self.post(&["v1", "shadow", "reports"], &body)?;
            match send(request, &[202]).await {
                Ok(answer) => {
                    let value = answer.json()?;
                    let mut unknown = unknown_members(&value);
                    unknown.extend(answer.asks_to_wait.then(|| String::from("Retry-After")));
                    let read: wire::ShadowReportAnswer = shaped(value)?;
                    Ok(ShadowReportOutcome::Noted {
                        accepted: read.accepted,
                        stage: shown(&read.stage),
                        unknown,
                    })
                }
                Err(failure) if failure.status() == Some(404) => Ok(ShadowReportOutcome::UnknownJob),
                Err(failure) => Err(failure),
            }
        })
        .await
    }

    /// A claim that may wait `wait` for work at the coordinator's; the limit of the call is longer by that.
    pub(crate) async fn claim(
        &self,
        caps: &[Capability],
        wait: Option<Duration>,
        key: &str,
    ) -> Result<FleetClaim, CallFailure> {
        let wait_ms = wait.map(millis);
        let body = ClaimRequest {
            factory_id: self.factory.as_str().to_owned(),
            caps: capability_names(caps),
            wait_ms,
        };
        let request = self.post(&["v1", "claims"], &body)?.header(KEY, key);
        let limit = self.limit + wait.unwrap_or_default();
        match send(request.timeout(limit), &[200, 204]).await? {
            HttpAnswer { status: 204, .. } => Ok(FleetClaim::Nothing),
            answer => Ok(FleetClaim::Job(Box::new(shaped(answer.json()?)?))),
        }
    }

    /// Renews a lease and returns its time to live. `limit` bounds the call where it is shorter than that of every
    /// call (clause T-2).
    pub(crate) async fn renew(&self, proof: &LeaseProof, limit: Duration) -> Result<Duration, CallFailure> {
        self.noted(ApiOperation::Renew, async {
            let path = ["v1", "leases", proof.lease.as_str(), "renew"];
            let request = self.post(&path, &self.holder(proof))?;
            let answer = send(request.timeout(self.limit.min(limit)), &[200]).await?;
            let answer: wire::RenewAnswer = shaped(answer.json()?)?;
            let same =
                answer.lease.id == proof.lease.as_str() && answer.lease.fencing_token == proof.fencing_token;
            match (same, answer.lease.ttl()) {
                (true, Some(ttl)) => Ok(ttl),
                (true, None) => Err(wrong_shape(NO_TIME)),
                (false, _) => Err(wrong_shape("the renewal is of another lease")),
            }
        })
        .await
    }

    pub(crate) async fn release(&self, proof: &LeaseProof, key: &str) -> Result<(), CallFailure> {
        self.noted(ApiOperation::Release, async {
            let path = ["v1", "leases", proof.lease.as_str(), "release"];
            let request = self.post(&path, &self.holder(proof))?;
            send(request.header(KEY, key), &[200]).await.map(drop)
        })
        .await
    }

    pub(crate) async fn report(
        &self,
        job: &JobId,
        proof: &LeaseProof,
        report: &StageReport,
        key: &str,
    ) -> Result<Stage, CallFailure> {
        self.noted(ApiOperation::Report, async {
            let body = ReportRequest {
                factory_id: self.factory.as_str().to_owned(),
                lease_id: proof.lease.to_string(),
                fencing_token: proof.fencing_token,
                stage: report.stage.wire_name().to_owned(),
                at: report.at.clone(),
                reason: report.reason.as_ref().map(|reason| reason.code.clone()),
                detail: report.reason.as_ref().and_then(|reason| reason.detail.clone()),
            };
            let request = self.post(&["v1", "jobs", job.as_str(), "reports"], &body)?;
            let answer = send(request.header(KEY, key), &[202]).await?;
            let answer: wire::StageAnswer = shaped(answer.json()?)?;
            wire::stage_of_wire_name(&answer.stage).ok_or_else(|| wrong_shape("the answer's stage is none"))
        })
        .await
    }

    pub(crate) async fn quarantine(
        &self,
        job: &JobId,
        proof: Option<&LeaseProof>,
        reason: Option<&JobReason>,
        key: &str,
    ) -> Result<(), CallFailure> {
        self.noted(ApiOperation::Quarantine, async {
            let body = QuarantineRequest {
                factory_id: self.factory.as_str().to_owned(),
                lease_id: proof.map(|proof| proof.lease.to_string()),
                fencing_token: proof.map(|proof| proof.fencing_token),
                // The API wants one; what an earlier version left in the outbox has none.
                reason: reason.map_or(ReasonCode::LeaseLost, |reason| reason.code.clone()),
                detail: reason.and_then(|reason| reason.detail.clone()),
            };
            let request = self.post(&["v1", "jobs", job.as_str(), "quarantine"], &body)?;
            send(request.header(KEY, key), &[202]).await.map(drop)
        })
        .await
    }

    /// Whether the coordinator answers at all, and what time it is there; needs no token and sends none.
    pub(crate) async fn health(&self) -> Result<Option<jiff::Timestamp>, CallFailure> {
        let url = self.url(&["v1", "health"])?;
        let answered = send(self.http.get(url).timeout(self.limit), &[200]).await?;
        let answer: wire::HealthAnswer = shaped(answered.json()?)?;
        match answer.status.as_str() {
            "ok" => Ok(answered.date),
            other => Err(wrong_shape(&format!("status `{other}`"))),
        }
    }

    /// Reads one job, which any token may do: shows whether the token is taken.
    pub(crate) async fn check_token(&self) -> Result<(), CallFailure> {
        let mut url = self.url(&["v1", "jobs"])?;
        url.set_query(Some("limit=1"));
        let request = self.authorized(Method::GET, url)?;
        match send(request, &[200]).await?.json()?.get("jobs") {
            Some(Value::Array(_)) => Ok(()),
            _ => Err(wrong_shape("there is no list of jobs")),
        }
    }

    /// What the token may do. None where there is none, or the coordinator does not tell.
    pub(crate) async fn token_scopes(&self) -> Result<Option<Vec<String>>, CallFailure> {
        if self.token.is_none() {
            return Ok(None);
        }
        let request = self.authorized(Method::GET, self.url(&["v1", "health"])?)?;
        let answer: wire::HealthAnswer = shaped(send(request, &[200]).await?.json()?)?;
        Ok(answer.scopes)
    }

    fn holder(&self, proof: &LeaseProof) -> LeaseHolder {
        LeaseHolder {
            factory_id: self.factory.as_str().to_owned(),
            fencing_token: proof.fencing_token,
        }
    }

    async fn noted<T>(
        &self,
        operation: ApiOperation,
        call: impl Future<Output = Result<T, CallFailure>>,
    ) -> Result<T, CallFailure> {
        let outcome = call.await;
        self.health.ended(operation, outcome.as_ref().err());
        outcome
    }

    fn post(&self, path: &[&str], body: &impl serde::Serialize) -> Result<RequestBuilder, CallFailure> {
        let bytes = serde_json::to_vec(body).map_err(|error| wrong_shape(&error.to_string()))?;
        let request = self.authorized(Method::POST, self.url(path)?)?;
        Ok(request.header(CONTENT_TYPE, "application/json").body(bytes))
    }

    /// With the limit of every call; a later one replaces it.
    fn authorized(&self, method: Method, url: Url) -> Result<RequestBuilder, CallFailure> {
        let request = self.http.request(method, url).timeout(self.limit);
        Ok(match &self.token {
            Some(token) => request.header(AUTHORIZATION, authorization(token)?),
            None => request,
        })
    }

    fn url(&self, path: &[&str]) -> Result<Url, CallFailure> {
        let mut url = self.base.clone();
        let no_path = |()| CallFailure::indefinite(FailureKind::ConnectFailed, "the address has no path");
        url.path_segments_mut()
            .map_err(no_path)?
            .pop_if_empty()
            .extend(path);
        Ok(url)
    }
}

fn wrong_shape(what: &str) -> CallFailure {
    CallFailure::indefinite(FailureKind::WrongShape, what)
}

/// A stage to report, and when it was reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StageReport {
    pub(crate) stage: Stage,
    /// RFC 3339, UTC, three decimals.
    pub(crate) at: String,
    pub(crate) reason: Option<JobReason>,
    /// Makes it take effect once, however often it is sent.
    pub(crate) key: Arc<str>,
}

/// A key that no other request has, for the requests that must take effect once.
pub(crate) fn fresh_key(operation: &str) -> Arc<str> {
    let now_ms = jiff::Timestamp::now().as_millisecond();
    let process = std::process::id();
    Arc::from(format!("{operation}-{now_ms:x}-{process}-{}", random_hex()))
}

fn capability_names(caps: &[Capability]) -> Vec<String> {
    caps.iter().map(Capability::to_string).collect()
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
