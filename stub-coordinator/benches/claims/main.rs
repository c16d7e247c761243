//! What a claim and a shadow claim cost in the state machine alone, with 1,000 against 100,000 queued jobs.
//!
//! It compiles the coordinator's own files, without HTTP: over a socket the rest of a request would hide what is
//! measured here. Small and large take turns (A B A B) and the medians are compared; traffic over sockets is
//! `traffic`'s.

#![expect(
    dead_code,
    unused_imports,
    unused_macros,
    reason = "a measurement uses a part of the state machine, and none of its tests"
)]

#[path = "../../src"]
mod product {
    pub(crate) mod contract;
    pub(crate) mod coordinator;
}
mod workload;

use std::time::{Duration, Instant};

use product::{contract, coordinator};
use workload::{Shape, Work, Workload};

const SMALL: usize = 1_000;
const LARGE: usize = 100_000;
/// The target of the ratio between the two.
const TARGET: f64 = 1.5;

fn main() {
    let full = std::env::args().any(|argument| argument == "--full");
    let (rounds, slice) = if full { (15, 200) } else { (5, 60) };
    println!("claims: the state machine alone, ns an operation, medians of {rounds} rounds in turns\n");
    println!("| operation | jobs queued | {SMALL} jobs | {LARGE} jobs | ratio | target {TARGET} |");
    println!("|---|---|---:|---:|---:|---|");
    for work in Work::ALL {
        for shape in Shape::ALL {
            compare(work, shape, rounds, Duration::from_millis(slice));
        }
    }
}

fn compare(work: Work, shape: Shape, rounds: usize, slice: Duration) {
    let mut small = Workload::new(work, shape, SMALL);
    let mut large = Workload::new(work, shape, LARGE);
    let (mut of_small, mut of_large) = (Vec::new(), Vec::new());
    // The first turn of each is for warming up.
    for round in 0..=rounds {
        let times = (measure(&mut small, slice), measure(&mut large, slice));
        if round > 0 {
            of_small.push(times.0);
            of_large.push(times.1);
        }
    }
    let (of_small, of_large) = (median(of_small), median(of_large));
    let ratio = of_large / of_small;
    let verdict = if ratio < TARGET { "met" } else { "MISSED" };
    let (work, shape) = (work.name(), shape.name());
    println!("| {work} | {shape} | {of_small:.0} | {of_large:.0} | {ratio:.2} | {verdict} |");
}

/// Nanoseconds an operation, over about so long.
fn measure(workload: &mut Workload, slice: Duration) -> f64 {
    let start = Instant::now();
    let mut operations = 0_u32;
    loop {
        for _ in 0..8 {
            workload.step();
        }
        operations += 8;
        let spent = start.elapsed();
        if spent >= slice {
            return spent.as_secs_f64() * 1e9 / f64::from(operations);
        }
    }
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}
