//! The text format of Prometheus, as the textfile collector of node_exporter reads it: each family once, with `HELP` and
//! `TYPE` before its samples, and no sample with a time, which that collector refuses.

use std::fmt::Write;

use jiff::Timestamp;

use super::counter_values::{BUCKETS, CounterValues, DURATION, RESULTS, STARTED, bucket};
use crate::error_scope::HostTrouble;
use crate::ids::EngineName;
use crate::mode::Mode;
use crate::stage::Stage;

/// What is so at this moment.
#[derive(Debug)]
pub(crate) struct QueueFigures {
    pub(crate) written_at: Timestamp,
    pub(crate) jobs: Vec<(Stage, usize)>,
    /// How many runners are at work in each mode.
    pub(crate) runners: Vec<(Mode, usize)>,
    /// How many jobs these runners do at a time.
    pub(crate) workers: usize,
    /// Each engine, and until when it is paused, if it is.
    pub(crate) engines: Vec<(EngineName, Option<Timestamp>)>,
    /// What keeps runners from starting jobs.
    pub(crate) host_troubles: Vec<HostTrouble>,
    /// How the calls of the runners that make some fare; none: no runner makes calls.
    pub(crate) coordinator: Option<CoordinatorFigures>,
    /// Each kind of harm by routing, and whether it was met since routing began.
    pub(crate) harm: Vec<(&'static str, bool)>,
    /// Whether ROUTE was turned off by aq.
    pub(crate) rolled_back: bool,
}

#[derive(Debug, Default)]
pub(crate) struct CoordinatorFigures {
    /// How many runners have trouble with it.
    pub(crate) troubled: usize,
    /// How many runners compare nothing any more.
    pub(crate) not_comparing: usize,
    pub(crate) last_answer: Option<Timestamp>,
}

/// The whole text.
pub(crate) fn render(figures: &QueueFigures, counters: &CounterValues) -> String {
    let mut text = MetricsText::default();
    let version = env!("CARGO_PKG_VERSION");
    text.family("aq_build_info", "gauge", "The version of aq that wrote this.");
    text.sample("aq_build_info", &[("version", version)], 1.0);
    text.single(
        "aq_metrics_written_timestamp_seconds",
        "When this was written; a runner at work writes it every 15 seconds.",
        figures.written_at.as_second() as f64,
    );
    gauges(&mut text, figures);
    text.family(STARTED, "counter", "Attempts at jobs that were started.");
    text.line(STARTED, counters.of(STARTED));
    text.family(
        RESULTS,
        "counter",
        "Jobs that a runner left in a stage, by the reason; inbox: they were put back.",
    );
    for (sample, value) in counters.labelled(RESULTS) {
        text.line(sample, value);
    }
    text.family(DURATION, "histogram", "How long attempts took that have ended.");
    let bounds = BUCKETS.iter().map(u32::to_string).chain(["+Inf".to_owned()]);
    for bucket in bounds.map(|bound| bucket(&bound)) {
        text.line(&bucket, counters.of(&bucket));
    }
    for part in ["sum", "count"] {
        let sample = format!("{DURATION}_{part}");
        text.line(&sample, counters.of(&sample));
    }
    text.0
}

fn gauges(text: &mut MetricsText, figures: &QueueFigures) {
    text.family("aq_jobs", "gauge", "Jobs in each stage.");
    for (stage, count) in &figures.jobs {
        text.sample("aq_jobs", &[("stage", stage.folder())], *count as f64);
    }
    text.family(
        "aq_runners",
        "gauge",
        "Runners at work on this queue, by their mode.",
    );
    for (mode, count) in &figures.runners {
        text.sample("aq_runners", &[("mode", &mode.to_string())], *count as f64);
    }
    text.single(
        "aq_workers",
        "Jobs that these runners do at a time.",
        figures.workers as f64,
    );
    text.family("aq_engine_paused", "gauge", "Whether the engine is paused.");
    for (engine, until) in &figures.engines {
        let value = f64::from(u8::from(until.is_some()));
        text.sample("aq_engine_paused", &[("engine", engine.as_str())], value);
    }
    let pauses = figures
        .engines
        .iter()
        .filter_map(|(engine, until)| Some((engine, (*until)?)));
    let name = "aq_engine_pause_end_timestamp_seconds";
    text.family(name, "gauge", "When an engine that is paused is tried again.");
    for (engine, until) in pauses {
        text.sample(name, &[("engine", engine.as_str())], until.as_second() as f64);
    }
    text.family(
        "aq_host_trouble",
        "gauge",
        "Runners that start no job because of this trouble of the host.",
    );
    for kind in HostTrouble::ALL {
        let count = figures.host_troubles.iter().filter(|met| **met == kind).count();
        text.sample("aq_host_trouble", &[("kind", kind.code())], count as f64);
    }
    routing(text, figures);
    let Some(coordinator) = &figures.coordinator else {
        return;
    };
    text.single(
        "aq_coordinator_trouble",
        "Runners whose calls to the coordinator fail.",
        coordinator.troubled as f64,
    );
    text.single(
        "aq_shadow_comparison_stopped",
        "Runners in shadow mode that compare nothing any more.",
        coordinator.not_comparing as f64,
    );
    if let Some(at) = coordinator.last_answer {
        text.single(
            "aq_coordinator_last_answer_timestamp_seconds",
            "When the coordinator answered last.",
            at.as_second() as f64,
        );
    }
}

fn routing(text: &mut MetricsText, figures: &QueueFigures) {
    text.family(
        "aq_route_harm",
        "gauge",
        "Whether routing did this kind of harm since it began.",
    );
    for (kind, is_met) in &figures.harm {
        text.sample("aq_route_harm", &[("kind", kind)], f64::from(u8::from(*is_met)));
    }
    text.single(
        "aq_rolled_back",
        "Whether aq turned ROUTE off by itself since routing began.",
        f64::from(u8::from(figures.rolled_back)),
    );
}

#[derive(Debug, Default)]
struct MetricsText(String);

impl MetricsText {
    fn family(&mut self, name: &str, kind: &str, help: &str) {
        let help = escaped(help, false);
        self.push(&format!("# HELP {name} {help}\n# TYPE {name} {kind}\n"));
    }

