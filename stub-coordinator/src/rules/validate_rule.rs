//! What a rule must be for it to be armed. A rule that could never fire is refused here, when it is written: later
//! it would look just like a client that survived the fault.

use thiserror::Error;

use super::rule::Rule;
use super::rule_overlap;
use crate::contract::ids::{RuleId, is_id};
use crate::contract::name_hint::nearest;
use crate::contract::operation::{MatchField, Operation};
use crate::contract::stage::Stage;
use crate::faults::{Fault, FaultError, FaultPhase};

/// Why a rule is not armed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum RuleError {
    /// `on` names no operation.
    #[error("`on = {name:?}` is no operation{hint}; use one of {known} or \"*\"")]
    UnknownOperation {
        /// What was written.
        name: String,
        /// The nearest operation, in words.
        hint: String,
        /// All operations.
        known: String,
    },
    /// `match` asks for something that the operation's requests do not say.
    #[error("a request of `{operation}` says no `{field}`, so the rule can never fire; drop it from `match`")]
    FieldNotThere {
        /// The operation.
        operation: String,
        /// The field of `match`.
        field: &'static str,
    },
    /// A value in `match` that no request can carry.
    #[error("`match.{field} = {value:?}` can be in no request; {wanted}")]
    ImpossibleMatch {
        /// The field of `match`.
        field: &'static str,
        /// What was written.
        value: String,
        /// What can be.
        wanted: String,
    },
    /// The fault does not go with the operation.
    #[error("the fault `{fault}` can never fire on `{operation}`; it goes with {goes_with}")]
    WrongOperation {
        /// The kind of fault.
        fault: &'static str,
        /// The operation.
        operation: String,
        /// The operations that it goes with.
        goes_with: String,
    },
    /// `when` never comes true.
    #[error("the rule can never fire: {0}")]
    Never(&'static str),
    /// A value of the fault that makes no sense.
    #[error("the fault can't be carried out: {0}")]
    BadFault(String),
    /// The rule's name is none, or is taken.
    #[error("the rule's id {0:?} {1}")]
    BadId(String, &'static str),
    /// Earlier rules fire on each of its requests.
    #[error("the rule can never fire: earlier on, {} on every request that it matches; disarm that first", fires(.0))]
    Overshadowed(Vec<RuleId>),
    /// A chance without a seed cannot be repeated.
    #[error("`chance` needs a seed, so that the run can be repeated; give the stub one")]
    NoSeed,
    /// Too many rules.
    #[error("{0} rules are armed, and more are not held; disarm some")]
    TooMany(usize),
}

impl From<FaultError> for RuleError {
    fn from(error: FaultError) -> RuleError {
        match error {
            FaultError::Never(why) => RuleError::Never(why),
            FaultError::Unsound(why) => RuleError::BadFault(why),
        }
    }
}

/// Which rules stand in front, in words.
fn fires(rules: &[RuleId]) -> String {
    let named: Vec<_> = rules.iter().map(|id| format!("`{id}`")).collect();
    match named.len() {
        1 => format!("{} fires", named[0]),
        _ => format!("{} fire", named.join(" or ")),
    }
}

/// Checks a rule by itself.
pub(super) fn check(rule: &Rule, has_seed: bool) -> Result<(), RuleError> {
    let operation = operation_of(rule)?;
    check_match(rule, operation)?;
    check_when(rule, has_seed)?;
    rule.fault.check_firing(rule.when.times, rule.when.sticky)?;
    let mut steps = rule.fault.steps().iter();
    steps.try_for_each(Fault::check).map_err(RuleError::BadFault)?;
    check_pairing(rule, operation)
}

/// The operation that a rule is on; none for all.
pub(super) fn operation_of(rule: &Rule) -> Result<Option<Operation>, RuleError> {
    if rule.on == "*" {
        return Ok(None);
    }
    let names = || Operation::ALL.into_iter().map(Operation::name);
    Operation::named(&rule.on)
        .map(Some)
        .ok_or_else(|| RuleError::UnknownOperation {
            name: rule.on.clone(),
            hint: nearest(&rule.on, names())
                .map_or(String::new(), |near| format!(" (did you mean {near:?}?)")),
            known: names().collect::<Vec<_>>().join(", "),
        })
}

fn check_match(rule: &Rule, operation: Option<Operation>) -> Result<(), RuleError> {
    for (field, name, value) in rule.matching.fields() {
        let Some(value) = value else { continue };
        if let Some(operation) = operation
            && !operation.fields().contains(&field)
        {
            return Err(RuleError::FieldNotThere {
                operation: rule.on.clone(),
                field: name,
            });
        }
        let impossible = |wanted: String| RuleError::ImpossibleMatch {
            field: name,
            value: value.to_owned(),
            wanted,
        };
        if field == MatchField::Stage && Stage::parse(value).is_none() {
            return Err(impossible(format!(
                "stages are {}",
                Stage::ALL.map(Stage::name).join(", ")
            )));
        }
        if !is_id(value) {
            return Err(impossible("it is no id of the contract".to_owned()));
        }
    }
    Ok(())
}

fn check_when(rule: &Rule, has_seed: bool) -> Result<(), RuleError> {
    let when = &rule.when;
    if when.times == Some(0) {
        return Err(RuleError::Never("`times` is 0"));
    }
    if when.times.is_some() && when.sticky {
        return Err(RuleError::Never(
            "`times` ends what `sticky` keeps going; use one of them",
        ));
    }
    if when.from.is_some_and(|from| from.millis() < 0) {
        return Err(RuleError::Never("`from` lies before the rule was armed"));
    }
    if when.lasting.is_some_and(|lasting| lasting.millis() <= 0) {
        return Err(RuleError::Never("`for` is no time at all"));
    }
    match when.chance {
        Some(chance) if !(chance > 0.0 && chance <= 1.0) => {
            Err(RuleError::Never("`chance` must be over 0 and at most 1"))
        }
        Some(_) if !has_seed => Err(RuleError::NoSeed),
        _ => Ok(()),
    }
}

fn check_pairing(rule: &Rule, operation: Option<Operation>) -> Result<(), RuleError> {
    let decides = |fault: &&Fault| !fault.has_after();
    if rule.phase == FaultPhase::After
        && let Some(fault) = rule.fault.steps().iter().find(decides)
    {
        return Err(RuleError::BadFault(format!(
            "`{}` decides what is carried out; it has no `after`",
            fault.kind()
        )));
    }
    let wanted: Vec<_> = Operation::ALL
        .into_iter()
        .filter(|known| rule.fault.goes_with(*known))
        .collect();
    match operation {
        None if !wanted.is_empty() && rule_overlap::reach(rule).next().is_none() => Err(RuleError::Never(
            "no operation that goes with the fault says all that `match` asks for",
        )),
        _ if wanted.is_empty() => Err(RuleError::Never(
            "no operation goes with every step of the sequence",
        )),
        Some(operation) if !wanted.contains(&operation) => Err(RuleError::WrongOperation {
            fault: rule.fault.kind(),
            operation: rule.on.clone(),
            goes_with: wanted
                .into_iter()
                .map(Operation::name)
                .collect::<Vec<_>>()
                .join(", "),
        }),
        _ => Ok(()),
    }
}
