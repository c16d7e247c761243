//! What the runner has on record of a job.

use std::fs;
use std::io;

use serde_json::Value;

use super::weekend_host::WeekendHost;

pub(super) struct JobRecord {
    lines: Vec<Value>,
}

impl JobRecord {
    pub(super) fn read(host: &WeekendHost, id: &str) -> io::Result<JobRecord> {
        let text = fs::read_to_string(host.record(id))?;
        let lines = text.lines().map(serde_json::from_str);
        Ok(JobRecord {
            lines: lines.collect::<Result<_, _>>()?,
        })
    }

    /// Each return to the inbox: its reason, and whether the attempt before it counts against `retries`.
    pub(super) fn returns(&self) -> Vec<(&str, bool)> {
        let spent = |line: &Value| line["spent"].as_u64().unwrap_or(0);
        let changes = self.lines.iter().zip(self.lines.iter().skip(1));
        let returns = changes.filter(|(_, line)| line["stage"] == "inbox");
        returns
            .filter_map(|(before, line)| Some((line["reason"].as_str()?, spent(line) >= spent(before))))
            .collect()
    }
}
