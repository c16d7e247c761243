//! The command line: the commands and options, and which module carries them out. Errors are printed here, once, with
//! their causes.

mod active_runners;
mod add;
mod cancel;
mod doctor;
mod engine_pauses;
mod error;
mod fleet_recall;
mod fleet_status;
mod fleet_submit;
mod handed_job;
mod handover_report;
mod init;
mod inside_job_guard;
mod job_arguments;
mod job_fields;
mod list;
mod log_watch;
mod logs;
mod man;
mod pause;
mod prune;
mod repair;
mod retry;
mod run;
mod shadow_explain;
mod shadow_notes;
mod shadow_report;
mod ship;
mod show;
mod status;

use std::io::{self, StdoutLock, Write, stdout};

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};
use serde::Serialize;

use inside_job_guard::InsideJob;
use job_arguments::{JobArguments, JobListArguments};

use crate::exit_codes::ProgramExit;
use crate::ids::JobId;
use crate::settings::{CredentialUse, FLEET_HEADING, GlobalFlags, Settings};
use crate::stage::Stage;
use crate::terminal;
use error::CliError;

/// A durable queue of coding-agent jobs for this host, and its careful way into a fleet.
#[derive(Debug, Parser)]
#[command(name = "aq", version, propagate_version = true, max_term_width = 100, after_help = EXAMPLE)]
struct CommandLine {
    #[command(flatten)]
    settings: GlobalFlags,
    #[command(subcommand)]
    command: CliCommand,
}

const EXAMPLE: &str = "Example: a job, and a run that does it
  printf -- '---\\nengine: claude\\n---\\nFix the failing login test.\\n' > fix-login.md
  aq add fix-login.md
  aq run --drain

Exit codes: 0 done, 1 the operation failed, 2 wrong usage or configuration, 3 inconclusive,
130 and 143 ended by a signal.";

#[derive(Debug, Subcommand)]
enum CliCommand {
    /// Make the queue folder
    #[command(after_help = init::AFTER_HELP)]
    Init(OutputFormat),
    /// Put jobs into the queue, all of them or none
    Add(add::AddArguments),
    /// Work on the jobs of the queue
    Run(run::RunArguments),
    /// Publish a job that waits in review
    #[command(after_help = "Example:\n  aq logs fix-login      (look at what was done)\n  aq ship fix-login")]
    Ship(JobArguments),
    /// Put a failed job into the inbox again
    #[command(after_help = "Examples:\n  aq retry fix-login\n  aq retry fix-login add-tests")]
    Retry(JobListArguments),
    /// Put the damaged record of a job right
    #[command(
        after_help = "Example:\n  aq repair fix-login\n\nWhat can still be read of the record is kept, and what was there \
                      lies beside it. Where the record\nbelongs to another user, it says what to type."
    )]
    Repair(JobArguments),
    /// Give up a job, running or not
    #[command(after_help = "Examples:\n  aq cancel fix-login\n  aq cancel fix-login add-tests")]
    Cancel(JobListArguments),
    /// Start no new job until `aq resume`; what runs goes on to its end
    Pause(pause::PauseArguments),
    /// Let jobs start again
    Resume(pause::ResumeArguments),
    /// Remove old jobs and what they printed
    Prune(prune::PruneArguments),
    /// Show the jobs and their stages
    List(list::ListArguments),
    /// Show one job with its history
    Show(show::ShowArguments),
    /// Print what a job's commands printed
    Logs(logs::LogsArguments),
    /// Show what the queue holds, what runs, and which mode the flags amount to
    #[command(after_help = "Example:\n  aq status --json")]
    Status(OutputFormat),
    /// Show the fleet's settings, and whether the coordinator answers
    #[command(after_help = "Example:\n  AQ_FLEET=1 AQ_FLEET_URL=https://fleet.example.org aq fleet-status")]
    FleetStatus(OutputFormat),
    /// Hand jobs to the coordinator
    FleetSubmit(fleet_submit::FleetSubmitArguments),
    /// Take jobs back from the coordinator
    FleetRecall(fleet_recall::FleetRecallArguments),
    /// Show how often this queue and the coordinator decided alike
    FleetShadowReport(shadow_report::ShadowReportArguments),
    /// Show both lists of one decision, and where they differ
    FleetShadowExplain(shadow_explain::ExplainArguments),
    /// Take the responsibility for one answer, so that it no longer holds the gate
    FleetShadowAck(shadow_notes::AckArguments),
    /// Begin the observation anew
    FleetShadowRestart(shadow_notes::RestartArguments),
    /// Find out what would go wrong, before it does
    #[command(after_help = doctor::AFTER_HELP)]
    Doctor(OutputFormat),
    /// Print the manual page of aq, or of one of its commands
    #[command(after_help = "Examples:\n  aq man | man -l -\n  aq man run > ~/.local/share/man/man1/aq-run.1")]
    Man {
        /// A command of aq
        command: Option<String>,
    },
    /// Print a completion script for a shell
    #[command(after_help = "Example:\n  aq completions bash > ~/.local/share/bash-completion/completions/aq")]
    Completions { shell: clap_complete::Shell },
}

