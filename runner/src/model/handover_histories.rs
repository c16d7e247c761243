//! A model of the hand-over: a queue, a coordinator and a network between them, one history a seed (clauses F-14 and
//! F-15). The queue is the real one in a folder, and the commands are the product's, which ask through
//! `HandoverCalls`. The coordinator and the network are the model's: requests and answers are lost, requests arrive late,
//! the command dies while it waits, the token is taken away for a while, other factories claim and finish.
//!
//! What has to hold: a job never has two authorities, and it is never lost.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use super::ChoiceTape;
use super::handover_world::{ClientFault, HandoverWorld, HeldBy, LossyCalls};
use crate::engine::EngineRegistry;
use crate::fleet::job_handover::handover_answers::HandoverOutcome;
use crate::fleet::job_handover::{JobHandover, RecallOptions};
use crate::ids::JobId;
use crate::queue::{FolderChanges, Inbox, InboxClaim, JobSubmission, Queue};
use crate::stage::Stage;

const HISTORIES: u64 = 400;
const STEPS: u32 = 24;
const URL: &str = "http://coordinator/";

/// A command to its end, or to its death.
fn to_its_end<T>(command: impl Future<Output = T>) -> Option<T> {
    match pin!(command).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(ended) => Some(ended),
        Poll::Pending => None,
    }
}

struct HandingHost<'a> {
    queue: &'a Queue,
    engines: &'a EngineRegistry,
    world: &'a RefCell<HandoverWorld>,
    id: JobId,
    /// A local run has started it.
    is_started: bool,
}

impl HandingHost<'_> {
    /// A child of a test beside this one has each lock that was held when it was forked, until it has become its program.
    fn wait_for_forks(&self) {
        for kind in ["job", "owner"] {
            let folder = self.queue.root().join(".state/locks").join(kind);
            for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
                std::fs::File::open(entry.path())
                    .and_then(|file| file.lock())
                    .unwrap();
            }
        }
    }

    fn submit(&self) -> Option<HandoverOutcome> {
        self.wait_for_forks();
        self.queue.finish_handovers().unwrap();
        let calls = LossyCalls(self.world);
        let start = self.queue.begin_handover(&self.id, URL).unwrap();
        to_its_end(self.handover(&calls).submit(start)).map(Result::unwrap)
    }

    fn recall(&self, options: RecallOptions) -> Option<HandoverOutcome> {
        self.wait_for_forks();
        self.queue.finish_handovers().unwrap();
        let calls = LossyCalls(self.world);
        to_its_end(self.handover(&calls).recall(&self.id, options)).map(Result::unwrap)
    }

    fn handover<'a>(&'a self, client: &'a LossyCalls<'a>) -> JobHandover<'a, LossyCalls<'a>> {
        JobHandover {
            queue: self.queue,
            client,
            url: URL.to_owned(),
            policy: Err("nobody allows it"),
            engines: self.engines,
        }
    }

    /// What `aq run` does with the inbox; the job goes back to it or not.
    fn run(&mut self, ships: bool) {
        self.wait_for_forks();
        self.queue.finish_handovers().unwrap();
        let mut inbox = Inbox::default();
        let everything = FolderChanges {
            everything: true,
            ..FolderChanges::default()
        };
        inbox.look(self.queue, everything).unwrap();
        let waiting = inbox.waiting(&BTreeSet::new());
        let Some(chosen) = waiting.values().next() else {
            return;
        };
        let InboxClaim::Claimed(claimed) = inbox.claim(self.queue, chosen).unwrap() else {
            return;
        };
        self.is_started = true;
        let to = if ships { Stage::Shipped } else { Stage::Inbox };
        self.queue
            .advance(&claimed.hold, Stage::Building, to, None)
            .unwrap();
    }

    /// What is wrong, if anything is.
    fn check(&mut self) -> Option<String> {
        let world = self.world.borrow();
        let held = world.coordinator.held;
        let theirs = matches!(held, HeldBy::Queued | HeldBy::Leased | HeldBy::Ended);
        if std::mem::take(&mut self.is_started) && theirs {
            return Some(format!(
                "two authorities: it was started here, and is {held:?} there"
            ));
        }
        let here = self.queue.find(&self.id).unwrap();
        let record = self.queue.handover(&self.id).unwrap();
        if here == Some(Stage::Shipped) && theirs {
            return Some(format!("two authorities: it is shipped here, and {held:?} there"));
        }
        if here == Some(Stage::Inbox) && record.is_none() && theirs {
            return Some(format!("two authorities: it is free here, and {held:?} there"));
        }
        (here.is_none() && record.is_none()).then(|| format!("lost: it is nowhere here, and {held:?} there"))
    }
}

