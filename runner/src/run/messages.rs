//! Lines for the person at the terminal that are about no job.

use std::io::stderr;

use super::live_display::say;
use crate::terminal::{self, ColorChoice};

pub(super) fn warn(text: &str) {
    say(&format!("aq: {}", terminal::escape_control(text)));
}

pub(super) fn waiting(text: &str) {
    say(&ColorChoice::of(&stderr()).dim(text));
}
