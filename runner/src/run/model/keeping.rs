//! The thread that speaks with the coordinator, in the model: carries out what inquiries, tenures and rounds say, and
//! hands their answers to them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::commands::GRACE_MS;
use super::coordinator::{Request, Token};
use super::network::{Caller, LIMIT_MS};
use super::process::{Kept, LoopInput};
use super::world::{World, lease_name};
use crate::fleet::client::StageNews;
use crate::fleet::routed::inquiry::{self, Inquiry, Question};
use crate::fleet::routed::round::{self, Round};
use crate::fleet::routed::tenure::{Act, Closing, Input, Tenure, Terms, Word};
use crate::fleet::routed::{FleetEvent, Granted, courier};
use crate::ids::{JobId, LeaseId, LeaseProof};
use crate::queue::Letter;
use crate::stage::Stage;

const CLOSING: Duration = Duration::from_secs(20);

impl World {
    pub(super) fn keep(&mut self, host: usize, token: Token, granted: &Granted) {
        let terms = Terms {
            timeout: Duration::from_millis(LIMIT_MS),
            grace: Duration::from_millis(GRACE_MS),
            closing: CLOSING,
        };
        let tenure = Tenure::new(granted.time, terms, token.fence);
        let kept = Kept {
            standing: tenure.standing(),
            tenure,
            saying: 0,
            closed: false,
            told_lost: false,
            confirmed: None,
        };
        self.process(host).kept.insert(token, kept);
    }

    pub(super) fn release(&mut self, host: usize, token: Token) {
        let key = Arc::from(format!("release-{host}-{}-{}", token.job, token.fence));
        self.close(host, token, Closing::Release(key));
    }

    pub(super) fn close(&mut self, host: usize, token: Token, closing: Closing) {
        let process = self.process(host);
        let Some(kept) = process.kept.get_mut(&token).filter(|kept| !kept.closed) else {
            return;
        };
        kept.closed = true;
        process.closing += 1;
        self.tenure(host, token, Input::Close(closing));
    }

    pub(super) fn tenure(&mut self, host: usize, token: Token, input: Input) {
        let clock = self.clock(host);
        let Some(kept) = self.process(host).kept.get_mut(&token) else {
            return;
        };
        let acts = kept.tenure.step(clock, input);
        kept.standing = kept.tenure.standing();
        let ending = kept.standing.ending();
        self.set_fence(host, token, ending);
        for act in acts {
            let job = job_of(token);
            match act {
                Act::Renew { limit } => {
                    let caller = Caller::Renewal { token, sent: clock };
                    self.send(host, caller, Request::Renew { token }, limit.as_millis() as u64);
                }
                Act::Say(word) => {
                    let Some(kept) = self.process(host).kept.get_mut(&token) else {
                        return;
                    };
                    kept.saying += 1;
                    let (saying, lost) = (kept.saying, kept.told_lost);
                    self.check_word(host, token, &word, lost);
                    let request = self.request(token, &word, saying);
                    self.send(host, Caller::LastWord { token, saying }, request, LIMIT_MS);
                }
                Act::Abandon => {
                    if let Some(kept) = self.process(host).kept.get_mut(&token) {
                        kept.saying += 1;
                    }
                }
                Act::Confirmed => self.tell(host, FleetEvent::Confirmed { job }),
                Act::Lost { reason } => {
                    self.counts.leases_lost += 1;
                    if let Some(kept) = self.process(host).kept.get_mut(&token) {
                        kept.told_lost = true;
                    }
                    self.tell(host, FleetEvent::LeaseLost { job, reason });
                }
                Act::Settled(outcome) => {
                    self.process(host).kept.remove(&token);
                    let lease = LeaseId::new(&lease_name(token)).unwrap();
                    self.tell(host, FleetEvent::Settled { job, lease, outcome });
                }
            }
        }
    }

    fn request(&self, token: Token, word: &Word, saying: u64) -> Request {
        let key = |news: &StageNews| (self.rules.letter_key)(&news.key, saying as u32);
        match word {
            Word::Report(news) => Request::Report {
                token,
                stage: news.stage.wire_name(),
                key: key(news),
            },
            Word::Quarantine(news) => Request::Quarantine {
                token,
                key: key(news),
            },
            Word::Release(_) => Request::Release { token },
        }
    }

    pub(super) fn tell(&mut self, host: usize, event: FleetEvent) {
        self.input(host, LoopInput::Fleet(event));
    }

