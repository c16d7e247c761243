//! What a run has told its user so far.

use super::live_display::LiveDisplay;
use super::progress::{self, StageTally};

pub(super) struct RunProgress {
    pub(super) tally: StageTally,
    pub(super) display: LiveDisplay,
    /// Warnings that were given, each once.
    warned: Vec<String>,
    /// Why nothing happens, since something last did.
    wait_reported: bool,
}

impl RunProgress {
    /// `warned`: what was said before the run began.
    pub(super) fn new(warned: Vec<String>) -> RunProgress {
        RunProgress {
            tally: StageTally::default(),
            display: LiveDisplay::new(),
            warned,
            wait_reported: false,
        }
    }

    pub(super) fn warn_once(&mut self, warning: &str) {
        if !self.warned.iter().any(|told| told == warning) {
            progress::warn(warning);
            self.warned.push(warning.to_owned());
        }
    }

    /// Says once why nothing happens.
    pub(super) fn report_wait(&mut self, why: &str) {
        if !std::mem::replace(&mut self.wait_reported, true) {
            progress::waiting(why);
        }
    }

    /// Why nothing happens is told anew from now on.
    pub(super) fn forget_wait(&mut self) {
        self.wait_reported = false;
    }
}
