//! What a job asks for, as people are shown it.

use std::io::Write;

use crate::job::Job;
use crate::terminal::{duration, escape_control};

pub(super) fn print_job(out: &mut impl Write, job: &Job) -> std::io::Result<()> {
    let caps: Vec<&str> = job.caps.iter().map(|cap| cap.as_str()).collect();
    let fields = [
        ("engine", Some(job.engine.to_string())),
        ("cwd", job.cwd.as_ref().map(|cwd| cwd.display().to_string())),
        ("yolo", job.yolo.then(|| "true".to_owned())),
        ("lock", job.lock.as_ref().map(ToString::to_string)),
        ("priority", Some(job.priority.to_string())),
        ("timeout", Some(duration(job.timeout))),
        ("idle", job.idle_timeout.map(duration)),
        ("caps", (!caps.is_empty()).then(|| caps.join(", "))),
        ("verify", job.verify.clone()),
        ("review", job.review.then(|| "true".to_owned())),
        ("ship", job.ship.clone()),
        ("retries", (job.retries > 0).then(|| job.retries.to_string())),
    ];
    for (name, value) in fields {
        if let Some(value) = value {
            writeln!(out, "  {name:<8}  {}", escape_control(&value))?;
        }
    }
    Ok(())
}
