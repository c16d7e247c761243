//! What a host goes through on a weekend, and after how many starts each of it begins.

use crate::seeded_rng::SeededRng;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum OutageKind {
    FullDisk,
    /// An engine is not logged in any more.
    LoginExpired,
    /// An engine is used up, and says until when.
    UsageLimit,
    /// The program of an engine can't be started.
    BrokenProgram,
    HangUp,
    Terminated,
    KilledRunner,
    /// The supervisors die with it, and what they had started lives.
    KilledSupervisors,
    /// The file of a job is away for a while.
    VanishedWaiting,
    /// The file of a job is removed while the job is worked on.
    VanishedInWork,
    /// The whole queue is away for a while.
    VanishedQueue,
    /// The record of a job turns into zeros.
    DamagedRecord,
}

/// Each with the word for it in the evidence and in the report.
pub const OUTAGES: [(OutageKind, &str); 12] = [
    (OutageKind::FullDisk, "full-disk"),
    (OutageKind::LoginExpired, "login-expired"),
    (OutageKind::UsageLimit, "usage-limit"),
    (OutageKind::BrokenProgram, "broken-program"),
    (OutageKind::HangUp, "hang-up"),
    (OutageKind::Terminated, "terminated"),
    (OutageKind::KilledRunner, "killed-runner"),
    (OutageKind::KilledSupervisors, "killed-supervisors"),
    (OutageKind::VanishedWaiting, "vanished-waiting"),
    (OutageKind::VanishedInWork, "vanished-in-work"),
    (OutageKind::VanishedQueue, "vanished-queue"),
    (OutageKind::DamagedRecord, "damaged-record"),
];

/// One that is to come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct PlannedOutage {
    pub(super) kind: OutageKind,
    /// So many commands were started by then.
    pub(super) after_starts: u64,
}

impl OutageKind {
    pub(super) fn word(self) -> &'static str {
        OUTAGES
            .iter()
            .find(|(kind, _)| *kind == self)
            .map_or("", |(_, word)| word)
    }

    pub(super) fn of(word: &str) -> Option<OutageKind> {
        OUTAGES
            .iter()
            .find(|(_, known)| *known == word)
            .map(|(kind, _)| *kind)
    }

    /// An attempt that such a kill cuts off counts (O-7).
    pub(super) fn is_kill(self) -> bool {
        matches!(self, OutageKind::KilledRunner | OutageKind::KilledSupervisors)
    }

    /// An attempt during which it fell may have ended without anybody who could write that down, so it may be made again:
    /// O-7, O-8 and O-21.
    pub(super) fn may_cut_off(self) -> bool {
        match self {
            OutageKind::FullDisk
            | OutageKind::HangUp
            | OutageKind::Terminated
            | OutageKind::KilledRunner
            | OutageKind::KilledSupervisors
            | OutageKind::VanishedQueue => true,
            OutageKind::LoginExpired
            | OutageKind::UsageLimit
            | OutageKind::BrokenProgram
            | OutageKind::VanishedWaiting
            | OutageKind::VanishedInWork
            | OutageKind::DamagedRecord => false,
        }
    }
}

/// All kinds, in an order that the seed decides, again and again over the weekend.
pub(super) fn planned(seed: u64, jobs: usize) -> Vec<PlannedOutage> {
    let mut rng = SeededRng::new(seed ^ 0x0dd);
    let rounds = (jobs / ROUND_JOBS).max(1);
    let mut kinds = Vec::new();
    for _ in 0..rounds {
        let mut round: Vec<OutageKind> = OUTAGES.iter().map(|(kind, _)| *kind).collect();
        while !round.is_empty() {
            let index = usize::try_from(rng.below(round.len() as u64)).unwrap_or(0);
            kinds.push(round.swap_remove(index));
        }
    }
    // The last of them needs jobs as well, and each may take more starts than there are between two.
    let apart = (jobs as u64) / (2 * kinds.len() as u64);
    let starts = (1..).map(|number| number * apart.max(1));
    let planned = kinds.into_iter().zip(starts);
    planned
        .map(|(kind, after_starts)| PlannedOutage { kind, after_starts })
        .collect()
}

/// So many jobs for each time that all kinds come.
const ROUND_JOBS: usize = 400;
