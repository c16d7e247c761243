//! The options, and which of them each command takes: one that would do nothing is refused, not ignored.

use std::path::PathBuf;

use clap::Args;

use conformance::invocation::HarnessInvocation;
use conformance::suite_selection::SuiteSelection;

#[derive(Debug, Clone, Default, Args)]
pub(super) struct CommonArguments {
    /// How many scenarios run at a time [default: twice the cores, at least 4]
    #[arg(long, global = true, value_name = "N")]
    pub(super) jobs: Option<usize>,
    /// Run the scenarios in an order that this seed decides
    #[arg(long, global = true, value_name = "SEED")]
    pub(super) shuffle: Option<u64>,
    /// Keep the scenarios' folders and say where they are on a failure
    #[arg(long, global = true)]
    pub(super) keep: bool,
    /// Print the verdicts as JSON, and nothing else on standard output
    #[arg(long, global = true, help_heading = REPORTING)]
    pub(super) json: bool,
    /// Print a line for what did not pass only
    #[arg(long, short, global = true, help_heading = REPORTING)]
    pub(super) quiet: bool,
    /// Begin nothing more once something failed
    #[arg(long, global = true)]
    pub(super) fail_fast: bool,
    /// Write everything that happens to this file as it happens, a JSON object a line; `conformance schema events`
    #[arg(long, global = true, help_heading = REPORTING, value_name = "FILE")]
    pub(super) events: Option<PathBuf>,
    /// Write JUnit XML to this file, whole, at the end
    #[arg(long, global = true, help_heading = REPORTING, value_name = "FILE")]
    pub(super) junit: Option<PathBuf>,
    /// Write a page to this file, whole, at the end: failures first, each scenario's timeline, the clauses
    #[arg(long, global = true, help_heading = REPORTING, value_name = "FILE")]
    pub(super) html: Option<PathBuf>,
    /// Annotations and a step summary for GitHub Actions [default: where GITHUB_ACTIONS is `true`]
    #[arg(long, global = true, help_heading = REPORTING)]
    pub(super) github: bool,
    /// The folder of the scenarios
    #[arg(long, global = true, value_name = "DIR")]
    pub(super) scenarios: Option<PathBuf>,
    /// The runner to judge, described by a profile; by default the `aq` of this repository
    #[arg(long, global = true, value_name = "FILE")]
    pub(super) profile: Option<PathBuf>,
}

/// What the commands that judge a runner by scenarios take: everything.
pub(super) const JUDGES: &[&str] = &[
    "--jobs",
    "--shuffle",
    "--keep",
    "--json",
    "--quiet",
    "--fail-fast",
    "--events",
    "--junit",
    "--html",
    "--github",
    "--scenarios",
    "--profile",
];

/// The heading of these in the help.
const REPORTING: &str = "Reports of run, replay, smoke and coordinator";

/// What decides which reports are written.
pub(super) const REPORTS: &[&str] = &["--json", "--quiet", "--events", "--junit", "--html", "--github"];

/// What the smoke scenarios take; they are not of a folder, few, and in an order of their own.
pub(super) const SMOKE: &[&str] = &[
    "--json",
    "--quiet",
    "--events",
    "--junit",
    "--html",
    "--github",
    "--keep",
    "--profile",
];

impl CommonArguments {
    /// Which scenarios are run, and by which runner.
    pub(super) fn selection(&self) -> SuiteSelection {
        SuiteSelection {
            scenarios: self.scenarios.clone(),
            profile: self.profile.clone(),
            shuffle: self.shuffle,
            keep: self.keep,
        }
    }

    /// How this process was called.
    pub(super) fn invocation(&self) -> HarnessInvocation {
        HarnessInvocation::of_this_process(&self.selection(), self.events.as_deref())
    }

    /// Why the command of this name, which takes these options, can't do what was asked.
    pub(super) fn refusal(&self, command: &str, taken: &[&str]) -> Option<String> {
        let option = self.given().find(|option| !taken.contains(option))?;
        let takers = match REPORTS.contains(&option) {
            true => "`run`, `replay`, `smoke` and `coordinator`",
            false => "`run` and `replay`",
        };
        Some(format!(
            "`{option}` does nothing for `conformance {command}`; it is for {takers} above all, so leave it away here"
        ))
    }

    /// The options that were typed.
    fn given(&self) -> impl Iterator<Item = &'static str> {
        [
            ("--jobs", self.jobs.is_some()),
            ("--shuffle", self.shuffle.is_some()),
            ("--keep", self.keep),
            ("--json", self.json),
            ("--quiet", self.quiet),
            ("--fail-fast", self.fail_fast),
            ("--events", self.events.is_some()),
            ("--junit", self.junit.is_some()),
            ("--html", self.html.is_some()),
            ("--github", self.github),
            ("--scenarios", self.scenarios.is_some()),
            ("--profile", self.profile.is_some()),
        ]
        .into_iter()
        .filter_map(|(option, given)| given.then_some(option))
    }
}
