//! The counters as Prometheus reads them, in its text format.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use axum::body::Body;
use axum::extract::State;
use axum::http::Response;

use super::respond;
use crate::shared_stub::SharedStub;

const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

pub(super) async fn metrics(State(shared): State<Arc<SharedStub>>) -> Response<Body> {
    respond(200, CONTENT_TYPE, page(&shared))
}

fn page(shared: &SharedStub) -> String {
    let counters = shared.journal.counters();
    let mut page = MetricsPage::default();
    page.number("connections_total", "connections accepted", counters.connections);
    page.by(
        "requests_total",
        "requests by operation",
        "operation",
        &counters.requests,
    );
    page.number(
        "unexpected_total",
        "requests that were none of the contract",
        counters.unexpected,
    );
    page.by(
        "mutations_total",
        "operations that wrote real state",
        "operation",
        &counters.mutations,
    );
    page.number("dry_runs_total", "dry runs asked for", counters.dry_runs);
    page.number(
        "shadow_reports_total",
        "shadow reports received",
        counters.shadow_reports,
    );
    page.by(
        "refusals_total",
        "refusals of the handler by problem code",
        "code",
        &counters.refusals,
    );
    page.by(
        "faults_total",
        "faults injected by kind",
        "kind",
        &counters.faults,
    );
    page.number(
        "late_requests_total",
        "requests refused because a reset came before their end",
        shared.late.load(Ordering::Relaxed),
    );
    page.number(
        "forgotten_total",
        "exchanges that fell out of the journal",
        shared.journal.forgotten(),
    );
    page.number(
        "violations",
        "shadow exchanges that changed real state",
        shared.journal.violations().len() as u64,
    );
    domain(&mut page, shared);
    rules(&mut page, shared);
    page.0
}

fn domain(page: &mut MetricsPage, shared: &SharedStub) {
    let jobs = shared.jobs();
    let mut stages: BTreeMap<String, u64> = BTreeMap::new();
    jobs.iter()
        .for_each(|job| *stages.entry(job.stage.clone()).or_default() += 1);
    page.by("jobs", "jobs by stage", "stage", &stages);
    let leased = jobs.iter().filter(|job| job.lease.is_some()).count();
    page.number("leases", "live leases", leased as u64);
}

fn rules(page: &mut MetricsPage, shared: &SharedStub) {
    let rules = shared.rule_engine.rules();
    let hits = |count: fn(&crate::rules::RuleStatus) -> u64| {
        rules
            .iter()
            .map(|rule| (rule.id.to_string(), count(rule)))
            .collect::<BTreeMap<_, _>>()
    };
    page.by(
        "rule_matched_total",
        "requests that a rule matched",
        "rule",
        &hits(|rule| rule.matched),
    );
    page.by(
        "rule_fired_total",
        "requests that a rule fired on",
        "rule",
        &hits(|rule| rule.fired),
    );
}

#[derive(Default)]
struct MetricsPage(String);

impl MetricsPage {
    fn number(&mut self, name: &str, about: &str, value: u64) {
        self.head(name, about);
        // Writing to a string does not fail.
        let _ = writeln!(self.0, "stub_{name} {value}");
    }

    fn by(&mut self, name: &str, about: &str, label: &str, values: &BTreeMap<String, u64>) {
        self.head(name, about);
        for (key, value) in values {
            let key = key
                .replace('\\', "\\\\")
                .replace('"', "\\\"")
                .replace('\n', "\\n");
            let _ = writeln!(self.0, "stub_{name}{{{label}=\"{key}\"}} {value}");
        }
    }

    fn head(&mut self, name: &str, about: &str) {
        let kind = if name.ends_with("_total") {
            "counter"
        } else {
            "gauge"
        };
        let _ = writeln!(self.0, "# HELP stub_{name} {about}\n# TYPE stub_{name} {kind}");
    }
}
