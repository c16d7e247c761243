//! The page of a gate: the verdict first, then each rule with its figures, then all that the logs say. One file without
//! scripts that loads nothing; what is laid out how is `page.html`.

use std::path::PathBuf;

use jiff::Timestamp;
use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Serde, Value, ValueKind};
use minijinja::{Environment, escape_formatter};
use serde::Serialize;

use super::agreement_chart::AgreementChart;
use super::{figure_tables, no_log};
use crate::shadow::comparison::DivergenceReason;
use crate::shadow::gate::{GateReport, GateRule, StratumFigures, StratumRule};
use crate::shadow::report::{EvidencePart, ReportQuestion, ShadowReport};
use crate::terminal::{escape_control, instant, limit_percent, percent};

const TEMPLATE: &str = include_str!("page.html");

/// Without a report there is no log.
pub(super) fn render(
    logs: &[PathBuf],
    report: Option<&ShadowReport>,
    gate: &GateReport,
    question: &ReportQuestion,
) -> String {
    let none = ShadowReport::default();
    let page = GatePage {
        no_log: report.is_none().then(|| no_log(logs)),
        logs: logs.iter().map(|path| path.display().to_string()).collect(),
        ..GatePage::of(report.unwrap_or(&none), gate, question)
    };
    let mut engine = Environment::new();
    let rendered = SyntaxConfig::builder()
        .trim_blocks(true)
        .lstrip_blocks(true)
        .build()
        .and_then(|syntax| {
            engine.set_syntax(syntax);
            // Every text of the page goes this way: what would hide or reorder it is shown, then the engine escapes it.
            engine.set_formatter(|out, state, value| match value.as_str() {
                Some(text) if value.kind() == ValueKind::String && !value.is_safe() => {
                    escape_formatter(out, state, &Value::from(escape_control(text)))
                }
                _ => escape_formatter(out, state, value),
            });
            engine.add_filter("percent", percent);
            engine.add_filter("limit_percent", limit_percent);
            engine.add_filter("instant", |text: &str| instant(text));
            engine.add_template("page.html", TEMPLATE)?;
            engine.get_template("page.html")?.render(Serde(page))
        });
    // The template is compiled in and tests render it; should it fail all the same, the file says so.
    rendered.unwrap_or_else(|error| {
        let text = format!("{error:#}").replace('&', "&amp;").replace('<', "&lt;");
        format!("<!doctype html><title>broken</title><p>{text}")
    })
}

/// What the template is given.
#[derive(Debug, Serialize)]
struct GatePage<'a> {
    /// When it was made.
    made: String,
    logs: Vec<String>,
    /// What to say where there is no log.
    no_log: Option<String>,
    /// What was looked at, if not all of the present evidence.
    part: Option<&'a str>,
    gate: &'a GateReport,
    decisions_per_day: Option<String>,
    rules: Vec<GateRule>,
    span_hours: u64,
    strata: Vec<StratumRow>,
    /// The kinds of job that were left out by name.
    left_out: Vec<String>,
    report: &'a ShadowReport,
    counted_from: Option<String>,
    verdicts: [(&'static str, u64, &'static str); 4],
    reasons: Vec<ReasonRow<'a>>,
    chart: Option<AgreementChart>,
}

/// One kind of job.
#[derive(Debug, Serialize)]
struct StratumRow {
    name: String,
    share: f64,
    agree: u64,
    of: u64,
    is: String,
    needs: String,
    /// Whether it passes, if it has to.
    passes: Option<bool>,
}

#[derive(Debug, Serialize)]
struct ReasonRow<'a> {
    name: &'a str,
    count: u64,
    is_harmful: bool,
}

impl<'a> GatePage<'a> {
    fn of(report: &'a ShadowReport, gate: &'a GateReport, question: &ReportQuestion) -> GatePage<'a> {
        let figures = &report.figures;
        let reasons = figures.reasons.iter().map(|(name, count)| ReasonRow {
            name,
            count: *count,
            is_harmful: DivergenceReason::named(name).is_some_and(DivergenceReason::is_harmful),
        });
        GatePage {
            made: shown(question.now),
            logs: Vec::new(),
            no_log: None,
            part: match &figures.part {
                EvidencePart::Whole => None,
                EvidencePart::Chosen(what) => Some(what),
            },
            gate,
            decisions_per_day: gate.outlook.rate(),
            rules: gate.rules(),
            span_hours: gate.policy.span_min.as_secs() / 3600,
            strata: gate.strata.iter().map(StratumRow::of).collect(),
            left_out: figures.left_out.iter().map(ToString::to_string).collect(),
            report,
            counted_from: figures.span.first(),
            verdicts: figure_tables::verdict_rows(figures),
            reasons: reasons.collect(),
            chart: AgreementChart::of(report, &question.zone),
        }
    }
}

impl StratumRow {
    fn of(one: &StratumFigures) -> StratumRow {
        StratumRow {
            name: one.name(),
            share: one.share,
            agree: one.agree,
            of: one.agree + one.disagree,
            is: one.is(),
            needs: one.needs(),
            passes: (one.rule == StratumRule::HasToPass).then(|| one.passes()),
        }
    }
}

fn shown(at: Timestamp) -> String {
    instant(&at.to_string())
}

#[cfg(test)]
mod tests;
