//! The identity of a process. A number alone is none: it is given to another process later, and starts anew with each
//! boot.

use std::fs::{self, File};
use std::io::Read;
use std::sync::OnceLock;

use serde::{Deserialize, Serialize};

/// Fifty numbers and a name take less; the kernel gives all of it to one read.
const STAT_BYTES_MAX: usize = 2048;

/// A process that can be recognised later: the boot it belongs to, its number, its start, its group and session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ProcessIdentity {
    pub(crate) boot: String,
    pub(crate) pid: i32,
    /// When it was started, in clock ticks since that boot.
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

    /// The identity of a supervisor that was just started, which begins a session of its own first of all.
    pub(super) fn of_supervisor(pid: i32) -> Option<ProcessIdentity> {
        Some(ProcessIdentity {
            group: pid,
            session: pid,
            ..ProcessIdentity::of(pid)?
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

/// What `/proc/PID/stat` says, as far as it is of use here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ProcessStat {
    pub(super) pid: i32,
    pub(super) parent: i32,
    pub(super) group: i32,
    pub(super) session: i32,
    pub(super) start: u64,
    /// It has ended, and nobody has asked how.
    pub(super) is_dead: bool,
}

impl ProcessStat {
    pub(super) fn of(pid: i32) -> Option<ProcessStat> {
        let mut bytes = [0; STAT_BYTES_MAX];
        let length = File::open(format!("/proc/{pid}/stat"))
            .ok()?
            .read(&mut bytes)
            .ok()?;
        parse(pid, &String::from_utf8_lossy(&bytes[..length]))
    }
}

fn parse(pid: i32, text: &str) -> Option<ProcessStat> {
    // The command's name stands in parentheses and may hold any of them.
    let after_name = &text[text.rfind(')')? + 1..];
    let fields: Vec<&str> = after_name.split_whitespace().collect();
    Some(ProcessStat {
        pid,
        is_dead: matches!(*fields.first()?, "Z" | "X"),
        parent: fields.get(1)?.parse().ok()?,
        group: fields.get(2)?.parse().ok()?,
        session: fields.get(3)?.parse().ok()?,
        start: fields.get(19)?.parse().ok()?,
    })
}

/// Read once: it does not change while a process lives.
fn boot() -> Option<&'static str> {
    static BOOT: OnceLock<Option<String>> = OnceLock::new();
    let read = || fs::read_to_string("/proc/sys/kernel/random/boot_id").ok();
    BOOT.get_or_init(|| Some(read()?.trim().to_owned())).as_deref()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_may_hold_blanks_and_parentheses() {
        let text = "7 (a) R 1 (b) S 3 4 5 0 -1 4194304 1 2 3 4 5 6 7 8 20 0 1 0 4711 9 9\n";
        let stat = parse(7, text).unwrap();
        assert_eq!((stat.parent, stat.group, stat.session), (3, 4, 5));
        assert_eq!((stat.start, stat.is_dead), (4711, false));
    }

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
