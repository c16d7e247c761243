//! The end of a test: what was set up has happened, and nothing else did.

use crate::faults::Fault;
use std::fmt;

use crate::contract::ids::RuleId;
use crate::journal::exchange::Exchange;
use crate::rules::{Rule, RuleStatus};
use crate::stub::Stub;
use crate::stub_report::StubReport;

/// What keeps a stub from a good end.
#[derive(Debug, Clone)]
pub struct FinishError {
    /// Rules that were armed and never fired: what they stand for was not tested.
    pub never_fired: Vec<RuleId>,
    /// What the stub holds against itself.
    pub violations: Vec<String>,
    /// Requests that were none of the contract.
    pub unexpected: Vec<Exchange>,
    /// All the evidence.
    pub report: Box<StubReport>,
}

impl Stub {
    /// Lets a rule be armed that need not fire, as far as [`Stub::finish`] goes.
    pub fn excuse(&self, id: &RuleId) {
        self.shared.expectations().optional.insert(id.clone());
    }

    /// Stops the stub. An error where a rule that was armed never fired, where a shadow exchange changed real state, or
    /// where a request was none of the contract. A rule that is dropped with its guard counts as one that was armed; one
    /// that was disarmed by hand does not.
    pub fn finish(self) -> Result<StubReport, FinishError> {
        let (optional, dropped) = {
            let expectations = self.shared.expectations();
            (expectations.optional.clone(), expectations.never_fired.clone())
        };
        let report = self.stop();
        let silent = |status: &&RuleStatus| status.fired == 0 && !closes_at_once(&status.rule);
        let never_fired: Vec<_> = dropped
            .iter()
            .chain(&report.rules)
            .filter(silent)
            .map(|status| status.id.clone())
            .filter(|id| !optional.contains(id))
            .collect();
        if never_fired.is_empty() && report.violations.is_empty() && report.counters.unexpected == 0 {
            return Ok(report);
        }
        Err(FinishError {
            never_fired,
            violations: report.violations.clone(),
            unexpected: report.unexpected.clone(),
            report: Box::new(report),
        })
    }
}

/// Nobody listens from the start, so no request can come for it to fire on.
fn closes_at_once(rule: &Rule) -> bool {
    rule.fault == Fault::Down && rule.on == "*"
}

impl fmt::Display for FinishError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rules = self
            .never_fired
            .iter()
            .map(|id| format!("rule `{id}` never fired; what it stands for was not tested"));
        let unexpected = self.unexpected.iter().map(|exchange| {
            let code = exchange
                .handler_answer
                .as_ref()
                .and_then(|answer| answer.body.as_ref()?.get("code")?.as_str());
            let code = code.unwrap_or("refused");
            format!(
                "unexpected request {} {} ({code})",
                exchange.method, exchange.path
            )
        });
        let all: Vec<_> = rules
            .chain(self.violations.iter().cloned())
            .chain(unexpected)
            .collect();
        formatter.write_str(&all.join("; "))
    }
}

impl std::error::Error for FinishError {}
