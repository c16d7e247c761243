//! Keeps one lease: carries out what its tenure says, and tells the loop.
//!
//! The loop reads [`Keeper::holds`] before every effect: after a stop of the process the order of events proves
//! nothing.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::task::{AbortHandle, JoinSet};

use super::tenure::{Act, Closing, Input, Standing, Tenure, Terms, Word};
use super::{FleetEvent, Granted, due_at};
use crate::clock::{BootInstant, Ending};
use crate::fleet::client::{Client, LeaseProof, StageNews, fresh_key};
use crate::fleet::failure::Failure;
use crate::ids::JobId;

/// A job has four transitions; more than this is a mistake.
const ORDERS_MAX: usize = 16;

/// Told when what runs under the lease has to end, each time that this becomes later.
pub(crate) type Guard = Box<dyn Fn(Ending) + Send>;

/// The loop's end of the task that keeps a lease.
pub(crate) struct Keeper {
    orders: mpsc::Sender<Input>,
    shared: Arc<Mutex<Shared>>,
}

/// What both ends know.
struct Shared {
    standing: Standing,
    guard: Option<Guard>,
}

impl Shared {
    fn stands(&mut self, standing: Standing) {
        let moved = standing.ending() != self.standing.ending();
        self.standing = standing;
        if let (true, Some(guard)) = (moved, &self.guard) {
            guard(standing.ending());
        }
    }
}

fn lock(shared: &Mutex<Shared>) -> MutexGuard<'_, Shared> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Keeper {
    /// Renewing starts at once, on the runtime of `tasks`.
    pub(crate) fn start(
        tasks: &Handle,
        granted: &Granted,
        client: Client,
        terms: Terms,
        events: mpsc::Sender<FleetEvent>,
    ) -> Keeper {
        let (orders, received) = mpsc::channel(ORDERS_MAX);
        let tenure = Tenure::new(granted.time, terms, granted.proof.fencing_token);
        let shared = Arc::new(Mutex::new(Shared {
            standing: tenure.standing(),
            guard: None,
        }));
        let work = Work {
            lease: Held {
                client,
                job: granted.id.clone(),
                proof: granted.proof.clone(),
            },
            tenure,
            events,
            shared: Arc::clone(&shared),
            calls: JoinSet::new(),
            said: None,
            saying: 0,
        };
        tasks.spawn(work.run(received));
        Keeper { orders, shared }
    }

    /// Whether the lease can be relied on at this instant.
    pub(crate) fn holds(&self) -> bool {
        lock(&self.shared).standing.holds(BootInstant::now())
    }

    /// When what runs under the lease has to end, as far as is known now.
    pub(crate) fn ending(&self) -> Ending {
        lock(&self.shared).standing.ending()
    }

    /// In the place of an earlier one, as one command runs at a time. It is told at once what may have changed
    /// since it was asked for.
    pub(crate) fn guard(&self, guard: Guard) {
        let mut shared = lock(&self.shared);
        guard(shared.standing.ending());
        shared.guard = Some(guard);
    }

    /// Reports a stage that is not final; dropped silently once the lease is lost.
    pub(crate) fn report(&self, news: StageNews) {
        self.order(Input::Report(news));
    }

    /// Asks for a renewal from now on; answered by `Confirmed` or `LeaseLost`. `ship` starts after it.
    pub(crate) fn confirm(&self) {
        self.order(Input::Confirm);
    }

    /// The last order; answered by `Settled`.
    pub(crate) fn close(self, closing: Closing) {
        self.order(Input::Close(closing));
    }

    fn order(&self, order: Input) {
        // There are fewer orders than places; a task that is gone has said why.
        let _ = self.orders.try_send(order);
    }
}

/// A lease and whom to talk to about it.
#[derive(Debug, Clone)]
pub(super) struct Held {
    pub(super) client: Client,
    pub(super) job: JobId,
    pub(super) proof: LeaseProof,
}

impl Held {
    pub(super) async fn say(&self, word: &Word) -> Result<(), Failure> {
        let Held { client, job, proof } = self;
        match word {
            Word::Report(news) => client.report(job, proof, news, &news.key).await.map(drop),
            Word::Quarantine(news) => {
                let reason = news.detail.as_deref().unwrap_or("quarantined by its factory");
                client.quarantine(job, Some(proof), reason, &news.key).await
            }
            Word::Release(key) => client.release(proof, key).await,
        }
    }
}

#[derive(Debug)]
enum Done {
    Renewed(Input),
    Answered {
        saying: u64,
        answer: Result<(), Failure>,
    },
}

struct Work {
    lease: Held,
    tenure: Tenure,
    events: mpsc::Sender<FleetEvent>,
    shared: Arc<Mutex<Shared>>,
    /// What each brings is an input of the tenure.
    calls: JoinSet<Done>,
    said: Option<AbortHandle>,
    /// Counts what was said, so that no answer is taken for that of another word.
    saying: u64,
}

impl Work {
    async fn run(mut self, mut orders: mpsc::Receiver<Input>) {
        let mut closed = false;
        while !self.tenure.is_settled() {
            let due = self.tenure.next_instant();
            let input = tokio::select! {
                biased;
                // Answers first: after a stop of the process one may be here that makes the lease hold after all.
                Some(done) = self.calls.join_next(), if !self.calls.is_empty() => match done {
                    Ok(Done::Renewed(input)) => input,
                    Ok(Done::Answered { saying, answer }) if saying == self.saying => Input::Answered(answer),
                    // Nothing is learnt from a call that was broken off; the time of the lease goes on by itself.
                    Ok(Done::Answered { .. }) | Err(_) => Input::Time,
                },
                () = due_at(due) => Input::Time,
                order = orders.recv(), if !closed => {
                    // A loop that is gone without a word has given up its right to the job.
                    let order = order.unwrap_or_else(|| Input::Close(Closing::Release(fresh_key("release"))));
                    closed = matches!(order, Input::Close(_));
                    order
                }
            };
            let now = BootInstant::now();
            let acts = self.tenure.step(now, input);
            lock(&self.shared).stands(self.tenure.standing());
            for act in acts {
                self.carry_out(now, act).await;
            }
        }
    }

    async fn carry_out(&mut self, now: BootInstant, act: Act) {
        let job = self.lease.job.clone();
        let event = match act {
            Act::Renew { limit } => {
                let Held { client, proof, .. } = self.lease.clone();
                self.calls.spawn(async move {
                    Done::Renewed(Input::Renewed {
                        sent: now,
                        answer: client.renew(&proof, limit).await,
                    })
                });
                return;
            }
            Act::Say(word) => {
                let lease = self.lease.clone();
                self.saying += 1;
                let saying = self.saying;
                self.said = Some(self.calls.spawn(async move {
                    let answer = lease.say(&word).await;
                    Done::Answered { saying, answer }
                }));
                return;
            }
            Act::Abandon => {
                self.saying += 1;
                return self.said.take().into_iter().for_each(|call| call.abort());
            }
            Act::Confirmed => FleetEvent::Confirmed { job },
            Act::Lost { reason } => FleetEvent::LeaseLost { job, reason },
            Act::Settled(outcome) => FleetEvent::Settled {
                job,
                lease: self.lease.proof.lease.clone(),
                outcome,
            },
        };
        let _ = self.events.send(event).await;
    }
}

#[cfg(test)]
mod tests;
