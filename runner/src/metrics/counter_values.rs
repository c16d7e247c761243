//! What is counted over the life of a queue. A runner counts what it has done since it last wrote, and adds that to what
//! stands in the file.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::job_reason::ReasonCode;
use crate::stage::Stage;

pub(super) const STARTED: &str = "aq_attempts_started_total";
pub(super) const RESULTS: &str = "aq_job_results_total";
pub(super) const DURATION: &str = "aq_attempt_duration_seconds";
/// The upper bounds of the buckets, in seconds.
pub(super) const BUCKETS: [u32; 6] = [10, 60, 300, 900, 3600, 14400];

/// Amounts by the sample that they belong to, as it is written: its name and its labels.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct CounterValues(BTreeMap<String, f64>);

impl CounterValues {
    /// What an earlier text had counted. What can't be understood of it counts as nothing.
    pub(crate) fn read(text: &str) -> CounterValues {
        let mut values = CounterValues::default();
        for line in text.lines() {
            let is_counted = [STARTED, RESULTS, DURATION]
                .iter()
                .any(|name| line.starts_with(name));
            if let Some((sample, value)) = line.rsplit_once(' ').filter(|_| is_counted)
                && let Ok(value) = value.parse::<f64>()
                && value.is_finite()
                && value > 0.0
            {
                values.add(sample, value);
            }
        }
        values
    }

    pub(crate) fn attempt_started(&mut self) {
        self.add(STARTED, 1.0);
    }

    pub(crate) fn attempt_ended(&mut self, took: Duration) {
        let seconds = took.as_secs_f64();
        for bound in BUCKETS.iter().filter(|bound| seconds <= f64::from(**bound)) {
            self.add(&bucket(&bound.to_string()), 1.0);
        }
        self.add(&bucket("+Inf"), 1.0);
        self.add(&format!("{DURATION}_sum"), seconds);
        self.add(&format!("{DURATION}_count"), 1.0);
    }

    /// A runner has left a job in this stage.
    pub(crate) fn job_left(&mut self, stage: Stage, reason: Option<&ReasonCode>) {
        // One of another version may be any text, and each would be a time series of its own.
        let reason = match reason {
            None => "none".to_owned(),
            Some(ReasonCode::Unknown(_)) => "unknown".to_owned(),
            Some(code) => code.to_string(),
        };
        let stage = stage.folder();
        self.add(
            &format!("{RESULTS}{{stage=\"{stage}\",reason=\"{reason}\"}}"),
            1.0,
        );
    }

    pub(crate) fn add_all(&mut self, others: &CounterValues) {
        others
            .0
            .iter()
            .for_each(|(sample, amount)| self.add(sample, *amount));
    }

    /// What was counted since an earlier moment.
    pub(crate) fn subtract(&mut self, earlier: &CounterValues) {
        for (sample, amount) in &earlier.0 {
            self.add(sample, -amount);
        }
        self.0.retain(|_, amount| *amount > 0.0);
    }

    pub(super) fn of(&self, sample: &str) -> f64 {
        self.0.get(sample).copied().unwrap_or(0.0)
    }

    /// The samples of a family that has labels, with their values.
    pub(super) fn labelled(&self, name: &str) -> impl Iterator<Item = (&str, f64)> {
        let prefix = format!("{name}{{");
        let samples = self.0.iter();
        samples
            .filter(move |(sample, _)| sample.starts_with(&prefix))
            .map(|(sample, value)| (sample.as_str(), *value))
    }

    fn add(&mut self, sample: &str, amount: f64) {
        *self.0.entry(sample.to_owned()).or_default() += amount;
    }
}

pub(super) fn bucket(bound: &str) -> String {
    format!("{DURATION}_bucket{{le=\"{bound}\"}}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_counts_on_from_a_text_adds_to_what_stands_there() {
        let text = "# HELP aq_attempts_started_total x\naq_attempts_started_total 7\n\
                    aq_job_results_total{stage=\"failed\",reason=\"exit_code\"} 2\naq_attempt_duration_seconds_sum 1.5\n\
                    aq_jobs{stage=\"inbox\"} 9\naq_attempts_started_total half\naq_job_results_total{} NaN\n";
        let mut values = CounterValues::read(text);
        let mut own = CounterValues::default();
        own.attempt_started();
        own.job_left(Stage::Failed, Some(&ReasonCode::ExitCode));
        own.job_left(Stage::Review, None);
        values.add_all(&own);
        assert_eq!(values.of(STARTED), 8.0);
        let results: Vec<_> = values.labelled(RESULTS).collect();
        assert_eq!(
            results,
            [
                ("aq_job_results_total{stage=\"failed\",reason=\"exit_code\"}", 3.0),
                ("aq_job_results_total{stage=\"review\",reason=\"none\"}", 1.0)
            ]
        );
        assert_eq!(values.of("aq_jobs{stage=\"inbox\"}"), 0.0);
        values.subtract(&own);
        assert_eq!(values.of(STARTED), 7.0);
    }

    #[test]
    fn a_duration_counts_in_each_bucket_that_it_fits_in() {
        let mut values = CounterValues::default();
        values.attempt_ended(Duration::from_secs(60));
        values.attempt_ended(Duration::from_secs(20_000));
        let counts = ["10", "60", "14400", "+Inf"].map(|bound| values.of(&bucket(bound)));
        assert_eq!(counts, [0.0, 1.0, 1.0, 2.0]);
        assert_eq!(values.of("aq_attempt_duration_seconds_sum"), 20_060.0);
    }

    #[test]
    fn a_reason_of_another_version_makes_no_series_of_its_own() {
        let mut values = CounterValues::default();
        values.job_left(Stage::Failed, Some(&ReasonCode::Unknown("a\"\n} 9".to_owned())));
        let sample = "aq_job_results_total{stage=\"failed\",reason=\"unknown\"}";
        assert_eq!(values.of(sample), 1.0);
    }
}
