//! Which processes belong to a command, where an orphan is not given to the command's supervisor.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use crate::supervise::process_table::ProcessStat;

/// A process of the tree: its number and its start.
pub(super) type TreeMember = (i32, u64);

/// What is known of a command's processes. It grows with each look, as a process that was seen once is recognised when
/// it has lost its parent. The tree writes it, from the start of the command until nothing is left.
#[derive(Debug)]
pub(super) struct TreeMembership {
    /// Its start, and whose descendants the processes are.
    supervisor: TreeMember,
    /// Sessions that a member began; the supervisor's own, if it began one.
    sessions: BTreeSet<i32>,
    /// Groups that a member began.
    groups: BTreeSet<i32>,
    /// All that were alive at the last look.
    members: BTreeSet<TreeMember>,
    /// Those of them whose parent was none of them.
    roots: BTreeSet<TreeMember>,
    /// All of them, children before their parents.
    deepest_first: Vec<TreeMember>,
}

impl TreeMembership {
    pub(super) fn below(supervisor: &ProcessStat) -> TreeMembership {
        let began_session = supervisor.session == supervisor.pid;
        TreeMembership {
            supervisor: (supervisor.pid, supervisor.start),
            sessions: began_session.then_some(supervisor.session).into_iter().collect(),
            groups: BTreeSet::new(),
            members: BTreeSet::new(),
            roots: BTreeSet::new(),
            deepest_first: Vec::new(),
        }
    }

    /// Those of the last look whose parent was none of them: the command, and what has lost its parent.
    pub(super) fn roots(&self) -> &BTreeSet<TreeMember> {
        &self.roots
    }

    /// All of the last look, children before their parents.
    pub(super) fn deepest_first(&self) -> &[TreeMember] {
        &self.deepest_first
    }

    /// Looks at all living processes, and returns those of the command. `is_marked`: has the command's mark.
    pub(super) fn look(
        &mut self,
        all: &BTreeMap<i32, ProcessStat>,
        is_marked: impl Fn(i32) -> bool,
    ) -> BTreeSet<TreeMember> {
        let (supervisor, started) = self.supervisor;
        let candidates: Vec<&ProcessStat> = all
            .values()
            .filter(|stat| stat.pid != supervisor && stat.start >= started)
            .collect();
        let mut found: BTreeSet<i32> = candidates
            .iter()
            .filter(|stat| self.members.contains(&(stat.pid, stat.start)))
            .map(|stat| stat.pid)
            .collect();
        loop {
            self.learn_leaders(all, &found);
            let more: Vec<i32> = candidates
                .iter()
                .filter(|stat| !found.contains(&stat.pid))
                .filter(|stat| self.belongs(stat, &found))
                .map(|stat| stat.pid)
                .collect();
            let more = match more.is_empty() {
                // Asked last and of nobody twice: it is what takes time.
                true => unknown(&candidates, &found)
                    .filter(|pid| is_marked(*pid))
                    .collect(),
                false => more,
            };
            if more.is_empty() {
                break;
            }
            found.extend(more);
        }
        self.forget_empty(all, &found);
        let mut living: Vec<&ProcessStat> = found.iter().filter_map(|pid| all.get(pid)).collect();
        living.sort_by_cached_key(|stat| Reverse(depth(stat, all, &found)));
        let identity = |stat: &&ProcessStat| (stat.pid, stat.start);
        self.deepest_first = living.iter().map(identity).collect();
        self.members = living.iter().map(identity).collect();
        let roots = living.iter().filter(|stat| !found.contains(&stat.parent));
        self.roots = roots.map(identity).collect();
        self.members.clone()
    }

    fn belongs(&self, stat: &ProcessStat, found: &BTreeSet<i32>) -> bool {
        stat.parent == self.supervisor.0
            || found.contains(&stat.parent)
            || self.sessions.contains(&stat.session)
            || self.groups.contains(&stat.group)
    }

    /// A session and a group have the number of the process that began them. One that a stranger began is not the
    /// command's, even if a member is in it.
    fn learn_leaders(&mut self, all: &BTreeMap<i32, ProcessStat>, found: &BTreeSet<i32>) {
        for stat in found.iter().filter_map(|pid| all.get(pid)) {
            if stat.session == stat.pid {
                self.sessions.insert(stat.session);
            }
            if stat.group == stat.pid {
                self.groups.insert(stat.group);
            }
        }
    }

    /// The number of a session or group in which nobody is left may be given away.
    fn forget_empty(&mut self, all: &BTreeMap<i32, ProcessStat>, found: &BTreeSet<i32>) {
        let living: Vec<&ProcessStat> = found.iter().filter_map(|pid| all.get(pid)).collect();
        let supervisor = self.supervisor.0;
        self.sessions
            .retain(|session| *session == supervisor || living.iter().any(|stat| stat.session == *session));
        self.groups
            .retain(|group| living.iter().any(|stat| stat.group == *group));
    }
}

/// How many of the found ones stand above one of them.
fn depth(stat: &ProcessStat, all: &BTreeMap<i32, ProcessStat>, found: &BTreeSet<i32>) -> usize {
    let above = |stat: &&ProcessStat| found.get(&stat.parent).and_then(|parent| all.get(parent));
    // The list is of no single moment, so nothing here may rely on it that there is no circle.
    std::iter::successors(Some(stat), above).take(found.len()).count()
}

fn unknown(candidates: &[&ProcessStat], found: &BTreeSet<i32>) -> impl Iterator<Item = i32> {
    let pids = candidates.iter().map(|stat| stat.pid);
    pids.filter(|pid| !found.contains(pid))
        .collect::<Vec<_>>()
        .into_iter()
}

#[cfg(test)]
mod tests;
