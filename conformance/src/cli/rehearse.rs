//! `conformance rehearse`: the whole ladder with `aq` against the fake, in one command.

use std::path::PathBuf;

use clap::Args;

use conformance::driver::stop_signal::StopSignal;
use conformance::exit_codes::HarnessExit;
use conformance::output_file::OutputFile;
use conformance::printable_text::{error_chain, escape_control};
use conformance::profile::find_aq;
use conformance::rehearsal::{FEWEST_JOBS, MOST_JOBS, RehearsalPlan, StepRecord, page, rehearse};
use conformance::stdio;
use conformance::suite_selection::fail;

use super::CommonArguments;

#[derive(Debug, Args)]
#[command(after_help = HELP)]
pub(super) struct RehearseArguments {
    /// How many jobs there are, 7 to 200 [default: 14]
    #[arg(long, value_name = "N")]
    jobs: Option<usize>,
    /// Decides which step the jobs are for and which answers are lost
    #[arg(long, value_name = "SEED", default_value_t = 1)]
    seed: u64,
    /// Print the steps and each job's life as one JSON object at the end, and nothing else on standard output
    #[arg(long)]
    json: bool,
    /// Write a page with each job's life to this file
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
}

const HELP: &str = "\
What happens, in a folder of its own that is removed at the end:
  offline       jobs run from the inbox; the coordinator gets no request
  observe       the same, and each choice is compared with the coordinator's
  gate          today's log is too short; a file that tells it again as a week passes
  route         jobs are handed over with `aq fleet-submit` and run under leases
  split-brain, lost-replies, outage
                the coordinator misbehaves
  back          routing is off; the inbox runs, although nobody answers
  recall        `aq fleet-recall --all` brings back what the coordinator still has
  end           offline again

Each job leaves a line when it runs and when it is shipped. After each step the lines are counted.
The log of a week shows how the gate reads. It says nothing about your coordinator.

The runner is the `aq` that AQ_BIN names, or lies beside this program, or is on PATH.

Examples:
  conformance rehearse
  conformance rehearse --jobs 40 --seed 7 --html rehearsal.html

Exit codes:
  0   every job ran once and was shipped once, at every step
  1   a step does not hold; its line says why
  2   wrong usage
  3   the rehearsal could not be carried out
  130 ended by SIGINT, 143 by SIGTERM or SIGHUP";

/// Rehearses, and says a sentence for each step.
pub(super) fn run(
    arguments: &RehearseArguments,
    options: &CommonArguments,
) -> Result<HarnessExit, HarnessExit> {
    if let Some(option) = options.other_than(&["--jobs", "--json", "--html"]) {
        let message = format!("`{option}` does nothing for `conformance rehearse`, so leave it away here");
        return Err(fail(HarnessExit::WrongUsage, &message));
    }
    let jobs = arguments.jobs.unwrap_or(2 * FEWEST_JOBS);
    if !(FEWEST_JOBS..=MOST_JOBS).contains(&jobs) {
        let message = format!("`--jobs {jobs}`: a rehearsal has {FEWEST_JOBS} to {MOST_JOBS} jobs");
        return Err(fail(HarnessExit::WrongUsage, &message));
    }
    let wrong = |error: &dyn std::error::Error| fail(HarnessExit::WrongUsage, &error_chain(error));
    let html = arguments
        .html
        .as_deref()
        .map(|path| OutputFile::look_at("--html", path));
    let html = html.transpose().map_err(|error| wrong(&error))?;
    let aq = find_aq().map_err(|error| wrong(&error))?;
    let stop = StopSignal::default();
    stop.stop_at_signals();
    stdio::say(format_args!(
        "rehearsing with {}, {jobs} jobs, seed {}",
        aq.display(),
        arguments.seed
    ));
    let plan = RehearsalPlan {
        aq,
        jobs,
        seed: arguments.seed,
    };
    let done = rehearse(&plan, &stop, |step| {
        if !arguments.json {
            stdio::write_stdout(&sentence(step));
        }
        stdio::say(format_args!(
            "{} took {} ms",
            step.name,
            step.ended_ms.saturating_sub(step.began_ms)
        ));
    });
    let record = done.map_err(|error| fail(HarnessExit::Inconclusive, &error_chain(&error)))?;
    if arguments.json {
        let text = serde_json::to_string(&record);
        let text = text.map_err(|error| fail(HarnessExit::Inconclusive, &error.to_string()))?;
        stdio::write_stdout(&(text + "\n"));
    }
    if let Some(file) = html {
        let written = file.write(&page::render(&record));
        written.map_err(|error| fail(HarnessExit::Inconclusive, &error_chain(&error)))?;
    }
    Ok(match stop.signal() {
        Some(signal) => HarnessExit::Ended(signal),
        None if record.holds => HarnessExit::Holds,
        None => HarnessExit::DoesNotHold,
    })
}

/// A step's line, and one more for whatever does not hold.
fn sentence(step: &StepRecord) -> String {
    let mut text = format!("{:<12}  {}.\n", step.name, escape_control(&step.sentence));
    for fault in &step.faults {
        text += &format!("{:<12}  WRONG: {}\n", "", escape_control(fault));
    }
    text
}
