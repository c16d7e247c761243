//! A runner that waits: its memory, how often it wakes up, and how soon it starts what is put into the inbox.

use std::fs;
use std::io::{self, Read};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::queue_fixture::QueueFixture;
use crate::{Extent, median, verdict};

const MEMORY_MIB: f64 = 10.0;
const WAKE_UPS_A_SECOND: f64 = 1.0;
const START_MS: f64 = 50.0;

pub fn measure(extent: &Extent) -> io::Result<()> {
    let fixture = QueueFixture::new()?;
    let start = fixture.path("started");
    Command::new("mkfifo").arg(&start).status()?;
    fs::remove_file(fixture.path("bin").join("devin"))?;
    fixture.add(&fixture.job_files("warm", 1)?)?;
    fs::write(fixture.queue().join("aq.toml"), teller(&start))?;
    let mut aq = fixture.aq(&["run"])?.stderr(Stdio::null()).spawn()?;
    let measured = while_idle(&fixture, &aq, extent);
    Command::new("kill")
        .args(["-TERM", &aq.id().to_string()])
        .status()?;
    aq.wait()?;
    measured
}

fn while_idle(fixture: &QueueFixture, aq: &Child, extent: &Extent) -> io::Result<()> {
    wait_for_start(fixture)?;
    let (mut added, mut moved) = (Vec::new(), Vec::new());
    for number in 0..extent.starts {
        let file = fixture.job_files(&format!("add-{number}"), 1)?;
        let mut add = fixture.aq(&["add"])?;
        let started = Instant::now();
        fixture.timed(add.args(file))?;
        wait_for_start(fixture)?;
        added.push(started.elapsed().as_secs_f64() * 1e3);
        let file = fixture.job_files(&format!("move-{number}"), 1)?.remove(0);
        let started = Instant::now();
        fs::rename(
            &file,
            fixture
                .queue()
                .join("inbox")
                .join(file.file_name().unwrap_or_default()),
        )?;
        wait_for_start(fixture)?;
        moved.push(started.elapsed().as_secs_f64() * 1e3);
    }
    // What still happens of the last job is no part of being idle.
    std::thread::sleep(Duration::from_secs(1));
    let before = switches(aq.id())?;
    std::thread::sleep(Duration::from_secs(extent.idle_s));
    let wake_ups = (switches(aq.id())? - before) as f64 / extent.idle_s as f64;
    let memory = status_field(&format!("/proc/{}/status", aq.id()), "VmRSS:")? as f64 / 1024.0;
    println!("| what | measured | target | |\n|---|---:|---|---|");
    let row = |what: &str, value: String, target: String, met: bool| {
        println!("| {what} | {value} | {target} | {} |", verdict(met));
    };
    row(
        "memory of a waiting runner",
        format!("{memory:.1} MiB"),
        format!("under {MEMORY_MIB} MiB"),
        memory < MEMORY_MIB,
    );
    row(
        &format!("wake-ups a second, over {} s", extent.idle_s),
        format!("{wake_ups:.2}"),
        format!("under {WAKE_UPS_A_SECOND}"),
        wake_ups < WAKE_UPS_A_SECOND,
    );
    let (of_add, of_move) = (median(added), median(moved));
    row(
        "from `aq add` to the engine's first act",
        format!("{of_add:.1} ms"),
        format!("under {START_MS} ms"),
        of_add < START_MS,
    );
    row(
        "from a file moved into the inbox by hand to the engine's first act",
        format!("{of_move:.1} ms"),
        format!("under {START_MS} ms"),
        of_move < START_MS,
    );
    Ok(())
}

/// An engine that says when it starts.
fn teller(start: &std::path::Path) -> String {
    format!(
        "[engine.devin]\ncommand = \"sh\"\nargs = [\"-c\", \"echo >{}\", \"{{prompt_file}}\"]\nstdin = \"nothing\"\n",
        start.display()
    )
}

/// Opening a pipe waits for the other end, so nothing here looks at a clock or at a folder again and again.
fn wait_for_start(fixture: &QueueFixture) -> io::Result<()> {
    let mut told = Vec::new();
    fs::File::open(fixture.path("started"))?.read_to_end(&mut told)?;
    Ok(())
}

/// How often all threads of a process were given a processor after they had waited.
fn switches(process: u32) -> io::Result<u64> {
    let mut count = 0;
    for thread in fs::read_dir(format!("/proc/{process}/task"))? {
        let path = thread?.path().join("status");
        count += status_field(&path.display().to_string(), "voluntary_ctxt_switches:")?;
    }
    Ok(count)
}

fn status_field(path: &str, name: &str) -> io::Result<u64> {
    let text = fs::read_to_string(path)?;
    let line = text.lines().find(|line| line.starts_with(name));
    let value = line.and_then(|line| line.split_whitespace().nth(1)?.parse().ok());
    value.ok_or_else(|| io::Error::other(format!("{path} has no {name}")))
}