    pub(super) fn open_inquiry(&mut self, host: usize) {
        let incarnation = self.hosts[host].incarnation;
        let seed = self.now + host as u64;
        let process = self.process(host);
        process.opened += 1;
        let number = process.opened;
        let asked = AtomicU64::new(0);
        let keys = move || {
            let count = asked.fetch_add(1, Ordering::Relaxed);
            Arc::from(format!("claim-{host}-{incarnation}-{number}-{count}"))
        };
        let inquiry = Inquiry::new(Duration::from_millis(LIMIT_MS), seed, Box::new(keys));
        process.inquiries.insert(number, inquiry);
        process.current = Some(number);
    }

    pub(super) fn inquire(&mut self, host: usize, number: u32, input: inquiry::Input) {
        let clock = self.clock(host);
        let Some(inquiry) = self.process(host).inquiries.get_mut(&number) else {
            return;
        };
        let acts = inquiry.step(clock, input);
        if inquiry.is_over() {
            self.process(host).inquiries.remove(&number);
        }
        for act in acts {
            match act {
                inquiry::Act::Claim { key, .. } => {
                    let sends = self.next_call as u32;
                    let key = (self.rules.claim_key)(&key, sends);
                    self.send(
                        host,
                        Caller::Claim { inquiry: number },
                        Request::Claim { key },
                        LIMIT_MS,
                    );
                }
                inquiry::Act::Renew { proof, limit } => {
                    let token = token_of_lease(&proof);
                    let caller = Caller::RenewalOfClaim { inquiry: number };
                    self.send(host, caller, Request::Renew { token }, limit.as_millis() as u64);
                }
                inquiry::Act::Release(proof) => {
                    let token = token_of_lease(&proof);
                    self.send(host, Caller::Nobody, Request::Release { token }, LIMIT_MS);
                }
                inquiry::Act::Failed { .. } => {}
                inquiry::Act::Tell(event) => self.tell(host, event),
            }
        }
    }

    pub(super) fn ask(&mut self, host: usize, number: u32) {
        let question = Question {
            caps: Vec::new(),
            wait: None,
        };
        self.inquire(host, number, inquiry::Input::Ask(question));
    }

    /// What the outbox holds and no keeper has in its hands.
    pub(super) fn deliver(&mut self, host: usize) {
        let held: Vec<u64> = self.process(host).letters.values().copied().collect();
        let waiting = self.hosts[host].disk.outbox.clone();
        let waiting = waiting
            .into_iter()
            .filter(|(sequence, _)| !held.contains(sequence));
        let mut parcels = Vec::new();
        for (sequence, letter) in waiting {
            let parcel = courier::parcel(&letter).unwrap();
            self.process(host)
                .letters
                .insert(token_of_lease(&parcel.proof), sequence);
            parcels.push(parcel);
        }
        if parcels.is_empty() {
            return;
        }
        let seed = self.now;
        let process = self.process(host);
        process.closing += parcels.len();
        process.round = Some(Round::new(parcels, CLOSING, seed));
        self.step_round(host, round::Input::Start);
    }

    pub(super) fn step_round(&mut self, host: usize, input: round::Input) {
        let clock = self.clock(host);
        let Some(round) = &mut self.process(host).round else {
            return;
        };
        let acts = round.step(clock, input);
        if round.is_over() {
            self.process(host).round = None;
        }
        for act in acts {
            match act {
                round::Act::Say(parcel) => {
                    let token = token_of_lease(&parcel.proof);
                    self.check_order(host, token);
                    self.check_word(host, token, &parcel.word, false);
                    let process = self.process(host);
                    process.saying += 1;
                    let saying = process.saying;
                    let request = self.request(token, &parcel.word, saying);
                    self.send(host, Caller::Round { saying }, request, LIMIT_MS);
                }
                round::Act::Settled { parcel, outcome } => {
                    let (job, lease) = (parcel.job, parcel.proof.lease);
                    self.tell(host, FleetEvent::Settled { job, lease, outcome });
                }
            }
        }
    }
}

pub(super) fn news(stage: Stage, key: &str) -> StageNews {
    StageNews {
        stage,
        at: String::new(),
        detail: None,
        key: Arc::from(key),
    }
}

/// As the office does.
pub(super) fn closing(letter: &Letter) -> Closing {
    match courier::word(letter).unwrap() {
        Word::Report(news) => Closing::Final(news),
        Word::Quarantine(news) => Closing::Quarantine(news),
        Word::Release(key) => Closing::Release(key),
    }
}

pub(super) fn token_of(job: &JobId, proof: &LeaseProof) -> Token {
    let job = job.as_str().trim_start_matches("job-").parse().unwrap();
    Token {
        job,
        fence: proof.fencing_token,
    }
}

fn token_of_lease(proof: &LeaseProof) -> Token {
    let job = proof.lease.as_str().split('-').nth(1).unwrap();
    Token {
        job: job.parse().unwrap(),
        fence: proof.fencing_token,
    }
}

pub(super) fn job_of(token: Token) -> JobId {
    super::host::job_id(token.job)
}
