//! The vocabulary of faults: what can go wrong with one exchange. Each is data; what it does is `faults`' matter.

use serde_json::Value;

use crate::contract::signed_duration::SignedDuration;

/// What goes wrong.
#[derive(Debug, Clone, PartialEq)]
pub enum Fault {
    /// Nothing: the honest answer. Useful in front of other rules.
    Agree,
    /// A well-formed answer that says something else.
    Diverge(DivergeFault),
    /// A well-formed answer that says there is nothing.
    Empty,
    /// An error status in the coordinator's own dialect.
    Status(StatusFault),
    /// A refusal by a code of the contract, though the state would allow the request.
    Refuse(String),
    /// An answer that breaks the contract.
    Malformed(MalformedFault),
    /// A redirect to this place.
    Redirect(String),
    /// Claims the operation was carried out, and changed nothing.
    AckWithoutCommit,
    /// Grants a job that is leased already.
    DoubleGrant,
    /// Grants a lease whose fencing token does not rise.
    TokenRegress,
    /// Shows the state of the time when the rule was armed.
    StaleRead,
    /// Writes times that are off by this much.
    ClockSkew(SignedDuration),
    /// A dry run that really claims.
    DryRunGrants,
    /// A shadow report that changes the real job.
    LeakyShadow,
    /// The honest answer, later.
    Delay(DelayDistribution),
    /// The honest answer, once the gate of this name is released.
    Gate(String),
    /// No answer, ever.
    Hang,
    /// The honest answer in pieces.
    Dribble {
        /// How many pieces.
        chunks: u32,
        /// From the first to the last.
        over: SignedDuration,
    },
    /// The connection is reset, without a byte of answer.
    Reset,
    /// The connection is closed, without a byte of answer.
    Close,
    /// The connection is closed after this many bytes of the answer.
    Cut(u64),
    /// Bytes that are no HTTP, then the end.
    Garbage,
    /// Nobody listens, and live connections are dropped, until the rule is disarmed.
    Down,
    /// One of these after the other, a step each time that the rule fires.
    Sequence {
        /// The steps, in order.
        steps: Vec<Fault>,
        /// What comes after the last.
        end: SequenceEnd,
    },
}

/// What a rule does once its sequence is through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SequenceEnd {
    /// The last step again and again.
    Hold,
    /// The first step again, and so on.
    Wrap,
    /// The rule fires no more; what comes is for the rules behind it.
    Pass,
}

/// In which way an answer diverges.
#[derive(Debug, Clone, PartialEq)]
pub enum DivergeFault {
    /// Names another queued job where there is one, else a plausible one that nobody knows.
    Otherwise,
    /// Names this job, whatever it is.
    Job(String),
    /// The honest answer with this JSON merge patch.
    Patch(Value),
    /// The honest answer without this member; `job.id` is a member of `job`.
    Without(String),
}

/// An error status with its problem code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatusFault {
    /// The status, 200 to 599.
    pub status: u16,
    /// The problem's code; the usual one of the status where left out.
    pub code: Option<String>,
    /// What `Retry-After` says.
    pub retry_after: Option<SignedDuration>,
}

/// In which way an answer is malformed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MalformedFault {
    /// A body that is no JSON, said to be.
    NotJson,
    /// Half of the body that `Content-Length` promises.
    Truncated,
    /// Fields of the wrong type.
    WrongType,
    /// The field that matters is not there.
    MissingField,
    /// Fields that nobody knows: not a break, clients must take it.
    ExtraField,
    /// The honest body under another media type.
    WrongContentType,
    /// Nested deeper than a reader should follow.
    Deep,
    /// Ten times larger than a client takes.
    Huge,
}

/// How long an answer takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DelayDistribution {
    /// Always this long.
    Fixed(SignedDuration),
    /// Between these, each length as likely.
    Uniform(SignedDuration, SignedDuration),
    /// Mostly about the median, now and then much longer.
    LogNormal {
        /// Half of the answers take less.
        median: SignedDuration,
        /// One in a hundred takes longer.
        p99: SignedDuration,
    },
}