impl CliCommand {
    /// The option `--inside-job` of the commands that decide what runs, or what is kept of it.
    fn inside_job_option(&self) -> Option<InsideJob> {
        Some(match self {
            CliCommand::Add(arguments) => arguments.inside,
            CliCommand::Ship(job) | CliCommand::Repair(job) => job.inside,
            CliCommand::Retry(jobs) | CliCommand::Cancel(jobs) => jobs.inside,
            CliCommand::Pause(arguments) => arguments.inside,
            CliCommand::Resume(arguments) => arguments.inside,
            CliCommand::Prune(arguments) => arguments.inside,
            CliCommand::FleetShadowReport(arguments) => arguments.inside_if_noted()?,
            CliCommand::FleetShadowAck(arguments) => arguments.inside,
            CliCommand::FleetShadowRestart(arguments) => arguments.inside,
            CliCommand::FleetSubmit(arguments) => arguments.inside,
            CliCommand::FleetRecall(arguments) => arguments.inside,
            _ => return None,
        })
    }

    /// A command that makes no call needs no token, so that a missing file of one keeps nobody from the queue.
    fn credential_use(&self) -> CredentialUse {
        match self {
            CliCommand::Run(_)
            | CliCommand::Ship(_)
            | CliCommand::Retry(_)
            | CliCommand::Cancel(_)
            | CliCommand::FleetStatus(_)
            | CliCommand::FleetSubmit(_)
            | CliCommand::FleetRecall(_)
            | CliCommand::Doctor(_) => CredentialUse::Needed,
            _ => CredentialUse::Unneeded,
        }
    }
}

