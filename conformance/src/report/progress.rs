//! A progress bar, on a terminal only; elsewhere nothing is printed until the report.

use std::io::IsTerminal;

use indicatif::{ProgressBar, ProgressStyle};

use crate::verdict::{Outcome, Verdict};

/// The bar of a run.
#[derive(Debug)]
pub struct Progress {
    bar: ProgressBar,
}

impl Progress {
    /// Shows a bar for this many scenarios if standard error is a terminal.
    pub fn start(scenarios: usize) -> Progress {
        if !std::io::stderr().is_terminal() {
            return Progress {
                bar: ProgressBar::hidden(),
            };
        }
        let bar = ProgressBar::new(scenarios as u64);
        let style = ProgressStyle::with_template("{bar:32} {pos}/{len}  {msg}");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        Progress { bar }
    }

    /// Notes one verdict; a failure is told at once.
    pub fn note(&self, verdict: &Verdict) {
        if matches!(verdict.outcome, Outcome::Fail | Outcome::Broken) {
            self.bar
                .println(format!("{} {}", verdict.outcome.word(), verdict.id));
        }
        self.bar.set_message(verdict.id.clone());
        self.bar.inc(1);
    }

    /// Takes the bar away.
    pub fn end(&self) {
        self.bar.finish_and_clear();
    }
}
