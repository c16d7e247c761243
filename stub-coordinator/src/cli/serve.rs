//! Standing the stub up: from flags to a configuration, to a running server, until somebody ends it.

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use clap::Args;
use serde::Serialize;
use stub_coordinator::{
    ClockKind, ControlPlace, PolicyStatement, Scope, SignedDuration, StartError, Stub, StubConfig,
    TokenGrant, UnknownFieldPolicy, WireMapping, draw_seed, draw_token, preset, read_job_file, read_scenario,
};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::oneshot;

use super::stdout::say;
use super::stub_finder::neighbour;
use super::token_file::{GrantFile, from_environment, warned};
use super::{LogWriter, argument_parsers, armed_rules, exchange_lines};
use crate::exit_codes::{CommandFailure, EndSignal, ProgramExit, chain};

#[derive(Debug, Args)]
pub(super) struct ServeArguments {
    /// Misbehave in a way that has a name (see below); agree where left out.
    #[arg(long, value_name = "NAME", conflicts_with = "scenario")]
    preset: Option<String>,
    /// Be the coordinator of a conformance scenario: its `[coordinator]` table.
    #[arg(long, value_name = "FILE")]
    scenario: Option<PathBuf>,
    /// Port to listen on; 0 takes a free one.
    #[arg(long, value_name = "N")]
    port: Option<u16>,
    /// Port on which control and the console listen by themselves, at the same address, where no fault reaches them; 0
    /// takes a free one [default: the port after --port, or a free one where --port is 0].
    #[arg(long, value_name = "N")]
    control_port: Option<u16>,
    /// Job files to put in the queue, in this order; the same files that the runner takes.
    #[arg(long, value_name = "JOBFILE", num_args = 1..)]
    jobs: Vec<PathBuf>,
    /// Refuse request fields that the contract does not name.
    #[arg(long)]
    strict: bool,
    /// A file with a token that is known, and the token's scopes (shadow, work, submit, admin; all where left out);
    /// may be given several times. Without any token the stub is open [variable: STUB_TOKEN, for a token of all scopes].
    #[arg(long, value_name = "FILE[:SCOPE,SCOPE]", value_parser = argument_parsers::grant_file)]
    token_file: Vec<GrantFile>,
    /// The same with the token itself, which everybody on this host can then read in `ps`.
    #[arg(long, value_name = "TOKEN[:SCOPE,SCOPE]", value_parser = argument_parsers::token)]
    token: Vec<TokenGrant>,
    /// The most bytes that its jobs may take; a submit beyond them is answered 507 [default: 268435456].
    #[arg(long, value_name = "N")]
    job_bytes: Option<usize>,
    /// How long a lease lives without a renewal [default: 60s].
    #[arg(long, value_name = "TIME", value_parser = argument_parsers::span)]
    lease: Option<SignedDuration>,
    /// What chance is decided by; drawn and printed where left out.
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Which clock leases, delays and windows follow.
    #[arg(long, value_enum)]
    clock: Option<ClockKind>,
    /// Policy and version that each answer tells in `Coordinator-Policy`; none where left out. The version is that of
    /// this program where left out.
    #[arg(long, value_name = "NAME[@VERSION]", value_parser = argument_parsers::policy)]
    policy: Option<PolicyStatement>,
    /// Speak the wire that this mapping describes, with paths, names and units of its own, instead of the API's; see
    /// `conformance wire check`.
    #[arg(long, value_name = "FILE")]
    wire: Option<PathBuf>,
    /// Keep state in this file across restarts; what it holds goes before `--jobs`.
    #[arg(long, value_name = "FILE")]
    state: Option<PathBuf>,
    /// Put in the queue what enters the `inbox/` of this queue folder, in its order; nothing is written there.
    #[arg(long, value_name = "QUEUE_DIR")]
    mirror: Option<PathBuf>,
    /// Listen at another address than 127.0.0.1, control too; beyond loopback a token is then needed, and made up where
    /// none is given.
    #[arg(long, value_name = "ADDR", value_parser = argument_parsers::listen)]
    listen: Option<SocketAddr>,
}

