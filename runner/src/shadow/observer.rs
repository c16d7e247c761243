//! The lane's work: one message after the other, each to its line in the log.
//!
//! A decision is compared once the coordinator has been told of everything before it, and only then; a transition
//! is reported when its turn comes. Nothing is retried but reports, and those in their order (clauses S-1, S-6,
//! S-7, S-9, S-10).

use std::collections::HashMap;

use super::compare::{Now, compare};
use super::ledger::{Ledger, Told, jobs_in};
use super::log::{Event, Line, Log, Skip};
use super::mailbox::{Mailbox, Mention, Message, Refused};
use super::pending::Pending;
use super::{Decision, reporter};
use crate::fleet::client::{Client, Offer, StrayLease, fresh_key};
use crate::fleet::failure::{Failure, shown};
use crate::fleet::health::{NotComparing, Operation};
use crate::fleet::health_reporter::HealthReporter;
use crate::ids::{Capability, JobId};
use crate::queue;
use crate::settings::Settings;
use crate::stage::Stage;

const OPERATION: &str = Operation::ShadowClaim.name();

/// Whether the coordinator is still asked for dry runs by this process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Asking {
    Comparing,
    Unsupported,
    Stopped,
}

pub(super) struct Observer {
    settings: Settings,
    health: HealthReporter,
    mailbox: Mailbox,
    log: Log,
    ledger: Ledger,
    pending: Pending,
    client: Option<Client>,
    asking: Asking,
    /// The decision that has no line yet.
    open: Option<(String, Option<JobId>)>,
    /// The last offer logged while there was nothing to do here.
    offer_while_idle: Option<String>,
    /// The jobs at work when the lane started, until they have been looked at.
    at_start: Option<HashMap<JobId, Stage>>,
    /// Transitions were lost for good: nothing can be compared any more.
    blind: bool,
}

impl Observer {
    /// `at_start` are the jobs past the inbox in no final stage, taken before the first decision: what the lane
    /// itself reads later may already be that decision's doing.
    pub(super) fn new(
        settings: Settings,
        health: HealthReporter,
        mailbox: Mailbox,
        at_start: HashMap<JobId, Stage>,
    ) -> Observer {
        Observer {
            log: Log::new(&settings),
            ledger: Ledger::new(&settings),
            settings,
            health,
            mailbox,
            pending: Pending::default(),
            client: None,
            asking: Asking::Comparing,
            open: None,
            offer_while_idle: None,
            at_start: Some(at_start),
            blind: false,
        }
    }

    /// Until the box is closed and empty. May be dropped at any point and be called again.
    pub(super) async fn run(&mut self) {
        if let Some(at_start) = self.at_start.take() {
            self.look_at_folders(at_start);
            self.flush().await;
        }
        while let Some(message) = self.mailbox.next().await {
            write_refused(&self.log, self.mailbox.take_refused());
            match message {
                Message::Decided { id, decision } => {
                    self.open = Some((id.clone(), decision.local.clone()));
                    if let Some(line) = self.judge(&id, &decision).await {
                        self.log.append(&line);
                    }
                    self.open = None;
                }
                Message::Moved(transition) => {
                    self.pending.put(transition.job, transition.stage);
                    self.flush().await;
                }
                Message::Overtaken(overtaken) => {
                    self.blind |= overtaken.incomplete;
                    for (job, stage) in overtaken.stages {
                        self.pending.put(job, stage);
                    }
                    self.flush().await;
                }
            }
        }
    }

    /// Gives every decision that will not be looked at any more its line.
    pub(super) fn clear_out(&mut self, skip: Skip) {
        self.close_open(skip);
        let left = std::iter::from_fn(|| self.mailbox.take());
        let lines = left.filter_map(|message| match message {
            Message::Decided { id, decision } => Some(Line::skipped(&id, name(&decision.local), skip)),
            Message::Moved(_) | Message::Overtaken(_) => None,
        });
        self.log.append_all(&lines.collect::<Vec<_>>());
        write_refused(&self.log, self.mailbox.take_refused());
    }

