//! Says the last word on leases that no keeper has any more: what waited in the outbox, and the leases of jobs that an
//! earlier process left behind.

use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::delivery_outcome::DeliveryOutcome;
use super::delivery_outcome::delivery_outcome;
use super::fleet_event::FleetEvent;
use super::lease_machine::LeaseRequest;
use super::lease_renewer::LeaseClient;
use super::outbox_delivery::{DeliveryEffect, DeliveryEvent, OutboxDelivery, OutboxItem};
use crate::boot_clock::BootInstant;
use crate::boot_clock::due_at;
use crate::fleet::client::{CoordinatorClient, StageReport, fresh_key};
use crate::ids::{JobId, LeaseProof};
use crate::queue::OutboxEntry;
use crate::stage::Stage;

/// What a letter asks to be said; none for a file that is no letter of ours.
pub(crate) fn outbox_item(letter: &OutboxEntry) -> Option<OutboxItem> {
    let (job, proof, _) = letter.subject()?;
    let word = word(letter)?;
    Some(OutboxItem { job, proof, word })
}

pub(crate) fn word(letter: &OutboxEntry) -> Option<LeaseRequest> {
    let (_, _, stage) = letter.subject()?;
    let news = StageReport {
        stage,
        at: letter.at.clone(),
        reason: letter.reason(),
        key: letter.key.as_str().into(),
    };
    Some(match stage {
        Stage::Quarantine => LeaseRequest::Quarantine(news),
        _ => LeaseRequest::Report(news),
    })
}

/// Each is answered by `Settled`.
pub(super) async fn deliver(
    client: CoordinatorClient,
    mut round: OutboxDelivery,
    events: mpsc::Sender<FleetEvent>,
) {
    let mut calls = JoinSet::new();
    let mut input = DeliveryEvent::Start;
    loop {
        for act in round.step(BootInstant::now(), input) {
            match act {
                DeliveryEffect::Finished { outbox_item, outcome } => {
                    tell(&events, outbox_item.job, outbox_item.proof, outcome).await
                }
                DeliveryEffect::Send(OutboxItem { job, proof, word }) => {
                    let client = client.clone();
                    let lease = LeaseClient { client, job, proof };
                    calls.spawn(async move { lease.say(&word).await });
                }
            }
        }
        if round.is_over() {
            return;
        }
        input = tokio::select! {
            Some(Ok(answer)) = calls.join_next(), if !calls.is_empty() => DeliveryEvent::Answered(answer),
            () = due_at(round.next_instant()) => DeliveryEvent::TimerDue,
        };
    }
}

/// Another factory may have it at once, if the lease still answers: asked once.
pub(super) async fn release(
    client: CoordinatorClient,
    job: JobId,
    proof: LeaseProof,
    events: mpsc::Sender<FleetEvent>,
) {
    let outcome = delivery_outcome(client.release(&proof, &fresh_key("release")).await);
    tell(&events, job, proof, outcome).await;
}

async fn tell(events: &mpsc::Sender<FleetEvent>, job: JobId, proof: LeaseProof, outcome: DeliveryOutcome) {
    let lease = proof.lease;
    let _ = events.send(FleetEvent::LeaseClosed { job, lease, outcome }).await;
}
