//! The end of an office: what is held is given back, what is under way may take a while.

use std::time::Duration;

use super::FleetSession;
use crate::fleet::routed::{DeliveryOutcome, FleetEvent};
use crate::ids::{JobId, LeaseId};

impl FleetSession {
    /// Releases what is still held and waits for all that is under way, at most `usage_limit`. What is not settled by
    /// then ends by itself at the coordinator's.
    /// Says what was settled.
    pub(crate) async fn shut(mut self, limit: Duration) -> Vec<(LeaseId, DeliveryOutcome)> {
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
        let _ = tokio::time::timeout_at(ends, self.return_unstarted(&mut settled)).await;
        settled
    }

    async fn settle(&mut self, settled: &mut Vec<(LeaseId, DeliveryOutcome)>) {
        while self.closing > 0 {
            match self.next().await {
                FleetEvent::LeaseClosed { lease, outcome, .. } => settled.push((lease, outcome)),
                event => self.give_back(event),
            }
        }
    }

    async fn return_unstarted(&mut self, settled: &mut Vec<(LeaseId, DeliveryOutcome)>) {
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
