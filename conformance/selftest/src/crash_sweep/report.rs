//! What a sweep prints: the kills at each step, the steps that were never reached, and a failure with all that led to it.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::Duration;

use super::SweepFailure;
use super::kill_point::KillVictim;

/// In the order of the columns.
const VICTIMS: [KillVictim; 3] = [KillVictim::Runner, KillVictim::Supervisors, KillVictim::Both];

/// One step, and how often who was killed at it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StepKillCounts {
    pub command: &'static str,
    pub step: String,
    pub(super) kills: BTreeMap<KillVictim, u64>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SweepReport {
    pub rows: Vec<StepKillCounts>,
    pub kills: u64,
    /// Kills that were aimed at a step which that command did not come to.
    pub missed: u64,
    pub seed: u64,
    pub cases: u64,
    pub took: Duration,
    pub failure: Option<SweepFailure>,
}

impl SweepReport {
    /// The steps at which something was killed.
    pub fn reached(&self) -> usize {
        self.rows.iter().filter(|row| row.all() > 0).count()
    }
}

impl StepKillCounts {
    fn all(&self) -> u64 {
        self.kills.values().sum()
    }

    fn of(&self, victim: KillVictim) -> u64 {
        self.kills.get(&victim).copied().unwrap_or(0)
    }
}

/// The report in words.
pub fn render(report: &SweepReport) -> String {
    let mut text = String::new();
    let _ = writeln!(text, " runner  superv.  both  step");
    for row in report.rows.iter().filter(|row| row.all() > 0) {
        let [runner, supervisors, both] = VICTIMS.map(|victim| row.of(victim));
        let what = format!("{} {}", row.command, row.step);
        let _ = writeln!(text, "{runner:7}  {supervisors:7}  {both:4}  {what}");
    }
    let sum = |victim| report.rows.iter().map(|row| row.of(victim)).sum::<u64>();
    let [runner, supervisors, both] = VICTIMS.map(sum);
    let _ = writeln!(
        text,
        "\n{} kills in {} cases from seed {} in {:.1} s: {runner} of the runner, {supervisors} of its supervisors, {both} of both; {} planned kills \
         were not met\n{} of {} steps were killed at",
        report.kills,
        report.cases,
        report.seed,
        report.took.as_secs_f64(),
        report.missed,
        report.reached(),
        report.rows.len(),
    );
    let never = report.rows.iter().filter(|row| row.all() == 0);
    for row in never {
        let _ = writeln!(text, "  never at: {} {}", row.command, row.step);
    }
    if let Some(failure) = &report.failure {
        let _ = writeln!(text, "\nseed {} went wrong:", failure.seed);
        for what in &failure.what {
            let _ = writeln!(text, "  {what}");
        }
        let _ = writeln!(text, "what was done:");
        for line in &failure.actions {
            let _ = writeln!(text, "  {line}");
        }
        let _ = writeln!(
            text,
            "the case again, unless it was a return to a step (then the kills above led there):\n  conformance-selftest sweep \
             --seed {} --kills 1",
            failure.seed
        );
    }
    text
}
