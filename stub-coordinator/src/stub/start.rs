//! From a configuration to all that a stub holds, or to the reason why not.

use std::net::SocketAddr;
use std::time::Duration;

use thiserror::Error;

use crate::clock::Clock;
use crate::config::{ConfigError, NewJob, SHORTEST_LEASE_MS, StubConfig, TokenGrant, UnknownFieldPolicy};
use crate::contract::execution_mode::ExecutionMode;
use crate::coordinator::CoordinatorSetup;
use crate::coordinator::commands::{CommandRefusal, CoordinatorCommand, JobNaming, JobSubmission};
use crate::coordinator::job::JobSpec;
use crate::journal::Journal;
use crate::rules::RuleError;
use crate::shared_stub::{PolicyRegister, ServerLimits, SharedStub};
use crate::state_file::{self, StateFile, StateFileError};

/// Why a stub does not start.
#[derive(Debug, Error)]
pub enum StartError {
    /// The set-up is not sound.
    #[error("the stub can't be set up")]
    Config(#[from] ConfigError),
    /// The state of an earlier run can't be taken, or can't be kept.
    #[error("the state can't be kept")]
    State(#[from] StateFileError),
    /// A job can't be queued.
    #[error("job {0:?} is given twice; give each its own name")]
    JobTwice(String),
    /// The jobs take more room than they are given.
    #[error(
        "job {job:?} finds no room: the jobs take all of the {limit} bytes that there are; give more by --job-bytes"
    )]
    JobBytes {
        /// The first that finds none.
        job: String,
        /// How many there are.
        limit: usize,
    },
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
    /// The control API's own port can't be had.
    #[error("can't listen on {address} for control; choose another --control-port, or 0 for a free one")]
    BindControl {
        /// Where.
        address: SocketAddr,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// There is no port for the control API behind the API's own.
    #[error(
        "{0} has the last port there is, so control can't have the next one; choose a --control-port, or 0 for a free one"
    )]
    NoNextPort(SocketAddr),
    /// No randomness, thread or runtime to be had.
    #[error("the system does not give what a server needs")]
    System(#[source] std::io::Error),
}

pub(crate) fn set_up(config: StubConfig) -> Result<SharedStub, StartError> {
    if config.lease_ms < SHORTEST_LEASE_MS {
        return Err(ConfigError::ShortLease(config.lease_ms).into());
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
    // Locked before it is read: what is read is what goes on.
    let lock = config.state.as_deref().map(state_file::take_lock).transpose()?;
    let saved = config
        .state
        .as_deref()
        .map(state_file::load)
        .transpose()?
        .flatten();
    // A state that goes on remembers callers by the key that it was written with.
    let secret = match &saved {
        Some(saved) => saved.secret(),
        None => crate::random_secrets::draw().map_err(StartError::System)?,
    };
    let setup = CoordinatorSetup {
        lease_ms: config.lease_ms,
        job_bytes: config.job_bytes,
        heartbeat_ms: config.heartbeat_ms,
        memory_limit: config.memory_limit,
        secret,
        tokens: grants(config.tokens)?,
        enrol_tokens: grants(config.enrol_tokens)?,
    };
    let clock = Clock::new(config.clock);
    let journal = Journal::new(config.journal_limit);
    let strict = config.strict == UnknownFieldPolicy::Strict;
    let limits = ServerLimits {
        head: Duration::from_millis(config.head_limit_ms),
        body: Duration::from_millis(config.body_limit_ms),
        connections: config.connection_limit,
    };
    let instance = crate::random_secrets::draw_token().map_err(StartError::System)?;
    let mut shared = SharedStub::new(instance, setup, clock, journal, config.seed, strict, limits);
    shared.policy = PolicyRegister::new(config.policy);
    shared.wire = config.wire;
    let jobs = specs(config.jobs)?;
    submit(&shared, &jobs)?.map_or(Ok(()), |twice| Err(StartError::JobTwice(twice)))?;
    // A reset goes back to what was asked for, not to what an earlier run left.
    shared.save_initial_state();
    if let (Some(saved), Some(path)) = (saved, &config.state) {
        shared
            .restore(saved)
            .map_err(|source| state_file::broken(path, source))?;
        // What the earlier run knew already stays as it is: a withdrawn job does not come back by a restart.
        submit(&shared, &jobs)?;
    }
    for (at, rule) in config.rules.into_iter().enumerate() {
        shared.arm(rule).map_err(|source| StartError::Rule {
            number: at + 1,
            source,
        })?;
    }
    if let (Some(path), Some(lock)) = (config.state, lock) {
        shared.write_state_to(StateFile::new(path, lock))?;
    }
    Ok(shared)
}

fn specs(jobs: Vec<NewJob>) -> Result<Vec<JobSpec>, ConfigError> {
    jobs.into_iter().map(NewJob::into_spec).collect()
}

/// Submits the jobs in order; one that is there already is left as it is, and the last such is named.
fn submit(shared: &SharedStub, jobs: &[JobSpec]) -> Result<Option<String>, StartError> {
    let mut known = None;
    for spec in jobs {
        if shared.coordinator().state().job(&spec.id).is_some() {
            known = Some(spec.id.to_string());
            continue;
        }
        let submission = JobSubmission {
            spec: spec.clone(),
            naming: JobNaming::BySubmitter,
        };
        let outcome = shared.apply(
            CoordinatorCommand::Submit(submission),
            None,
            ExecutionMode::Honest,
        );
        match outcome.result {
            Err(CommandRefusal::JobBytesExhausted { limit }) => {
                let job = spec.id.to_string();
                return Err(StartError::JobBytes { job, limit });
            }
            Err(_) => known = Some(spec.id.to_string()),
            Ok(_) => {}
        }
    }
    Ok(known)
}