/// What the first line of standard output says, in this order.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct StartLine<'a> {
    url: String,
    control_url: Option<String>,
    pid: u32,
    seed: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    scenario: Option<&'a Path>,
    #[serde(skip_serializing_if = "Option::is_none")]
    preset: Option<&'a str>,
    /// The one that was made up.
    #[serde(skip_serializing_if = "Option::is_none")]
    token: Option<String>,
}

/// Stands the stub up and waits for its end.
pub(super) fn run(flags: ServeArguments, log: &LogWriter) -> Result<ProgramExit, CommandFailure> {
    let (config, token) = configure(&flags, log)?;
    let seed = config.seed;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    // Before anybody is told of us: who reads the line may end us at once.
    let listening =
        async { io::Result::Ok((signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?)) };
    let (mut interrupt, mut terminate) = runtime.block_on(listening)?;
    let mut stub = Stub::start(config).map_err(|error| not_started(&error))?;
    if let Some(queue) = &flags.mirror {
        let log = log.clone();
        stub.mirror(queue, move |line| log.note(line))
            .map_err(|error| CommandFailure::usage(chain(&error)))?;
    }
    let events = stub.events();
    let preset = flags.preset.as_deref().unwrap_or("agree");
    let line = serde_json::to_string(&StartLine {
        url: stub.url(),
        control_url: stub.control_url(),
        pid: std::process::id(),
        seed,
        scenario: flags.scenario.as_deref(),
        preset: Some(preset).filter(|_| flags.scenario.is_none()),
        token,
    })
    .map_err(io::Error::other)?;
    let mut follower = None;
    let ended: io::Result<EndSignal> = runtime.block_on(async {
        tokio::select! {
            _ = interrupt.recv() => Ok(EndSignal::Interrupt),
            _ = terminate.recv() => Ok(EndSignal::Terminate),
            failed = async {
                announce(line).await?;
                introduce(&stub, log);
                follower = Some(exchange_lines::follow(events, log.clone()));
                std::future::pending().await
            } => failed,
        }
    });
    let report = stub.stop();
    // It ends with the stub; what it has not logged yet comes before the summary.
    drop(follower.map(JoinHandle::join));
    let mutations = report.counters.mutations_total();
    let requests: u64 = report.counters.requests.values().sum();
    log.last_note(format_args!(
        "ended after {requests} requests, {mutations} mutations"
    ));
    for violation in &report.violations {
        log.last_note(format_args!("violation: {violation}"));
    }
    Ok(ended.map(ProgramExit::Ended)?)
}

/// Says more where the port that was wanted is another stub's.
fn not_started(error: &StartError) -> CommandFailure {
    let neighbour = match error {
        StartError::Bind { address, .. } | StartError::BindControl { address, .. } => neighbour(*address),
        _ => None,
    };
    match neighbour {
        Some(neighbour) => CommandFailure::usage(format!("{error}: {neighbour}")),
        None if matches!(error, StartError::System(_)) => CommandFailure::inconclusive(chain(error)),
        None => CommandFailure::usage(chain(error)),
    }
}

/// Prints the line on a thread of its own: where nobody takes it, the stub serves all the same, and can be ended.
async fn announce(line: String) -> io::Result<()> {
    let (tell, told) = oneshot::channel();
    let thread = thread::Builder::new().name("start-line".to_owned());
    // Whoever asks may have ended.
    thread.spawn(move || drop(tell.send(say(&line))))?;
    told.await.map_err(io::Error::other)?
}

/// Says to people what the line says to programs, and which rules are armed.
fn introduce(stub: &Stub, log: &LogWriter) {
    let rules = stub.rules();
    log.note(format_args!(
        "listening on {}, {}, Ctrl-C ends it",
        stub.url(),
        armed_rules(rules.len())
    ));
    if let Some(url) = stub.control_url() {
        log.note(format_args!(
            "console and control at {url}/, which no fault closes"
        ));
    }
    for (at, status) in rules.iter().enumerate() {
        let behind = status.behind.iter().map(|id| format!("  (behind {id})"));
        let behind: String = behind.collect();
        log.line(format!(
            "  {}. on {}: {}{behind}",
            at + 1,
            status.rule.on,
            status.rule.fault
        ));
    }
}

