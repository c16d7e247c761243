//! The floor of the crate: the words of the contract (operations, ids, stages, scopes, problems, times). Everything may
//! import it, and it imports nothing but itself. Nothing else crosses between the state machine (`coordinator`), the
//! rules (`rules`, `faults`) and the evidence (`journal`).

pub(crate) mod api_document;
pub(crate) mod execution_mode;
pub(crate) mod ids;
pub(crate) mod match_fields;
pub(crate) mod name_hint;
pub(crate) mod operation;
pub(crate) mod policy_statement;
pub(crate) mod problem;
pub(crate) mod query_string;
pub(crate) mod scope;
pub(crate) mod signed_duration;
pub(crate) mod stage;
pub(crate) mod timestamp;
