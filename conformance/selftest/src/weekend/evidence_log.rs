//! What was really run: the lines that the stand-ins and the host wrote, in the order in which they were written.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;

use super::outage::OutageKind;
use super::stand_ins;

/// The words of the lines that the host writes itself.
pub(super) const BEGIN: &str = "begin";
pub(super) const OVER: &str = "over";
pub(super) const RETRY: &str = "retry";
pub(super) const TOUCH: &str = "touch";

/// The time of this page is the number of a line.
pub(super) struct EvidenceLog {
    windows: Vec<OutageWindow>,
    traces: BTreeMap<String, JobTrace>,
    /// What a stand-in noticed that may never be.
    pub(super) noticed: Vec<String>,
    pub(super) starts: BTreeMap<String, u64>,
    lines: Vec<String>,
}

/// From its beginning until it is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct OutageWindow {
    pub(super) kind: OutageKind,
    pub(super) from: usize,
    pub(super) to: usize,
}

/// What was seen of a job.
#[derive(Debug, Default)]
pub(super) struct JobTrace {
    pub(super) commands: Vec<SeenCommand>,
    /// When a person had it begin anew.
    pub(super) retries: Vec<usize>,
    /// When its file or its record was taken away.
    pub(super) touches: Vec<usize>,
}

/// From its beginning, or from where a person had it begin anew, to its end.
#[derive(Debug, Clone, Copy)]
pub(super) struct JobLife<'a> {
    pub(super) commands: &'a [SeenCommand],
    pub(super) from: usize,
    pub(super) to: usize,
    /// In all lives of that job.
    pub(super) attempts_of_job: usize,
}

/// One start of a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SeenCommand {
    pub(super) step: String,
    pub(super) attempt: u32,
    pub(super) from: usize,
    /// When and with which word it ended; none: it was cut off.
    pub(super) end: Option<(usize, String)>,
}

impl SeenCommand {
    pub(super) fn ended_with(&self, word: &str) -> bool {
        self.end.as_ref().is_some_and(|(_, told)| told == word)
    }
}

impl EvidenceLog {
    pub(super) fn read(root: &Path) -> io::Result<EvidenceLog> {
        let text = fs::read_to_string(root.join(stand_ins::EVIDENCE))?;
        let mut log = EvidenceLog {
            windows: Vec::new(),
            traces: BTreeMap::new(),
            noticed: Vec::new(),
            starts: BTreeMap::new(),
            lines: text.lines().map(str::to_owned).collect(),
        };
        for (number, line) in text.lines().enumerate() {
            log.take(number, line);
        }
        Ok(log)
    }

    fn take(&mut self, number: usize, line: &str) {
        let words: Vec<&str> = line.split(' ').collect();
        match words[..] {
            ["start", id, step, attempt] => {
                *self.starts.entry(step.to_owned()).or_default() += 1;
                self.trace_of(id).commands.push(SeenCommand {
                    step: step.to_owned(),
                    attempt: attempt.parse().unwrap_or(0),
                    from: number,
                    end: None,
                });
            }
            ["end", id, step, attempt, word] => {
                let attempt: u32 = attempt.parse().unwrap_or(0);
                let commands = &mut self.trace_of(id).commands;
                let of_end = |command: &&mut SeenCommand| command.step == step && command.attempt == attempt;
                match commands.iter_mut().rev().find(of_end) {
                    Some(command) => command.end = Some((number, word.to_owned())),
                    None => self.noticed.push(format!("an end without a start: {line}")),
                }
            }
            [BEGIN, kind] => self.windows.extend(OutageKind::of(kind).map(|kind| OutageWindow {
                kind,
                from: number,
                to: usize::MAX,
            })),
            [OVER, kind] => {
                let is_open =
                    |window: &&mut OutageWindow| window.kind.word() == kind && window.to == usize::MAX;
                if let Some(window) = self.windows.iter_mut().find(is_open) {
                    window.to = number;
                }
            }
            [RETRY, id] => self.trace_of(id).retries.push(number),
            [TOUCH, id] => self.trace_of(id).touches.push(number),
            _ => self.noticed.push(line.to_owned()),
        }
    }

    fn trace_of(&mut self, id: &str) -> &mut JobTrace {
        self.traces.entry(id.to_owned()).or_default()
    }

