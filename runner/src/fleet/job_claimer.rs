//! Claims a job when the loop wants one: it carries out the effects of the claim machine, and tells the loop.

use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::{mpsc, watch};
use tokio::task::{JoinHandle, JoinSet};

use super::claim_retry_machine::{ClaimEffect, ClaimEvent, ClaimParameters, ClaimStateMachine};
use super::fleet_event::FleetEvent;
use crate::boot_clock::{BootInstant, due_at};
use crate::fleet::client::{CoordinatorClient, fresh_key};
use crate::fleet::coordinator_health::ApiOperation;
use crate::ids::Capability;

/// The loop's handle on the claiming task.
#[derive(Debug)]
pub(crate) struct JobClaimer {
    /// At most one claim is wanted at a time; the loop writes, the task takes.
    requests: mpsc::Sender<ClaimParameters>,
    /// Set to true once, when no more claims are wanted.
    stop: watch::Sender<bool>,
    /// Awaited at the stop, because an answer that is under way may bring a job.
    task: JoinHandle<()>,
}

impl JobClaimer {
    /// Starts the task on the runtime of `tasks`. `seed` spreads the waits of factories that lost the coordinator at
    /// the same moment.
    pub(crate) fn start(
        tasks: &Handle,
        client: CoordinatorClient,
        timeout: Duration,
        seed: u64,
        events: mpsc::Sender<FleetEvent>,
    ) -> JobClaimer {
        let (requests, received) = mpsc::channel(1);
        let (stop, stopped) = watch::channel(false);
        let work = ClaimerTask {
            claim_machine: ClaimStateMachine::new(timeout, seed, Box::new(|| fresh_key("claim"))),
            client,
            events,
            calls: JoinSet::new(),
        };
        JobClaimer {
            requests,
            stop,
            task: tasks.spawn(work.run(received, stopped)),
        }
    }

    /// Asks for one job; `Claimed` or `Nothing` answers once. A call while a claim is open does nothing. `wait`: how
    /// long the coordinator may hold the claim while it has nothing.
    pub(crate) fn request_job(&self, caps: Vec<Capability>, wait: Option<Duration>) {
        // The channel is full when a claim is open already.
        let _ = self.requests.try_send(ClaimParameters { caps, wait });
    }

    /// Ends the claims. One that is out is awaited, at most `limit`, and the job that it brings is given back.
    pub(crate) fn stop(self, limit: Duration) -> impl Future<Output = ()> + use<> {
        self.stop.send_replace(true);
        let mut task = self.task;
        async move {
            if tokio::time::timeout(limit, &mut task).await.is_err() {
                task.abort();
            }
        }
    }
}

/// The task; it lives until it is stopped and the last answer is in.
struct ClaimerTask {
    /// Decides; this task carries out what it says.
    claim_machine: ClaimStateMachine,
    /// Makes the calls.
    client: CoordinatorClient,
    /// The way back to the loop.
    events: mpsc::Sender<FleetEvent>,
    /// One call at a time; what it brings is an input of the claim machine.
    calls: JoinSet<ClaimEvent>,
}

impl ClaimerTask {
    async fn run(
        mut self,
        mut received: mpsc::Receiver<ClaimParameters>,
        mut stopped: watch::Receiver<bool>,
    ) {
        let mut stopping = false;
        while !self.claim_machine.is_over() {
            let due = self.claim_machine.next_instant();
            let input = tokio::select! {
                biased;
                // A loop that is gone asks for nothing more.
                _ = stopped.wait_for(|stopped| *stopped), if !stopping => {
                    stopping = true;
                    ClaimEvent::Stop
                }
                Some(done) = self.calls.join_next(), if !self.calls.is_empty() => match done {
                    Ok(input) => input,
                    Err(_) => return,
                },
                () = due_at(due) => ClaimEvent::TimerDue,
                Some(parameters) = received.recv() => ClaimEvent::Ask(parameters),
            };
            for effect in self.claim_machine.step(BootInstant::now(), input) {
                if self.carry_out(effect).await.is_none() {
                    return;
                }
            }
        }
    }

    /// Returns none if the loop is gone.
    async fn carry_out(&mut self, effect: ClaimEffect) -> Option<()> {
        let client = self.client.clone();
        match effect {
            ClaimEffect::Claim { parameters, key } => {
                let claim = async move {
                    ClaimEvent::Claimed(client.claim(&parameters.caps, parameters.wait, &key).await)
                };
                self.calls.spawn(claim);
            }
            ClaimEffect::Renew { proof, limit } => {
                let renew = async move { ClaimEvent::Renewed(client.renew(&proof, limit).await) };
                self.calls.spawn(renew);
            }
            ClaimEffect::Release(proof) => {
                let _ = client.release(&proof, &fresh_key("release")).await;
            }
            ClaimEffect::Failed { failure, retry_in } => {
                client.health_reporter().claim_failed(&failure, retry_in);
                // A loop that has that many events to look at knows that claims fail, or has other trouble.
                let _ = self.events.try_send(FleetEvent::ClaimFailed);
            }
            ClaimEffect::Emit(event) => {
                if matches!(event, FleetEvent::Claimed(_) | FleetEvent::Nothing) {
                    client.health_reporter().ended(ApiOperation::Claim, None);
                }
                self.events.send(event).await.ok()?;
            }
        }
        Some(())
    }
}

#[cfg(test)]
mod tests;