    /// The line of the decision that was being looked at, if it has none yet.
    fn close_open(&mut self, skip: Skip) {
        if let Some((id, local)) = self.open.take() {
            self.log.append(&Line::skipped(&id, name(&local), skip));
        }
    }

    /// What was being done is lost; a report among it is a hole that nobody knows of.
    pub(super) fn after_panic(&mut self) {
        self.close_open(Skip::Stopped);
        self.blind = true;
    }

    async fn judge(&mut self, id: &str, decision: &Decision) -> Option<Line> {
        let local = name(&decision.local);
        if let Some(skip) = self.not_asking() {
            return Some(Line::skipped(id, local, skip));
        }
        self.hear_others();
        self.flush().await;
        if self.blind || !self.pending.is_empty() {
            return Some(Line::skipped(id, local, Skip::ViewGap));
        }
        match self.ask(decision).await {
            Ok(Offer::Nothing) => self.compared(id, decision, None),
            Ok(Offer::Job(named)) => self.compared(id, decision, Some(&named)),
            Ok(Offer::Lease(stray)) => {
                self.asking = Asking::Stopped;
                self.health.compares_no_more(NotComparing::DryRunNotHonoured);
                self.give_back(&stray).await;
                Some(Line::skipped(id, local, Skip::Stopped))
            }
            Err(failure) if failure.is_unsupported() => {
                self.asking = Asking::Unsupported;
                self.health.compares_no_more(NotComparing::DryRunUnsupported);
                let detail = format!(
                    "{}: the coordinator knows no dry run; nothing is compared",
                    failure.kind()
                );
                self.log
                    .append(&Line::note(Event::DryRunUnsupported, None, &detail));
                Some(Line::skipped(id, local, Skip::Unsupported))
            }
            Err(failure) => Some(Line::error(OPERATION, Some(id), local, &failure)),
        }
    }

    fn not_asking(&self) -> Option<Skip> {
        match self.asking {
            Asking::Comparing => None,
            Asking::Unsupported => Some(Skip::Unsupported),
            Asking::Stopped => Some(Skip::Stopped),
        }
    }

    async fn ask(&mut self, decision: &Decision) -> Result<Offer, Failure> {
        let caps: Vec<Capability> = decision.view.caps.iter().cloned().collect();
        let client = self.client(Operation::ShadowClaim)?;
        client.shadow_claim(&caps).await
    }

    /// One that can't be made is a call that fails.
    fn client(&mut self, wanted_for: Operation) -> Result<Client, Failure> {
        reporter::client(&self.settings, &self.health, &mut self.client)
            .inspect_err(|failure| self.health.ended(wanted_for, Some(failure)))
    }

    /// An offer to an idle runner is one situation until something is picked here or the offer changes.
    fn compared(&mut self, id: &str, decision: &Decision, offer: Option<&str>) -> Option<Line> {
        let folder = &self.settings.queue.value;
        let found = compare(decision, offer, |job| Now {
            stage: queue::stage_of(folder, job).or_else(|| queue::pruned_from(folder, job)),
            locks: queue::locks_of_working(folder),
        });
        let offer = match decision.local {
            Some(_) => None,
            None => offer.map(shown),
        };
        let repeated = offer.is_some() && offer == self.offer_while_idle;
        self.offer_while_idle = offer;
        match found {
            Some(found) if !repeated => Some(Line::comparison(id, name(&decision.local), &found)),
            _ => None,
        }
    }

