//! The inbox as one runner knows it: every file read once, read again only when it changed.
//!
//! Also where files are noticed that a person put there by hand: they get their place in the order when they are first
//! seen, and a bad one goes to `failed` with its reason (clause O-10).

use std::collections::{BTreeSet, HashMap};
use std::ffi::{OsStr, OsString};
use std::io::ErrorKind;
use std::sync::Arc;
use std::time::Duration;

use super::judge::{Judged, Stamp, age, judge};
use super::refuse::{Refused, refuse};
use super::{Changes, Queue, QueueError, Reading};
use crate::decide::{Order, Place, Waiting, Working};
use crate::ids::{JobId, LockName};
use crate::stage::Stage;

/// A file that was changed less than this ago may still be being copied.
const SETTLE: Duration = Duration::from_millis(20);

/// Files that changed within such a time were put there together.
const CONTEMPORARY: Duration = Duration::from_millis(500);

#[derive(Debug, Default)]
pub(crate) struct Inbox {
    places: HashMap<OsString, (Stamp, Place)>,
    order: Order,
    locks_of_working: HashMap<JobId, (Stamp, Option<LockName>)>,
    /// Files to look at again, changed or not: they could not be judged, or were in other hands.
    revisit: BTreeSet<OsString>,
}

/// What a look at the inbox brought besides the jobs.
#[derive(Debug, Default)]
pub(crate) struct Look {
    pub(crate) refused: Vec<Refused>,
    /// A file is too young to be judged: look again after this.
    pub(crate) again_after: Option<Duration>,
    /// A file could not be judged because its job is in other hands at this moment.
    pub(crate) in_other_hands: bool,
}

impl Inbox {
    /// Brings the picture up to date with what changed.
    pub(crate) fn look(&mut self, queue: &Queue, changes: &Changes) -> Reading<Look> {
        let mut names = std::mem::take(&mut self.revisit);
        names.extend(match changes.everything {
            true => {
                let names: BTreeSet<OsString> = queue.names(Stage::Inbox)?.into_iter().collect();
                let gone: Vec<OsString> = self
                    .places
                    .keys()
                    .filter(|name| !names.contains(*name))
                    .cloned()
                    .collect();
                gone.iter().for_each(|name| self.forget(name));
                names
            }
            false => changes.inbox.clone(),
        });
        let mut look = Look::default();
        let mut unregistered = Vec::new();
        for name in names {
            self.look_at(queue, &name, &mut look, &mut unregistered)?;
        }
        self.register(queue, unregistered, &look)?;
        look.in_other_hands = look.again_after.is_none() && !self.revisit.is_empty();
        Ok(look)
    }

    /// The jobs in their order, but for some.
    pub(crate) fn waiting(&self, without: &BTreeSet<JobId>) -> Order {
        let mut order = self.order.clone();
        for id in without {
            if let Some((_, place)) = self.places.get(file_name(id).as_os_str()) {
                order.remove_mut(place);
            }
        }
        order
    }

    pub(crate) fn has_waiting(&self) -> bool {
        !self.order.is_empty()
    }

    /// The job is ours now.
    pub(crate) fn forget_job(&mut self, id: &JobId) {
        self.forget(&file_name(id));
    }

    /// The job could not be taken: its file is looked at afresh next time.
    pub(crate) fn revisit_job(&mut self, id: &JobId) {
        self.forget_job(id);
        self.revisit.insert(file_name(id));
    }

    /// The jobs that have left the inbox for no final stage.
    pub(crate) fn working(&mut self, queue: &Queue) -> Reading<Vec<Working>> {
        let mut working = Vec::new();
        let mut known = std::mem::take(&mut self.locks_of_working);
        for stage in [Stage::Building, Stage::Testing, Stage::Review] {
            for id in queue.ids(stage)? {
                // A file that moved on between the two looks is seen again in the next round.
                let Ok(metadata) = queue.job_path(stage, &id).symlink_metadata() else {
                    continue;
                };
                let stamp = Stamp::of(&metadata);
                let lock = match known.remove(&id).filter(|(seen, _)| *seen == stamp) {
                    Some((_, lock)) => lock,
                    None => queue.job(stage, &id).ok().and_then(|job| job.lock),
                };
                self.locks_of_working.insert(id.clone(), (stamp, lock.clone()));
                working.push(Working { id, stage, lock });
            }
        }
        Ok(working)
    }

