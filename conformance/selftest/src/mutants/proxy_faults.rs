//! What the proxy of a mutant does to requests and answers. Each fault says when it was exercised.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use serde_json::{Value, json};

use super::proxied_exchange::{ProxiedAnswer, ProxiedRequest, send};
use super::{MutantKind, fired, fired_file};

const KEY: &str = "idempotency-key";

/// A tampering on its way, with what it has to remember.
pub(super) struct ProxyFaultInjector {
    kind: MutantKind,
    keys: Mutex<BTreeSet<String>>,
    lease: Mutex<Value>,
    reviewed: AtomicBool,
    granted: AtomicBool,
}

impl ProxyFaultInjector {
    pub(super) fn new(kind: MutantKind) -> ProxyFaultInjector {
        ProxyFaultInjector {
            kind,
            keys: Mutex::default(),
            lease: Mutex::default(),
            reviewed: AtomicBool::new(false),
            granted: AtomicBool::new(false),
        }
    }

    /// Before a request goes on: what becomes of it, or an answer that keeps it from going on at all.
    pub(super) fn before(
        &self,
        request: &mut ProxiedRequest,
        upstream: &str,
    ) -> std::io::Result<Option<ProxiedAnswer>> {
        let asks = request.path.ends_with("/shadow/claims");
        let renews = request.path.ends_with("/renew");
        let claims = request.path.ends_with("/v1/claims");
        if is_review(request) {
            self.reviewed.store(true, Ordering::SeqCst);
        }
        match self.kind {
            MutantKind::AsksTwice if asks => {
                send(
                    upstream,
                    "/v1/shadow/claims",
                    &request.authorization,
                    &request.body,
                )?;
            }
            MutantKind::TalksNonsense if asks => {
                send(upstream, "/v1/shadow/nonsense", &request.authorization, b"{}")?;
            }
            MutantKind::TellsItsDecision if asks => {
                request.body = patched(&request.body, "localJob", Some("alpha"))?;
            }
            MutantKind::MisshapesClaims if asks => {
                request.body = patched(&request.body, "caps", Some("linux"))?;
            }
            MutantKind::KeepsRenewalsBack | MutantKind::CountsNoDeadline if renews => {
                return self.renewed().map(Some);
            }
            MutantKind::LetsGoInReview if renews && self.reviewed.load(Ordering::SeqCst) => {
                return self.renewed().map(Some);
            }
            MutantKind::KeepsItsLease if request.path.ends_with("/release") => {
                fired(self.kind)?;
                return Ok(Some(ProxiedAnswer::json(200, &json!({ "stage": "queued" }))));
            }
            MutantKind::ReleasesTwice if request.path.ends_with("/release") => {
                send(upstream, &request.path, &request.authorization, &request.body)?;
            }
            MutantKind::WaitsAfterGrants if claims && self.granted.swap(false, Ordering::SeqCst) => {
                fired(self.kind)?;
                return Ok(Some(ProxiedAnswer::empty()));
            }
            MutantKind::ExplainsNothing if request.path.ends_with("/reports") => {
                request.body = patched(&request.body, "reason", None)?;
            }
            MutantKind::AsksAnew => return self.replace_key(request).map(|()| None),
            _ => return Ok(None),
        }
        fired(self.kind).map(|()| None)
    }

    /// Whether answers have to be read before they are passed on.
    pub(super) fn looks_at_answers(&self) -> bool {
        matches!(
            self.kind,
            MutantKind::KeepsRenewalsBack
                | MutantKind::LetsGoInReview
                | MutantKind::CountsNoDeadline
                | MutantKind::KeepsAnyLease
                | MutantKind::TakesWhatItGets
                | MutantKind::TakesFailureForEmpty
                | MutantKind::TrustsAnyDryRun
                | MutantKind::ObeysAnswers
                | MutantKind::FollowsTheView
                | MutantKind::WaitsAfterGrants
                | MutantKind::TakesRefusalsForConsent
                | MutantKind::FollowsRedirects
        )
    }

    /// What is answered instead of this.
    pub(super) fn answer(
        &self,
        request: &ProxiedRequest,
        answer: std::io::Result<ProxiedAnswer>,
        upstream: &str,
    ) -> std::io::Result<ProxiedAnswer> {
        let claims = request.path.ends_with("/v1/claims");
        let failed = answer.as_ref().is_ok_and(|answer| answer.status >= 500) || answer.is_err();
        if self.kind == MutantKind::TakesFailureForEmpty && claims && failed {
            return fired(self.kind).map(|()| ProxiedAnswer::empty());
        }
        let withdraws = request.path.ends_with("/withdraw");
        if self.kind == MutantKind::TakesRefusalsForConsent && withdraws && answer.is_ok() {
            return fired(self.kind).map(|()| ProxiedAnswer::json(200, &json!({ "stage": "withdrawn" })));
        }
        let mut answer = answer?;
        if let (MutantKind::FollowsRedirects, Some(location)) = (self.kind, answer.location.take()) {
            fired(self.kind)?;
            return send(upstream, &location, &request.authorization, &request.body);
        }
        if claims && answer.status == 200 {
            self.granted.store(true, Ordering::SeqCst);
            answer.body = self.claimed(&answer.body)?;
        }
        if self.kind == MutantKind::KeepsAnyLease && answer.status == 200 {
            self.lengthen(&mut answer)?;
        }
        if self.kind == MutantKind::TrustsAnyDryRun && request.path.ends_with("/shadow/claims") {
            self.say_dry_run(&mut answer)?;
        }
        if self.asks_to_end(request, &answer) {
            std::fs::write(fired_file(), "")?;
            fired(self.kind)?;
        }
        Ok(answer)
    }

