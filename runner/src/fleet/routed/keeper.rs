//! Keeps one lease: renews it, reports stages in their order, and says in time when it can't be kept (clauses T-1,
//! T-2, T-4, T-10 and T-14).
//!
//! Renewals and reports run beside each other, so that a report that hangs starves no renewal. The loop reads
//! [`Keeper::holds`] before every effect: after a stop of the process the order of events proves nothing.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::{JoinError, JoinSet};

use super::{FleetEvent, Granted, Settlement, sleep_until};
use crate::fleet::backoff::Backoff;
use crate::fleet::client::{Client, LeaseProof, StageNews, fresh_key};
use crate::fleet::failure::Failure;
use crate::fleet::lease::{BootInstant, Ending, LeaseTime};
use crate::ids::JobId;
use crate::stage::Stage;

/// A job has four transitions; more than this is a mistake.
const ORDERS_MAX: usize = 16;

/// The loop's end of the task that keeps a lease.
#[derive(Debug)]
pub(crate) struct Keeper {
    orders: mpsc::Sender<Order>,
    time: Arc<Mutex<LeaseTime>>,
}

#[derive(Debug)]
enum Order {
    Report(StageNews),
    Confirm,
    Close(Closing),
}

/// How the loop wants the lease to end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Closing {
    /// The job reached this final stage.
    Final(StageNews),
    /// Another factory may have it at once.
    Release,
    /// The lease was lost: what is left of the job lies in `quarantine/`.
    Quarantine(String),
}

/// What every keeper of a process needs.
#[derive(Debug, Clone)]
pub(crate) struct Terms {
    /// Limit of one call.
    pub(crate) timeout: Duration,
    /// Between TERM and KILL.
    pub(crate) grace: Duration,
    /// How long a final report or a release is tried; the loop may stop waiting for it earlier.
    pub(crate) closing: Duration,
}

impl Keeper {
    /// Inside a runtime; renewing starts at once.
    pub(crate) fn start(
        granted: &Granted,
        client: Client,
        terms: Terms,
        events: mpsc::Sender<FleetEvent>,
    ) -> Keeper {
        let (orders, received) = mpsc::channel(ORDERS_MAX);
        let time = Arc::new(Mutex::new(granted.time));
        let work = Work {
            lease: Held {
                client,
                job: granted.id.clone(),
                proof: granted.proof.clone(),
            },
            terms,
            events,
            time: Arc::clone(&time),
            calls: JoinSet::new(),
            reports: VecDeque::new(),
            reporting: None,
            confirming: None,
            lost: None,
            closing: None,
            outcome: None,
        };
        tokio::spawn(work.run(received));
        Keeper { orders, time }
    }

    /// Whether the lease can be relied on at this instant.
    pub(crate) fn holds(&self) -> bool {
        self.time().holds(BootInstant::now())
    }

    /// Reports a stage that is not final; dropped silently once the lease is lost.
    pub(crate) fn report(&self, news: StageNews) {
        self.order(Order::Report(news));
    }

    /// Asks for a renewal from now on; answered by `Confirmed` or `LeaseLost`. `ship` starts after it.
    pub(crate) fn confirm(&self) {
        self.order(Order::Confirm);
    }

    /// The last order; answered by `Settled`.
    pub(crate) fn close(self, closing: Closing) {
        self.order(Order::Close(closing));
    }

    fn order(&self, order: Order) {
        // There are fewer orders than places; a task that is gone has said why.
        let _ = self.orders.try_send(order);
    }

