//! Files of the inbox to look at again, changed or not: their jobs are in other hands, or somebody is writing them.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::time::{Duration, Instant};

use super::WatchedFileState;

/// A file that is being written is looked at again so often, in case that the end of it was not noticed.
const POLL_INTERVAL: Duration = Duration::from_secs(1);

/// Why a file is looked at again, and what had happened to it last.
#[derive(Debug, Clone, Copy)]
enum RevisitCause {
    /// Its job was in other hands: at the next look.
    HeldElsewhere(WatchedFileState),
    /// The coordinator has its job, or may have it: at the next look, and nobody waits for that.
    HandedOver(WatchedFileState),
    /// It may be being written: when that ends, or at this instant.
    BeingWritten {
        sign: WatchedFileState,
        at: Instant,
        /// Whether it was said that it is waited for.
        told: bool,
    },
}

#[derive(Debug, Default)]
pub(super) struct RevisitList {
    files: BTreeMap<OsString, RevisitCause>,
}

impl RevisitList {
    /// Adds what is due now to the names to look at, and takes out what is not: a file that is being written is looked at
    /// when its writer closes it, and now and then.
    pub(super) fn choose(&self, names: &mut BTreeMap<OsString, WatchedFileState>, now: Instant) {
        for (name, cause) in &self.files {
            let is_closed = names.get(name) == Some(&WatchedFileState::Closed);
            match *cause {
                _ if is_closed => {}
                RevisitCause::BeingWritten { at, .. } if at > now => drop(names.remove(name)),
                RevisitCause::BeingWritten { sign, .. }
                | RevisitCause::HeldElsewhere(sign)
                | RevisitCause::HandedOver(sign) => {
                    names.insert(name.clone(), sign);
                }
            }
        }
    }

    pub(super) fn held_elsewhere(&mut self, name: OsString, sign: WatchedFileState) {
        self.files.insert(name, RevisitCause::HeldElsewhere(sign));
    }

    pub(super) fn handed_over(&mut self, name: OsString, sign: WatchedFileState) {
        self.files.insert(name, RevisitCause::HandedOver(sign));
    }

    /// `told`: whether it has been said by now that it is waited for.
    pub(super) fn written(&mut self, name: OsString, sign: WatchedFileState, told: bool) {
        let at = Instant::now() + POLL_INTERVAL;
        self.files
            .insert(name, RevisitCause::BeingWritten { sign, at, told });
    }

    pub(super) fn remove(&mut self, name: &OsStr) {
        self.files.remove(name);
    }

    /// Whether the file is waited for, and if so, whether that was said.
    pub(super) fn awaited(&self, name: &OsStr) -> Option<bool> {
        match self.files.get(name) {
            Some(RevisitCause::BeingWritten { told, .. }) => Some(*told),
            _ => None,
        }
    }

    pub(super) fn has_held_elsewhere(&self) -> bool {
        let is = |cause: &RevisitCause| matches!(cause, RevisitCause::HeldElsewhere(_));
        self.files.values().any(is)
    }

    pub(super) fn has_written(&self) -> bool {
        let is = |cause: &RevisitCause| matches!(cause, RevisitCause::BeingWritten { .. });
        self.files.values().any(is)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_left_alone_until_its_close_or_its_time() {
        let mut list = RevisitList::default();
        list.written("slow".into(), WatchedFileState::Opened, false);
        let now = Instant::now();
        let chosen = |list: &RevisitList, sign: Option<WatchedFileState>, now| {
            let mut names = BTreeMap::new();
            names.extend(sign.map(|sign| (OsString::from("slow"), sign)));
            list.choose(&mut names, now);
            names.remove(OsStr::new("slow"))
        };
        for sign in [
            None,
            Some(WatchedFileState::Unknown),
            Some(WatchedFileState::Opened),
        ] {
            assert_eq!(chosen(&list, sign, now), None, "{sign:?}");
            let later = now + POLL_INTERVAL;
            assert_eq!(
                chosen(&list, sign, later),
                Some(WatchedFileState::Opened),
                "{sign:?}"
            );
        }
        let closed = Some(WatchedFileState::Closed);
        assert_eq!(chosen(&list, closed, now), closed);
        list.held_elsewhere("slow".into(), WatchedFileState::Opened);
        assert_eq!(chosen(&list, None, now), Some(WatchedFileState::Opened));
    }
}