    fn look_at(
        &mut self,
        queue: &Queue,
        name: &OsStr,
        look: &mut Look,
        unregistered: &mut Vec<Unregistered>,
    ) -> Reading<()> {
        let path = queue.folder(Stage::Inbox).join(name);
        let metadata = match path.symlink_metadata() {
            Ok(metadata) => metadata,
            Err(error) if error.kind() == ErrorKind::NotFound => {
                self.forget(name);
                return Ok(());
            }
            Err(source) => return Err(QueueError::Read { path, source }),
        };
        let stamp = Stamp::of(&metadata);
        if self.places.get(name).is_some_and(|(seen, _)| *seen == stamp) {
            return Ok(());
        }
        self.forget(name);
        let judged = judge(queue, name)?;
        let age = age(&metadata);
        let young = SETTLE.checked_sub(age).filter(|left| !left.is_zero());
        match (judged, young) {
            (Judged::Registered(waiting), _) => self.remember(name.to_owned(), stamp, waiting),
            (Judged::Gone, _) => {}
            (_, Some(left)) => {
                look.again_after = Some(look.again_after.map_or(left, |other| other.max(left)));
                self.revisit.insert(name.to_owned());
            }
            (Judged::Unregistered(waiting), None) => {
                unregistered.push(Unregistered {
                    waiting,
                    name: name.to_owned(),
                    stamp,
                    age,
                });
            }
            (Judged::Bad(reason), None) => match refuse(queue, name, reason)? {
                Some(refused) => look.refused.push(refused),
                None => {
                    self.revisit.insert(name.to_owned());
                }
            },
        }
        Ok(())
    }

    /// Gives good new files their place in the order. Those that were seen at the same time get it at the same time: while
    /// one is too young to be judged, its contemporaries wait for it.
    fn register(&mut self, queue: &Queue, unregistered: Vec<Unregistered>, look: &Look) -> Reading<()> {
        let waits = |file: &Unregistered| look.again_after.is_some() && file.age < CONTEMPORARY;
        let (early, mut ready): (Vec<_>, Vec<_>) = unregistered.into_iter().partition(waits);
        self.revisit.extend(early.into_iter().map(|file| file.name));
        if ready.is_empty() {
            return Ok(());
        }
        ready.sort_by(|one, other| one.waiting.id.cmp(&other.waiting.id));
        let ids: Vec<JobId> = ready.iter().map(|file| file.waiting.id.clone()).collect();
        for (file, sequence) in ready.into_iter().zip(queue.register(&ids)?) {
            match sequence {
                Some(sequence) => self.remember(
                    file.name,
                    file.stamp,
                    Waiting {
                        sequence,
                        ..file.waiting
                    },
                ),
                None => {
                    self.revisit.insert(file.name);
                }
            }
        }
        Ok(())
    }

    fn remember(&mut self, name: OsString, stamp: Stamp, waiting: Waiting) {
        let place = waiting.place();
        self.order.insert_mut(place.clone(), Arc::new(waiting));
        self.places.insert(name, (stamp, place));
    }

    fn forget(&mut self, name: &OsStr) {
        if let Some((_, place)) = self.places.remove(name) {
            self.order.remove_mut(&place);
        }
    }
}

fn file_name(id: &JobId) -> OsString {
    format!("{id}.md").into()
}

/// A good file without a place in the order.
struct Unregistered {
    waiting: Waiting,
    name: OsString,
    stamp: Stamp,
    age: Duration,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::EngineName;

    fn id(text: &str) -> JobId {
        JobId::new(text).unwrap()
    }

    fn names(order: &Order) -> Vec<&str> {
        order.values().map(|job| job.id.as_str()).collect()
    }

    #[test]
    fn a_picture_touches_no_job_and_stays_as_it_was() {
        let mut inbox = Inbox::default();
        let stamp = Stamp::of(&std::fs::metadata("/").unwrap());
        for (name, priority) in [("a", 1), ("b", 1), ("c", 2)] {
            let waiting = Waiting {
                id: id(name),
                priority,
                sequence: 7,
                lock: None,
                engine: EngineName::new("sh").unwrap(),
                caps: Vec::new(),
            };
            inbox.remember(file_name(&id(name)), stamp, waiting);
        }
        let picture = inbox.waiting(&BTreeSet::new());
        assert!(picture.values().all(|job| Arc::strong_count(job) == 1));
        inbox.forget_job(&id("b"));
        assert_eq!(names(&picture), ["c", "a", "b"]);
        assert_eq!(names(&inbox.waiting(&[id("c")].into())), ["a"]);
        assert_eq!(names(&inbox.waiting(&BTreeSet::new())), ["c", "a"]);
    }
}