/// One history; what is wrong about it.
fn history(
    choices: ChoiceTape,
    fault: ClientFault,
    kinds: &mut BTreeSet<&'static str>,
) -> Result<(), String> {
    let folder = in_memory().unwrap();
    let queue = Queue::create(&folder.path().join("queue")).unwrap();
    let id = JobId::new("a").unwrap();
    let submission = JobSubmission {
        id: id.clone(),
        bytes: b"---\nengine: sh\n---\ntrue\n".to_vec(),
        cwd: None,
    };
    queue.add(&[submission]).unwrap();
    let world = RefCell::new(HandoverWorld::new(choices, fault));
    let engines = EngineRegistry::new(&BTreeMap::new()).unwrap();
    let mut host = HandingHost {
        queue: &queue,
        engines: &engines,
        world: &world,
        id,
        is_started: false,
    };
    let outcome = steps(&mut host).and_then(|()| settle(&mut host));
    kinds.extend(world.borrow().kinds.iter());
    outcome
}

/// In memory where the system has that, so that no sync waits for a disk.
fn in_memory() -> std::io::Result<tempfile::TempDir> {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir())
}

fn steps(host: &mut HandingHost<'_>) -> Result<(), String> {
    for _ in 0..STEPS {
        let (step, coin) = {
            let choices = &mut host.world.borrow_mut().choices;
            (choices.below(9), choices.once_in(3))
        };
        match step {
            0 | 1 => drop(host.submit()),
            2 | 3 => {
                if host.recall(RecallOptions::default()) == Some(HandoverOutcome::Recalled) {
                    host.world.borrow_mut().kinds.insert("recalled");
                }
            }
            4 => host.run(coin),
            step => other(&mut host.world.borrow_mut(), step, coin),
        }
        if let Some(wrong) = host.check() {
            return Err(wrong);
        }
    }
    Ok(())
}

/// What happens at the coordinator and on the way to it.
fn other(world: &mut HandoverWorld, step: u32, coin: bool) {
    match (step, world.coordinator.held) {
        (5, HeldBy::Queued) => {
            world.kinds.insert("claimed");
            world.coordinator.held = HeldBy::Leased;
        }
        (6, HeldBy::Leased) => {
            world.kinds.insert("given back or ended");
            world.coordinator.held = if coin { HeldBy::Ended } else { HeldBy::Queued };
        }
        (7, _) if !world.late.is_empty() => {
            let request = world.late.remove(0);
            let _ = world.coordinator.take(&request);
        }
        (8, _) => world.is_token_taken = coin,
        _ => {}
    }
}

/// Everything that is late arrives, and the same commands come to an end: the job has one place.
fn settle(host: &mut HandingHost<'_>) -> Result<(), String> {
    let late = std::mem::take(&mut host.world.borrow_mut().late);
    for request in late {
        let _ = host.world.borrow_mut().coordinator.take(&request);
    }
    host.world.borrow_mut().is_calm = true;
    if let Some(wrong) = host.check() {
        return Err(wrong);
    }
    if host.world.borrow().coordinator.held == HeldBy::Leased {
        host.world.borrow_mut().coordinator.held = HeldBy::Queued;
    }
    let also_withdrawn = RecallOptions {
        withdrawn: true,
        ..RecallOptions::default()
    };
    let outcome = host.recall(also_withdrawn);
    if let Some(wrong) = host.check() {
        return Err(wrong);
    }
    match (outcome, host.queue.find(&host.id).unwrap()) {
        (Some(HandoverOutcome::Recalled | HandoverOutcome::Finished(_)), Some(_)) => Ok(()),
        (outcome, stage) => Err(format!("stuck: {outcome:?}, and it is in {stage:?}")),
    }
}

/// `MODEL_HISTORIES` explores more, `MODEL_SEED` starts elsewhere.
#[test]
fn no_history_of_a_hand_over_gives_a_job_two_authorities_or_loses_it() {
    let first = super::number("MODEL_SEED", 1);
    let histories = super::number("MODEL_HISTORIES", HISTORIES).min(HISTORIES * 100);
    let mut kinds = BTreeSet::new();
    for seed in first..first + histories {
        if let Err(wrong) = history(ChoiceTape::of_seed(seed), ClientFault::None, &mut kinds) {
            panic!("seed {seed}: {wrong}");
        }
    }
    eprintln!("{histories} histories from seed {first}: {kinds:?}");
    assert!(histories < 100 || kinds.len() == 7, "{kinds:?}");
}

#[test]
fn a_wrong_reading_of_an_answer_is_found() {
    for fault in [ClientFault::SilenceRefuses, ClientFault::RefusalConsents] {
        let wrong = (1..=HISTORIES)
            .find_map(|seed| history(ChoiceTape::of_seed(seed), fault, &mut BTreeSet::new()).err());
        let wrong = wrong.unwrap_or_else(|| panic!("{fault:?} is not found"));
        assert!(
            wrong.starts_with("two authorities") || wrong.starts_with("lost"),
            "{wrong}"
        );
    }
}