    pub(super) fn job(&self, id: &str) -> Option<&JobTrace> {
        self.traces.get(id)
    }

    pub(super) fn ids(&self) -> impl Iterator<Item = &str> {
        self.traces.keys().map(String::as_str)
    }

    /// The first outage of such a kind that overlaps this time.
    pub(super) fn outage_between(
        &self,
        from: usize,
        to: usize,
        is_of: impl Fn(OutageKind) -> bool,
    ) -> Option<OutageKind> {
        self.windows_between(from, to, is_of).next()
    }

    /// How many do.
    pub(super) fn outages_between(
        &self,
        from: usize,
        to: usize,
        is_of: impl Fn(OutageKind) -> bool,
    ) -> usize {
        self.windows_between(from, to, is_of).count()
    }

    fn windows_between(
        &self,
        from: usize,
        to: usize,
        is_of: impl Fn(OutageKind) -> bool,
    ) -> impl Iterator<Item = OutageKind> {
        let overlaps = move |window: &&OutageWindow| window.from < to && window.to > from;
        let of_time = self.windows.iter().filter(overlaps).map(|window| window.kind);
        of_time.filter(move |kind| is_of(*kind))
    }

    /// The lines about a job, and those about outages from its first one on.
    pub(super) fn story(&self, id: &str) -> Vec<String> {
        let numbered = self.lines.iter().enumerate();
        let mut is_begun = false;
        let told = numbered.filter(|(_, line)| {
            let is_own = line.split(' ').any(|word| word == id);
            is_begun |= is_own;
            is_own || is_begun && (line.starts_with(BEGIN) || line.starts_with(OVER))
        });
        told.map(|(number, line)| format!("{number} {line}")).collect()
    }

    /// Its last command runs, and was started since an outage last cut something off.
    pub(super) fn runs_since_last_cut(&self, id: &str) -> bool {
        let cuts = self.windows.iter().filter(|window| window.kind.may_cut_off());
        let last_cut = cuts.map(|window| window.to).max().unwrap_or(0);
        let last = self.traces.get(id).and_then(|trace| trace.commands.last());
        last.is_some_and(|last| last.end.is_none() && last.from >= last_cut)
    }

    /// What was run of a job, by its lives: one ends where a person has the job begin anew.
    pub(super) fn lives(&self, id: &str) -> Vec<JobLife<'_>> {
        let (commands, retries) = match self.traces.get(id) {
            Some(trace) => (trace.commands.as_slice(), trace.retries.as_slice()),
            None => Default::default(),
        };
        let attempts_of_job = commands.chunk_by(|one, next| one.attempt == next.attempt).count();
        let mut lives = Vec::new();
        let (mut rest, mut from) = (commands, 0);
        for to in retries.iter().copied().chain([self.lines.len()]) {
            let (commands, later) = rest.split_at(rest.partition_point(|command| command.from < to));
            lives.push(JobLife {
                commands,
                from,
                to,
                attempts_of_job,
            });
            (rest, from) = (later, to);
        }
        lives
    }
}

impl JobTrace {
    pub(super) fn was_touched_between(&self, from: usize, to: usize) -> bool {
        self.touches.iter().any(|touch| (from..to).contains(touch))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINES: &str = "start a engine 1\nbegin killed-runner\nover killed-runner\nstart a engine 2\nend a engine 2 ok\n\
                         retry a\nstart a engine 3\noverlap a engine 3 a\n";

    #[test]
    fn a_job_is_seen_in_lives_with_the_outages_that_fell_into_them() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(stand_ins::EVIDENCE), LINES).unwrap();
        let log = EvidenceLog::read(folder.path()).unwrap();
        let lives = log.lives("a");
        let commands: Vec<usize> = lives.iter().map(|life| life.commands.len()).collect();
        assert_eq!((commands, lives[0].attempts_of_job), (vec![2, 1], 3));
        assert_eq!(lives[0].commands[0].end, None);
        assert!(lives[0].commands[1].ended_with("ok"));
        let kill = log.outage_between(0, 3, OutageKind::is_kill);
        assert_eq!(kill, Some(OutageKind::KilledRunner));
        assert_eq!(log.outage_between(3, 8, OutageKind::is_kill), None);
        assert_eq!(log.noticed, ["overlap a engine 3 a"]);
    }
}
