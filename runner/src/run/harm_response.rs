//! Carries out what is decided about harm by the coordinator: it is told to people and programs, and where the operator
//! wants that, ROUTE is turned off (clauses F-20 and F-21).

use std::time::Instant;

use jiff::Timestamp;

use super::mode_switch::ModeSwitch;
use super::progress;
use super::queue_world::QueueWorld;
use super::work_source::WorkSource;
use crate::fleet::routing_harm::{HarmStep, RoutingHarm};
use crate::fleet::routing_record::{NEXT_STEPS, RollbackReach, RoutingRecord};
use crate::notifications::{EventNotification, NotificationEvent};
use crate::queue::Queue;

/// One step. What can't be kept on the disk is told all the same.
pub(super) fn respond(step: HarmStep, mode: &mut ModeSwitch, world: &mut QueueWorld) {
    match step {
        HarmStep::Warn(harm) => {
            change_record(&world.queue, |record| record.note(&harm, Timestamp::now()));
            tell(world, NotificationEvent::RouteHarm, &harm, &warning(&harm));
        }
        HarmStep::RollBack(harm) => {
            // Before the change: whoever finds ROUTE off after a crash finds the reason too.
            change_record(&world.queue, |record| record.note(&harm, Timestamp::now()));
            roll_back(harm, mode, world, true);
        }
        HarmStep::RollBackAgain(harm) => roll_back(harm, mode, world, false),
    }
}

fn roll_back(harm: RoutingHarm, mode: &mut ModeSwitch, world: &mut QueueWorld, is_news: bool) {
    let what = format!("harm by routing ({}): {}", harm.kind, harm.detail);
    match mode.turn_route_off(&world.queue) {
        Ok(Some(reach)) => {
            let now = Timestamp::now();
            change_record(&world.queue, |record| record.note_rollback(harm.kind, reach, now));
            let done = match reach {
                RollbackReach::SettingsFile => "aq.toml says route_via_service = false now".to_owned(),
                RollbackReach::OneRun => format!(
                    "ROUTE is off for the rest of this run; {} hides aq.toml, so the next start routes again unless that \
                     is taken away",
                    mode.hidden_by()
                ),
            };
            let text = format!(
                "{what}. aq goes back by itself: {done}, and what runs under a lease ends under it. Next: {NEXT_STEPS}"
            );
            tell(world, NotificationEvent::RolledBack, &harm, &text);
        }
        // A person, or another runner of this queue, was faster.
        Ok(None) => {
            change_record(&world.queue, |record| record.obstacle = None);
            if is_news {
                let text = format!("{what}. ROUTE is turned off in aq.toml already");
                tell(world, NotificationEvent::RouteHarm, &harm, &text);
            }
        }
        Err(why) => {
            change_record(&world.queue, |record| record.obstacle = Some(why.clone()));
            if is_news {
                let text = format!(
                    "{what}. ROUTE stays on, although `rollback` under [fleet] says `act`: {why}; it is tried again every \
                     minute. To go back, write route_via_service = false under [fleet] in aq.toml"
                );
                tell(world, NotificationEvent::RouteHarm, &harm, &text);
            }
            if let WorkSource::Routed(routed) = &mut world.source {
                routed.harm.rollback_failed(Instant::now(), harm);
            }
        }
    }
}

fn warning(harm: &RoutingHarm) -> String {
    format!(
        "harm by routing ({}): {}; jobs go on as before. To go back, write route_via_service = false under [fleet] in \
         aq.toml; with rollback = \"act\" there, aq does that by itself",
        harm.kind, harm.detail
    )
}

fn tell(world: &QueueWorld, event: NotificationEvent, harm: &RoutingHarm, text: &str) {
    progress::warn(text);
    let mut notification = EventNotification::now(event);
    if let Some(job) = &harm.job {
        notification = notification.of_job(job);
    }
    let told = notification.because(harm.kind.name(), text);
    world.progress.observers.notifier.tell(told);
}

fn change_record(queue: &Queue, change: impl FnOnce(&mut RoutingRecord)) {
    let mut record = RoutingRecord::of_queue(queue.root()).unwrap_or_default();
    change(&mut record);
    if let Ok(text) = serde_json::to_string(&record) {
        // On a full disk it is told without being kept.
        let _ = queue.write_routing_text(&text);
    }
}
