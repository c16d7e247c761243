//! The identity of a process. A number alone is none: it is given to another process later, and starts anew with each
//! boot.

use std::fs::File;
use std::io;

use serde::{Deserialize, Serialize};

use super::process_table::{ProcessStat, boot};

/// A process that can be recognised later: the boot it belongs to, its number, its start, its group and session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ProcessIdentity {
    pub(crate) boot: String,
    pub(crate) pid: i32,
    /// When it was started, in the unit of the system's own list of processes.
    pub(crate) start: u64,
    pub(crate) group: i32,
    pub(crate) session: i32,
}

impl ProcessIdentity {
    /// The identity of a process that runs now.
    pub(crate) fn of(pid: i32) -> Option<ProcessIdentity> {
        let stat = ProcessStat::of(pid)?;
        Some(ProcessIdentity {
            boot: boot()?.to_owned(),
            pid,
            start: stat.start,
            group: stat.group,
            session: stat.session,
        })
    }

    /// The same of a process that is known to be there: that it is not shown has a cause.
    pub(super) fn shown(pid: i32) -> io::Result<ProcessIdentity> {
        let hidden = || {
            // To look takes more than one descriptor.
            let opened: Vec<_> = (0..8).map(|_| File::open("/dev/null")).collect();
            let cause = opened.into_iter().find_map(Result::err);
            cause.unwrap_or_else(|| io::Error::other("the system does not show a process"))
        };
        ProcessIdentity::of(pid).ok_or_else(hidden)
    }

    /// The identity of a supervisor that was just started, which begins a session of its own first of all.
    pub(super) fn of_supervisor(pid: i32) -> io::Result<ProcessIdentity> {
        Ok(ProcessIdentity {
            group: pid,
            session: pid,
            ..ProcessIdentity::shown(pid)?
        })
    }

    pub(super) fn is_alive(&self) -> bool {
        self.is_of_this_boot()
            && ProcessStat::of(self.pid).is_some_and(|stat| stat.start == self.start && !stat.is_dead)
    }

    pub(super) fn is_of_this_boot(&self) -> bool {
        boot().is_some_and(|boot| boot == self.boot)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_that_was_given_away_again_is_somebody_else() {
        let own = ProcessIdentity::of(i32::try_from(std::process::id()).unwrap()).unwrap();
        assert!(own.is_alive());
        let earlier = ProcessIdentity {
            start: own.start - 1,
            ..own.clone()
        };
        assert!(!earlier.is_alive());
        let before_the_boot = ProcessIdentity {
            boot: "another".to_owned(),
            ..own
        };
        assert!(!before_the_boot.is_alive());
    }
}
