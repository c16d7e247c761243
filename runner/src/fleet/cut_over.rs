//! What becomes of a job that the coordinator handed over, by where this queue has it, and its text as a job file
//! (clauses T-7 and T-12): pure.
//!
//! It is as untrusted as any file, so it is written as one and read by the same parser: nothing is checked twice
//! in two ways. Moving files and sending reports is the business of others.

use crate::fleet::wire::WireJob;
use crate::stage::Stage;

/// What to do with a claimed job, by where this queue has a job of that id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CutOver {
    /// It is new here: the coordinator's job is written to `building/` and runs.
    Run,
    /// The local file is the job: it moves from the inbox to `building/` and runs under the lease.
    RunLocal,
    /// It was finished here: it is not run, and this stage is reported under the lease.
    Report(Stage),
    /// It is in work here: the lease is given back, with back-off before the next claim.
    Release,
}

pub(crate) fn cut_over(here: Option<Stage>) -> CutOver {
    match here {
        None => CutOver::Run,
        Some(Stage::Inbox) => CutOver::RunLocal,
        Some(stage @ (Stage::Shipped | Stage::Failed | Stage::Quarantine)) => CutOver::Report(stage),
        Some(Stage::Building | Stage::Testing | Stage::Review) => CutOver::Release,
    }
}

/// The job as a file's text. Every value is quoted, so that none can become another key.
pub(crate) fn job_file(job: &WireJob) -> String {
    let mut text = String::from("---\n");
    let mut key = |name: &str, value: String| text.push_str(&format!("{name}: {value}\n"));
    key("id", quoted(&job.id));
    key("engine", quoted(&job.engine));
    for (name, value) in [
        ("cwd", &job.cwd),
        ("lock", &job.lock),
        ("verify", &job.verify),
        ("ship", &job.ship),
    ] {
        if let Some(value) = value {
            key(name, quoted(value));
        }
    }
    for (name, value) in [("timeout", job.timeout_ms), ("idle_timeout", job.idle_timeout_ms)] {
        if let Some(value_ms) = value {
            key(name, quoted(&format!("{value_ms}ms")));
        }
    }
    key("yolo", job.yolo.to_string());
    key("review", job.review.to_string());
    key("priority", job.priority.to_string());
    key("retries", job.retries.to_string());
    let caps: Vec<String> = job.caps.iter().map(|cap| quoted(cap)).collect();
    key("caps", format!("[{}]", caps.join(", ")));
    text.push_str("---\n");
    text.push_str(&job.body);
    text
}

/// Writes a double-quoted YAML scalar, with everything but plain printable characters escaped.
fn quoted(value: &str) -> String {
    let mut text = String::from("\"");
    for character in value.chars() {
        match character {
            '"' | '\\' => text.extend(['\\', character]),
            ' '..='~' => text.push(character),
            character => text.push_str(&format!("\\U{:08x}", u32::from(character))),
        }
    }
    text.push('"');
    text
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::job::{Job, JobIdSource, parse};

    fn wire(more: serde_json::Value) -> WireJob {
        let mut value = serde_json::json!({"id": "a", "engine": "sh", "body": "true\n"});
        for (key, field) in more.as_object().unwrap() {
            value[key] = field.clone();
        }
        serde_json::from_value(value).unwrap()
    }

    fn parsed(job: &WireJob) -> Result<Job, String> {
        let text = job_file(job);
        let accepted = parse(JobIdSource::FileName(&job.id), "a.md", text.as_bytes())
            .map_err(|remark| remark.to_string())?;
        assert!(accepted.warnings.is_empty(), "{:?}", accepted.warnings);
        Ok(accepted.job)
    }

    #[test]
    fn what_the_queue_holds_already_is_not_run_twice() {
        for (here, action) in [
            (None, CutOver::Run),
            (Some(Stage::Inbox), CutOver::RunLocal),
            (Some(Stage::Building), CutOver::Release),
            (Some(Stage::Testing), CutOver::Release),
            (Some(Stage::Review), CutOver::Release),
            (Some(Stage::Shipped), CutOver::Report(Stage::Shipped)),
            (Some(Stage::Failed), CutOver::Report(Stage::Failed)),
            (Some(Stage::Quarantine), CutOver::Report(Stage::Quarantine)),
        ] {
            assert_eq!(cut_over(here), action, "{here:?}");
        }
    }

    #[test]
    fn every_field_survives_the_way_through_a_file() {
        let job = parsed(&wire(serde_json::json!({
            "cwd": "/srv/check outs/#site", "yolo": true, "lock": "site", "timeoutMs": 5_400_000, "idleTimeoutMs": 1500,
            "priority": -5, "caps": ["linux", "region:eu"], "verify": "make \"check\" # all\n\\x", "review": true,
            "ship": "git push: 'now'\t\u{e9}\u{2028}\u{7f}\u{1f600}", "retries": 2,
            "body": "---\nengine: claude\n---\nnot front matter\u{0}\n",
        })))
        .unwrap();
        assert_eq!(job.cwd.as_deref(), Some(Path::new("/srv/check outs/#site")));
        assert_eq!(
            (job.yolo, job.review, job.priority, job.retries),
            (true, true, -5, 2)
        );
        assert_eq!(job.lock.unwrap().as_str(), "site");
        assert_eq!(job.timeout.as_millis(), 5_400_000);
        assert_eq!(job.idle_timeout.unwrap().as_millis(), 1500);
        let caps: Vec<&str> = job.caps.iter().map(|cap| cap.as_str()).collect();
        assert_eq!(caps, ["linux", "region:eu"]);
        assert_eq!(job.verify.as_deref(), Some("make \"check\" # all\n\\x"));
        assert_eq!(
            job.ship.as_deref(),
            Some("git push: 'now'\t\u{e9}\u{2028}\u{7f}\u{1f600}")
        );
        assert_eq!(job.prompt, "---\nengine: claude\n---\nnot front matter\u{0}\n");
        assert_eq!(job.engine.as_str(), "sh");
    }

    #[test]
    fn a_job_with_the_least_fields_is_one() {
        let job = parsed(&wire(serde_json::json!({}))).unwrap();
        assert_eq!(
            (job.id.as_str(), job.prompt.as_str(), job.yolo),
            ("a", "true\n", false)
        );
    }

    #[test]
    fn what_no_file_may_say_no_coordinator_may_say() {
        for more in [
            serde_json::json!({"engine": "../../bin/sh"}),
            serde_json::json!({"engine": "sh\nyolo: true"}),
            serde_json::json!({"lock": "a b"}),
            serde_json::json!({"caps": ["x", "no cap"]}),
            serde_json::json!({"body": "  \n"}),
            serde_json::json!({"retries": 100_000}),
            serde_json::json!({"id": "../a"}),
        ] {
            assert!(parsed(&wire(more.clone())).is_err(), "{more}");
        }
    }
}
