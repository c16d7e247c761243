//! Says the last word on leases that no keeper has any more: what waited in the outbox, and the leases of jobs that an
//! earlier process left behind.

use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::keeper::Held;
use super::round::{Act, Input, Parcel, Round};
use super::settlement::settlement;
use super::tenure::Word;
use super::{FleetEvent, Settlement, due_at};
use crate::clock::BootInstant;
use crate::fleet::client::{Client, StageNews, fresh_key};
use crate::ids::{JobId, LeaseProof};
use crate::queue::Letter;
use crate::stage::Stage;

/// What a letter asks to be said; none for a file that is no letter of ours.
pub(crate) fn parcel(letter: &Letter) -> Option<Parcel> {
    let (job, proof, _) = letter.subject()?;
    let word = word(letter)?;
    Some(Parcel { job, proof, word })
}

pub(crate) fn word(letter: &Letter) -> Option<Word> {
    let (_, _, stage) = letter.subject()?;
    let news = StageNews {
        stage,
        at: letter.at.clone(),
        detail: letter.detail.clone(),
        key: letter.key.as_str().into(),
    };
    Some(match stage {
        Stage::Quarantine => Word::Quarantine(news),
        _ => Word::Report(news),
    })
}

/// Each is answered by `Settled`.
pub(super) async fn deliver(client: Client, mut round: Round, events: mpsc::Sender<FleetEvent>) {
    let mut calls = JoinSet::new();
    let mut input = Input::Start;
    loop {
        for act in round.step(BootInstant::now(), input) {
            match act {
                Act::Settled { parcel, outcome } => tell(&events, parcel.job, parcel.proof, outcome).await,
                Act::Say(Parcel { job, proof, word }) => {
                    let client = client.clone();
                    let lease = Held { client, job, proof };
                    calls.spawn(async move { lease.say(&word).await });
                }
            }
        }
        if round.is_over() {
            return;
        }
        input = tokio::select! {
            Some(Ok(answer)) = calls.join_next(), if !calls.is_empty() => Input::Answered(answer),
            () = due_at(round.next_instant()) => Input::Time,
        };
    }
}

/// Another factory may have it at once, if the lease still answers: asked once.
pub(super) async fn release(client: Client, job: JobId, proof: LeaseProof, events: mpsc::Sender<FleetEvent>) {
    let outcome = settlement(client.release(&proof, &fresh_key("release")).await);
    tell(&events, job, proof, outcome).await;
}

async fn tell(events: &mpsc::Sender<FleetEvent>, job: JobId, proof: LeaseProof, outcome: Settlement) {
    let lease = proof.lease;
    let _ = events.send(FleetEvent::Settled { job, lease, outcome }).await;
}