impl MalformedFault {
    /// All ways, with their names.
    pub const ALL: [(MalformedFault, &'static str); 8] = [
        (MalformedFault::NotJson, "not_json"),
        (MalformedFault::Truncated, "truncated"),
        (MalformedFault::WrongType, "wrong_type"),
        (MalformedFault::MissingField, "missing_field"),
        (MalformedFault::ExtraField, "extra_field"),
        (MalformedFault::WrongContentType, "wrong_content_type"),
        (MalformedFault::Deep, "deep"),
        (MalformedFault::Huge, "huge"),
    ];

    /// The name it is written by.
    pub fn name(self) -> &'static str {
        MalformedFault::ALL
            .iter()
            .find(|(kind, _)| *kind == self)
            .map_or("not_json", |(_, name)| name)
    }
}

impl SequenceEnd {
    /// All ends, with their names.
    pub(crate) const ALL: [(SequenceEnd, &'static str); 3] = [
        (SequenceEnd::Hold, "hold"),
        (SequenceEnd::Wrap, "wrap"),
        (SequenceEnd::Pass, "pass"),
    ];

    /// The name it is written by.
    pub fn name(self) -> &'static str {
        SequenceEnd::ALL
            .iter()
            .find(|(end, _)| *end == self)
            .map_or("hold", |(_, name)| name)
    }
}

impl Fault {
    /// The faults that are one word.
    pub(crate) const WORDS: [(&'static str, Fault); 14] = [
        ("agree", Fault::Agree),
        ("diverge", Fault::Diverge(DivergeFault::Otherwise)),
        ("empty", Fault::Empty),
        ("hang", Fault::Hang),
        ("reset", Fault::Reset),
        ("close", Fault::Close),
        ("garbage", Fault::Garbage),
        ("down", Fault::Down),
        ("ack_without_commit", Fault::AckWithoutCommit),
        ("double_grant", Fault::DoubleGrant),
        ("token_regress", Fault::TokenRegress),
        ("stale_read", Fault::StaleRead),
        ("dry_run_grants", Fault::DryRunGrants),
        ("leaky_shadow", Fault::LeakyShadow),
    ];

    /// The keys that lead a table.
    pub(crate) const KEYS: [&'static str; 11] = [
        "status",
        "diverge",
        "refuse",
        "malformed",
        "redirect",
        "delay",
        "gate",
        "dribble",
        "cut",
        "clock_skew",
        "sequence",
    ];

    /// The kind of fault, as counters and journal name it.
    pub fn kind(&self) -> &'static str {
        match self {
            Fault::Agree => "agree",
            Fault::Diverge(_) => "diverge",
            Fault::Empty => "empty",
            Fault::Status(_) => "status",
            Fault::Refuse(_) => "refuse",
            Fault::Malformed(_) => "malformed",
            Fault::Redirect(_) => "redirect",
            Fault::AckWithoutCommit => "ack_without_commit",
            Fault::DoubleGrant => "double_grant",
            Fault::TokenRegress => "token_regress",
            Fault::StaleRead => "stale_read",
            Fault::ClockSkew(_) => "clock_skew",
            Fault::DryRunGrants => "dry_run_grants",
            Fault::LeakyShadow => "leaky_shadow",
            Fault::Delay(_) => "delay",
            Fault::Gate(_) => "gate",
            Fault::Hang => "hang",
            Fault::Dribble { .. } => "dribble",
            Fault::Reset => "reset",
            Fault::Close => "close",
            Fault::Cut(_) => "cut",
            Fault::Garbage => "garbage",
            Fault::Down => "down",
            Fault::Sequence { .. } => "sequence",
        }
    }

    /// The fault of the firing that comes after so many; none where a sequence is through and passes.
    pub(crate) fn after_firings(&self, fired: u64) -> Option<&Fault> {
        let Fault::Sequence { steps, end } = self else {
            return Some(self);
        };
        let at = usize::try_from(fired).unwrap_or(usize::MAX);
        match end {
            SequenceEnd::Hold => steps.get(at.min(steps.len().saturating_sub(1))),
            SequenceEnd::Wrap => steps.get(at.checked_rem(steps.len())?),
            SequenceEnd::Pass => steps.get(at),
        }
    }

    /// The single faults: the steps of a sequence, or the fault itself.
    pub(crate) fn steps(&self) -> &[Fault] {
        match self {
            Fault::Sequence { steps, .. } => steps,
            single => std::slice::from_ref(single),
        }
    }

    /// Whether its rule fires no more at some time, whatever `when` says.
    pub(crate) fn ends(&self) -> bool {
        matches!(
            self,
            Fault::Sequence {
                end: SequenceEnd::Pass,
                ..
            }
        )
    }
}
