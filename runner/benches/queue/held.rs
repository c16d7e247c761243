//! Commands on a queue that holds very many jobs, beside the same on one that holds few.

use std::fs;
use std::io::{self, BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::Instant;

use crate::queue_fixture::QueueFixture;
use crate::{Extent, median, ratio, verdict};

const ADD_MS: f64 = 3.0;
const STATUS_MS: f64 = 100.0;
/// What counts as flat, with some room for the machine.
const FLAT: f64 = 1.25;

pub fn measure(extent: &Extent) -> io::Result<()> {
    let (few, many) = (QueueFixture::new()?, QueueFixture::new()?);
    few.fill(10, 10)?;
    many.fill(extent.shipped, extent.waiting)?;
    println!(
        "few: 10 shipped, 10 waiting; many: {} shipped, {} waiting; medians\n",
        extent.shipped, extent.waiting
    );
    println!("| what | few, ms | many, ms | ratio | target | |\n|---|---:|---:|---:|---|---|");
    let add = |fixture: &QueueFixture, turn: usize| {
        let file = fixture.job_files(&format!("add-{turn}"), 1)?;
        fixture.timed(fixture.aq(&["add"])?.args(file))
    };
    let (ones, others) = turns(extent.starts, &few, &many, add)?;
    let (of_many, times) = (median(others.clone()), ratio(&others, &ones));
    let target = format!("at most {ADD_MS} ms, flat");
    row(
        "`aq add` of one job, the whole process",
        &ones,
        &others,
        &target,
        of_many <= ADD_MS && times <= FLAT,
    );
    let status = |fixture: &QueueFixture, _| fixture.timed(&mut fixture.aq(&["status"])?);
    let (ones, others) = turns(extent.starts, &few, &many, status)?;
    let target = format!("under {STATUS_MS} ms");
    row(
        "`aq status`, the whole process",
        &ones,
        &others,
        &target,
        median(others.clone()) < STATUS_MS,
    );
    let (ones, others) = turns(extent.turns, &few, &many, |fixture, turn| {
        claims(fixture, turn, extent.jobs)
    })?;
    row(
        "a job of a drain",
        &ones,
        &others,
        "flat",
        ratio(&others, &ones) <= FLAT,
    );
    let claim = |fixture: &QueueFixture, _| first_start(fixture);
    let (ones, others) = turns(extent.turns, &few, &many, claim)?;
    row(
        "`aq run`, from its start to the first job's",
        &ones,
        &others,
        "none",
        true,
    );
    Ok(())
}

fn row(what: &str, ones: &[f64], others: &[f64], target: &str, met: bool) {
    println!(
        "| {what} | {:.2} | {:.2} | {:.2} | {target} | {} |",
        median(ones.to_vec()),
        median(others.to_vec()),
        ratio(others, ones),
        if target == "none" { "" } else { verdict(met) },
    );
}

/// Turn by turn on both; the first turn of each is for warming up.
fn turns(
    count: usize,
    few: &QueueFixture,
    many: &QueueFixture,
    measure: impl Fn(&QueueFixture, usize) -> io::Result<f64>,
) -> io::Result<(Vec<f64>, Vec<f64>)> {
    let (mut ones, mut others) = (Vec::new(), Vec::new());
    for turn in 0..=count {
        let (one, other) = (measure(few, turn)?, measure(many, turn)?);
        if turn > 0 {
            ones.push(one);
            others.push(other);
        }
    }
    Ok((ones, others))
}

/// Milliseconds a job, from the start of the first of so many to the start of the last: what comes before is the start of
/// the process, which has to read the inbox once.
fn claims(fixture: &QueueFixture, turn: usize, jobs: usize) -> io::Result<f64> {
    fixture.add(&fixture.job_files(&format!("claim-{turn}"), jobs)?)?;
    // They go before all that waits already.
    for file in fixture.job_files(&format!("claim-{turn}"), jobs)? {
        let waiting = fixture
            .queue()
            .join("inbox")
            .join(file.file_name().unwrap_or_default());
        let text = fs::read_to_string(&waiting)?.replace("engine:", "priority: 9\nengine:");
        fs::write(&waiting, text)?;
    }
    let mut starts = Vec::new();
    run_until(fixture, |_| {
        starts.push(Instant::now());
        starts.len() > jobs
    })?;
    let took = starts[jobs - 1] - starts[0];
    Ok(took.as_secs_f64() * 1e3 / (jobs - 1) as f64)
}

fn first_start(fixture: &QueueFixture) -> io::Result<f64> {
    let started = Instant::now();
    let mut took_ms = 0.0;
    run_until(fixture, |_| {
        took_ms = started.elapsed().as_secs_f64() * 1e3;
        true
    })?;
    Ok(took_ms)
}

/// Runs `aq` until a line that tells of a started job is the last that was wanted.
fn run_until(fixture: &QueueFixture, mut enough: impl FnMut(&str) -> bool) -> io::Result<()> {
    let mut command = fixture.aq(&["run"])?;
    let mut child = command.stderr(Stdio::piped()).spawn()?;
    let stderr = child
        .stderr
        .take()
        .ok_or_else(|| io::Error::other("no standard error"))?;
    for line in BufReader::new(stderr).lines() {
        let line = line?;
        if line.contains("started") && enough(&line) {
            break;
        }
    }
    let pid = child.id().to_string();
    Command::new("kill").args(["-TERM", &pid]).status()?;
    child.wait()?;
    Ok(())
}
