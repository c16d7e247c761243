//! The decisions that the model asks for, in one place so that a test can put a wrong one among them; and what was met
//! while they were asked for.

use std::time::Duration;

use crate::boot_clock::BootInstant;
use crate::fleet::call_failure::CallFailure;
use crate::fleet::cut_over::{CutOver, cut_over};
use crate::fleet::delivery_outcome::DeliveryOutcome;
use crate::queue::{JobHistory, RecoveryDecision, recovery_decision};
use crate::run::attempt::AttemptState;
use crate::run::transition::{AttemptEvent, LeaseStatus, NextAction, transition};
use crate::stage::Stage;

/// The decisions, so that a test can put a wrong one in the place of a right one.
#[derive(Clone, Copy)]
pub(super) struct ModelDecisions {
    pub(super) right: fn(bool, bool) -> LeaseStatus,
    pub(super) transition: fn(&AttemptState, AttemptEvent, LeaseStatus) -> NextAction,
    pub(super) cut_over: fn(Option<Stage>) -> CutOver,
    pub(super) recovery_decision: fn(&JobHistory) -> RecoveryDecision,
    /// Whether a supervisor starts nothing, and whether it ends what runs: of whether the lease's time for it is over.
    pub(super) is_too_late: fn(bool) -> bool,
    pub(super) is_fenced: fn(bool) -> bool,
    pub(super) is_answered: fn(&DeliveryOutcome) -> bool,
    /// The clock of a host: what it shows, of the time and of how long the host has slept.
    pub(super) clock: fn(u64, u64) -> BootInstant,
    /// Since when a renewal counts: when it was sent, when it was answered.
    pub(super) counts_from: fn(BootInstant, BootInstant) -> BootInstant,
    pub(super) renewal: fn(Result<Duration, CallFailure>) -> Result<Duration, CallFailure>,
    /// The key of a last word, of the letter's and of how often it was said.
    pub(super) letter_key: fn(&str, u32) -> String,
    /// The key of a claim, in the same way.
    pub(super) claim_key: fn(&str, u32) -> String,
}

impl ModelDecisions {
    pub(super) fn production() -> ModelDecisions {
        ModelDecisions {
            right: LeaseStatus::of,
            transition,
            cut_over,
            recovery_decision,
            is_too_late: |over| over,
            is_fenced: |over| over,
            is_answered: DeliveryOutcome::is_answered,
            clock: |now, _| BootInstant::at_ms(now),
            counts_from: |sent, _| sent,
            renewal: |answer| answer,
            letter_key: |key, _| key.to_owned(),
            claim_key: |key, _| key.to_owned(),
        }
    }
}

/// What was met on the way, to show that the histories are worth something.
#[derive(Debug, Default, Clone)]
pub(super) struct ModelCounts {
    pub(super) shipped: u64,
    pub(super) crashes: u64,
    pub(super) pauses: u64,
    pub(super) lost_messages: u64,
    pub(super) leases_lost: u64,
    pub(super) ships_interrupted: u64,
    pub(super) delivered_after_restart: u64,
    pub(super) finished_before: u64,
    /// A pause fell between the runner's look at the clock and the start of a command, and its supervisor started nothing.
    pub(super) came_too_late: u64,
    /// Ended by its supervisor, which nobody had told of a renewal.
    pub(super) fenced: u64,
    /// A pause fell there, and someone had taken the lease away meanwhile: no clock on the host shows that.
    pub(super) started_in_the_window: u64,
    /// A suspended host had it in memory when another host started the job.
    pub(super) slept_on: u64,
    /// The word of the first `ship` never arrived, so the coordinator gave the job to another: the job's id, which
    /// `ship` is told, is what lets the other side refuse it.
    pub(super) second_ships_refused: u64,
}

impl ModelCounts {
    fn each(&mut self) -> [&mut u64; 13] {
        [
            &mut self.shipped,
            &mut self.crashes,
            &mut self.pauses,
            &mut self.lost_messages,
            &mut self.leases_lost,
            &mut self.ships_interrupted,
            &mut self.delivered_after_restart,
            &mut self.finished_before,
            &mut self.came_too_late,
            &mut self.fenced,
            &mut self.started_in_the_window,
            &mut self.slept_on,
            &mut self.second_ships_refused,
        ]
    }

    pub(super) fn add(&mut self, other: &ModelCounts) {
        let mut other = other.clone();
        for (sum, more) in self.each().into_iter().zip(other.each()) {
            *sum += *more;
        }
    }

    /// But for the rare ones at the end.
    pub(super) fn all_kinds_happened(&self) -> bool {
        self.clone().each()[..10].iter().all(|count| **count > 0)
    }
}
