//! The coordinator of the model: the contract's clauses C-1 to C-11 and nothing else, small enough to be read beside
//! them.

use std::collections::BTreeMap;

/// The time to live of every lease.
pub(super) const TTL_MS: u64 = 6_000;

/// A request as it reaches the coordinator. `key`: its `Idempotency-Key`.
#[derive(Debug, Clone)]
pub(super) enum Request {
    Claim {
        key: String,
    },
    Renew {
        token: Token,
    },
    Release {
        token: Token,
    },
    Report {
        token: Token,
        stage: &'static str,
        key: String,
    },
    Quarantine {
        token: Token,
        key: String,
    },
}

/// A lease, by the job and the fencing token that it was granted with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Token {
    pub(super) job: usize,
    pub(super) fence: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answer {
    Nothing,
    Granted(Token),
    Done,
    LeaseLost,
    Illegal,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Held {
    Free,
    By { host: usize, ends_at: u64 },
}

#[derive(Debug, Clone)]
pub(super) struct Job {
    pub(super) stage: &'static str,
    /// The highest fencing token granted.
    pub(super) fence: u64,
    pub(super) lease: Held,
    released: bool,
    /// The one host that can run it; none: any.
    pub(super) only: Option<usize>,
}

#[derive(Debug)]
pub(super) struct Coordinator {
    pub(super) jobs: Vec<Job>,
    answers: BTreeMap<(usize, String), Answer>,
    /// The keys of last words, by lease.
    pub(super) last_words: BTreeMap<Token, Vec<String>>,
}

const ORDER: [&str; 3] = ["building", "testing", "review"];

pub(super) fn is_final(stage: &str) -> bool {
    ["shipped", "failed", "quarantined"].contains(&stage)
}

impl Coordinator {
    pub(super) fn new(only: &[Option<usize>]) -> Coordinator {
        let job = |only: &Option<usize>| Job {
            stage: "queued",
            fence: 0,
            lease: Held::Free,
            released: false,
            only: *only,
        };
        Coordinator {
            jobs: only.iter().map(job).collect(),
            answers: BTreeMap::new(),
            last_words: BTreeMap::new(),
        }
    }

    pub(super) fn handle(&mut self, now: u64, host: usize, request: &Request) -> Answer {
        self.expire(now);
        let key = match request {
            Request::Claim { key } | Request::Report { key, .. } | Request::Quarantine { key, .. } => {
                Some((host, key.clone()))
            }
            Request::Renew { .. } | Request::Release { .. } => None,
        };
        if let Some(known) = key.as_ref().and_then(|key| self.answers.get(key)).copied() {
            return match known {
                // C-11: once that lease has ended, its claim is refused.
                Answer::Granted(token) if !self.is_live(now, host, token) => Answer::LeaseLost,
                known => known,
            };
        }
        let answer = match request {
            Request::Claim { .. } => self.claim(now, host),
            Request::Renew { token } => self.renew(now, host, *token),
            Request::Release { token } => self.release(now, host, *token),
            Request::Report { token, stage, key } => self.report(now, host, *token, stage, key),
            Request::Quarantine { token, key } => self.quarantine(now, host, *token, key),
        };
        if let Some(key) = key {
            self.answers.insert(key, answer);
        }
        answer
    }

    pub(super) fn is_live(&self, now: u64, host: usize, token: Token) -> bool {
        let job = &self.jobs[token.job];
        let held = matches!(job.lease, Held::By { host: by, ends_at } if by == host && now < ends_at);
        held && job.fence == token.fence
    }

    pub(super) fn has_answered(&self, host: usize, key: &str) -> bool {
        self.answers.contains_key(&(host, key.to_owned()))
    }

    /// C-5: a lease that was not renewed ends, and the job is queued again.
    fn expire(&mut self, now: u64) {
        for job in &mut self.jobs {
            if matches!(job.lease, Held::By { ends_at, .. } if ends_at <= now) {
                (job.lease, job.stage) = (Held::Free, "queued");
            }
        }
    }

    /// Not in the contract, and yet it happens: the job is queued again before its lease was over.
    pub(super) fn revoke(&mut self, now: u64, index: usize) -> Option<(usize, Token)> {
        self.expire(now);
        let job = &mut self.jobs[index];
        let Held::By { host, .. } = job.lease else {
            return None;
        };
        (job.lease, job.stage, job.released) = (Held::Free, "queued", true);
        let fence = job.fence;
        Some((host, Token { job: index, fence }))
    }

    fn claim(&mut self, now: u64, host: usize) -> Answer {
        let fits = |job: &Job| job.stage == "queued" && job.only.is_none_or(|only| only == host);
        let Some(index) = self.jobs.iter().position(fits) else {
            return Answer::Nothing;
        };
        let job = &mut self.jobs[index];
        job.fence += 1;
        (job.stage, job.released) = ("building", false);
        job.lease = Held::By {
            host,
            ends_at: now + TTL_MS,
        };
        Answer::Granted(Token {
            job: index,
            fence: job.fence,
        })
    }

    fn renew(&mut self, now: u64, host: usize, token: Token) -> Answer {
        if !self.is_live(now, host, token) {
            return Answer::LeaseLost;
        }
        self.jobs[token.job].lease = Held::By {
            host,
            ends_at: now + TTL_MS,
        };
        Answer::Done
    }

    fn release(&mut self, now: u64, host: usize, token: Token) -> Answer {
        if !self.is_live(now, host, token) {
            return Answer::LeaseLost;
        }
        let job = &mut self.jobs[token.job];
        (job.lease, job.stage, job.released) = (Held::Free, "queued", true);
        Answer::Done
    }

    fn report(&mut self, now: u64, host: usize, token: Token, stage: &'static str, key: &str) -> Answer {
        if is_final(stage) {
            self.last_words.entry(token).or_default().push(key.to_owned());
        }
        let live = self.is_live(now, host, token);
        let job = &mut self.jobs[token.job];
        // C-5: prevents a second ship.
        let late = is_final(stage) && job.stage == "queued" && job.fence == token.fence && !job.released;
        if is_final(job.stage) || !(live || late) {
            return Answer::LeaseLost;
        }
        let place = |stage: &str| ORDER.iter().position(|known| *known == stage);
        if !is_final(stage) && place(stage) < place(job.stage) {
            return Answer::Illegal;
        }
        job.stage = stage;
        if is_final(stage) {
            job.lease = Held::Free;
        }
        Answer::Done
    }

    /// C-10: from a stale holder it is recorded, and changes nothing.
    fn quarantine(&mut self, now: u64, host: usize, token: Token, key: &str) -> Answer {
        self.last_words.entry(token).or_default().push(key.to_owned());
        if self.is_live(now, host, token) {
            let job = &mut self.jobs[token.job];
            (job.stage, job.lease) = ("quarantined", Held::Free);
        }
        Answer::Done
    }
}