    fn single(&mut self, name: &str, help: &str, value: f64) {
        self.family(name, "gauge", help);
        self.line(name, value);
    }

    fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: f64) {
        let labels = labels
            .iter()
            .map(|(name, value)| format!("{name}=\"{}\"", escaped(value, true)));
        let labels: Vec<String> = labels.collect();
        self.line(&format!("{name}{{{}}}", labels.join(",")), value);
    }

    fn line(&mut self, sample: &str, value: f64) {
        self.push(&format!("{sample} {value}\n"));
    }

    fn push(&mut self, text: &str) {
        // Nothing can go wrong with a text in memory.
        let _ = self.0.write_str(text);
    }
}

fn escaped(text: &str, is_label: bool) -> String {
    let text = text.replace('\\', "\\\\").replace('\n', "\\n");
    match is_label {
        true => text.replace('"', "\\\""),
        false => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figures() -> QueueFigures {
        QueueFigures {
            written_at: Timestamp::UNIX_EPOCH,
            jobs: Stage::ALL.map(|stage| (stage, 3)).into(),
            runners: Mode::ALL.map(|mode| (mode, 1)).into(),
            workers: 2,
            engines: vec![
                (EngineName::new("claude").unwrap(), None),
                (EngineName::new("codex").unwrap(), Some(Timestamp::UNIX_EPOCH)),
            ],
            host_troubles: vec![HostTrouble::DiskFull, HostTrouble::DiskFull],
            harm: vec![("finished", false), ("running", true)],
            rolled_back: true,
            coordinator: Some(CoordinatorFigures {
                troubled: 1,
                not_comparing: 0,
                last_answer: Some(Timestamp::UNIX_EPOCH),
            }),
        }
    }

    #[test]
    fn the_page_lists_each_family_with_its_type_and_no_other() {
        let text = render(&figures(), &CounterValues::default());
        let types = text.lines().filter_map(|line| line.strip_prefix("# TYPE "));
        let mut types: Vec<String> = types.map(|line| line.replace(' ', " | ")).collect();
        let page = include_str!("../../../docs/monitoring.md");
        let rows = page.lines().filter(|row| row.starts_with("| `aq_"));
        let mut listed: Vec<String> = rows
            .map(|row| {
                row.replace('`', "")
                    .split(" | ")
                    .take(2)
                    .collect::<Vec<_>>()
                    .join(" | ")
            })
            .map(|row| row.trim_start_matches("| ").to_owned())
            .collect();
        types.sort();
        listed.sort();
        assert_eq!(types, listed);
    }

    #[test]
    fn what_was_counted_is_read_again_from_the_text_as_it_was() {
        let mut counters = CounterValues::default();
        counters.attempt_started();
        counters.job_left(Stage::Shipped, None);
        counters.attempt_ended(std::time::Duration::from_millis(1500));
        let text = render(&figures(), &counters);
        assert_eq!(CounterValues::read(&text), counters);
        assert!(
            text.contains("\naq_host_trouble{kind=\"disk-full\"} 2\n"),
            "{text}"
        );
    }

    #[test]
    fn what_would_end_a_label_or_a_line_is_escaped() {
        let mut text = MetricsText::default();
        text.family("aq_x", "gauge", "one\\two\n\"three\"");
        text.sample("aq_x", &[("a", "one\\two\n\"three\""), ("b", "")], 1.5);
        let expected = "# HELP aq_x one\\\\two\\n\"three\"\n# TYPE aq_x gauge\naq_x{a=\"one\\\\two\\n\\\"three\\\"\",b=\"\"} 1.5\n";
        assert_eq!(text.0, expected);
    }
}
