//! Asks the coordinator for work when the loop wants some, and goes on asking until there is an answer (clauses
//! T-5, T-6, T-8, T-10 and T-15).
//!
//! One question is out at a time. A claim whose answer was lost is repeated with its key, so that it can't cost a
//! second lease; only an answer, a refusal included, ends a key.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use super::{FleetEvent, Granted, sleep_until};
use crate::fleet::backoff::{Backoff, Outage};
use crate::fleet::client::{Claimed, Client, LeaseProof, fresh_key};
use crate::fleet::failure::{Failure, FailureKind};
use crate::fleet::lease::{BootInstant, LeaseTime};
use crate::fleet::wire::ClaimAnswer;
use crate::ids::{Capability, JobId, LeaseId};

/// The loop's end of the claiming task.
#[derive(Debug)]
pub(crate) struct Claimer {
    questions: mpsc::Sender<Question>,
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

#[derive(Debug)]
struct Question {
    caps: Vec<Capability>,
    wait: Option<Duration>,
}

impl Claimer {
    /// Inside a runtime. `seed` spreads the waits of factories that lost the coordinator at the same moment.
    pub(crate) fn start(
        client: Client,
        timeout: Duration,
        seed: u64,
        events: mpsc::Sender<FleetEvent>,
    ) -> Claimer {
        let (questions, asked) = mpsc::channel(1);
        let (stop, stopped) = watch::channel(false);
        let work = Work {
            client,
            timeout,
            events,
            stopped,
            backoff: Backoff::new(seed),
            outage: Outage::default(),
        };
        Claimer {
            questions,
            stop,
            task: tokio::spawn(work.run(asked)),
        }
    }

    /// Wants one job. Answered by `Claimed` or `Nothing`, once; asking while a question is open does nothing.
    /// `wait`: how long the coordinator may hold the question while it has nothing.
    pub(crate) fn ask(&self, caps: Vec<Capability>, wait: Option<Duration>) {
        // Full means that a question is open already.
        let _ = self.questions.try_send(Question { caps, wait });
    }

    /// No more claims. One that is out is waited for, at most `limit`, and what it brings is given back.
    pub(crate) async fn stop(self, limit: Duration) {
        self.stop.send_replace(true);
        drop(self.questions);
        let mut task = self.task;
        if tokio::time::timeout(limit, &mut task).await.is_err() {
            task.abort();
        }
    }
}

struct Work {
    client: Client,
    timeout: Duration,
    events: mpsc::Sender<FleetEvent>,
    stopped: watch::Receiver<bool>,
    backoff: Backoff,
    outage: Outage,
}

/// What a failed claim means for the next one.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Verdict {
    /// Not known whether it took effect: the same again.
    SameKey,
    /// The coordinator has decided on this key; the next claim is a new one.
    NewKey,
    Credential,
}

fn judge(failure: &Failure) -> Verdict {
    match (failure, failure.status()) {
        (_, Some(401 | 403)) => Verdict::Credential,
        (Failure::Definite(_), _) => Verdict::NewKey,
        (Failure::Indefinite { .. }, _) => Verdict::SameKey,
    }
}

impl Work {
    async fn run(mut self, mut asked: mpsc::Receiver<Question>) {
        while let Some(question) = asked.recv().await {
            if *self.stopped.borrow() {
                return;
            }
            let Some(event) = self.answer(&question).await else {
                return;
            };
            if let FleetEvent::Claimed(granted) = &event
                && *self.stopped.borrow()
            {
                return self.give_back(&granted.proof).await;
            }
            if self.events.send(event).await.is_err() {
                return;
            }
        }
    }

    /// Asks until there is an answer; none when the run has been stopped meanwhile, or must.
    async fn answer(&mut self, question: &Question) -> Option<FleetEvent> {
        let mut key: Arc<str> = fresh_key("claim");
        let mut first_sent = BootInstant::now();
        let mut in_trouble = false;
        loop {
            let sent = BootInstant::now();
            let claimed = self.client.claim(&question.caps, question.wait, &key).await;
            let outcome = match claimed {
                Ok(Claimed::Nothing) => Ok(FleetEvent::Nothing),
                Ok(Claimed::Job(answer)) => self.take(*answer, first_sent).await,
                Err(failure) => Err((judge(&failure), failure)),
            };
            let (verdict, failure) = match outcome {
                Ok(event) => {
                    self.backoff.succeeded();
                    self.outage.answered();
                    if in_trouble {
                        self.events.send(FleetEvent::Recovered).await.ok()?;
                    }
                    return Some(event);
                }
                Err(found) => found,
            };
            if verdict == Verdict::Credential {
                return Some(FleetEvent::CredentialRefused {
                    problem: failure.to_string(),
                });
            }
            self.outage.failed(sent);
            in_trouble = true;
            self.wait_after(&failure).await?;
            if verdict == Verdict::NewKey {
                key = fresh_key("claim");
                first_sent = BootInstant::now();
            }
        }
    }

    /// Checks what was granted, and renews a lease that was long on its way.
    async fn take(
        &self,
        answer: ClaimAnswer,
        first_sent: BootInstant,
    ) -> Result<FleetEvent, (Verdict, Failure)> {
        let wrong = |what: &str| {
            (
                Verdict::NewKey,
                Failure::indefinite(FailureKind::WrongShape, what),
            )
        };
        let lease = LeaseId::new(&answer.lease.id).map_err(|_| wrong("the lease's id is none"))?;
        let proof = LeaseProof {
            lease,
            fencing_token: answer.lease.fencing_token,
        };
        let named = JobId::new(&answer.job.id)
            .ok()
            .filter(|_| answer.lease.job_id == answer.job.id);
        let Some(id) = named else {
            // It holds a lease on something that can't be run: others may have better luck with it.
            self.give_back(&proof).await;
            return Err(wrong("the job's id is none, or the lease is on another job"));
        };
        let mut time = LeaseTime::granted(Duration::from_millis(answer.lease.ttl_ms), first_sent);
        if time.is_worn(BootInstant::now()) {
            let sent = BootInstant::now();
            let renewed = self.client.renew(&proof, time.renewal_limit(self.timeout)).await;
            let ttl = renewed.map_err(|failure| (judge(&failure), failure))?;
            time.renewed(sent, ttl);
        }
        Ok(FleetEvent::Claimed(Box::new(Granted {
            job: answer.job,
            id,
            proof,
            time,
        })))
    }

    /// Says what is wrong and waits; none when the run was stopped.
    async fn wait_after(&mut self, failure: &Failure) -> Option<()> {
        let retry_in = self.backoff.after_failure(failure.retry_after());
        let problem = failure.to_string();
        self.events
            .send(FleetEvent::Trouble {
                problem: problem.clone(),
                retry_in,
            })
            .await
            .ok()?;
        let retry_at = BootInstant::now() + retry_in;
        let mut stopped = self.stopped.clone();
        let gives_up_at = self.outage.gives_up_at().filter(|at| *at <= retry_at);
        if let Some(at) = gives_up_at {
            tokio::select! {
                () = sleep_until(at) => {}
                _ = stopped.wait_for(|stopped| *stopped) => return None,
            }
            self.events.send(FleetEvent::Unreachable { problem }).await.ok()?;
        }
        tokio::select! {
            () = sleep_until(retry_at) => Some(()),
            _ = stopped.wait_for(|stopped| *stopped) => None,
        }
    }

    async fn give_back(&self, proof: &LeaseProof) {
        // If it fails the lease ends by itself.
        let _ = self.client.release(proof, &fresh_key("release")).await;
    }
}

#[cfg(test)]
mod tests;
