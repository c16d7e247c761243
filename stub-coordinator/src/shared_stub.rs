//! What one running stub holds: the coordinator behind its lock, script, journal, clock. Every way in (HTTP, control,
//! the library) goes through here, so that each means the same.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::sync::{Notify, watch};

use crate::clock::{Clock, ClockKind};
use crate::contract::execution_mode::ExecutionMode;
use crate::contract::ids::RuleId;
use crate::contract::timestamp::UtcTimestamp;
use crate::coordinator::commands::{CommandOutcome, CoordinatorCommand};
use crate::coordinator::idempotency_cache::IdempotentRequest;
use crate::coordinator::saved_state::{SavedState, SavedStateError};
use crate::coordinator::{Coordinator, CoordinatorSetup};
use crate::faults::{ArmEffect, Fault, GateRegistry};
use crate::journal::Journal;
use crate::rules::{Rule, RuleEngine, RuleError, RuleStatus};
use crate::state_file::{StateFile, StateFileError};

pub(crate) struct SharedStub {
    /// What this one is told apart by from every other stub, and from itself before its last start.
    pub(crate) instance: String,
    coordinator: Mutex<Coordinator>,
    /// What it was set up with, for setting it up again.
    setup: CoordinatorSetup,
    /// Where its state is kept.
    state_file: OnceLock<StateFile>,
    /// Told whenever real state may have changed, for claims that wait.
    pub(crate) changed: Notify,
    pub(crate) script: RuleEngine,
    pub(crate) gates: GateRegistry,
    pub(crate) journal: Arc<Journal>,
    pub(crate) clock: Arc<Clock>,
    /// Refuse fields that the contract does not name.
    pub(crate) strict: bool,
    pub(crate) seed: Option<u64>,
    /// How long a head and a body may take to arrive.
    pub(crate) patience: ServerLimits,
    /// Whether anybody listens; the server follows it.
    pub(crate) listening: watch::Sender<bool>,
    /// What the server has made of that; none while none serves.
    pub(crate) listens: watch::Sender<Option<bool>>,
    /// Where it can be reached, once it can.
    pub(crate) places: OnceLock<StubAddresses>,
    /// Changes when all that is under way is to end.
    pub(crate) epoch: watch::Sender<u64>,
    /// Requests of a past life, refused.
    pub(crate) late: AtomicU64,
    /// Requests that the guard at the door refused, counted nowhere else.
    pub(crate) refused: AtomicU64,
    /// What whoever set rules up expects of them.
    expectations: Mutex<RuleExpectations>,
    /// The coordinator as it was set up, for a reset.
    initial_state: Mutex<Option<Box<Coordinator>>>,
}

/// What is expected of rules at the end.
#[derive(Debug, Default)]
pub(crate) struct RuleExpectations {
    /// These need not fire.
    pub(crate) optional: HashSet<RuleId>,
    /// These were disarmed by their guards before they fired.
    pub(crate) never_fired: Vec<RuleStatus>,
}

/// Where a running stub listens.
#[derive(Debug, Clone, Copy)]
pub(crate) struct StubAddresses {
    pub(crate) api: SocketAddr,
    /// The control API's own.
    pub(crate) control: Option<SocketAddr>,
}

impl StubAddresses {
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.api)
    }

    pub(crate) fn control_url(&self) -> Option<String> {
        self.control.map(|address| format!("http://{address}"))
    }
}

/// What senders may take: time, and connections.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ServerLimits {
    pub(crate) head: Duration,
    pub(crate) body: Duration,
    /// The most that are open at a time; more are closed at once.
    pub(crate) connections: usize,
}

/// What a reset puts back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ResetScope {
    /// Jobs, leases, factories, shadow views and remembered answers, to what the stub was started with.
    State,
    /// No rule is armed, every gate is closed.
    Rules,
    /// Journal, counters, unexpected requests and violations are empty.
    Journal,
    /// All of it.
    All,
}

/// Something that fell due while the clock was advanced.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DueEvent {
    /// When, on the stub's clock.
    pub at: String,
    /// What: a lease that ran out, or a wait that ended.
    pub what: String,
}

impl SharedStub {
    pub(crate) fn new(
        instance: String,
        setup: CoordinatorSetup,
        clock: Arc<Clock>,
        journal: Arc<Journal>,
        seed: Option<u64>,
        strict: bool,
        patience: ServerLimits,
    ) -> SharedStub {
        SharedStub {
            instance,
            coordinator: Mutex::new(Coordinator::new(setup.clone())),
            setup,
            state_file: OnceLock::new(),
            changed: Notify::new(),
            script: RuleEngine::new(seed),
            gates: GateRegistry::default(),
            journal,
            clock,
            strict,
            seed,
            patience,
            listening: watch::Sender::new(true),
            listens: watch::Sender::new(None),
            places: OnceLock::new(),
            epoch: watch::Sender::new(0),
            late: AtomicU64::new(0),
            refused: AtomicU64::new(0),
            expectations: Mutex::default(),
            initial_state: Mutex::new(None),
        }
    }

    /// Carries out one command in one critical section, and tells who waits for a change.
    pub(crate) fn apply(
        &self,
        command: CoordinatorCommand,
        once: Option<IdempotentRequest>,
        execution_mode: ExecutionMode,
    ) -> CommandOutcome {
        let changes_shadow_view = matches!(command, CoordinatorCommand::ShadowReport { .. });
        let outcome = self
            .coordinator()
            .apply(self.clock.now(), command, once, execution_mode);
        if outcome.mutated {
            self.changed.notify_waiters();
        }
        if outcome.mutated || changes_shadow_view {
            self.keep();
        }
        outcome
    }

