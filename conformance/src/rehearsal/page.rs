//! The page of a rehearsal: the steps, then each job's life as a picture and in words. One file without scripts.

use minijinja::Environment;
use minijinja::value::Serde;
use serde::Serialize;

use super::{JobLife, RehearsalRecord, StepRecord};

const TEMPLATE: &str = include_str!("page.html");
/// The width of a picture, in its own units.
const WIDTH: u64 = 1_000;

#[derive(Debug, Serialize)]
struct RehearsalPage<'a> {
    record: &'a RehearsalRecord,
    /// Where each step begins in the pictures.
    switches: Vec<(u64, &'a StepRecord)>,
    lives: Vec<LifePicture<'a>>,
}

/// One job's life.
#[derive(Debug, Serialize)]
struct LifePicture<'a> {
    job: &'a JobLife,
    spans: Vec<AuthoritySpan>,
    /// Where it ran and where it was shipped.
    marks: Vec<(u64, &'static str)>,
    words: String,
    hands: usize,
}

/// While one authority has the job.
#[derive(Debug, Serialize)]
struct AuthoritySpan {
    from: u64,
    width: u64,
    authority: &'static str,
}

/// The rehearsal as a page.
pub fn render(record: &RehearsalRecord) -> String {
    let all = record.took_ms.max(1);
    let place = |at_ms: u64| at_ms.min(all).saturating_mul(WIDTH) / all;
    let page = RehearsalPage {
        record,
        switches: record
            .steps
            .iter()
            .map(|step| (place(step.began_ms), step))
            .collect(),
        lives: record.jobs.iter().map(|job| picture(job, place)).collect(),
    };
    let mut engine = Environment::new();
    let rendered = engine
        .add_template("page.html", TEMPLATE)
        .and_then(|()| engine.get_template("page.html")?.render(Serde(page)));
    // The template is compiled in and a test renders it; should it fail all the same, the file says so.
    rendered.unwrap_or_else(|_| "<!doctype html><title>broken</title><p>The page can't be drawn".to_owned())
}

fn picture(job: &JobLife, place: impl Fn(u64) -> u64) -> LifePicture<'_> {
    let is_mark = |what: &str| matches!(what, "ran" | "shipped");
    let (marks, moves): (Vec<_>, Vec<_>) = job.moments.iter().partition(|moment| is_mark(moment.what));
    let end = marks.last().map_or(WIDTH, |mark| place(mark.at_ms));
    let mut ends = moves.iter().skip(1).map(|moment| place(moment.at_ms));
    let spans = moves.iter().map(|moment| {
        let from = place(moment.at_ms);
        let to = ends.next().unwrap_or(end);
        AuthoritySpan {
            from,
            width: to.saturating_sub(from).max(2),
            authority: moment.authority,
        }
    });
    let words: Vec<String> = job
        .moments
        .iter()
        .map(|moment| {
            format!(
                "{} at {}.{:03} s",
                moment.what,
                moment.at_ms / 1000,
                moment.at_ms % 1000
            )
        })
        .collect();
    LifePicture {
        spans: spans.collect(),
        marks: marks.iter().map(|mark| (place(mark.at_ms), mark.what)).collect(),
        words: words.join(", "),
        hands: moves.len().saturating_sub(1),
        job,
    }
}
