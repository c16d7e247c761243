//! The faults: what can go wrong with one exchange. Each is one file, with its fields, how it is written, what makes it
//! sound, what it does to the exchange, and a request on which the self-check sees it. [`fault_list`] names them all.
//!
//! To add one: write its file (`cut.rs` is a short one with a field, `reset.rs` one without), and name it here, as a
//! module and in the list. Which rule fires, and why, is the matter of `rules`.

mod ack_without_commit;
mod agree;
mod claim_withdrawn;
mod clock_skew;
mod close;
mod cut;
mod delay;
mod diverge;
mod double_grant;
mod down;
mod dribble;
mod dry_run_grants;
mod empty;
mod fault_behavior;
mod fault_syntax;
mod faulty_answer;
mod faulty_stream;
mod garbage;
mod gate;
mod gate_registry;
mod hang;
mod leaky_shadow;
mod malformed;
mod policy;
mod redirect;
mod refuse;
mod reset;
mod sample_answers;
mod self_check_case;
mod sequence;
mod stale_read;
mod status;
mod token_regress;
mod token_reset;
mod withdraw_leased;
mod withdraw_unsaid;

use schemars::{JsonSchema, SchemaGenerator};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::contract::operation::Operation;
use crate::wire_answer::WireAnswer;
use fault_behavior::{FaultBehavior, TableFault};

pub use clock_skew::ClockSkewFault;
pub use cut::CutFault;
pub use delay::DelayDistribution;
pub use diverge::DivergeFault;
pub use dribble::DribbleFault;
pub(crate) use fault_behavior::{ArmEffect, FaultError, FaultWait, HandlerPlan};
pub(crate) use faulty_answer::{FaultContext, FaultyAnswer, ToldPolicy};
pub(crate) use faulty_stream::{ConnectionAction, ConnectionHandle, FaultyStream};
pub use gate::GateFault;
pub(crate) use gate_registry::GateRegistry;
pub use malformed::MalformedFault;
pub use policy::PolicyFault;
pub use redirect::RedirectFault;
pub use refuse::RefuseFault;
pub(crate) use self_check_case::{ProbeStep, SelfCheckCase};
pub use sequence::{SequenceEnd, SequenceFault};
pub use status::StatusFault;

/// Whether the operation is carried out before things go wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum FaultPhase {
    /// The operation is never carried out.
    #[default]
    Before,
    /// The operation is carried out, then its answer is corrupted.
    After,
}

/// Reads a fault from the fields of its table; the error says what is wrong with them.
type ReadFaultTable = fn(&str, Map<String, Value>) -> Result<Fault, String>;

/// What the list knows of a fault, whichever it is.
struct FaultEntry {
    /// The kind of fault, as rules, counters and the journal name it.
    name: &'static str,
    /// The fault as one word, where one word says all of it.
    word: fn() -> Option<Fault>,
    /// Where it can be written as a table that is led by the name.
    read: Option<ReadFaultTable>,
    /// The schema of that table.
    schema: Option<fn(&str, &mut SchemaGenerator) -> Value>,
    /// Requests on which the self-check sees the fault.
    cases: fn(&str) -> Vec<SelfCheckCase>,
}

