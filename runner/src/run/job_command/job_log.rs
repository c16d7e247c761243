//! The log of an attempt: one output for each of its commands, and together they keep within `log_max`.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::OFlags;

use super::{AttemptStep, QueueAttempt};
use crate::character_cut::whole_characters;
use crate::ids::JobId;
use crate::output_log::{OutputLimits, OutputLog};
use crate::queue::Queue;
use crate::queue_root::QueueRoot;
use crate::supervise::LogSpec;

/// The steps of an attempt that print something, in their order.
const STEPS: [AttemptStep; 3] = [AttemptStep::Engine, AttemptStep::Verify, AttemptStep::Ship];
/// Each command that is still to come finds this part of the log free.
const RESERVED_PART: u64 = 8;

/// Where the output of a command goes.
pub(in crate::run) struct CommandLog {
    /// The file with its beginning.
    pub(in crate::run) file: File,
    /// The folder of that file, for those with the end.
    pub(in crate::run) folder: OwnedFd,
    pub(in crate::run) spec: LogSpec,
}

impl CommandLog {
    pub(in crate::run) fn open(
        below: &QueueRoot,
        folder: &Path,
        name: &str,
        limits: OutputLimits,
    ) -> io::Result<CommandLog> {
        Ok(CommandLog {
            file: below.open_kept(&folder.join(name), OFlags::APPEND)?,
            folder: below.folder(folder)?,
            spec: LogSpec {
                name: name.into(),
                limits,
            },
        })
    }
}

impl QueueAttempt {
    /// What the command of a step printed.
    pub(crate) fn output(&self, queue: &Queue, step: AttemptStep) -> OutputLog {
        output_of(queue, &self.state.job.id, self.state.number, step)
    }

    /// The end of what the command of a step printed.
    pub(crate) fn tail(&self, queue: &Queue, step: AttemptStep, bytes_max: u64) -> String {
        let mut bytes = Vec::new();
        let read = self.output(queue, step).end(bytes_max);
        // What can't be read says nothing.
        let _ = read.and_then(|mut end| end.read_to_end(&mut bytes));
        whole_characters(&bytes)
    }

    /// What is left of the log for the command of a step.
    pub(super) fn output_limits(&self, queue: &Queue, step: AttemptStep, log_max: u64) -> OutputLimits {
        let job = &self.state.job;
        let is_to_come = |later: &&AttemptStep| match later {
            AttemptStep::Engine => false,
            AttemptStep::Verify => job.verify.is_some(),
            AttemptStep::Ship => job.ship.is_some(),
        };
        let place = STEPS.iter().position(|other| *other == step).unwrap_or(0);
        let (earlier, later) = STEPS.split_at(place);
        let reserved = log_max / RESERVED_PART;
        let later = later.iter().skip(1).filter(is_to_come).map(|_| reserved);
        // What can't be read takes no room that is known.
        let kept = |step: &AttemptStep| self.output(queue, *step).size().map_or(0, |size| size.kept);
        let taken: u64 = earlier.iter().map(kept).chain(later).sum();
        OutputLimits::within(log_max.saturating_sub(taken).max(reserved))
    }
}

/// The outputs of the steps of one attempt in their order, whether there are any or not.
pub(crate) fn outputs(queue: &Queue, id: &JobId, number: u32) -> [OutputLog; 3] {
    STEPS.map(|step| output_of(queue, id, number, step))
}

/// Whether a command of this attempt printed anything.
pub(crate) fn has_output(queue: &Queue, id: &JobId, number: u32) -> bool {
    let is_filled = |log: OutputLog| log.size().is_ok_and(|size| size.kept > 0);
    number > 0 && outputs(queue, id, number).into_iter().any(is_filled)
}

fn output_of(queue: &Queue, id: &JobId, number: u32, step: AttemptStep) -> OutputLog {
    let path = queue.attempt_folder(id, number).join(output_name(step));
    OutputLog::new(queue.below(), path)
}

/// The file, in the attempt's folder, that the output of a step begins in.
pub(super) fn output_name(step: AttemptStep) -> &'static str {
    match step {
        AttemptStep::Engine => "engine.out",
        AttemptStep::Verify => "verify.out",
        AttemptStep::Ship => "ship.out",
    }
}