    fn time(&self) -> LeaseTime {
        *self.time.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A lease and whom to talk to about it.
#[derive(Debug, Clone)]
struct Held {
    client: Client,
    job: JobId,
    proof: LeaseProof,
}

/// A call that has come back.
#[derive(Debug)]
enum Done {
    Renewed {
        sent: BootInstant,
        answer: Result<Duration, Failure>,
    },
    Reported(Result<(), Failure>),
}

struct Work {
    lease: Held,
    terms: Terms,
    events: mpsc::Sender<FleetEvent>,
    time: Arc<Mutex<LeaseTime>>,
    calls: JoinSet<Done>,
    reports: VecDeque<StageNews>,
    /// The report that is out.
    reporting: Option<Stage>,
    /// A renewal sent from this instant on confirms.
    confirming: Option<BootInstant>,
    /// Why the lease can't be relied on any more.
    lost: Option<String>,
    closing: Option<Closing>,
    outcome: Option<Settlement>,
}

impl Work {
    async fn run(mut self, mut orders: mpsc::Receiver<Order>) {
        let mut give_up_at = None;
        while self.outcome.is_none()
            && !matches!(self.closing, Some(Closing::Release | Closing::Quarantine(_)))
        {
            let time = self.time();
            let term_at = time.ending(self.terms.grace).term_at;
            let (in_work, kept) = (self.closing.is_none(), self.lost.is_none());
            tokio::select! {
                biased;
                // Answers first: after a stop of the process one may be here that makes the lease hold after all.
                Some(done) = self.calls.join_next(), if !self.calls.is_empty() => self.done(done).await,
                () = sleep_until(term_at), if kept && in_work => {
                    self.lose("no renewal got through", time.ending(self.terms.grace)).await;
                }
                () = sleep_until(time.next_renewal()), if kept => self.renew(),
                order = orders.recv(), if in_work => {
                    // A loop that is gone without a word has given up its right to the job.
                    self.obey(order.unwrap_or(Order::Close(Closing::Release)));
                    give_up_at = self.closing.as_ref().map(|_| BootInstant::now() + self.terms.closing);
                }
                () = sleep_until(give_up_at.unwrap_or(term_at)), if give_up_at.is_some() => {
                    self.outcome = Some(Settlement::Undelivered(String::from("no answer in time")));
                }
            }
        }
        let outcome = self.close().await;
        let job = self.lease.job.clone();
        let _ = self.events.send(FleetEvent::Settled { job, outcome }).await;
    }

    fn obey(&mut self, order: Order) {
        match order {
            Order::Report(news) => {
                self.reports.push_back(news);
                self.report_next();
            }
            Order::Confirm => {
                self.confirming = Some(BootInstant::now());
                self.renew();
            }
            Order::Close(closing) => {
                match (&closing, &self.lost) {
                    (Closing::Final(_), Some(reason)) => {
                        self.outcome = Some(Settlement::Refused(reason.clone()))
                    }
                    // In its turn, behind the stages before it.
                    (Closing::Final(news), None) => self.reports.push_back(news.clone()),
                    (Closing::Release | Closing::Quarantine(_), _) => {}
                }
                self.closing = Some(closing);
                self.report_next();
            }
        }
    }

    fn renew(&mut self) {
        if self.lost.is_some() {
            return;
        }
        let sent = BootInstant::now();
        let limit = {
            let mut time = self.time.lock().unwrap_or_else(PoisonError::into_inner);
            time.renewal_started(sent);
            time.renewal_limit(self.terms.timeout)
        };
        let Held { client, proof, .. } = self.lease.clone();
        self.calls.spawn(async move {
            Done::Renewed {
                sent,
                answer: client.renew(&proof, limit).await,
            }
        });
    }

    fn report_next(&mut self) {
        if self.reporting.is_some() || self.lost.is_some() {
            return;
        }
        let Some(news) = self.reports.pop_front() else {
            return;
        };
        self.reporting = Some(news.stage);
        let lease = self.lease.clone();
        self.calls
            .spawn(async move { Done::Reported(lease.report(&news).await) });
    }

    async fn done(&mut self, done: Result<Done, JoinError>) {
        match done {
            Ok(Done::Renewed { sent, answer }) => self.renewed(sent, answer).await,
            Ok(Done::Reported(answer)) => self.reported(answer).await,
            // Nothing is learnt from a call that broke; the time of the lease goes on by itself.
            Err(_) => {}
        }
    }

    async fn renewed(&mut self, sent: BootInstant, answer: Result<Duration, Failure>) {
        match answer {
            // Once it was given up it stays so: what ran under it is being ended.
            _ if self.lost.is_some() => {}
            Ok(ttl) => {
                self.time
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .renewed(sent, ttl);
                if self.confirming.is_some_and(|asked| sent >= asked) {
                    self.confirming = None;
                    let job = self.lease.job.clone();
                    let _ = self.events.send(FleetEvent::Confirmed { job }).await;
                }
            }
            Err(failure) if says_lost(&failure) => self.lose_now(&failure).await,
            // The next one is due in its time.
            Err(_) => {}
        }
    }

    async fn reported(&mut self, answer: Result<(), Failure>) {
        let stage = self.reporting.take();
        let is_last = self.closing.is_some() && stage.is_some_and(Stage::is_final);
        match answer {
            answer if is_last => self.outcome = Some(settlement(answer)),
            Err(failure) if says_lost(&failure) && self.lost.is_none() => self.lose_now(&failure).await,
            // Another refusal is about that stage alone, and the next may be taken.
            Ok(()) | Err(_) => self.report_next(),
        }
    }

    async fn lose_now(&mut self, failure: &Failure) {
        let ending = self.time().ending_now(BootInstant::now(), self.terms.grace);
        self.lose(&failure.to_string(), ending).await;
    }

    async fn lose(&mut self, reason: &str, ending: Ending) {
        self.lost = Some(reason.to_owned());
        self.reports.clear();
        if matches!(self.closing, Some(Closing::Final(_))) {
            // Nothing runs under it any more that would have to be ended.
            self.outcome = Some(Settlement::Refused(reason.to_owned()));
            return;
        }
        let (job, reason) = (self.lease.job.clone(), reason.to_owned());
        let _ = self
            .events
            .send(FleetEvent::LeaseLost { job, reason, ending })
            .await;
    }

    /// The last call, where the loop wants one. A quarantine is sent once, whatever comes of it.
    async fn close(&mut self) -> Settlement {
        self.calls.abort_all();
        if let Some(outcome) = self.outcome.take() {
            return outcome;
        }
        let lease = &self.lease;
        if let Some(Closing::Quarantine(reason)) = &self.closing {
            let key = fresh_key("quarantine");
            return settlement(
                lease
                    .client
                    .quarantine(&lease.job, Some(&lease.proof), reason, &key)
                    .await,
            );
        }
        match tokio::time::timeout(self.terms.closing, lease.release()).await {
            Ok(sent) => settlement(sent),
            Err(_) => Settlement::Undelivered(String::from("no answer in time")),
        }
    }

    fn time(&self) -> LeaseTime {
        *self.time.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Held {
    /// Until it is answered; a lost answer costs nothing, the key stays the same.
    async fn report(&self, news: &StageNews) -> Result<(), Failure> {
        let mut backoff = Backoff::new(self.proof.fencing_token);
        loop {
            match self.client.report(&self.job, &self.proof, news, &news.key).await {
                Err(failure @ Failure::Indefinite { .. }) => {
                    tokio::time::sleep(backoff.after_failure(failure.retry_after())).await;
                }
                answered => return answered.map(drop),
            }
        }
    }

    async fn release(&self) -> Result<(), Failure> {
        let key = fresh_key("release");
        let mut backoff = Backoff::new(self.proof.fencing_token);
        loop {
            match self.client.release(&self.proof, &key).await {
                Err(failure @ Failure::Indefinite { .. }) => {
                    tokio::time::sleep(backoff.after_failure(failure.retry_after())).await;
                }
                answered => return answered,
            }
        }
    }
}

/// Sends a final report of an earlier process until it is answered, or for that long.
pub(super) async fn deliver(
    client: Client,
    job: JobId,
    proof: LeaseProof,
    news: &StageNews,
    limit: Duration,
) -> Settlement {
    let lease = Held { client, job, proof };
    match tokio::time::timeout(limit, lease.report(news)).await {
        Ok(sent) => settlement(sent),
        Err(_) => Settlement::Undelivered(String::from("no answer in time")),
    }
}

/// The coordinator's own word that the lease is gone: `lease_lost`, or that it knows neither lease nor job.
fn says_lost(failure: &Failure) -> bool {
    match failure {
        Failure::Definite(refusal) => refusal.code == "lease_lost" || refusal.status == 404,
        Failure::Indefinite { .. } => false,
    }
}

pub(super) fn settlement(sent: Result<(), Failure>) -> Settlement {
    match sent {
        Ok(()) => Settlement::Delivered,
        Err(failure @ Failure::Definite(_)) => Settlement::Refused(failure.to_string()),
        Err(failure @ Failure::Indefinite { .. }) => Settlement::Undelivered(failure.to_string()),
    }
}

#[cfg(test)]
mod tests;
