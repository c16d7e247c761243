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
    /// The folder of the scenarios; by default those that are built in
    #[arg(long, global = true, value_name = "DIR")]
    pub(super) scenarios: Option<PathBuf>,
    /// The runner to judge, described by a profile; by default `aq`
    #[arg(long, global = true, value_name = "FILE")]
    pub(super) profile: Option<PathBuf>,
}

/// What an option decides; a command takes all options of a group, or none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum OptionGroup {
    /// Which reports are written.
    Reports,
    /// Which runner is judged, and what is left of it.
    Runner,
    /// Which scenarios there are, and their order.
    Scenarios,
    /// How many run at a time, and how long.
    Pace,
}

/// What the commands that judge a runner by scenarios take: everything.
pub(super) const JUDGES: &[OptionGroup] = &[
    OptionGroup::Reports,
    OptionGroup::Runner,
    OptionGroup::Scenarios,
    OptionGroup::Pace,
];

/// The heading of these in the help.
const REPORTING: &str = "Reports of run, replay, smoke and coordinator";

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
    pub(super) fn refusal(&self, command: &str, taken: &[OptionGroup]) -> Option<String> {
        let mut given = self.given();
        let (option, group) = given.find(|(_, group)| !taken.contains(group))?;
        let takers = match group {
            OptionGroup::Reports => "`run`, `replay`, `smoke` and `coordinator`",
            _ => "`run` and `replay`",
        };
        Some(format!(
            "`{option}` does nothing for `conformance {command}`; it is for {takers} above all, so leave it away here"
        ))
    }

    /// The first that was typed and is none of these.
    pub(super) fn other_than(&self, taken: &[&str]) -> Option<&'static str> {
        let mut given = self.given().map(|(option, _)| option);
        given.find(|option| !taken.contains(option))
    }

    /// The options that were typed.
    fn given(&self) -> impl Iterator<Item = (&'static str, OptionGroup)> {
        let all = [
            ("--jobs", OptionGroup::Pace, self.jobs.is_some()),
            ("--shuffle", OptionGroup::Scenarios, self.shuffle.is_some()),
            ("--keep", OptionGroup::Runner, self.keep),
            ("--json", OptionGroup::Reports, self.json),
            ("--quiet", OptionGroup::Reports, self.quiet),
            ("--fail-fast", OptionGroup::Pace, self.fail_fast),
            ("--events", OptionGroup::Reports, self.events.is_some()),
            ("--junit", OptionGroup::Reports, self.junit.is_some()),
            ("--html", OptionGroup::Reports, self.html.is_some()),
            ("--github", OptionGroup::Reports, self.github),
            ("--scenarios", OptionGroup::Scenarios, self.scenarios.is_some()),
            ("--profile", OptionGroup::Runner, self.profile.is_some()),
        ];
        let given = all.into_iter().filter(|(_, _, is_given)| *is_given);
        given.map(|(option, group, _)| (option, group))
    }
}
