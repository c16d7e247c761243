//! Renews one lease: it carries out the effects of the lease machine, and tells the loop.
//!
//! The loop reads [`LeaseRenewer::is_lease_valid`] before every effect: after a stop of the process the order of
//! events proves nothing.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::task::{AbortHandle, JoinSet};

use super::fleet_event::{FleetEvent, GrantedJob};
use super::lease_machine::{
    LeaseEffect, LeaseEvent, LeaseRequest, LeaseSnapshot, LeaseStateMachine, LeaseTerms,
};
use crate::boot_clock::{BootInstant, KillDeadlines, due_at};
use crate::fleet::call_failure::CallFailure;
use crate::fleet::client::{CoordinatorClient, LeaseProof, fresh_key};
use crate::ids::JobId;

/// How many orders may wait. A job has four transitions, so more than this is a mistake.
const ORDERS_MAX: usize = 16;

/// Gets the new deadlines each time that they change.
pub(crate) type DeadlineListener = Box<dyn Fn(KillDeadlines) + Send>;

/// The loop's handle on the task that renews one lease. Dropping it makes the task release the lease.
pub(crate) struct LeaseRenewer {
    /// What the loop wants; the task ends after `Close`.
    orders: mpsc::Sender<LeaseEvent>,
    /// Shared with the task.
    shared: Arc<Mutex<RenewerState>>,
}

/// What the loop and the task both read. The task writes it after each step of the lease machine.
struct RenewerState {
    /// Written by the task; the loop asks it before every effect.
    lease_snapshot: LeaseSnapshot,
    /// The command that runs now; the loop sets it when a command starts, and no one takes it away.
    deadline_listener: Option<DeadlineListener>,
}

impl RenewerState {
    fn update(&mut self, lease_snapshot: LeaseSnapshot) {
        let moved = lease_snapshot.ending() != self.lease_snapshot.ending();
        self.lease_snapshot = lease_snapshot;
        if let (true, Some(listener)) = (moved, &self.deadline_listener) {
            listener(lease_snapshot.ending());
        }
    }
}

fn lock(shared: &Mutex<RenewerState>) -> MutexGuard<'_, RenewerState> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

impl LeaseRenewer {
    /// Renewing starts at once, on the runtime of `tasks`.
    pub(crate) fn start(
        tasks: &Handle,
        granted: &GrantedJob,
        client: CoordinatorClient,
        terms: LeaseTerms,
        events: mpsc::Sender<FleetEvent>,
    ) -> LeaseRenewer {
        let (orders, received) = mpsc::channel(ORDERS_MAX);
        let lease_machine = LeaseStateMachine::new(granted.time, terms, granted.proof.fencing_token);
        let shared = Arc::new(Mutex::new(RenewerState {
            lease_snapshot: lease_machine.lease_snapshot(),
            deadline_listener: None,
        }));
        let work = RenewerTask {
            lease: LeaseClient {
                client,
                job: granted.id.clone(),
                proof: granted.proof.clone(),
            },
            lease_machine,
            events,
            shared: Arc::clone(&shared),
            calls: JoinSet::new(),
            request_task: None,
            request_number: 0,
        };
        tasks.spawn(work.run(received));
        LeaseRenewer { orders, shared }
    }

    /// Whether the lease can be relied on at this instant; asked before every effect.
    pub(crate) fn is_lease_valid(&self) -> bool {
        lock(&self.shared).lease_snapshot.holds(BootInstant::now())
    }

    /// When what runs under the lease has to end, as far as is known now.
    pub(crate) fn kill_deadlines(&self) -> KillDeadlines {
        lock(&self.shared).lease_snapshot.ending()
    }

    /// Replaces the earlier listener, because one command runs at a time. It is called at once, as the deadlines may
    /// have changed since the command got its own.
    pub(crate) fn set_deadline_listener(&self, listener: DeadlineListener) {
        let mut shared = lock(&self.shared);
        listener(shared.lease_snapshot.ending());
        shared.deadline_listener = Some(listener);
    }

    /// Gives an order. A report is dropped silently once the lease is lost; `Close` is the last order.
    pub(crate) fn order(&self, order: LeaseEvent) {
        // There are fewer orders than places, and a task that is gone has told the loop why.
        let _ = self.orders.try_send(order);
    }
}

