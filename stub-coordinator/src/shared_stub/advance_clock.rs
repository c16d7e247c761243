//! Moving a manual clock, and what falls due on the way.

use std::time::Duration;

use serde::Serialize;

use super::SharedStub;
use crate::contract::timestamp::UtcTimestamp;

/// Something that fell due while the clock was advanced.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DueEvent {
    /// When, on the stub's clock.
    pub at: String,
    /// What: a lease that ran out, or a wait that ended.
    pub what: String,
}

impl SharedStub {
    /// Moves a manual clock step by step to each thing that falls due, and returns when all of it has happened.
    pub(crate) async fn advance(&self, by: Duration) -> Vec<DueEvent> {
        // What has arrived gets as far as it can first, so that its waits are known.
        self.clock.until_quiet().await;
        let target = self.clock.now().after(by);
        let mut happened = Vec::new();
        loop {
            let deadline = self.coordinator().next_deadline();
            let next = [deadline, self.clock.next_timer()].into_iter().flatten().min();
            let step = next.unwrap_or(target).min(target);
            self.step_to(step, &mut happened).await;
            if step >= target {
                return happened;
            }
        }
    }

    async fn step_to(&self, step: UtcTimestamp, happened: &mut Vec<DueEvent>) {
        // Leases first: a claim that wakes at the same instant finds what they gave back. Each that waits has an alarm
        // at the next deadline, so nobody needs to be told.
        let (expired, rang) = {
            let mut coordinator = self.coordinator();
            (coordinator.settle(step), self.clock.move_to(step))
        };
        for expired in &expired {
            let lease = &expired.lease;
            let what = format!("lease {} on {} ran out", lease.number.id(), lease.job);
            happened.push(DueEvent {
                at: expired.at.to_string(),
                what,
            });
        }
        happened.extend(rang.into_iter().map(|rang| DueEvent {
            at: rang.at.to_string(),
            what: rang.what,
        }));
        self.clock.until_quiet().await;
    }
}
