//! Runs scenarios, several at a time, and turns each into a verdict.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::time::Instant;

use crate::case_result::CaseResult;
use crate::checks;
use crate::diagnosis;
use crate::driver::stop_signal::StopSignal;
use crate::driver::{self, DriverContext, DriverError};
use crate::evidence::{Evidence, RunEvidence};
use crate::known_failures;
use crate::outcome::{Finding, Outcome};
use crate::printable_text::error_chain;
use crate::profile::Profile;
use crate::report;
use crate::sandbox::FolderRetention;
use crate::sandbox::environment::RunVariant;
use crate::scenario::Scenario;
use crate::scenario::scenario_files::ScenarioFile;

/// With what a suite is run.
#[derive(Debug, Clone)]
pub struct Suite {
    pub profile: Profile,
    /// The harness's own binary, for its hidden subcommands.
    pub harness: PathBuf,
    pub keep: FolderRetention,
    /// The day that known failures are held against, as `2026-05-01`.
    pub today: String,
    /// Ends what is on its way.
    pub stop: StopSignal,
}

/// What a running suite reports.
#[derive(Debug)]
pub enum SuiteEvent<'a> {
    Started(&'a ScenarioFile),
    Finished(&'a ScenarioFile, Box<CaseResult>),
}

/// Whether a suite goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SuiteControl {
    Continue,
    /// Nothing is begun any more; what is on its way comes to its end.
    Finish,
}

/// The present time in UTC, as `2026-05-01T10:00:00Z`.
pub fn now() -> String {
    format!("{:.0}", jiff::Timestamp::now())
}

/// This day in UTC.
pub fn today() -> String {
    now().split('T').next().unwrap_or_default().to_owned()
}

/// How many scenarios run at a time where nobody says: they mostly wait for processes.
pub fn default_jobs() -> usize {
    let cores = std::thread::available_parallelism().map_or(2, usize::from);
    (2 * cores).max(4)
}

impl Suite {
    /// The scenario with the runner's own names of variables where its messages have to name them.
    fn with_runner_names(&self, scenario: &Scenario) -> Scenario {
        let mut scenario = scenario.clone();
        for output in &mut scenario.expect.output {
            output.contains = self.profile.renamed_in(&output.contains);
        }
        scenario
    }

    /// Runs all of them, `jobs` at a time, and returns the results in order of id; `on_event` gets each when it is there.
    pub fn run(
        &self,
        found: &[ScenarioFile],
        jobs: usize,
        on_event: impl Fn(&CaseResult),
    ) -> Vec<CaseResult> {
        let mut all = Vec::new();
        self.stream(found, jobs, |what| {
            if let SuiteEvent::Finished(_, verdict) = what {
                on_event(&verdict);
                all.push(*verdict);
            }
            SuiteControl::Continue
        });
        all.sort_by(|one, other| one.id.cmp(&other.id));
        all
    }

    /// Runs them in their order, `jobs` at a time, and calls `on_event` on the caller's thread when one begins and when its
    /// result is there. One that was stopped has no result.
    pub fn stream(
        &self,
        found: &[ScenarioFile],
        jobs: usize,
        mut on_event: impl FnMut(SuiteEvent) -> SuiteControl,
    ) {
        let next = AtomicUsize::new(0);
        let (sender, events) = channel();
        std::thread::scope(|scope| {
            for _ in 0..jobs.clamp(1, found.len().max(1)) {
                let (sender, next) = (sender.clone(), &next);
                scope.spawn(move || {
                    while let Some(found) = found.get(next.fetch_add(1, Ordering::Relaxed)) {
                        if self.stop.is_asked() || sender.send(SuiteEvent::Started(found)).is_err() {
                            return;
                        }
                        let verdict = Box::new(self.judge(found));
                        if self.stop.is_asked() || sender.send(SuiteEvent::Finished(found, verdict)).is_err()
                        {
                            return;
                        }
                    }
                });
            }
            drop(sender);
            for event in events {
                if on_event(event) == SuiteControl::Finish {
                    next.store(found.len(), Ordering::Relaxed);
                }
            }
        });
    }

    /// Runs one scenario file and judges it.
    pub fn judge(&self, found: &ScenarioFile) -> CaseResult {
        match found.read() {
            Ok(scenario) => self.judge_scenario(&found.id, &scenario),
            Err(error) => broken(&found.id, None, &error_chain(&error)),
        }
    }