    /// All state, as a document.
    pub(crate) fn save(&self) -> SavedState {
        let now = self.clock.now();
        let mut coordinator = self.coordinator();
        coordinator.settle(now);
        coordinator.save(now)
    }

    /// Goes on from a document; what is under way ends, as at a reset.
    pub(crate) fn restore(&self, saved: SavedState) -> Result<(), SavedStateError> {
        let at = saved.at;
        let restored = Coordinator::restored(self.setup.clone(), saved)?;
        self.epoch.send_modify(|epoch| *epoch += 1);
        if self.clock.kind() == ClockKind::Manual {
            self.clock.move_to(at.max(self.clock.now()));
        }
        *self.coordinator() = restored;
        self.changed.notify_waiters();
        self.keep();
        Ok(())
    }

    /// From now on every change is written to a file before it is answered.
    pub(crate) fn write_state_to(&self, state_file: StateFile) -> Result<(), StateFileError> {
        let state_file = self.state_file.get_or_init(|| state_file);
        state_file.keep(|| self.save())
    }

    /// Nothing is written any more, and the state file is free for others.
    pub(crate) fn stop_writing_state(&self) {
        if let Some(state_file) = self.state_file.get() {
            state_file.let_go();
        }
    }

    /// Why the last state could not be written, where that is so.
    pub(crate) fn state_write_error(&self) -> Option<String> {
        self.state_file.get()?.trouble()
    }

    fn keep(&self) {
        if let Some(state_file) = self.state_file.get() {
            // The keeper remembers its trouble, and health tells of it.
            let _ = state_file.keep(|| self.save());
        }
    }

    pub(crate) fn coordinator(&self) -> MutexGuard<'_, Coordinator> {
        self.coordinator
            .lock()
            .expect("no holder of the coordinator's lock panics")
    }

    pub(crate) fn expectations(&self) -> MutexGuard<'_, RuleExpectations> {
        // A guard may be dropped by a test that panics: then too, what is in here is whole.
        self.expectations
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// The digest of real state, what is due applied first.
    pub(crate) fn digest(&self) -> String {
        let mut coordinator = self.coordinator();
        coordinator.settle(self.clock.now());
        coordinator.digest().to_string()
    }

    pub(crate) fn arm(&self, rule: Rule) -> Result<RuleId, RuleError> {
        // On certain requests only, it goes down when one of them comes; on all of them, at once.
        let is_down = rule
            == Rule {
                id: rule.id.clone(),
                ..Rule::on("*", Fault::Down)
            };
        let effects = rule.fault.steps().iter().filter_map(Fault::arm_effect);
        let mut gates = Vec::new();
        let mut is_stale = false;
        for effect in effects {
            match effect {
                ArmEffect::CloseGate(name) => gates.push(name.to_owned()),
                ArmEffect::KeepPastState => is_stale = true,
                ArmEffect::StopListening => {}
            }
        }
        let id = self
            .gates
            .closing(&gates, || self.script.arm(rule, self.clock.now()))?;
        if is_stale {
            self.coordinator().keep_past();
        }
        if is_down {
            self.journal.faulted("down");
            self.listening.send_replace(false);
        }
        Ok(id)
    }

    pub(crate) fn disarm(&self, id: &RuleId) -> bool {
        let Some(rule) = self.script.disarm(id) else {
            return false;
        };
        if rule.fault == Fault::Down
            && !self
                .script
                .rules()
                .iter()
                .any(|armed| armed.rule.fault == Fault::Down)
        {
            self.listening.send_replace(true);
        }
        true
    }

    /// Arms these rules instead of those that are armed; where one of them can't be, nothing changes.
    pub(crate) fn replace_rules(&self, rules: Vec<Rule>) -> Result<Vec<RuleStatus>, RuleError> {
        let trial = RuleEngine::new(self.seed);
        for rule in &rules {
            trial.arm(rule.clone(), self.clock.now())?;
        }
        self.disarm_all();
        for rule in rules {
            self.arm(rule)?;
        }
        Ok(self.script.rules())
    }

    pub(crate) fn disarm_all(&self) {
        for rule in self.script.rules() {
            self.disarm(&rule.id);
        }
    }

    /// Returns once the server listens, or no longer does, as it was told to.
    pub(crate) async fn until_listening_settled(&self) {
        let mut listens = self.listens.subscribe();
        // The sender is ours, so this ends with the condition alone.
        let _ = listens
            .wait_for(|listens| listens.is_none_or(|listens| listens == *self.listening.borrow()))
            .await;
    }

    /// Keeps the coordinator as it is now for what a reset goes back to.
    pub(crate) fn save_initial_state(&self) {
        let initial_state = Box::new(self.coordinator().clone());
        *self
            .initial_state
            .lock()
            .expect("no holder of the beginning's lock panics") = Some(initial_state);
    }

    /// Puts things back to what they were at the start, and ends what is under way. To be called on the server's
    /// thread: no handler is in the middle of anything then, so none acts on a life that it does not belong to.
    pub(crate) fn reset(&self, scope: ResetScope) {
        self.epoch.send_modify(|epoch| *epoch += 1);
        if matches!(scope, ResetScope::Rules | ResetScope::All) {
            self.disarm_all();
            self.gates.reset();
            *self.expectations() = RuleExpectations::default();
        }
        if matches!(scope, ResetScope::State | ResetScope::All) {
            let initial_state = self
                .initial_state
                .lock()
                .expect("no holder of the beginning's lock panics");
            if let Some(initial_state) = &*initial_state {
                *self.coordinator() = (**initial_state).clone();
            }
        }
        if matches!(scope, ResetScope::Journal | ResetScope::All) {
            self.journal.reset();
        }
        self.keep();
        self.changed.notify_waiters();
    }

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
