//! The end of an office: what is held is given back, what is under way may take a while.

use std::time::Duration;

use super::Office;
use crate::fleet::routed::{FleetEvent, Settlement};
use crate::ids::{JobId, LeaseId};

impl Office {
    /// Releases what is still held and waits for all that is under way, at most `limit`. What is not settled by
    /// then ends by itself at the coordinator's.
    /// Says what was settled.
    pub(crate) async fn shut(mut self, limit: Duration) -> Vec<(LeaseId, Settlement)> {
        let held: Vec<JobId> = self.keepers.keys().cloned().collect();
        for job in &held {
            self.release(job);
        }
        let ends = tokio::time::Instant::now() + limit;
        let claimer = self.claimer.take();
        let stop = async {
            if let Some(claimer) = claimer {
                claimer.stop(limit).await;
            }
        };
        let mut settled = Vec::new();
        let _ = tokio::time::timeout_at(ends, async { tokio::join!(stop, self.settle(&mut settled)) }).await;
        // A job may have been on its way when the claimer was told to stop.
        let _ = tokio::time::timeout_at(ends, self.return_unopened(&mut settled)).await;
        settled
    }

    async fn settle(&mut self, settled: &mut Vec<(LeaseId, Settlement)>) {
        while self.closing > 0 {
            match self.next().await {
                FleetEvent::Settled { lease, outcome, .. } => settled.push((lease, outcome)),
                event => self.give_back(event),
            }
        }
    }

    async fn return_unopened(&mut self, settled: &mut Vec<(LeaseId, Settlement)>) {
        while let Ok(event) = self.events.try_recv() {
            self.give_back(event);
        }
        self.settle(settled).await;
    }

    /// A job that came too late to be started.
    fn give_back(&mut self, event: FleetEvent) {
        if let FleetEvent::Claimed(granted) = event {
            self.keep(&granted);
            self.release(&granted.id);
        }
    }
}