/// What was typed, as a configuration, and the token where one was made up.
fn configure(
    flags: &ServeArguments,
    log: &LogWriter,
) -> Result<(StubConfig, Option<String>), CommandFailure> {
    let mut config = match &flags.scenario {
        Some(file) => read_scenario(file).map_err(|error| CommandFailure::usage(chain(&error)))?,
        None => StubConfig {
            rules: preset(flags.preset.as_deref().unwrap_or("agree")).map_err(CommandFailure::usage)?,
            ..StubConfig::default()
        },
    };
    for file in &flags.jobs {
        let read = read_job_file(file).map_err(|error| CommandFailure::usage(chain(&error)))?;
        for warning in read.warnings {
            log.note(format_args!("{}: {warning}", file.display()));
        }
        config.jobs.push(read.job);
    }
    if let Some(address) = flags.listen {
        config.address = address;
    }
    if let Some(port) = flags.port {
        config.address.set_port(port);
    }
    config.control = flags
        .control_port
        .map_or(ControlPlace::Beside, ControlPlace::Port);
    if let Some(lease) = flags.lease {
        config.lease_ms = lease.millis().unsigned_abs();
    }
    config.clock = flags.clock.unwrap_or(config.clock);
    config.policy = flags.policy.clone().or(config.policy);
    if let Some(file) = &flags.wire {
        config.wire = Some(Arc::new(wire_mapping(file)?));
    }
    if flags.strict {
        config.strict = UnknownFieldPolicy::Strict;
    }
    config.state = flags.state.clone();
    config.seed = Some(flags.seed.or(config.seed).map_or_else(draw_seed, Ok)?);
    if let Some(bytes) = flags.job_bytes {
        config.job_bytes = bytes;
    }
    config.tokens.extend(granted(flags, log)?);
    let made_up = secure(&mut config)?;
    Ok((config, made_up))
}

fn wire_mapping(file: &Path) -> Result<WireMapping, CommandFailure> {
    let named = |error: &dyn std::fmt::Display| CommandFailure::usage(format!("{}: {error}", file.display()));
    let text = std::fs::read_to_string(file).map_err(|error| named(&error))?;
    WireMapping::read(&text).map_err(|error| named(&error))
}

/// The tokens that were given: by flags, else by the environment.
fn granted(flags: &ServeArguments, log: &LogWriter) -> Result<Vec<TokenGrant>, CommandFailure> {
    if !flags.token.is_empty() {
        log.note("everybody on this host can read --token in `ps`; use --token-file or STUB_TOKEN instead");
    }
    let mut grants = flags.token.clone();
    for file in &flags.token_file {
        grants.push(TokenGrant {
            token: warned(file.path.as_path(), |warning| log.note(warning)).map_err(CommandFailure::usage)?,
            scopes: file.scopes.clone(),
        });
    }
    if grants.is_empty() {
        let scopes = vec![Scope::Admin];
        grants.extend(
            from_environment()
                .map_err(CommandFailure::usage)?
                .map(|token| TokenGrant { token, scopes }),
        );
    }
    Ok(grants)
}

/// Once anybody needs a token, the control API asks for one of the scope `admin`; it is made up where none is given.
fn secure(config: &mut StubConfig) -> io::Result<Option<String>> {
    let admin = config
        .tokens
        .iter()
        .find(|grant| grant.scopes.contains(&Scope::Admin));
    if let Some(admin) = admin {
        config.control_token = Some(admin.token.clone());
        return Ok(None);
    }
    if config.address.ip().is_loopback() && config.tokens.is_empty() {
        return Ok(None);
    }
    let token = draw_token()?;
    config.tokens.push(TokenGrant {
        token: token.clone(),
        scopes: vec![Scope::Admin],
    });
    config.control_token = Some(token.clone());
    Ok(Some(token))
}
