//! The stub under traffic beside a bare axum route of the same shape: requests a second, p50 and p99, start-up to the
//! first answer, and memory.
//!
//! Each server is a process of its own with one thread that serves; the load comes from this process over real
//! sockets. Stub and bare route take turns (A B A B) and medians are compared, so that what else the machine does
//! falls on both. `--full` takes more turns and sends a million requests before it looks at memory.

mod load;
mod servers;

use std::io;

use load::{Load, Measured};
use servers::{Kind, Server};

/// The least share of the bare route's throughput that the stub is to reach at 64 connections.
const TARGET_SHARE: f64 = 0.75;
/// The most memory after all requests, in MiB.
const TARGET_MIB: f64 = 64.0;

/// How much is done.
struct Extent {
    rounds: usize,
    requests: usize,
    starts: usize,
    memory_steps: &'static [usize],
}

const SHORT: Extent = Extent {
    rounds: 5,
    requests: 20_000,
    starts: 10,
    memory_steps: &[10_000, 50_000, 100_000],
};

const FULL: Extent = Extent {
    rounds: 15,
    requests: 50_000,
    starts: 40,
    memory_steps: &[10_000, 100_000, 500_000, 1_000_000],
};

fn main() -> io::Result<()> {
    let arguments: Vec<String> = std::env::args().collect();
    if let Some(kind) = arguments.iter().find_map(|argument| Kind::served_by(argument)) {
        return servers::serve(kind);
    }
    let full = arguments.iter().any(|argument| argument == "--full");
    let extent = if full { FULL } else { SHORT };
    throughput(&extent)?;
    start_up(&extent)?;
    memory(&extent)
}

fn throughput(extent: &Extent) -> io::Result<()> {
    let (rounds, requests) = (extent.rounds, extent.requests);
    println!("\ntraffic: medians of {rounds} rounds of {requests} requests, stub and bare route in turns\n");
    println!(
        "| request | connections | server | requests/s | p50 µs | p99 µs | share of bare | by processor time |"
    );
    println!("|---|---:|---|---:|---:|---:|---:|---:|");
    let (stub, bare) = (Server::start(Kind::Stub)?, Server::start(Kind::Bare)?);
    stub.claim()?;
    for (name, request) in servers::requests() {
        for connections in [1, 64] {
            // One connection alone waits for each answer: fewer requests take as long.
            let requests = if connections == 1 { requests / 4 } else { requests };
            let load = Load {
                connections,
                requests,
                request: &request,
            };
            let (mut of_stub, mut of_bare) = (Vec::new(), Vec::new());
            // The first turn of each is for warming up.
            load.on(stub.address)?;
            load.on(bare.address)?;
            let before = (stub.ticks()?, bare.ticks()?);
            for _ in 0..rounds {
                of_stub.push(load.on(stub.address)?);
                of_bare.push(load.on(bare.address)?);
            }
            // What the two servers themselves had of the processor, however much of it others took.
            let spent = (stub.ticks()? - before.0, bare.ticks()? - before.1);
            let by_time = spent.1 as f64 / spent.0.max(1) as f64;
            // Turn by turn, so that both halves of a share saw the same machine.
            let share = median(
                of_stub
                    .iter()
                    .zip(&of_bare)
                    .map(|(stub, bare)| stub.rate / bare.rate),
            );
            let verdict = match connections {
                64 if share >= TARGET_SHARE => ", target met",
                64 => ", target MISSED",
                _ => "",
            };
            row(
                name,
                connections,
                "stub",
                &of_stub,
                &format!("{share:.2}{verdict} | {by_time:.2}"),
            );
            row(name, connections, "bare", &of_bare, " |");
        }
    }
    Ok(())
}

fn row(name: &str, connections: usize, server: &str, measured: &[Measured], share: &str) {
    let rate = median(measured.iter().map(|measured| measured.rate));
    let p50 = median(measured.iter().map(|measured| measured.p50_us));
    let p99 = median(measured.iter().map(|measured| measured.p99_us));
    println!("| {name} | {connections} | {server} | {rate:.0} | {p50:.0} | {p99:.0} | {share} |");
}

fn start_up(extent: &Extent) -> io::Result<()> {
    let kinds = [Kind::Stub, Kind::IdleStub, Kind::Bare];
    let mut times: [Vec<f64>; 3] = Default::default();
    for _ in 0..extent.starts {
        for (kind, times) in kinds.into_iter().zip(&mut times) {
            times.push(servers::time_to_first_answer(kind)?.as_secs_f64() * 1e3);
        }
    }
    let [stub, idle, bare] = times.map(|times| median(times.into_iter()));
    println!(
        "\nstart of the process to its first answer: stub with {} jobs {stub:.1} ms, without any {idle:.1} ms, bare \
         route {bare:.1} ms",
        servers::JOBS
    );
    Ok(())
}

fn memory(extent: &Extent) -> io::Result<()> {
    println!("\n| requests | stub VmRSS MiB | bare VmRSS MiB |\n|---:|---:|---:|");
    let (stub, bare) = (Server::start(Kind::Stub)?, Server::start(Kind::Bare)?);
    println!(
        "| 0 | {:.1} | {:.1} |",
        stub.resident_mib()?,
        bare.resident_mib()?
    );
    let mut sent = 0;
    let [(_, request), _] = servers::requests();
    for step in extent.memory_steps {
        let load = Load {
            connections: 64,
            requests: step - sent,
            request: &request,
        };
        load.on(stub.address)?;
        load.on(bare.address)?;
        sent = *step;
        println!(
            "| {sent} | {:.1} | {:.1} |",
            stub.resident_mib()?,
            bare.resident_mib()?
        );
    }
    let mib = stub.resident_mib()?;
    let verdict = if mib < TARGET_MIB { "met" } else { "MISSED" };
    println!("\nmemory target, under {TARGET_MIB} MiB: {verdict}");
    Ok(())
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
