//! Standing the stub up: from flags to a configuration, to a running server, until somebody ends it.

use std::error::Error;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use serde_json::json;
use stub_coordinator::{
    ClockKind, Config, ControlPlace, Scope, Span, Strictness, Stub, TokenGrant, draw_seed, draw_token,
    preset, read_job_file, read_scenario,
};
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::{exchanges, typed};

#[derive(Debug, Args)]
pub(super) struct Flags {
    /// Misbehave in a way that has a name (see below); agree where left out.
    #[arg(long, value_name = "NAME", conflicts_with = "scenario")]
    preset: Option<String>,
    /// Be the coordinator of a conformance scenario: its `[coordinator]` table.
    #[arg(long, value_name = "FILE")]
    scenario: Option<PathBuf>,
    /// Port to listen on; 0 takes a free one.
    #[arg(long, value_name = "N")]
    port: Option<u16>,
    /// Port of 127.0.0.1 on which control listens by itself, where no fault reaches it; 0 takes a free one
    /// [default: the same port on 127.0.0.2].
    #[arg(long, value_name = "N")]
    control_port: Option<u16>,
    /// Job files to put in the queue, in this order; the same files that the runner takes.
    #[arg(long, value_name = "JOBFILE", num_args = 1..)]
    jobs: Vec<PathBuf>,
    /// Refuse request fields that the contract does not name.
    #[arg(long)]
    strict: bool,
    /// A token that is known, with its scopes (shadow, work, submit, admin); without any token the stub is open.
    #[arg(long, value_name = "TOKEN[:SCOPE,SCOPE]", value_parser = typed::token)]
    token: Vec<TokenGrant>,
    /// How long a lease lives without a renewal [default: 60s].
    #[arg(long, value_name = "TIME", value_parser = typed::span)]
    lease: Option<Span>,
    /// What chance is decided by; drawn and printed where left out.
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Which clock leases, delays and windows follow.
    #[arg(long, value_enum)]
    clock: Option<TypedClock>,
    /// Keep state in this file across restarts; what it holds goes before `--jobs`.
    #[arg(long, value_name = "FILE")]
    state: Option<PathBuf>,
    /// Put in the queue what enters the `inbox/` of this queue folder, in its order; nothing is written there.
    #[arg(long, value_name = "QUEUE_DIR")]
    mirror: Option<PathBuf>,
    /// Listen on another address than loopback; a token is then needed, and made up where none is given.
    #[arg(long, value_name = "ADDR", value_parser = typed::listen)]
    listen: Option<SocketAddr>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum TypedClock {
    /// Time passes by itself.
    Real,
    /// Time moves when it is told to, by POST /_stub/clock.
    Manual,
}

/// Stands the stub up and waits for its end.
pub(super) fn run(flags: Flags) -> Result<(), Box<dyn Error>> {
    let (config, made_up) = configure(&flags)?;
    let seed = config.seed;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    // Before anybody is told of us: who reads the line may end us at once.
    let mut signals = runtime.block_on(async { EndSignals::listen() })?;
    let mut stub = Stub::start(config)?;
    if let Some(queue) = &flags.mirror {
        stub.mirror(queue, |line| eprintln!("stub-coordinator: {line}"))?;
    }
    let rules = stub.rules();
    let follower = exchanges::follow(stub.events());
    let mut line =
        json!({"url": stub.url(), "controlUrl": stub.control_url(), "pid": std::process::id(), "seed": seed});
    match &flags.scenario {
        Some(scenario) => line["scenario"] = json!(scenario),
        None => line["preset"] = json!(flags.preset.as_deref().unwrap_or("agree")),
    }
    if let Some(token) = made_up {
        line["token"] = json!(token);
    }
    say(&line.to_string())?;
    eprintln!(
        "stub-coordinator: listening on {}, {} rules armed, Ctrl-C ends it",
        stub.url(),
        rules.len()
    );
    if let Some(url) = stub.control_url() {
        eprintln!("stub-coordinator: console and control at {url}/, which no fault closes");
    }
    for (at, status) in rules.iter().enumerate() {
        let behind: String = status
            .behind
            .iter()
            .map(|id| format!("  (behind {id})"))
            .collect();
        eprintln!(
            "  {}. on {}: {}{behind}",
            at + 1,
            status.rule.on,
            status.rule.fault
        );
    }
    runtime.block_on(signals.first());
    let report = stub.stop();
    // It ends with the stub; what it has not written yet comes before the summary.
    let _ = follower.join();
    let mutations = report.counters.mutations_total();
    let requests: u64 = report.counters.requests.values().sum();
    eprintln!("stub-coordinator: ended after {requests} requests, {mutations} mutations");
    report
        .violations
        .iter()
        .for_each(|violation| eprintln!("stub-coordinator: violation: {violation}"));
    Ok(())
}

/// What was typed, as a configuration, and the token where one was made up.
fn configure(flags: &Flags) -> Result<(Config, Option<String>), Box<dyn Error>> {
    let mut config = match &flags.scenario {
        Some(file) => read_scenario(file)?,
        None => Config {
            rules: preset(flags.preset.as_deref().unwrap_or("agree"))?,
            ..Config::default()
        },
    };
    for file in &flags.jobs {
        let read = read_job_file(file)?;
        for warning in read.warnings {
            eprintln!("stub-coordinator: {}: {warning}", file.display());
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
    match flags.clock {
        Some(TypedClock::Real) => config.clock = ClockKind::Real,
        Some(TypedClock::Manual) => config.clock = ClockKind::Manual,
        None => {}
    }
    if flags.strict {
        config.strict = Strictness::Strict;
    }
    config.state = flags.state.clone();
    config.seed = Some(flags.seed.or(config.seed).map_or_else(draw_seed, Ok)?);
    config.tokens.extend(flags.token.iter().cloned());
    let made_up = secure(&mut config)?;
    Ok((config, made_up))
}

/// Once anybody needs a token, the control API asks for one of the scope `admin`; it is made up where none is given.
fn secure(config: &mut Config) -> io::Result<Option<String>> {
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

/// The signals that end it.
struct EndSignals {
    interrupt: Signal,
    terminate: Signal,
}

impl EndSignals {
    /// Listens from now on. Needs a runtime around it.
    fn listen() -> io::Result<EndSignals> {
        let interrupt = signal(SignalKind::interrupt())?;
        Ok(EndSignals {
            interrupt,
            terminate: signal(SignalKind::terminate())?,
        })
    }

    async fn first(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

/// One line on standard output; a reader that has gone is no failure of ours.
fn say(line: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    match writeln!(out, "{line}").and_then(|()| out.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => other,
    }
}