/// A lease, with the client for the calls about it.
#[derive(Debug, Clone)]
pub(super) struct LeaseClient {
    pub(super) client: CoordinatorClient,
    pub(super) job: JobId,
    pub(super) proof: LeaseProof,
}

impl LeaseClient {
    pub(super) async fn send(&self, request: &LeaseRequest) -> Result<(), CallFailure> {
        let LeaseClient { client, job, proof } = self;
        match request {
            LeaseRequest::Report(report) => client.report(job, proof, report, &report.key).await.map(drop),
            LeaseRequest::Quarantine(report) => {
                client
                    .quarantine(job, Some(proof), report.reason.as_ref(), &report.key)
                    .await
            }
            LeaseRequest::Release(key) => client.release(proof, key).await,
        }
    }
}

#[derive(Debug)]
enum FinishedCall {
    Renewed(LeaseEvent),
    Answered {
        request_number: u64,
        answer: Result<(), CallFailure>,
    },
}

/// The task; it lives until the lease is settled.
struct RenewerTask {
    /// The lease, and how the coordinator is called about it.
    lease: LeaseClient,
    /// Decides; this task carries out what it says.
    lease_machine: LeaseStateMachine,
    /// The way back to the loop.
    events: mpsc::Sender<FleetEvent>,
    /// Shared with the loop's handle.
    shared: Arc<Mutex<RenewerState>>,
    /// The requests that are out: renewals, and one other at a time. Each answer is an input of the lease machine.
    calls: JoinSet<FinishedCall>,
    /// The last request that was no renewal, to break it off when its answer does not matter any more.
    request_task: Option<AbortHandle>,
    /// Counts those requests, so that no answer is taken for that of a later one.
    request_number: u64,
}

impl RenewerTask {
    async fn run(mut self, mut orders: mpsc::Receiver<LeaseEvent>) {
        let mut closed = false;
        while !self.lease_machine.is_settled() {
            let due = self.lease_machine.next_instant();
            let input = tokio::select! {
                biased;
                // Answers come first: after a stop of the process one may be here that makes the lease valid after
                // all.
                Some(done) = self.calls.join_next(), if !self.calls.is_empty() => match done {
                    Ok(FinishedCall::Renewed(input)) => input,
                    Ok(FinishedCall::Answered { request_number, answer }) if request_number == self.request_number => LeaseEvent::Answered(answer),
                    // Nothing is learnt from a call that was broken off; the time of the lease goes on by itself.
                    Ok(FinishedCall::Answered { .. }) | Err(_) => LeaseEvent::TimerDue,
                },
                () = due_at(due) => LeaseEvent::TimerDue,
                order = orders.recv(), if !closed => {
                    // A loop that is gone without an order has given up its right to the job.
                    let order = order.unwrap_or_else(|| LeaseEvent::Close(LeaseRequest::Release(fresh_key("release"))));
                    closed = matches!(order, LeaseEvent::Close(_));
                    order
                }
            };
            let now = BootInstant::now();
            let effects = self.lease_machine.step(now, input);
            lock(&self.shared).update(self.lease_machine.lease_snapshot());
            for effect in effects {
                self.carry_out(now, effect).await;
            }
        }
    }

    async fn carry_out(&mut self, now: BootInstant, effect: LeaseEffect) {
        let job = self.lease.job.clone();
        let event = match effect {
            LeaseEffect::Renew { limit } => {
                let LeaseClient { client, proof, .. } = self.lease.clone();
                self.calls.spawn(async move {
                    FinishedCall::Renewed(LeaseEvent::Renewed {
                        sent: now,
                        answer: client.renew(&proof, limit).await,
                    })
                });
                return;
            }
            LeaseEffect::Send(request) => {
                let lease = self.lease.clone();
                self.request_number += 1;
                let request_number = self.request_number;
                self.request_task = Some(self.calls.spawn(async move {
                    let answer = lease.send(&request).await;
                    FinishedCall::Answered {
                        request_number,
                        answer,
                    }
                }));
                return;
            }
            LeaseEffect::CancelRequest => {
                self.request_number += 1;
                return self.request_task.take().into_iter().for_each(|call| call.abort());
            }
            LeaseEffect::Confirmed => FleetEvent::Confirmed { job },
            LeaseEffect::Lost { reason, in_time } => FleetEvent::LeaseLost { job, reason, in_time },
            LeaseEffect::Closed(outcome) => FleetEvent::LeaseClosed {
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
