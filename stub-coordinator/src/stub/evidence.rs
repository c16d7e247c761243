//! What a stub has seen: counters, digest, journal, jobs; and questions about it.

use std::sync::mpsc::Receiver;
use std::time::Duration;

use super::Stub;
use crate::contract::operation::Operation;
use crate::journal::counters::StubCounters;
use crate::journal::exchange::{Exchange, ExchangeMatch};
use crate::journal::verification::{Verdict, VerificationResult};
use crate::journal::{StubEvent, WaitError};
use crate::rules::{RuleExplanation, RuleMatch};
use crate::stub_report::JobState;

impl Stub {
    /// What was counted so far.
    /// ```
    #[doc = include_str!("dry_run_example.txt")]
    /// use stub_coordinator::{Stub, StubConfig};
    ///
    /// let stub = Stub::start(StubConfig::default())?;
    /// dry_run(&stub)?;
    /// let counters = stub.counters();
    /// assert_eq!(counters.requests["shadow.claim"], 1);
    /// assert_eq!(counters.mutations_total(), 0, "what a dry run must keep at 0");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn counters(&self) -> StubCounters {
        self.shared.journal.counters()
    }

    /// The digest of real state (C-20), in hexadecimal. It is the same before and after whatever changes nothing real.
    /// ```
    #[doc = include_str!("dry_run_example.txt")]
    /// use stub_coordinator::{NewJob, Stub, StubConfig};
    ///
    /// let jobs = vec![NewJob::named("tidy", "sh")];
    /// let stub = Stub::start(StubConfig { jobs, ..StubConfig::default() })?;
    /// let before = stub.digest();
    /// dry_run(&stub)?;
    /// assert_eq!(stub.digest(), before);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn digest(&self) -> String {
        self.shared.digest()
    }

    /// The exchanges that are still known, in order of arrival.
    /// ```
    #[doc = include_str!("dry_run_example.txt")]
    /// use stub_coordinator::{Stub, StubConfig};
    ///
    /// let stub = Stub::start(StubConfig::default())?;
    /// dry_run(&stub)?;
    /// let journal = stub.journal();
    /// assert_eq!(journal[0].operation.as_deref(), Some("shadow.claim"));
    /// assert_eq!(journal[0].factory.as_deref(), Some("desk"));
    /// assert!(!journal[0].mutated);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn journal(&self) -> Vec<Exchange> {
        self.shared.journal.exchanges()
    }

    /// How many exchanges the journal has forgotten; questions about them are inconclusive.
    pub fn forgotten(&self) -> u64 {
        self.shared.journal.forgotten()
    }

    /// Requests that were none of the contract.
    pub fn unexpected(&self) -> Vec<Exchange> {
        self.shared.journal.unexpected()
    }

    /// What the stub holds against itself: shadow exchanges that changed real state.
    pub fn violations(&self) -> Vec<String> {
        self.shared.journal.violations()
    }

    /// The jobs in order of submission.
    pub fn jobs(&self) -> Vec<JobState> {
        self.shared.jobs()
    }

    /// Waits until so many of the exchanges meant have arrived, those still in flight included, and returns all of
    /// them. An error after `limit`, or where the journal has forgotten what could decide it.
    /// ```
    #[doc = include_str!("dry_run_example.txt")]
    /// use std::time::Duration;
    /// use stub_coordinator::{ExchangeMatch, Stub, StubConfig};
    ///
    /// let stub = Stub::start(StubConfig::default())?;
    /// dry_run(&stub)?;
    /// let arrived = stub.wait(&ExchangeMatch::operation("shadow.claim"), 1, Duration::from_secs(10))?;
    /// assert_eq!(arrived.len(), 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn wait(
        &self,
        what: &ExchangeMatch,
        count: usize,
        limit: Duration,
    ) -> Result<Vec<Exchange>, WaitError> {
        self.runtime
            .block_on(self.shared.journal.wait(what, count, limit))
    }

    /// Whether from `least` to `most` of the exchanges meant have arrived; *inconclusive* where the journal has
    /// forgotten what could decide it, or where no operation has the name that is asked for.
    /// ```
    #[doc = include_str!("dry_run_example.txt")]
    /// use stub_coordinator::{ExchangeMatch, Stub, StubConfig, Verdict};
    ///
    /// let stub = Stub::start(StubConfig::default())?;
    /// dry_run(&stub)?;
    /// let once = stub.verify(&ExchangeMatch::operation("shadow.claim"), 1, Some(1));
    /// assert_eq!(once.verdict, Verdict::Holds);
    /// let never = stub.verify(&ExchangeMatch::operation("claim"), 0, Some(0));
    /// assert_eq!(never.verdict, Verdict::Holds);
    /// // A name that is mistyped proves nothing.
    /// let mistyped = stub.verify(&ExchangeMatch::operation("clam"), 0, Some(0));
    /// assert_eq!(mistyped.verdict, Verdict::Inconclusive);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn verify(&self, what: &ExchangeMatch, least: usize, most: Option<usize>) -> VerificationResult {
        match unknown(std::slice::from_ref(what)) {
            Some(nothing) => nothing,
            None => self.shared.journal.verify(what, least, most),
        }
    }

    /// Whether exchanges like these have arrived in this order, whatever came between them.
    pub fn verify_sequence(&self, wanted: &[ExchangeMatch]) -> VerificationResult {
        match unknown(wanted) {
            Some(nothing) => nothing,
            None => self.shared.journal.verify_sequence(wanted),
        }
    }

    /// Which rule would fire on a request of this operation that says this, and why the others would not. None where
    /// there is no such operation.
    /// ```
    /// use stub_coordinator::{Fault, Rule, RuleMatch, Stub, StubConfig};
    ///
    /// let stub = Stub::start(StubConfig::default())?;
    /// stub.arm(Rule::on("claim", Fault::Empty).named("nothing-to-do"))?;
    /// let desk = RuleMatch { factory: Some("desk".to_owned()), ..RuleMatch::default() };
    /// let rules = stub.explain("claim", &desk).ok_or("no such operation")?;
    /// assert!(rules[0].fires);
    /// assert_eq!(rules[0].why, "it is the first that matches and is due");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn explain(&self, operation: &str, said: &RuleMatch) -> Option<Vec<RuleExplanation>> {
        let operation = Operation::named(operation)?;
        let now = self.shared.clock.now();
        Some(self.shared.rule_engine.explain(operation, &said.facts(), now))
    }

    /// What happens from now on. A reader that lags far behind is dropped.
    pub fn events(&self) -> Receiver<StubEvent> {
        self.shared.journal.subscribe()
    }
}

/// The answer to a question about an operation that there is none of: *none arrived* would prove nothing.
fn unknown(asked: &[ExchangeMatch]) -> Option<VerificationResult> {
    let names = asked.iter().filter_map(|what| what.operation.as_deref());
    let why = names.map(Operation::or_hint).find_map(Result::err)?;
    Some(VerificationResult {
        verdict: Verdict::Inconclusive,
        seen: Vec::new(),
        why,
        forgotten: 0,
    })
}