    /// The one call of this lane that is no shadow call: a lease that nobody asked for is given back, once.
    async fn give_back(&mut self, stray: &StrayLease) {
        let line = |event, detail: &str| Line::lease(event, stray.job.as_deref(), &stray.shown_id, detail);
        let detail = "a dry run was answered with a lease: no more dry runs in this process";
        self.log.append(&line(Event::DryRunNotHonoured, detail));
        let outcome = match (&stray.proof, self.client(Operation::Release)) {
            (Some(proof), Ok(client)) => client.release(proof, &fresh_key("release")).await,
            (None, _) => {
                self.log.append(&line(
                    Event::LeaseLeaked,
                    "it has no id and fencing token to release it with",
                ));
                return;
            }
            (_, Err(failure)) => Err(failure),
        };
        if let Err(failure) = outcome {
            let detail = format!("release: {}: {}", failure.kind(), failure.detail());
            self.log.append(&line(Event::LeaseLeaked, &detail));
        }
    }

    /// Sends what is due, in order, up to the first that gets no answer.
    async fn flush(&mut self) {
        while let Some((job, stage)) = self.pending.first() {
            let told = match self.client(Operation::ShadowReport) {
                Ok(client) => reporter::tell(&client, &self.log, &self.ledger, &job, stage).await,
                Err(failure) => {
                    self.log.append(&Line::error(
                        reporter::OPERATION,
                        None,
                        Some(job.as_str()),
                        &failure,
                    ));
                    Err(failure)
                }
            };
            match told {
                Ok(()) => self.pending.answered(&job, stage),
                Err(_) => return,
            }
        }
    }

    /// What a command in another process could not deliver is a hole in the view all the same.
    fn hear_others(&mut self) {
        for entry in self.ledger.read_new() {
            match entry.told {
                Told::Answered => self.pending.answered(&entry.job, entry.stage),
                Told::Open => self.pending.put(entry.job, entry.stage),
            }
        }
    }

    /// Compares the folders with what the coordinator was told; the difference is due.
    ///
    /// The box is asked last: a job that moved meanwhile is in it by then, and is reported in its own turn, after
    /// its decision was compared (clause S-15).
    fn look_at_folders(&mut self, at_start: HashMap<JobId, Stage>) {
        let known = self.ledger.load();
        let mut stages = at_start;
        stages.extend(jobs_in(
            &self.settings,
            Stage::ALL.into_iter().filter(|stage| stage.is_final()),
        ));
        for (job, entry) in &known {
            let taken = (entry.told, entry.stage) != (Told::Answered, Stage::Inbox);
            let is_here = || queue::stage_of(&self.settings.queue.value, job).is_some();
            if taken && !stages.contains_key(job) && is_here() {
                // Neither at work at the start nor final: it was in the inbox, wherever it is by now.
                stages.insert(job.clone(), Stage::Inbox);
            }
        }
        let mentioned = self.mailbox.mentioned();
        for (job, mention) in mentioned.into_iter().rev() {
            // The first mention decides, so it is looked at last.
            match (mention, known.contains_key(&job)) {
                (Mention::Decided, true) => stages.insert(job, Stage::Inbox),
                (Mention::Decided, false) | (Mention::Moved, _) => stages.remove(&job),
            };
        }
        let mut due: Vec<(JobId, Stage)> = stages
            .into_iter()
            .filter(|(job, stage)| {
                let entry = known.get(job);
                entry.is_none_or(|entry| (entry.told, entry.stage) != (Told::Answered, *stage))
            })
            .collect();
        // Folders have no order; by name it is at least the same one every time.
        due.sort();
        for (job, stage) in due {
            self.pending.put(job, stage);
        }
    }
}

/// Lines for the decisions that did not fit into the box, as long as the lane lives.
pub(super) async fn write_refusals(log: &Log, mailbox: &Mailbox) {
    loop {
        write_refused(log, mailbox.refused().await);
    }
}

fn write_refused(log: &Log, refused: Refused) {
    let decisions = refused.decisions.iter();
    let lines = decisions.map(|(id, local)| Line::skipped(id, name(local), Skip::LaneFull));
    log.append_all(&lines.collect::<Vec<_>>());
    if refused.more > 0 {
        log.append(&Line::many_skipped(&fresh_key("lane-full"), refused.more));
    }
}

fn name(local: &Option<JobId>) -> Option<&str> {
    local.as_ref().map(JobId::as_str)
}
