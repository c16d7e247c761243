//! `aq status`: shows how many jobs are in which stage, who works on them, and what the three flags amount to (clauses
//! F-7 and F-9).

use std::collections::BTreeMap;
use std::io::{self, Write, stdout};

use super::error::CliError;
use super::{OutputFormat, active_runners, engine_pauses, handed_job, list};
use crate::engine::EngineRegistry;
use crate::exit_codes::ProgramExit;
use crate::fleet::routing_record::RoutingRecord;
use crate::ids::{EngineName, JobId};
use crate::queue::{EnginePause, FileWriter, HandoverRecord, Queue, QueuePause};
use crate::run::{RunnerRecord, runners_at_work};
use crate::settings::{FlagLine, Settings};
use crate::stage::Stage;
use crate::terminal::{self, ColorChoice, TextTable, escape_control};

pub(super) fn run(settings: &Settings, format: OutputFormat) -> Result<ProgramExit, CliError> {
    let queue = Queue::open(&settings.queue.value)?;
    let available = EngineRegistry::new(&settings.engines)?.available();
    let engines: Vec<&str> = available.iter().map(|name| name.as_str()).collect();
    let paused = queue.paused_engines()?;
    let pause = queue.paused()?;
    let runners = runners_at_work(queue.root());
    let mut counts = Vec::new();
    let mut running = Vec::new();
    for stage in Stage::ALL {
        let ids = queue.ids(stage)?;
        counts.push((stage, ids.len()));
        if matches!(stage, Stage::Building | Stage::Testing) {
            running.extend(list::rows_of(&queue, stage, ids)?);
        }
    }
    let seen = QueueStatus {
        queue: &queue,
        counts: &counts,
        running: &running,
        runners: &runners,
        engines: &engines,
        paused: &paused,
        pause: pause.as_ref(),
        writers: &queue.writers()?,
        routing: RoutingRecord::of_queue(queue.root()),
        handed: &queue.handovers()?,
    };
    format.print(&json(settings, &seen), |out| print(out, settings, &seen))
}

struct QueueStatus<'a> {
    queue: &'a Queue,
    counts: &'a [(Stage, usize)],
    running: &'a [list::JobRow],
    runners: &'a [RunnerRecord],
    engines: &'a [&'a str],
    /// The engines that are paused.
    paused: &'a BTreeMap<EngineName, EnginePause>,
    /// The pause of the whole queue.
    pause: Option<&'a QueuePause>,
    /// Which process is still writing the file of which job in the inbox.
    writers: &'a BTreeMap<JobId, FileWriter>,
    /// What routing met with, if anything.
    routing: Option<RoutingRecord>,
    /// What the coordinator has, or may have.
    handed: &'a [(JobId, HandoverRecord)],
}

fn json(settings: &Settings, seen: &QueueStatus<'_>) -> serde_json::Value {
    let count = |(stage, count): &(Stage, usize)| (stage.folder().to_owned(), (*count).into());
    let stages: serde_json::Map<_, _> = seen.counts.iter().map(count).collect();
    serde_json::json!({
        "queue": seen.queue.root().display().to_string(),
        "stages": stages,
        "running": seen.running.iter().map(list::json).collect::<Vec<_>>(),
        "runners": seen.runners,
        "engines": seen.engines,
        "paused": engine_pauses::json(seen.paused),
        "pause": seen.pause,
        "writers": seen.writers.iter().map(|(id, writer)| serde_json::json!({
            "id": id.as_str(), "pid": writer.pid, "program": writer.program,
        })).collect::<Vec<_>>(),
        "routing": seen.routing,
        "handed": handed_job::jsons(seen.handed),
        "mode": settings.mode.to_string(),
        "flags": settings.describe_flags(),
    })
}

fn print(out: &mut impl Write, settings: &Settings, seen: &QueueStatus<'_>) -> io::Result<()> {
    let palette = ColorChoice::of(&stdout());
    let label = |name: &str| palette.dim(name);
    let root = escape_control(&seen.queue.root().display().to_string());
    let origin = palette.dim(&format!("({})", settings.queue.origin));
    writeln!(out, "{} {root}  {origin}", label("queue"))?;
    let count = |(stage, count): &(Stage, usize)| match count {
        0 => palette.dim(&format!("0 {stage}")),
        count => palette.stage(*stage, &format!("{count} {stage}")),
    };
    let counts: Vec<String> = seen.counts.iter().map(count).collect();
    writeln!(out, "{}\n", counts.join("  "))?;
    if let Some(pause) = seen.pause {
        let since = terminal::ago(&pause.at);
        let why = pause.message.as_deref().unwrap_or("no job is started");
        let since = format!("paused for {since}: {}; `aq resume` ends it", escape_control(why));
        writeln!(out, "{}\n", palette.bold(&since))?;
    }
    for (id, writer) in seen.writers {
        let writer = escape_control(&writer.to_string());
        writeln!(
            out,
            "{} {id} is not whole yet: {writer} is still writing it\n",
            label("inbox")
        )?;
    }
    if !seen.running.is_empty() {
        list::print(out, seen.running, &[])?;
        writeln!(out)?;
    }
    active_runners::print(out, seen.runners)?;
    writeln!(out)?;
    let engines = match seen.engines {
        [] => "none found on PATH".to_owned(),
        found => found.join(", "),
    };
    writeln!(out, "{} {engines}", label("engines"))?;
    for line in engine_pauses::lines(seen.paused) {
        writeln!(out, "{} {line}", label("paused"))?;
    }
    if let Some(handed) = handed_job::summary(seen.handed) {
        writeln!(out, "{} {handed}", label("handed"))?;
    }
    let mode = palette.bold(&settings.mode.to_string());
    let whose = palette.dim("(what these flags amount to; a runner keeps to its own)");
    writeln!(out, "{} {mode}  {whose}\n", label("mode"))?;
    active_runners::print_routing(out, seen.routing.as_ref())?;
    print_flags(out, palette, &settings.describe_flags())
}

pub(super) fn print_flags(out: &mut impl Write, palette: ColorChoice, flags: &[FlagLine]) -> io::Result<()> {
    let mut table = TextTable::new(&["FLAG", "VALUE", "FROM", "EFFECT"]).wrapped();
    for flag in flags {
        let (name, effect) = (flag.name.to_owned(), flag.effect.to_owned());
        table.row([name, flag.value.clone(), flag.origin.clone(), effect]);
    }
    table.write_plain(out, palette)
}
