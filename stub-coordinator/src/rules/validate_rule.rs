//! What a rule must be for it to be armed. A rule that could never fire is refused here, when it is written: later
//! it would look just like a client that survived the fault.

use thiserror::Error;

use super::fault::{DelayDistribution, DivergeFault, Fault, SequenceEnd};
use super::rule::{FaultPhase, Rule};
use super::rule_overlap;
use crate::contract::ids::{RuleId, is_id};
use crate::contract::name_hint::nearest;
use crate::contract::operation::{MatchField, Operation};
use crate::contract::problem::Problem;
use crate::contract::signed_duration::SignedDuration;
use crate::contract::stage::Stage;

/// The most steps of a sequence.
const SEQUENCE_LIMIT: usize = 1_000;

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
    check_sequence(rule)?;
    rule.fault.steps().iter().try_for_each(check_fault)?;
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

/// Whether the fault can happen to a request of this operation.
pub(super) fn goes_with(fault: &Fault, operation: Operation) -> bool {
    match fault {
        Fault::Empty => {
            matches!(
                operation,
                Operation::Claim | Operation::ShadowClaim | Operation::JobList
            )
        }
        Fault::Diverge(DivergeFault::Otherwise | DivergeFault::Job(_)) => {
            matches!(operation, Operation::Claim | Operation::ShadowClaim)
                || (operation == Operation::ShadowReport && *fault == Fault::Diverge(DivergeFault::Otherwise))
        }
        Fault::Refuse(_) => operation.takes_body(),
        Fault::AckWithoutCommit => operation.mutates(),
        Fault::DoubleGrant | Fault::TokenRegress => operation == Operation::Claim,
        Fault::StaleRead => matches!(operation, Operation::JobList | Operation::JobGet),
        Fault::DryRunGrants => operation == Operation::ShadowClaim,
        Fault::LeakyShadow => operation == Operation::ShadowReport,
        Fault::ClockSkew(_) => operation != Operation::Openapi,
        Fault::Sequence { steps, .. } => steps.iter().all(|step| goes_with(step, operation)),
        _ => true,
    }
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

/// A sequence has steps, all of which can come, none of which lasts beyond its request.
fn check_sequence(rule: &Rule) -> Result<(), RuleError> {
    let Fault::Sequence { steps, end } = &rule.fault else {
        return Ok(());
    };
    let bad = |why: &str| Err(RuleError::BadFault(why.to_owned()));
    let never_reached = |times: u64| usize::try_from(times).is_ok_and(|times| times < steps.len());
    match (rule.when.times, end) {
        _ if steps.len() < 2 => {
            bad("a sequence has two steps or more; write a single fault without `sequence`")
        }
        _ if steps.len() > SEQUENCE_LIMIT => bad("a sequence has at most 1000 steps"),
        _ if steps.iter().any(|step| matches!(step, Fault::Sequence { .. })) => {
            bad("a sequence holds no sequence; write its steps out")
        }
        _ if steps.contains(&Fault::Down) => {
            bad("`down` lasts until it is disarmed and can be no step; arm a rule of its own")
        }
        (Some(times), _) if never_reached(times) => Err(RuleError::Never(
            "`times` is over before the last steps of the sequence; raise it or drop them",
        )),
        (Some(_), SequenceEnd::Pass) => bad("`end = \"pass\"` says how often it fires; drop `times`"),
        (None, SequenceEnd::Pass) if rule.when.sticky => {
            bad("`sticky` keeps going what `end = \"pass\"` ends; use one of them")
        }
        _ => Ok(()),
    }
}

fn check_fault(fault: &Fault) -> Result<(), RuleError> {
    let bad = |why: String| Err(RuleError::BadFault(why));
    let backwards = |span: &SignedDuration| span.millis() < 0;
    match fault {
        Fault::Refuse(code) if Problem::status_of(code).is_none() => {
            let hint = nearest(code, Problem::codes())
                .map_or(String::new(), |near| format!("; did you mean `{near}`?"));
            bad(format!("`{code}` is no problem code of the contract{hint}"))
        }
        Fault::Status(status) if status.code.as_ref().is_some_and(|code| !is_code(code)) => {
            bad("a problem code is lower-case letters, digits and `_`".to_owned())
        }
        Fault::Status(status) if status.retry_after.as_ref().is_some_and(backwards) => {
            bad("`retry_after` lies in the past".to_owned())
        }
        Fault::Delay(DelayDistribution::Fixed(time)) if backwards(time) => {
            bad("`delay` is negative".to_owned())
        }
        Fault::Delay(DelayDistribution::Uniform(least, most))
            if backwards(least) || most.millis() < least.millis() =>
        {
            bad("`uniform` needs [least, most] with least not over most".to_owned())
        }
        Fault::Delay(DelayDistribution::LogNormal { median, p99 })
            if median.millis() <= 0 || p99.millis() < median.millis() =>
        {
            bad("`lognormal` needs a median over 0 and a p99 not under it".to_owned())
        }
        Fault::Dribble { over, .. } if backwards(over) => bad("`over` is negative".to_owned()),
        Fault::Gate(name) if !is_id(name) => bad(format!("a gate's name is an id, {name:?} is none")),
        Fault::Redirect(place) if !place.bytes().all(|byte| byte.is_ascii_graphic()) || place.is_empty() => {
            bad("`redirect` must be a URL".to_owned())
        }
        _ => Ok(()),
    }
}

fn is_code(code: &str) -> bool {
    code.starts_with(|first: char| first.is_ascii_lowercase())
        && code
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
}

fn check_pairing(rule: &Rule, operation: Option<Operation>) -> Result<(), RuleError> {
    let decides = |fault: &&Fault| {
        matches!(
            fault,
            Fault::Agree
                | Fault::AckWithoutCommit
                | Fault::DoubleGrant
                | Fault::TokenRegress
                | Fault::StaleRead
                | Fault::DryRunGrants
                | Fault::LeakyShadow
        )
    };
    if rule.phase == FaultPhase::After
        && let Some(fault) = rule.fault.steps().iter().find(decides)
    {
        return Err(RuleError::BadFault(format!(
            "`{}` decides what is carried out; it has no `after`",
            fault.kind()
        )));
    }
    if rule.fault == Fault::Down && rule.when.times.is_some() {
        return Err(RuleError::BadFault(
            "`down` lasts until it is disarmed; drop `times`".to_owned(),
        ));
    }
    let wanted: Vec<_> = Operation::ALL
        .into_iter()
        .filter(|known| goes_with(&rule.fault, *known))
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
