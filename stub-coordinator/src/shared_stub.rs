//! What one running stub holds: the coordinator behind its lock, rules, journal, clock. Every way in (HTTP, control,
//! the library) goes through here, so that each means the same.

mod advance_clock;
mod policy_register;
mod reset;
mod rules;

use std::collections::HashSet;
use std::net::SocketAddr;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};
use std::time::Duration;

use tokio::sync::{Notify, watch};

use crate::clock::{Clock, ClockKind};
use crate::contract::execution_mode::ExecutionMode;
use crate::contract::ids::RuleId;
use crate::coordinator::commands::{CommandOutcome, CoordinatorCommand};
use crate::coordinator::idempotency_cache::IdempotentRequest;
use crate::coordinator::saved_state::{SavedState, SavedStateError};
use crate::coordinator::{Coordinator, CoordinatorSetup};
use crate::faults::GateRegistry;
use crate::journal::Journal;
use crate::rules::{RuleEngine, RuleStatus};
use crate::state_file::{StateFile, StateFileError};
use crate::wire_mapping::WireMapping;

pub use advance_clock::DueEvent;
pub(crate) use policy_register::PolicyRegister;
pub use reset::ResetScope;

/// Made once at the start, shared by every connection, and dropped with the last handle.
pub(crate) struct SharedStub {
    /// What this one is told apart by from every other stub, and from itself before its last start; drawn at the start.
    pub(crate) instance: String,
    /// The state machine; its lock is held for one command at a time, and never across a wait.
    coordinator: Mutex<Coordinator>,
    /// What the coordinator was set up with, for setting it up again; never changes.
    setup: CoordinatorSetup,
    /// Where its state is kept; set before it listens, where there is to be such a file.
    state_file: OnceLock<StateFile>,
    /// Told whenever real state may have changed, for claims that wait.
    pub(crate) changed: Notify,
    /// The armed rules; control and the handle change them, the exchange asks them.
    pub(crate) rule_engine: RuleEngine,
    /// Where requests wait until somebody opens a gate.
    pub(crate) gates: GateRegistry,
    /// What each answer says of policy and version.
    pub(crate) policy: PolicyRegister,
    /// What was asked and answered; the exchange writes it.
    pub(crate) journal: Arc<Journal>,
    /// The time by which everything here goes.
    pub(crate) clock: Arc<Clock>,
    /// The wire that it speaks instead of the API's own; never changes once it is set up.
    pub(crate) wire: Option<Arc<WireMapping>>,
    /// Refuse fields that the contract does not name; never changes.
    pub(crate) strict: bool,
    /// What chance is decided by; never changes.
    pub(crate) seed: Option<u64>,
    /// How long a head and a body may take to arrive, and how many connections there may be; never changes.
    pub(crate) limits: ServerLimits,
    /// Whether anybody is to listen: written by the fault `down`, followed by the server.
    pub(crate) listening: watch::Sender<bool>,
    /// What the server has made of that; none before it serves and after it has ended.
    pub(crate) listens: watch::Sender<Option<bool>>,
    /// Where it can be reached; set by the server once it can.
    pub(crate) places: OnceLock<StubAddresses>,
    /// Counts resets and imports: what was begun under an earlier number is to end.
    pub(crate) epoch: watch::Sender<u64>,
    /// How many requests were refused because they came over a connection of an earlier epoch.
    pub(crate) late: AtomicU64,
    /// How many requests the guard refused; they are counted nowhere else.
    pub(crate) refused: AtomicU64,
    /// What whoever armed rules expects of them; emptied when rules are reset.
    expectations: Mutex<RuleExpectations>,
    /// The coordinator as it was set up, for a reset; set once the first jobs are in.
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

impl SharedStub {
    pub(crate) fn new(
        instance: String,
        setup: CoordinatorSetup,
        clock: Arc<Clock>,
        journal: Arc<Journal>,
        seed: Option<u64>,
        strict: bool,
        limits: ServerLimits,
    ) -> SharedStub {
        SharedStub {
            instance,
            coordinator: Mutex::new(Coordinator::new(setup.clone())),
            setup,
            state_file: OnceLock::new(),
            changed: Notify::new(),
            rule_engine: RuleEngine::new(seed),
            gates: GateRegistry::default(),
            policy: PolicyRegister::new(None),
            journal,
            clock,
            wire: None,
            strict,
            seed,
            limits,
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
            self.write_state();
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
        self.write_state();
        Ok(())
    }

    /// From now on every change is written to a file before it is answered.
    pub(crate) fn write_state_to(&self, state_file: StateFile) -> Result<(), StateFileError> {
        let state_file = self.state_file.get_or_init(|| state_file);
        state_file.write_state(|| self.save())
    }

    /// Nothing is written any more, and the state file is free for others.
    pub(crate) fn stop_writing_state(&self) {
        if let Some(state_file) = self.state_file.get() {
            state_file.release();
        }
    }

    /// Why the last state could not be written, where that is so.
    pub(crate) fn state_write_error(&self) -> Option<String> {
        self.state_file.get()?.write_error()
    }

    fn write_state(&self) {
        if let Some(state_file) = self.state_file.get() {
            // The file keeps the reason, and health reports it.
            let _ = state_file.write_state(|| self.save());
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

    /// Returns once the server listens, or no longer does, as it was told to.
    pub(crate) async fn until_listening_settled(&self) {
        let mut listens = self.listens.subscribe();
        // The sender is ours, so this ends with the condition alone.
        let _ = listens
            .wait_for(|listens| listens.is_none_or(|listens| listens == *self.listening.borrow()))
            .await;
    }
}
