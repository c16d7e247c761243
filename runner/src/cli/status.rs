//! `aq status`: the queue at a glance, and what the three flags amount to (clause F-7).

use std::io::{Write, stdout};

use super::error::CliError;
use super::list;
use crate::engine::Engines;
use crate::exit::Exit;
use crate::queue::Queue;
use crate::settings::Settings;
use crate::stage::Stage;
use crate::terminal::{Palette, Table, harmless};

#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  aq status --json")]
pub(super) struct Arguments {
    #[command(flatten)]
    format: super::Format,
}

pub(super) fn run(settings: &Settings, arguments: &Arguments) -> Result<Exit, CliError> {
    let queue = Queue::open(&settings.queue.value)?;
    let available = Engines::new(&settings.engines)?.available();
    let engines: Vec<&str> = available.iter().map(|name| name.as_str()).collect();
    let mut counts = Vec::new();
    let mut running = Vec::new();
    for stage in Stage::ALL {
        let ids = queue.ids(stage)?;
        counts.push((stage, ids.len()));
        if matches!(stage, Stage::Building | Stage::Testing) {
            running.extend(list::rows_of(&queue, stage, ids)?);
        }
    }
    let mut out = stdout().lock();
    if arguments.format.json {
        let stages: serde_json::Map<_, _> = counts
            .iter()
            .map(|(stage, count)| (stage.folder().to_owned(), (*count).into()))
            .collect();
        let value = serde_json::json!({
            "queue": queue.root().display().to_string(),
            "stages": stages,
            "running": running.iter().map(list::json).collect::<Vec<_>>(),
            "engines": engines,
            "mode": settings.mode.to_string(),
            "flags": settings.describe_flags(),
        });
        writeln!(out, "{value}")?;
        return Ok(Exit::Done);
    }
    let palette = Palette::of(&stdout());
    let root = harmless(&queue.root().display().to_string());
    writeln!(
        out,
        "{} {root}  {}",
        palette.dim("queue"),
        palette.dim(&format!("({})", settings.queue.origin))
    )?;
    let counts: Vec<String> = counts
        .iter()
        .map(|(stage, count)| palette.stage(*stage, &format!("{count} {stage}")))
        .collect();
    writeln!(out, "{}\n", counts.join("  "))?;
    if !running.is_empty() {
        list::print(&mut out, &running, &[])?;
        writeln!(out)?;
    }
    writeln!(
        out,
        "{} {}",
        palette.dim("engines"),
        if engines.is_empty() {
            "none found on PATH".to_owned()
        } else {
            engines.join(", ")
        }
    )?;
    writeln!(
        out,
        "{} {}\n",
        palette.dim("mode"),
        palette.bold(&settings.mode.to_string())
    )?;
    let mut table = Table::new(&["FLAG", "VALUE", "FROM", "EFFECT"]);
    for flag in settings.describe_flags() {
        table.row([
            flag.name.to_owned(),
            flag.value,
            flag.origin,
            flag.effect.to_owned(),
        ]);
    }
    table.write(
        &mut out,
        |number, _, cell| if number == 0 { palette.dim(&cell) } else { cell },
    )?;
    Ok(Exit::Done)
}