    /// Whether the runner of this mutant ends its job of this answer.
    fn asks_to_end(&self, request: &ProxiedRequest, answer: &ProxiedAnswer) -> bool {
        let body = |bytes: &[u8]| serde_json::from_slice::<Value>(bytes).unwrap_or_default();
        let answered = body(&answer.body);
        match self.kind {
            MutantKind::ObeysAnswers => answered.get("action").is_some(),
            MutantKind::FollowsTheView => {
                let (reported, seen) = (&body(&request.body)["stage"], &answered["stage"]);
                reported.is_string() && seen.is_string() && reported != seen
            }
            _ => false,
        }
    }

    fn lengthen(&self, answer: &mut ProxiedAnswer) -> std::io::Result<()> {
        let Ok(mut fields) = serde_json::from_slice::<Value>(&answer.body) else {
            return Ok(());
        };
        if fields["lease"]["ttlMs"]
            .as_u64()
            .is_none_or(|ttl_ms| ttl_ms >= 1_000)
        {
            return Ok(());
        }
        fields["lease"]["ttlMs"] = 60_000.into();
        answer.body = fields.to_string().into_bytes();
        fired(self.kind)
    }

    fn say_dry_run(&self, answer: &mut ProxiedAnswer) -> std::io::Result<()> {
        let Ok(Value::Object(mut fields)) = serde_json::from_slice(&answer.body) else {
            return Ok(());
        };
        if fields.get("dryRun") == Some(&true.into()) || fields.contains_key("lease") {
            return Ok(());
        }
        fields.insert("dryRun".to_owned(), true.into());
        answer.body = Value::Object(fields).to_string().into_bytes();
        fired(self.kind)
    }

    /// After an answer was passed on.
    pub(super) fn afterwards(&self, request: &ProxiedRequest, upstream: &str) -> std::io::Result<()> {
        if self.kind == MutantKind::ClaimsForReal && request.path.ends_with("/shadow/claims") {
            let body = patched(&request.body, "shadow", None)?;
            send(upstream, "/v1/claims", &request.authorization, &body)?;
            return fired(self.kind);
        }
        Ok(())
    }

    /// The answer to a renewal that goes no further.
    fn renewed(&self) -> std::io::Result<ProxiedAnswer> {
        fired(self.kind)?;
        let lease = self.lease.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(ProxiedAnswer::json(200, &json!({ "lease": lease.clone() })))
    }

    /// The answer to a claim, as the runner of this mutant takes it.
    fn claimed(&self, body: &[u8]) -> std::io::Result<Vec<u8>> {
        let mut claim: Value = serde_json::from_slice(body)?;
        match self.kind {
            MutantKind::CountsNoDeadline => {
                let ttl_ms = claim["lease"]["ttlMs"].as_u64().unwrap_or(0);
                claim["lease"]["ttlMs"] = (ttl_ms * 1000).into();
            }
            MutantKind::TakesWhatItGets => {
                if let Some(job) = claim["job"].as_object_mut() {
                    job.insert("engine".into(), "devin".into());
                    job.remove("cwd");
                }
                fired(self.kind)?;
            }
            _ => {}
        }
        *self.lease.lock().unwrap_or_else(PoisonError::into_inner) = claim["lease"].clone();
        Ok(claim.to_string().into_bytes())
    }

    fn replace_key(&self, request: &mut ProxiedRequest) -> std::io::Result<()> {
        let fields: Vec<&str> = request.head.split_inclusive("\r\n").collect();
        let is_key = |field: &&&str| field.to_ascii_lowercase().starts_with(KEY);
        let Some(given) = fields.iter().find(is_key) else {
            return Ok(());
        };
        let mut keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        if keys.insert((*given).to_owned()) {
            return Ok(());
        }
        let new = format!("{KEY}: anew-{}\r\n", keys.len());
        keys.insert(new.clone());
        request.head = request.head.replace(*given, &new);
        fired(self.kind)
    }
}

/// Whether a job's stage is reported to be that in which a person decides.
fn is_review(request: &ProxiedRequest) -> bool {
    let body: Value = serde_json::from_slice(&request.body).unwrap_or_default();
    body["stage"] == "review"
}

/// A JSON body with one field set, or taken out.
fn patched(body: &[u8], field: &str, value: Option<&str>) -> std::io::Result<Vec<u8>> {
    let mut body: Value = serde_json::from_slice(body)?;
    if let Some(fields) = body.as_object_mut() {
        match value {
            Some(value) => fields.insert(field.to_owned(), value.into()),
            None => fields.remove(field),
        };
    }
    Ok(body.to_string().into_bytes())
}
