//! Jobs that were handed to the coordinator, told where the coordinator does not decide any more: nothing here runs them
//! until a person takes them back (clause F-16).

use super::progress;
use crate::error_scope::ErrorScope;
use crate::mode::Mode;
use crate::queue::{Queue, QueueError};
use crate::settings::Settings;

/// What a crash has cut off is finished first.
pub(super) fn at_start(settings: &Settings, queue: &Queue) -> Result<(), QueueError> {
    let finished = match queue.finish_handovers() {
        Err(error) if !matches!(error.scope(), ErrorScope::Host(_)) => return Err(error),
        finished => finished.unwrap_or_default(),
    };
    for trouble in finished {
        progress::warn(&crate::terminal::error_chain(&trouble));
    }
    tell(settings.mode, queue);
    Ok(())
}

/// `mode`: the one that counts from now on.
pub(super) fn tell(mode: Mode, queue: &Queue) {
    let count = match mode {
        Mode::Route => return,
        // What can't be read is met again by whoever needs it.
        Mode::Offline | Mode::Local | Mode::Shadow => queue.handovers().map_or(0, |handed| handed.len()),
    };
    let switch = match mode {
        Mode::Offline => "AQ_FLEET=1 ",
        _ => "",
    };
    if count > 0 {
        let (jobs, them) = match count {
            1 => (String::from("1 job is"), "it"),
            count => (format!("{count} jobs are"), "them"),
        };
        progress::warn(&format!(
            "{jobs} with the coordinator, and this queue does not run {them}: `{switch}aq fleet-recall --all` takes {them} back"
        ));
    }
}
