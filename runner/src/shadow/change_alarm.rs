//! Whether the coordinator agrees less now than it has to (clause R-3), however well it did before.
//!
//! A sum over the whole log answers slowly: 5,000 agreements outweigh the 25 disagreements of a coordinator that has
//! just broken. This is an e-detector (Shin, Ramdas and Rinaldo, "E-detectors: a nonparametric framework for sequential
//! change detection", arXiv 2203.03532), in the form of Shiryaev and Roberts: at each decision one more bet is begun
//! that the agreement is q from here on, and all bets go on together. While the agreement is at least what it has to be (0.99, say) no bet
//! can be expected to gain (each is an e-value: Ramdas, Grünwald, Vovk and Shafer, "Game-theoretic statistics and
//! safe anytime-valid inference", arXiv 2210.01948). So their sum after n decisions is n on average at most, and it
//! takes 10⁴ decisions on average at least until the sum is 10⁴ by chance.
//!
//! Pure arithmetic, in logarithms, so that no log is long enough for an overflow; a few numbers are kept, not the log.

use serde::Serialize;

/// The agreement that a coordinator has to have where no policy says otherwise.
const AGREEMENT_DEFAULT: f64 = 0.99;
/// A collapse is bet on whatever the agreement has to be.
const COLLAPSE: f64 = 0.5;
/// From this value on there is an alarm: so many decisions, on average at least, lie before a false one.
const FALSE_ALARM_DECISIONS: f64 = 1e4;

/// What is noted of each counted decision, in the log's order.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ChangeAlarm {
    detectors: [EDetector; 3],
}

/// The bets on one agreement.
#[derive(Debug, Clone, Copy, PartialEq)]
struct EDetector {
    /// The logarithm of the factor by which an agreement multiplies what a bet is worth.
    ln_agreed: f64,
    ln_disagreed: f64,
    /// The logarithm of what all bets are worth together.
    ln_sum: f64,
    /// The logarithm of what the best of them is worth; it was begun where the decline most likely did.
    ln_best: f64,
    /// The decisions since that one was begun.
    since_best: DecisionRun,
}

/// The decisions from one of them to the last.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub(crate) struct DecisionRun {
    pub(crate) disagree: u64,
    pub(crate) of: u64,
}

impl Default for ChangeAlarm {
    fn default() -> ChangeAlarm {
        ChangeAlarm::new(AGREEMENT_DEFAULT)
    }
}

impl ChangeAlarm {
    /// About a coordinator that has to have this agreement.
    pub(crate) fn new(agreement_min: f64) -> ChangeAlarm {
        ChangeAlarm {
            detectors: declines(agreement_min).map(|q| EDetector::new(q, agreement_min)),
        }
    }

    pub(crate) fn note(&mut self, agrees: bool) {
        for detector in &mut self.detectors {
            detector.note(agrees);
        }
    }

    /// From this value on there is an alarm.
    pub(crate) fn ln_limit() -> f64 {
        FALSE_ALARM_DECISIONS.ln()
    }

    /// The logarithm of the value that it would have after so many agreements more; of nothing, that of zero.
    pub(crate) fn ln_value_after(&self, agreements: u64) -> f64 {
        let sums = self.detectors.map(|detector| detector.ln_sum_after(agreements));
        sums.into_iter().fold(f64::NEG_INFINITY, ln_add) - (sums.len() as f64).ln()
    }

    /// The last decisions, as far back as they speak for a decline most clearly; none if they speak for none.
    pub(crate) fn decline(&self) -> Option<DecisionRun> {
        let by_sum = |one: &&EDetector, other: &&EDetector| one.ln_sum.total_cmp(&other.ln_sum);
        let clearest = self.detectors.iter().max_by(by_sum)?;
        Some(clearest.since_best).filter(|run| run.of > 0)
    }
}

impl EDetector {
    fn new(q: f64, agreement_min: f64) -> EDetector {
        EDetector {
            ln_agreed: (q / agreement_min).ln(),
            ln_disagreed: ((1.0 - q) / (1.0 - agreement_min)).ln(),
            ln_sum: f64::NEG_INFINITY,
            ln_best: 0.0,
            since_best: DecisionRun::default(),
        }
    }

    fn note(&mut self, agrees: bool) {
        let ln_gain = match agrees {
            true => self.ln_agreed,
            false => self.ln_disagreed,
        };
        self.ln_sum = ln_add(0.0, self.ln_sum) + ln_gain;
        self.ln_best += ln_gain;
        self.since_best.of += 1;
        self.since_best.disagree += u64::from(!agrees);
        if self.ln_best <= 0.0 {
            // A bet that is begun now is worth as much, and has lost nothing yet.
            self.ln_best = 0.0;
            self.since_best = DecisionRun::default();
        }
    }

    fn ln_sum_after(&self, agreements: u64) -> f64 {
        let (n, gain) = (agreements as f64, self.ln_agreed.exp());
        let begun_since = gain * (1.0 - gain.powf(n)) / (1.0 - gain);
        ln_add(self.ln_sum + n * self.ln_agreed, begun_since.ln())
    }
}

/// The agreements that are bet on: of a slow decline, which has three times the disagreements that may be, of a fault in
/// some cases, which has ten times as many or lies halfway to a collapse, and of a collapse. Of 0.99 they are 0.97, 0.9
/// and 0.5.
fn declines(agreement_min: f64) -> [f64; 3] {
    let disagreement = 1.0 - agreement_min;
    let slow = 1.0 - 3.0 * disagreement;
    let some = (1.0 - 10.0 * disagreement).max(f64::midpoint(slow, COLLAPSE));
    [slow, some, COLLAPSE]
}

/// ln(eˣ + eʸ), of zeros as well.
fn ln_add(x: f64, y: f64) -> f64 {
    let (low, high) = (x.min(y), x.max(y));
    match high == f64::NEG_INFINITY {
        true => high,
        false => high + (low - high).exp().ln_1p(),
    }
}

#[cfg(test)]
mod tests;
