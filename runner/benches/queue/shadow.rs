//! What the shadow lane adds to a drain, with a coordinator that answers and with one that hangs.

use std::io;
use std::time::Duration;

use crate::coordinator::{self, Temper};
use crate::queue_fixture::QueueFixture;
use crate::{Extent, median, ratio, verdict};

/// At most so many times the same drain without a fleet.
const TARGET: f64 = 1.02;

/// A thousandth of what the shortest real job takes, and ten times what a job that does nothing does.
const SHORT_WORK: Duration = Duration::from_millis(20);
/// As many jobs of that length take about as long as those that do nothing.
const SHORT_WORK_SHARE: usize = 10;

pub fn measure(extent: &Extent) -> io::Result<()> {
    println!("{} turns of {} jobs at one worker", extent.turns, extent.jobs);
    println!(
        "({} where a job takes {} ms)\n",
        extent.jobs / SHORT_WORK_SHARE,
        SHORT_WORK.as_millis()
    );
    println!(
        "| coordinator | a job's work | off, ms a job | shadow, ms a job | ratio | target | |\n|---|---|---:|---:|---:|---|---|"
    );
    for temper in [Temper::Healthy, Temper::Hanging] {
        let url = coordinator::start(temper)?;
        for work in [Duration::ZERO, SHORT_WORK] {
            row(extent, temper, &url, work)?;
        }
    }
    Ok(())
}

fn row(extent: &Extent, temper: Temper, url: &str, work: Duration) -> io::Result<()> {
    let jobs = match work.is_zero() {
        true => extent.jobs,
        false => extent.jobs / SHORT_WORK_SHARE,
    };
    let (mut off, mut on) = (Vec::new(), Vec::new());
    for turn in 0..=extent.turns {
        // Who comes first changes from turn to turn, for what the first leaves to the second.
        let (mut of_off, mut of_on) = (0.0, 0.0);
        for shadow in [turn % 2 == 0, turn % 2 == 1] {
            let fixture = match work.is_zero() {
                true => QueueFixture::new()?,
                false => QueueFixture::new()?.with_work_of(work)?,
            };
            let took_ms = drain(&fixture, jobs, shadow.then_some(url))?;
            *if shadow { &mut of_on } else { &mut of_off } = took_ms;
        }
        if turn > 0 {
            off.push(of_off);
            on.push(of_on);
        }
    }
    let times = ratio(&on, &off);
    println!(
        "| {temper:?} | {} ms | {:.2} | {:.2} | {times:.3} | at most {TARGET} | {} |",
        work.as_millis(),
        median(off.clone()),
        median(on.clone()),
        verdict(times <= TARGET)
    );
    Ok(())
}

/// Milliseconds a job. What an ending runner waits for its lane is no part of any job's time, and bounded by a setting.
fn drain(fixture: &QueueFixture, jobs: usize, coordinator: Option<&str>) -> io::Result<f64> {
    fixture.add(&fixture.job_files("job", jobs)?)?;
    let mut command = fixture.aq(&["run", "--drain", "--fleet-drain", "0s"])?;
    if let Some(url) = coordinator {
        command
            .env("AQ_FLEET", "1")
            .env("AQ_FLEET_SHADOW", "1")
            .env("AQ_FLEET_URL", url);
    }
    Ok(fixture.timed(&mut command)? / jobs as f64)
}
