//! Who decides which job is next, and when it is asked for.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::mpsc;

use super::*;
use crate::shadow::test_coordinator::{CLAIMED, TestCoordinator, block_on, settings};

fn setup(settings: &Settings, here: &Path) -> RoutedSource {
    let engines = EngineRegistry::new(&BTreeMap::new()).unwrap();
    RoutedSource::open(settings, &engines, here, &HealthReporter::default()).unwrap()
}

#[test]
fn a_run_whose_workers_are_busy_waits_for_no_instant_that_is_over() {
    let folder = tempfile::tempdir().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let _inside = runtime.enter();
    let settings = settings(folder.path(), "http://127.0.0.1:9");
    let WorkSource::Routed(mut routed) = WorkSource::Routed(setup(&settings, folder.path())) else {
        panic!("it is routed");
    };
    let now = Instant::now();
    routed.link.pacing.asked(BootInstant::now());
    // An answer is waited for, and that is an event.
    assert!(!routed.is_due(RunUntil::Stopped, now) && routed.next_instant().is_none());
    routed.link.pacing.nothing();
    assert!(!routed.is_due(RunUntil::Stopped, now));
    assert!(routed.next_instant().is_some_and(|at| at > now));
    // For one that ends then, no instant brings more.
    assert!(!routed.is_due(RunUntil::Drained, now) && routed.next_instant().is_none());
    routed.link.pacing.lease_ended();
    assert!(routed.is_due(RunUntil::Stopped, now) && routed.next_instant().is_none());
}

#[test]
fn a_question_that_is_out_when_work_comes_from_elsewhere_brings_no_job() {
    let (answer, held) = mpsc::channel::<()>();
    let held = Mutex::new(held);
    let coordinator = TestCoordinator::start(move |seen| match seen.path.ends_with("/claims") {
        true => {
            let _ = held.lock().unwrap().recv();
            Some((200, CLAIMED.to_owned()))
        }
        false => Some((200, String::from(r#"{"stage":"queued"}"#))),
    });
    let folder = tempfile::tempdir().unwrap();
    let settings = settings(folder.path(), &coordinator.url);
    block_on(async {
        let mut source = WorkSource::Routed(setup(&settings, folder.path()));
        source
            .link_mut()
            .unwrap()
            .session
            .request_job([], Some(CLAIM_WAIT));
        let requests = |count: usize| {
            let coordinator = coordinator.clone();
            async move {
                while coordinator.seen().len() < count {
                    tokio::task::yield_now().await;
                }
            }
        };
        requests(1).await;
        source.turn_to_local(None);
        drop(answer);
        // It is given back without a word to the loop, which would ask nobody for its job any more.
        tokio::select! {
            event = source.link_mut().unwrap().session.next() => panic!("{event:?}"),
            () = requests(2) => {}
        }
    });
    let paths: Vec<String> = coordinator.seen().into_iter().map(|seen| seen.path).collect();
    assert_eq!(paths, ["/v1/claims", "/v1/leases/lease-9/release"]);
}
