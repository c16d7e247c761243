//! The coordinator of the model: the contract's clauses C-1 to C-11 and nothing else, small enough to be read beside
//! them.

use std::collections::BTreeMap;

/// The time to live of every lease.
pub(super) const TTL_MS: u64 = 6_000;

/// A request as it reaches the coordinator. `key`: its `Idempotency-Key`.
#[derive(Debug, Clone)]
pub(super) enum ModelRequest {
    Claim {
        key: String,
    },
    Renew {
        token: ModelToken,
    },
    Release {
        token: ModelToken,
    },
    Report {
        token: ModelToken,
        stage: &'static str,
        key: String,
    },
    Quarantine {
        token: ModelToken,
        key: String,
    },
}

/// A lease, by the job and the fencing token that it was granted with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct ModelToken {
    pub(super) job: usize,
    pub(super) fence: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ModelAnswer {
    Nothing,
    Granted(ModelToken),
    Done,
    LeaseLost,
    Illegal,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum ModelLeaseHolder {
    Free,
    By { host: usize, ends_at: u64 },
}

#[derive(Debug, Clone)]
pub(super) struct ModelJob {
    pub(super) stage: &'static str,
    /// The highest fencing token granted.
    pub(super) fence: u64,
    pub(super) lease: ModelLeaseHolder,
    released: bool,
    /// The one host that can run it; none: any.
    pub(super) only: Option<usize>,
}

#[derive(Debug)]
pub(super) struct ModelCoordinator {
    pub(super) jobs: Vec<ModelJob>,
    answers: BTreeMap<(usize, String), ModelAnswer>,
    /// The keys of last words, by lease.
    pub(super) final_reports: BTreeMap<ModelToken, Vec<String>>,
}

const ORDER: [&str; 3] = ["building", "testing", "review"];

pub(super) fn is_final(stage: &str) -> bool {
    ["shipped", "failed", "quarantined"].contains(&stage)
}

impl ModelCoordinator {
    pub(super) fn new(only: &[Option<usize>]) -> ModelCoordinator {
        let job = |only: &Option<usize>| ModelJob {
            stage: "queued",
            fence: 0,
            lease: ModelLeaseHolder::Free,
            released: false,
            only: *only,
        };
        ModelCoordinator {
            jobs: only.iter().map(job).collect(),
            answers: BTreeMap::new(),
            final_reports: BTreeMap::new(),
        }
    }

    pub(super) fn handle(&mut self, now: u64, host: usize, request: &ModelRequest) -> ModelAnswer {
        self.expire(now);
        let key = match request {
            ModelRequest::Claim { key }
            | ModelRequest::Report { key, .. }
            | ModelRequest::Quarantine { key, .. } => Some((host, key.clone())),
            ModelRequest::Renew { .. } | ModelRequest::Release { .. } => None,
        };
        if let Some(known) = key.as_ref().and_then(|key| self.answers.get(key)).copied() {
            return match known {
                // C-11: once that lease has ended, its claim is refused.
                ModelAnswer::Granted(token) if !self.is_live(now, host, token) => ModelAnswer::LeaseLost,
                known => known,
            };
        }
        let answer = match request {
            ModelRequest::Claim { .. } => self.claim(now, host),
            ModelRequest::Renew { token } => self.renew(now, host, *token),
            ModelRequest::Release { token } => self.release(now, host, *token),
            ModelRequest::Report { token, stage, key } => self.report(now, host, *token, stage, key),
            ModelRequest::Quarantine { token, key } => self.quarantine(now, host, *token, key),
        };
        if let Some(key) = key {
            self.answers.insert(key, answer);
        }
        answer
    }

    pub(super) fn is_live(&self, now: u64, host: usize, token: ModelToken) -> bool {
        let job = &self.jobs[token.job];
        let held =
            matches!(job.lease, ModelLeaseHolder::By { host: by, ends_at } if by == host && now < ends_at);
        held && job.fence == token.fence
    }

    pub(super) fn has_answered(&self, host: usize, key: &str) -> bool {
        self.answers.contains_key(&(host, key.to_owned()))
    }

    /// C-5: a lease that was not renewed ends, and the job is queued again.
    fn expire(&mut self, now: u64) {
        for job in &mut self.jobs {
            if matches!(job.lease, ModelLeaseHolder::By { ends_at, .. } if ends_at <= now) {
                (job.lease, job.stage) = (ModelLeaseHolder::Free, "queued");
            }
        }
    }

    /// Not in the contract, and yet it happens: the job is queued again before its lease was over.
    pub(super) fn revoke(&mut self, now: u64, index: usize) -> Option<(usize, ModelToken)> {
        self.expire(now);
        let job = &mut self.jobs[index];
        let ModelLeaseHolder::By { host, .. } = job.lease else {
            return None;
        };
        (job.lease, job.stage, job.released) = (ModelLeaseHolder::Free, "queued", true);
        let fence = job.fence;
        Some((host, ModelToken { job: index, fence }))
    }

    fn claim(&mut self, now: u64, host: usize) -> ModelAnswer {
        let fits = |job: &ModelJob| job.stage == "queued" && job.only.is_none_or(|only| only == host);
        let Some(index) = self.jobs.iter().position(fits) else {
            return ModelAnswer::Nothing;
        };
        let job = &mut self.jobs[index];
        job.fence += 1;
        (job.stage, job.released) = ("building", false);
        job.lease = ModelLeaseHolder::By {
            host,
            ends_at: now + TTL_MS,
        };
        ModelAnswer::Granted(ModelToken {
            job: index,
            fence: job.fence,
        })
    }

    fn renew(&mut self, now: u64, host: usize, token: ModelToken) -> ModelAnswer {
        if !self.is_live(now, host, token) {
            return ModelAnswer::LeaseLost;
        }
        self.jobs[token.job].lease = ModelLeaseHolder::By {
            host,
            ends_at: now + TTL_MS,
        };
        ModelAnswer::Done
    }

    fn release(&mut self, now: u64, host: usize, token: ModelToken) -> ModelAnswer {
        if !self.is_live(now, host, token) {
            return ModelAnswer::LeaseLost;
        }
        let job = &mut self.jobs[token.job];
        (job.lease, job.stage, job.released) = (ModelLeaseHolder::Free, "queued", true);
        ModelAnswer::Done
    }

    fn report(
        &mut self,
        now: u64,
        host: usize,
        token: ModelToken,
        stage: &'static str,
        key: &str,
    ) -> ModelAnswer {
        if is_final(stage) {
            self.final_reports.entry(token).or_default().push(key.to_owned());
        }
        let live = self.is_live(now, host, token);
        let job = &mut self.jobs[token.job];
        // C-5: prevents a second ship.
        let late = is_final(stage) && job.stage == "queued" && job.fence == token.fence && !job.released;
        if is_final(job.stage) || !(live || late) {
            return ModelAnswer::LeaseLost;
        }
        let place = |stage: &str| ORDER.iter().position(|known| *known == stage);
        if !is_final(stage) && place(stage) < place(job.stage) {
            return ModelAnswer::Illegal;
        }
        job.stage = stage;
        if is_final(stage) {
            job.lease = ModelLeaseHolder::Free;
        }
        ModelAnswer::Done
    }

    /// C-10: from a stale holder it is recorded, and changes nothing.
    fn quarantine(&mut self, now: u64, host: usize, token: ModelToken, key: &str) -> ModelAnswer {
        self.final_reports.entry(token).or_default().push(key.to_owned());
        if self.is_live(now, host, token) {
            let job = &mut self.jobs[token.job];
            (job.stage, job.lease) = ("quarantined", ModelLeaseHolder::Free);
        }
        ModelAnswer::Done
    }
}
