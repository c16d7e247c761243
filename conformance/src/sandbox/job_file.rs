//! Writes the job file that a `[[job]]` describes: front matter, then the prompt.

use std::path::Path;

use crate::fake_engine::JOB_LINE;
use crate::scenario::Job;

/// The file's text, for a runner that is started in the folder `work_case`; `raw` files are passed on as they are.
pub fn text(job: &Job, work: &Path) -> String {
    if let Some(raw) = &job.raw {
        return raw.clone();
    }
    let mut lines = vec!["---".to_owned(), format!("engine: {}", job.engine())];
    lines.extend(front_matter(job, work));
    lines.push("---".into());
    lines.push(String::new());
    lines.push(body(job));
    lines.push(String::new());
    lines.join("\n")
}

/// The prompt, with the line that a fake engine knows its job by; of an `sh` job, the script.
pub fn body(job: &Job) -> String {
    match (job.engine(), &job.body) {
        ("sh", script) => script.clone().unwrap_or_else(|| "true".into()),
        (_, prompt) => {
            let prompt = prompt
                .clone()
                .unwrap_or_else(|| format!("Do the work of {}.", job.id));
            format!("{JOB_LINE}{}\n{prompt}", job.id)
        }
    }
}

/// The folder that the job names, where it names one.
pub fn cwd(job: &Job, work: &Path) -> Option<String> {
    let cwd = job.cwd.as_ref()?;
    Some(cwd.replace("{work}", &work.to_string_lossy()))
}

fn front_matter(job: &Job, work: &Path) -> Vec<String> {
    let quoted = |text: &String| serde_json::Value::from(text.as_str()).to_string();
    let text =
        |key: &str, value: &Option<String>| value.as_ref().map(|value| format!("{key}: {}", quoted(value)));
    [
        text("cwd", &cwd(job, work)),
        job.yolo.map(|yolo| format!("yolo: {yolo}")),
        text("lock", &job.lock),
        text("timeout", &job.timeout),
        text("idle_timeout", &job.idle_timeout),
        job.priority.map(|priority| format!("priority: {priority}")),
        job.caps.as_ref().map(|caps| {
            format!(
                "caps: [{}]",
                caps.iter().map(quoted).collect::<Vec<_>>().join(", ")
            )
        }),
        text("verify", &job.verify),
        job.review.map(|review| format!("review: {review}")),
        text("ship", &job.ship),
        job.retries.map(|retries| format!("retries: {retries}")),
        text("retry_delay", &job.retry_delay),
    ]
    .into_iter()
    .flatten()
    .collect()
}