/// Makes the list: faults that are one word, and faults that are a table with fields.
macro_rules! fault_list {
    (
        words { $($(#[$word_doc:meta])* $word:ident $word_name:literal: $word_fault:path,)* }
        tables { $($(#[$table_doc:meta])* $table:ident $table_name:literal: $table_fault:path,)* }
    ) => {
        /// What goes wrong.
        #[derive(Debug, Clone, PartialEq)]
        pub enum Fault {
            $($(#[$word_doc])* $word,)*
            $($(#[$table_doc])* $table($table_fault),)*
        }

        static FAULTS: &[FaultEntry] = &[
            $(FaultEntry {
                name: $word_name,
                word: || Some(Fault::$word),
                read: None,
                schema: None,
                cases: <$word_fault as FaultBehavior>::cases,
            },)*
            $(FaultEntry {
                name: $table_name,
                word: || <$table_fault as TableFault>::from_word().map(Fault::$table),
                read: Some(|name, table| fault_syntax::read(name, table).map(Fault::$table)),
                schema: Some(fault_syntax::table_schema::<$table_fault>),
                cases: <$table_fault as FaultBehavior>::cases,
            },)*
        ];

        impl Fault {
            /// The kind of fault, as counters and journal name it.
            pub fn kind(&self) -> &'static str {
                match self {
                    $(Fault::$word => $word_name,)*
                    $(Fault::$table(_) => $table_name,)*
                }
            }

            /// The fault as it is written in JSON.
            pub(crate) fn to_value(&self) -> Value {
                match self {
                    $(Fault::$word => json!($word_name),)*
                    $(Fault::$table(fault) => fault_syntax::written($table_name, fault),)*
                }
            }

            fn behavior(&self) -> &dyn FaultBehavior {
                match self {
                    $(Fault::$word => &$word_fault,)*
                    $(Fault::$table(fault) => fault,)*
                }
            }
        }

        $(impl From<$table_fault> for Fault {
            fn from(fault: $table_fault) -> Fault {
                Fault::$table(fault)
            }
        })*
    };
}

fault_list! {
    words {
        /// Nothing: the honest answer. Useful in front of other rules.
        Agree "agree": agree::AgreeFault,
        /// A well-formed answer that says there is nothing.
        Empty "empty": empty::EmptyFault,
        /// No answer, ever.
        Hang "hang": hang::HangFault,
        /// The connection is reset, without a byte of answer.
        Reset "reset": reset::ResetFault,
        /// The connection is closed, without a byte of answer.
        Close "close": close::CloseFault,
        /// Bytes that are no HTTP, then the end.
        Garbage "garbage": garbage::GarbageFault,
        /// Nobody listens, and live connections are dropped, until the rule is disarmed.
        Down "down": down::DownFault,
        /// Claims the operation was carried out, and changed nothing.
        AckWithoutCommit "ack_without_commit": ack_without_commit::AckWithoutCommitFault,
        /// Grants a job that is leased already.
        DoubleGrant "double_grant": double_grant::DoubleGrantFault,
        /// Grants a lease whose fencing token does not rise.
        TokenRegress "token_regress": token_regress::TokenRegressFault,
        /// Shows the state of the time when the rule was armed.
        StaleRead "stale_read": stale_read::StaleReadFault,
        /// A dry run that really claims.
        DryRunGrants "dry_run_grants": dry_run_grants::DryRunGrantsFault,
        /// A shadow report that changes the real job.
        LeakyShadow "leaky_shadow": leaky_shadow::LeakyShadowFault,
        /// Withdraws a job that somebody works on.
        WithdrawLeased "withdraw_leased": withdraw_leased::WithdrawLeasedFault,
        /// Refuses to withdraw a job, and withdraws it.
        WithdrawUnsaid "withdraw_unsaid": withdraw_unsaid::WithdrawUnsaidFault,
        /// Grants a job that was withdrawn.
        ClaimWithdrawn "claim_withdrawn": claim_withdrawn::ClaimWithdrawnFault,
        /// Begins again with the fencing tokens of an id that is submitted again.
        TokenReset "token_reset": token_reset::TokenResetFault,
    }
    tables {
        /// An error status in the coordinator's own dialect.
        Status "status": status::StatusFault,
        /// A well-formed answer that says something else.
        Diverge "diverge": diverge::DivergeFault,
        /// A refusal by a code of the contract, though the state would allow the request.
        Refuse "refuse": refuse::RefuseFault,
        /// An answer that breaks the contract.
        Malformed "malformed": malformed::MalformedFault,
        /// A redirect to some other place.
        Redirect "redirect": redirect::RedirectFault,
        /// The honest answer, which tells another policy.
        Policy "policy": policy::PolicyFault,
        /// The honest answer, later.
        Delay "delay": delay::DelayDistribution,
        /// The honest answer, once a gate is released.
        Gate "gate": gate::GateFault,
        /// The honest answer in pieces.
        Dribble "dribble": dribble::DribbleFault,
        /// The connection is closed after so many bytes of the answer.
        Cut "cut": cut::CutFault,
        /// Writes times that are off.
        ClockSkew "clock_skew": clock_skew::ClockSkewFault,
        /// One fault after the other, a step each time that the rule fires.
        Sequence "sequence": sequence::SequenceFault,
    }
}

impl Fault {
    /// The faults that can be written as one word.
    pub(crate) fn words() -> impl Iterator<Item = &'static str> {
        let words = FAULTS.iter().filter(|entry| (entry.word)().is_some());
        words.map(|entry| entry.name)
    }

    /// The keys that lead a table.
    pub(crate) fn keys() -> impl Iterator<Item = &'static str> {
        let tables = FAULTS.iter().filter(|entry| entry.read.is_some());
        tables.map(|entry| entry.name)
    }

    /// Requests on which the self-check sees the faults, all of them.
    pub(crate) fn self_check_cases() -> impl Iterator<Item = SelfCheckCase> {
        FAULTS.iter().flat_map(|entry| (entry.cases)(entry.name))
    }

    /// What is wrong with its values; nothing where it can be carried out.
    pub(crate) fn check(&self) -> Result<(), String> {
        self.behavior().check()
    }

    /// Whether it goes with how often its rule fires.
    pub(crate) fn check_firing(&self, times: Option<u64>, sticky: bool) -> Result<(), FaultError> {
        self.behavior().check_firing(times, sticky)
    }

    /// Whether it can happen to a request of this operation.
    pub(crate) fn goes_with(&self, operation: Operation) -> bool {
        self.behavior().goes_with(operation)
    }

    /// Whether the handler's own answer is the fault.
    pub(crate) fn is_semantic(&self) -> bool {
        self.behavior().semantic().is_some()
    }

    /// Whether it can follow an operation that was carried out.
    pub(crate) fn has_after(&self) -> bool {
        self.behavior().has_after()
    }

    /// How the operation is carried out under it.
    pub(crate) fn plan(&self, phase: FaultPhase, operation: Operation) -> HandlerPlan {
        match phase {
            FaultPhase::Before => self.behavior().plan(operation),
            FaultPhase::After => HandlerPlan::HONEST,
        }
    }

    /// What the exchange waits for; `draw` is from 0 up to 1, the same in every run with the same seed.
    pub(crate) fn wait(&self, draw: f64) -> FaultWait<'_> {
        self.behavior().wait(draw)
    }

    /// Corrupts the handler's answer, or makes one up where the handler never ran.
    pub(crate) fn corrupt(&self, honest: Option<WireAnswer>, context: &FaultContext<'_>) -> FaultyAnswer {
        let answer = honest.unwrap_or_else(|| WireAnswer::empty(204));
        self.behavior().corrupt(answer, context)
    }

    /// What it does to the stub as a whole, besides the exchanges that its rule fires on.
    pub(crate) fn arm_effect(&self) -> Option<ArmEffect<'_>> {
        self.behavior().arm_effect()
    }
}