    /// Runs one scenario and judges it.
    pub fn judge_scenario(&self, id: &str, scenario: &Scenario) -> CaseResult {
        let started = Instant::now();
        if let Some(clause) = self.profile.first_unsupported(&scenario.clauses) {
            return not_applicable(id, scenario, clause);
        }
        if let Some(path) = scenario.needs.iter().find(|path| !path.exists()) {
            return not_on_this_system(id, scenario, path);
        }
        let mut verdict = match self.gather(scenario) {
            Ok(evidence) => self.verdict_on(id, scenario, &evidence),
            Err(error) => self.broken(id, scenario, &error_chain(&error)),
        };
        verdict.took_since(started);
        verdict
    }

    /// The evidence of a scenario: the run itself, and the runs that it is to be compared with.
    pub fn gather(&self, scenario: &Scenario) -> Result<Evidence, DriverError> {
        self.gather_with_offline(scenario, None)
    }

    /// The same where the run without a fleet was made before.
    pub fn gather_with_offline(
        &self,
        scenario: &Scenario,
        offline: Option<RunEvidence>,
    ) -> Result<Evidence, DriverError> {
        let context = DriverContext {
            profile: &self.profile,
            harness: &self.harness,
            keep: self.keep,
            stop: &self.stop,
        };
        let run = |variant| driver::run(scenario, &context, &variant);
        let as_written = run(RunVariant::AsWritten)?;
        let offline = match (scenario.expect.same_as_offline, offline) {
            (true, None) => Some(run(RunVariant::Offline)?),
            (_, offline) => offline,
        };
        let paired = scenario.expect.connects_with.clone();
        let paired = paired.map(|more| run(RunVariant::With(more))).transpose()?;
        Ok(Evidence {
            run: as_written,
            offline,
            paired,
        })
    }

    /// What this evidence comes to.
    pub fn verdict_on(&self, id: &str, scenario: &Scenario, evidence: &Evidence) -> CaseResult {
        let scenario = &self.with_runner_names(scenario);
        let mut findings = checks::all(scenario, evidence);
        for finding in &mut findings {
            let unclaimed = |clause: &String| self.profile.unsupported.contains(clause);
            if !finding.clauses.is_empty() && finding.clauses.iter().all(unclaimed) {
                finding.outcome = Outcome::NotApplicable;
            }
        }
        known_failures::excuse(id, &self.profile.known_failures, &self.today, &mut findings);
        let traces = diagnosis::run_trace::of(evidence, &self.profile);
        let differences = diagnosis::first_difference::of(scenario, evidence, &self.profile);
        let mut result = CaseResult::of_findings(id, &scenario.title, &scenario.clauses, findings);
        if result.outcome.is_bad() {
            result.failure_report =
                report::failure_report::render(&scenario.title, &result.findings, &differences, &traces);
        }
        CaseResult {
            traces,
            differences,
            ..result
        }
    }

    /// The result of a scenario from which nothing follows for the runner.
    pub fn broken(&self, id: &str, scenario: &Scenario, message: &str) -> CaseResult {
        broken(id, Some(scenario), message)
    }
}

fn not_applicable(id: &str, scenario: &Scenario, clause: &str) -> CaseResult {
    let finding = Finding {
        check: "claimed".into(),
        clauses: vec![clause.to_owned()],
        outcome: Outcome::NotApplicable,
        expected: "a runner that claims every clause of the scenario".into(),
        observed: format!("its profile does not claim {clause}"),
    };
    CaseResult::of_findings(id, &scenario.title, &scenario.clauses, vec![finding])
}

fn not_on_this_system(id: &str, scenario: &Scenario, path: &Path) -> CaseResult {
    let finding = Finding {
        check: "possible".into(),
        clauses: Vec::new(),
        outcome: Outcome::NotApplicable,
        expected: "a system that has all that the scenario needs".into(),
        observed: format!("this one has no {}", path.display()),
    };
    CaseResult::of_findings(id, &scenario.title, &scenario.clauses, vec![finding])
}

fn broken(id: &str, scenario: Option<&Scenario>, message: &str) -> CaseResult {
    let finding = Finding {
        check: "can-be-run".into(),
        clauses: Vec::new(),
        outcome: Outcome::Broken,
        expected: "the scenario can be run".into(),
        observed: message.to_owned(),
    };
    let title = scenario.map_or("", |scenario| &scenario.title);
    let clauses = scenario.map_or(&[][..], |scenario| &scenario.clauses);
    CaseResult {
        failure_report: format!("{message}\n"),
        ..CaseResult::of_findings(id, title, clauses, vec![finding])
    }
}