// Whether a command prints for people or for programs. This is no doc comment, because clap would show it as the help of
// the commands that have no other option.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::Args)]
struct OutputFormat {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl OutputFormat {
    fn print(
        self,
        value: &impl Serialize,
        text: impl FnOnce(&mut StdoutLock<'_>) -> io::Result<()>,
    ) -> Result<ProgramExit, CliError> {
        let mut out = stdout().lock();
        match self.json {
            true => writeln!(out, "{}", serde_json::to_string(value).map_err(io::Error::from)?)?,
            false => text(&mut out)?,
        }
        Ok(ProgramExit::Done)
    }

    /// Prints what a command has done. It is done whether that can be told or not, and a script that goes by the exit
    /// code must not do it again.
    fn print_done(
        self,
        value: &impl Serialize,
        text: impl FnOnce(&mut StdoutLock<'_>) -> io::Result<()>,
    ) -> Result<ProgramExit, CliError> {
        match self.print(value, text) {
            Err(error @ CliError::Output(_)) => {
                if !error.is_closed_pipe() {
                    print_error(&error);
                    let _ = writeln!(io::stderr(), "aq: what was asked for is done all the same");
                }
                Ok(ProgramExit::Done)
            }
            printed => printed,
        }
    }

    /// Prints what a command did with one job.
    fn print_job(self, id: &JobId, stage: Stage, text: &str) -> Result<ProgramExit, CliError> {
        let value = serde_json::json!({ "id": id.as_str(), "stage": stage.folder() });
        self.print_done(&value, |out| writeln!(out, "{id}  {text}"))
    }
}

/// The commands whose help has the settings of the fleet.
const FLEET_COMMANDS: [&str; 5] = ["run", "fleet-status", "fleet-submit", "fleet-recall", "doctor"];
const FLEET_HELP_ELSEWHERE: &str = "`aq --help` has the settings of the fleet.";

/// The command line. The settings of the fleet are options of every command; the help of most is about something else.
fn command() -> clap::Command {
    let mut whole = CommandLine::command();
    whole.build();
    let is_of_fleet = |arg: &clap::Arg| arg.get_help_heading() == Some(FLEET_HEADING);
    whole.mut_subcommands(|part| {
        if FLEET_COMMANDS.contains(&part.get_name()) || !part.get_arguments().any(is_of_fleet) {
            return part;
        }
        let end = match part.get_after_help() {
            Some(text) => format!("{text}\n\n{FLEET_HELP_ELSEWHERE}"),
            None => FLEET_HELP_ELSEWHERE.to_owned(),
        };
        let part = part.after_help(end);
        part.mut_args(|arg| match is_of_fleet(&arg) {
            true => arg.hide(true),
            false => arg,
        })
    })
}

pub(crate) fn main() -> ProgramExit {
    let parsed = command().try_get_matches();
    let line = match parsed.and_then(|matches| CommandLine::from_arg_matches(&matches)) {
        Ok(line) => line,
        Err(error) => {
            let _ = error.print();
            return if error.use_stderr() {
                ProgramExit::Usage
            } else {
                ProgramExit::Done
            };
        }
    };
    match dispatch(line) {
        Ok(exit) => exit,
        Err(error) if error.is_closed_pipe() => ProgramExit::Done,
        Err(error) => {
            print_error(&error);
            error.exit()
        }
    }
}

fn print_error(error: &CliError) {
    let text = terminal::error_chain(error);
    let lines: Vec<String> = text.lines().map(terminal::escape_control).collect();
    let _ = writeln!(io::stderr(), "aq: {}", lines.join("\n"));
}

fn dispatch(line: CommandLine) -> Result<ProgramExit, CliError> {
    if let CliCommand::Completions { shell } = line.command {
        let mut script = Vec::new();
        clap_complete::generate(shell, &mut command(), "aq", &mut script);
        stdout().write_all(&script)?;
        return Ok(ProgramExit::Done);
    }
    if let CliCommand::Man { command } = &line.command {
        return man::print(command.as_deref());
    }
    let settings = Settings::resolve(&line.settings, line.command.credential_use());
    if let CliCommand::Doctor(format) = line.command {
        return doctor::run(&settings, format);
    }
    let settings = settings?;
    if let Some(inside) = line.command.inside_job_option() {
        inside.check(&settings)?;
    }
    match line.command {
        CliCommand::Init(format) => init::run(&settings, format),
        CliCommand::Add(arguments) => add::run(&settings, &arguments),
        CliCommand::Run(arguments) => run::run(&settings, &arguments),
        CliCommand::Ship(arguments) => ship::run(&settings, &arguments),
        CliCommand::Retry(arguments) => retry::run(&settings, &arguments),
        CliCommand::Repair(arguments) => repair::run(&settings, &arguments),
        CliCommand::Cancel(arguments) => cancel::run(&settings, &arguments),
        CliCommand::Pause(arguments) => pause::pause(&settings, &arguments),
        CliCommand::Resume(arguments) => pause::resume(&settings, &arguments),
        CliCommand::Prune(arguments) => prune::run(&settings, &arguments),
        CliCommand::List(arguments) => list::run(&settings, &arguments),
        CliCommand::Show(arguments) => show::run(&settings, &arguments),
        CliCommand::Logs(arguments) => logs::run(&settings, &arguments),
        CliCommand::Status(format) => status::run(&settings, format),
        CliCommand::FleetStatus(format) => fleet_status::run(&settings, format),
        CliCommand::FleetSubmit(arguments) => fleet_submit::run(&settings, &arguments),
        CliCommand::FleetRecall(arguments) => fleet_recall::run(&settings, &arguments),
        CliCommand::FleetShadowReport(arguments) => shadow_report::run(&settings, &arguments),
        CliCommand::FleetShadowExplain(arguments) => shadow_explain::run(&settings, &arguments),
        CliCommand::FleetShadowAck(arguments) => shadow_notes::acknowledge(&settings, &arguments),
        CliCommand::FleetShadowRestart(arguments) => shadow_notes::restart(&settings, &arguments),
        CliCommand::Doctor(_) | CliCommand::Man { .. } | CliCommand::Completions { .. } => {
            Ok(ProgramExit::Done)
        }
    }
}
