//! What `aq` costs as a whole process, beside the least that a durable queue could do and beside a queue in bash.
//!
//! Everything compared takes turns (A B A B) and medians are compared, so that what else the machine does falls on both
//! sides. `--full` takes more turns and fills the queue to its full size; a name (`drain`, `held`, `idle`, `shadow`)
//! runs that part alone.

mod coordinator;
mod drain;
mod floor;
mod held;
mod idle;
mod queue_fixture;
mod shadow;

use std::io;

/// How much is done.
pub struct Extent {
    pub turns: usize,
    /// Jobs a turn.
    pub jobs: usize,
    /// Jobs that a full queue has shipped, and that wait in it.
    pub shipped: usize,
    pub waiting: usize,
    /// Starts of a short command.
    pub starts: usize,
    pub idle_s: u64,
}

const SHORT: Extent = Extent {
    turns: 5,
    jobs: 100,
    shipped: 20_000,
    waiting: 2_000,
    starts: 30,
    idle_s: 5,
};

const FULL: Extent = Extent {
    turns: 15,
    jobs: 300,
    shipped: 100_000,
    waiting: 10_000,
    starts: 100,
    idle_s: 20,
};

type Part = (&'static str, fn(&Extent) -> io::Result<()>);

const PARTS: [Part; 4] = [
    ("drain", drain::measure),
    ("held", held::measure),
    ("idle", idle::measure),
    ("shadow", shadow::measure),
];

fn main() -> io::Result<()> {
    let measured = measure();
    queue_fixture::clear_away();
    measured
}

fn measure() -> io::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let extent = match arguments.iter().any(|argument| argument == "--full") {
        true => FULL,
        false => SHORT,
    };
    let named = |name: &str| arguments.iter().any(|argument| argument == name);
    let all = !PARTS.iter().any(|(name, _)| named(name));
    for (name, measure) in PARTS {
        if all || named(name) {
            println!("\n## {name}\n");
            measure(&extent)?;
        }
    }
    Ok(())
}

pub fn median(values: impl IntoIterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.into_iter().collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// The median of the ratios of each turn, both halves of which saw the same machine.
pub fn ratio(ones: &[f64], others: &[f64]) -> f64 {
    median(ones.iter().zip(others).map(|(one, other)| one / other))
}

pub fn verdict(met: bool) -> &'static str {
    if met { "met" } else { "MISSED" }
}
