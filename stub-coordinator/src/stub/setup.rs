//! From a configuration to all that a stub holds, or to the reason why not.

use std::net::SocketAddr;
use std::time::Duration;

use thiserror::Error;

use crate::clock::Clock;
use crate::config::{Config, ConfigError, NewJob, Strictness, TokenGrant};
use crate::coordinator::outcome::{Command, Manner, Naming, Submission};
use crate::coordinator::{Coordinator, Setup};
use crate::journal::Journal;
use crate::script::RuleError;
use crate::shared::{Patience, Shared};

/// Why a stub does not start.
#[derive(Debug, Error)]
pub enum StartError {
    /// The set-up is not sound.
    #[error("the stub can't be set up")]
    Config(#[from] ConfigError),
    /// A job can't be queued.
    #[error("job {0:?} is given twice; give each its own name")]
    JobTwice(String),
    /// A rule can't be armed.
    #[error("rule {number} can't be armed")]
    Rule {
        /// Its place in the list, from 1.
        number: usize,
        /// Why.
        #[source]
        source: RuleError,
    },
    /// The port can't be had.
    #[error("can't listen on {address}; choose another port, or 0 for a free one")]
    Bind {
        /// Where.
        address: SocketAddr,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// No randomness, thread or runtime to be had.
    #[error("the system does not give what a server needs")]
    System(#[source] std::io::Error),
}

pub(crate) fn set_up(config: Config) -> Result<Shared, StartError> {
    if config.lease_ms == 0 {
        return Err(ConfigError::NoLease.into());
    }
    let grants = |grants: Vec<TokenGrant>| -> Result<Vec<_>, ConfigError> {
        let sound = |grant: &TokenGrant| !grant.token.is_empty() && !grant.scopes.is_empty();
        match grants.iter().all(sound) {
            true => Ok(grants
                .into_iter()
                .map(|grant| (grant.token, grant.scopes))
                .collect()),
            false => Err(ConfigError::EmptyToken),
        }
    };
    let coordinator = Coordinator::new(Setup {
        lease_ms: config.lease_ms,
        heartbeat_ms: config.heartbeat_ms,
        memory_limit: config.memory_limit,
        secret: crate::secret::draw().map_err(StartError::System)?,
        tokens: grants(config.tokens)?,
        enrol_tokens: grants(config.enrol_tokens)?,
    });
    let clock = Clock::new(config.clock);
    let journal = Journal::new(config.journal_limit);
    let strict = config.strict == Strictness::Strict;
    let patience = Patience {
        head: Duration::from_millis(config.head_limit_ms),
        body: Duration::from_millis(config.body_limit_ms),
    };
    let shared = Shared::new(coordinator, clock, journal, config.seed, strict, patience);
    for job in config.jobs {
        queue(&shared, job)?;
    }
    for (at, rule) in config.rules.into_iter().enumerate() {
        shared.arm(rule).map_err(|source| StartError::Rule {
            number: at + 1,
            source,
        })?;
    }
    shared.keep_beginning();
    Ok(shared)
}

fn queue(shared: &Shared, job: NewJob) -> Result<(), StartError> {
    let name = job.id.clone();
    let submission = Submission {
        spec: job.into_spec()?,
        naming: Naming::BySubmitter,
    };
    let outcome = shared.apply(Command::Submit(submission), None, Manner::Honest);
    outcome.result.map(drop).map_err(|_| StartError::JobTwice(name))
}
