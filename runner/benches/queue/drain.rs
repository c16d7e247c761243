//! A durable drain of jobs that do nothing, at one worker, supervisor included.

use std::io;

use crate::queue_fixture::QueueFixture;
use crate::{Extent, floor, median, ratio, verdict};

/// At most so many times the bare system calls.
const TARGET: f64 = 2.2;

pub fn measure(extent: &Extent) -> io::Result<()> {
    let (mut aq, mut bare, mut bash) = (Vec::new(), Vec::new(), Vec::new());
    for turn in 0..=extent.turns {
        let fixture = QueueFixture::new()?;
        fixture.add(&fixture.job_files("job", extent.jobs)?)?;
        let took_ms = [
            fixture.timed(&mut fixture.aq(&["run", "--drain"])?)?,
            floor::bare(&fixture, extent.jobs)?,
            floor::bash(&fixture, extent.jobs)?,
        ];
        // The first turn is for warming up.
        if turn > 0 {
            let [of_aq, of_bare, of_bash] = took_ms.map(|took_ms| took_ms / extent.jobs as f64);
            aq.push(of_aq);
            bare.push(of_bare);
            bash.push(of_bash);
        }
    }
    let of_bare = ratio(&aq, &bare);
    println!("{} turns of {} jobs\n", extent.turns, extent.jobs);
    println!("| queue | ms a job | times the bare calls |\n|---|---:|---:|");
    println!("| `aq run --drain` | {:.2} | {of_bare:.2} |", median(aq.clone()));
    println!(
        "| spawn, three durable renames | {:.2} | 1 |",
        median(bare.clone())
    );
    println!(
        "| a loop in bash, not durable | {:.2} | {:.2} |",
        median(bash.clone()),
        ratio(&bash, &bare)
    );
    println!(
        "\nat most {TARGET} times the bare calls: {}",
        verdict(of_bare <= TARGET)
    );
    println!("ahead of bash: {}", verdict(ratio(&aq, &bash) < 1.0));
    Ok(())
}
