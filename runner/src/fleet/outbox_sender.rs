//! Sends the last request about leases that no renewer has any more: what waited in the outbox, and the leases of jobs
//! that an earlier process left behind.

use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::delivery_outcome::{DeliveryOutcome, delivery_outcome};
use super::fleet_event::FleetEvent;
use super::lease_machine::LeaseRequest;
use super::lease_renewer::LeaseClient;
use super::outbox_delivery::{DeliveryEffect, DeliveryEvent, OutboxDelivery, OutboxItem};
use crate::boot_clock::{BootInstant, due_at};
use crate::fleet::client::{CoordinatorClient, StageReport, fresh_key};
use crate::ids::{JobId, LeaseProof};
use crate::queue::OutboxEntry;
use crate::stage::Stage;

/// What an entry asks to be sent; none for a file that is no entry of the runner.
pub(crate) fn outbox_item(entry: &OutboxEntry) -> Option<OutboxItem> {
    let (job, proof, _) = entry.subject()?;
    let request = lease_request(entry)?;
    Some(OutboxItem { job, proof, request })
}

pub(crate) fn lease_request(entry: &OutboxEntry) -> Option<LeaseRequest> {
    let (_, _, stage) = entry.subject()?;
    let report = StageReport {
        stage,
        at: entry.at.clone(),
        reason: entry.reason.clone(),
        key: entry.key.as_str().into(),
    };
    Some(match stage {
        Stage::Quarantine => LeaseRequest::Quarantine(report),
        _ => LeaseRequest::Report(report),
    })
}

/// Sends the entries; `LeaseClosed` answers each.
pub(super) async fn deliver(
    client: CoordinatorClient,
    mut delivery: OutboxDelivery,
    events: mpsc::Sender<FleetEvent>,
) {
    let mut calls = JoinSet::new();
    let mut input = DeliveryEvent::Start;
    loop {
        for effect in delivery.step(BootInstant::now(), input) {
            match effect {
                DeliveryEffect::Finished { outbox_item, outcome } => {
                    send_closed(&events, outbox_item.job, outbox_item.proof, outcome).await;
                }
                DeliveryEffect::Send(OutboxItem { job, proof, request }) => {
                    let client = client.clone();
                    let lease = LeaseClient { client, job, proof };
                    calls.spawn(async move { lease.send(&request).await });
                }
            }
        }
        if delivery.is_over() {
            return;
        }
        input = tokio::select! {
            Some(Ok(answer)) = calls.join_next(), if !calls.is_empty() => DeliveryEvent::Answered(answer),
            () = due_at(delivery.next_instant()) => DeliveryEvent::TimerDue,
        };
    }
}

/// Gives a lease back, so that another factory may have the job at once. It is tried once.
pub(super) async fn release(
    client: CoordinatorClient,
    job: JobId,
    proof: LeaseProof,
    events: mpsc::Sender<FleetEvent>,
) {
    let outcome = delivery_outcome(client.release(&proof, &fresh_key("release")).await);
    send_closed(&events, job, proof, outcome).await;
}

async fn send_closed(
    events: &mpsc::Sender<FleetEvent>,
    job: JobId,
    proof: LeaseProof,
    outcome: DeliveryOutcome,
) {
    let lease = proof.lease;
    let _ = events.send(FleetEvent::LeaseClosed { job, lease, outcome }).await;
}
