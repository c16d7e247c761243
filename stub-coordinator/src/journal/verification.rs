//! Questions about the journal that are answered yes, no, or *inconclusive*: what fell out of it may have been among
//! what is asked for, and then no answer would be honest.

use serde::Serialize;

use crate::journal::Journal;
use crate::journal::exchange::{Exchange, ExchangeMatch};

/// The answer to a question about the journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It is as asked.
    Holds,
    /// It is not.
    Fails,
    /// The journal has forgotten exchanges that could decide it.
    Inconclusive,
}

/// A verdict with what led to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct VerificationResult {
    /// The answer.
    pub verdict: Verdict,
    /// The ordinals of the exchanges that are meant, as far as they are known.
    pub seen: Vec<u64>,
    /// Why, in words.
    pub why: String,
    /// How many exchanges the journal has forgotten.
    pub forgotten: u64,
}

impl Journal {
    /// Whether from `least` to `most` of the exchanges meant have arrived.
    pub(crate) fn verify(
        &self,
        what: &ExchangeMatch,
        least: usize,
        most: Option<usize>,
    ) -> VerificationResult {
        let (exchanges, forgotten) = self.known();
        let seen: Vec<_> = exchanges
            .iter()
            .filter(|exchange| what.holds(exchange))
            .map(|exchange| exchange.seq)
            .collect();
        let count = seen.len();
        let range = match most {
            Some(most) if most == least => format!("{least}"),
            Some(most) => format!("{least} to {most}"),
            None => format!("at least {least}"),
        };
        let verdict = match (most, forgotten) {
            (Some(most), _) if count > most => Verdict::Fails,
            (None, _) if count >= least => Verdict::Holds,
            (_, 1..) => Verdict::Inconclusive,
            (_, 0) if count >= least => Verdict::Holds,
            (_, 0) => Verdict::Fails,
        };
        let why = format!("{count} arrived, {range} asked for{}", lost(verdict, forgotten));
        VerificationResult {
            verdict,
            seen,
            why,
            forgotten,
        }
    }

    /// Whether exchanges like these have arrived in this order, whatever came between them.
    pub(crate) fn verify_sequence(&self, wanted: &[ExchangeMatch]) -> VerificationResult {
        let (exchanges, forgotten) = self.known();
        let mut left = exchanges.iter();
        let seen: Vec<_> = wanted
            .iter()
            .map_while(|what| left.find(|exchange| what.holds(exchange)))
            .map(|exchange| exchange.seq)
            .collect();
        let verdict = match (seen.len() == wanted.len(), forgotten) {
            (true, _) => Verdict::Holds,
            (false, 0) => Verdict::Fails,
            (false, _) => Verdict::Inconclusive,
        };
        let missing = match wanted.get(seen.len()) {
            Some(missing) => {
                let missing = serde_json::to_string(missing).unwrap_or_default();
                format!(
                    "step {} did not arrive after the step before it: {missing}",
                    seen.len() + 1
                )
            }
            None => format!("all {} steps arrived in this order", wanted.len()),
        };
        let why = format!("{missing}{}", lost(verdict, forgotten));
        VerificationResult {
            verdict,
            seen,
            why,
            forgotten,
        }
    }

    /// What is known and how much is not, of one moment.
    fn known(&self) -> (Vec<Exchange>, u64) {
        // An exchange that falls out in between is counted as forgotten: too careful, never wrong.
        let exchanges = self.exchanges();
        (exchanges, self.forgotten())
    }
}

fn lost(verdict: Verdict, forgotten: u64) -> String {
    match verdict {
        Verdict::Inconclusive => format!(
            ", but the journal has forgotten {forgotten} exchanges that could decide it; raise its limit"
        ),
        Verdict::Holds | Verdict::Fails => String::new(),
    }
}
