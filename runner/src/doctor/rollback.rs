//! Checks what a run does where routing does harm, and says whether it did (clauses F-20 and F-21).

use super::DoctorFinding;
use crate::fleet::routing_record::RoutingRecord;
use crate::mode::Mode;
use crate::queue::Queue;
use crate::settings::{RollbackPolicy, Settings};

const AREA: &str = "fleet";
const SUBJECT: &str = "rollback";

pub(super) fn examine(settings: &Settings, queue: Option<&Queue>) -> Vec<DoctorFinding> {
    let record = RoutingRecord::of_queue(&settings.queue.value);
    let lines = record.iter().flat_map(RoutingRecord::lines);
    let mut findings: Vec<DoctorFinding> = lines
        .map(|(label, text)| {
            let next = "docs/rollout.md says what to do when routing did harm";
            DoctorFinding::warn(AREA, label, text, next)
        })
        .collect();
    if settings.mode == Mode::Route {
        findings.push(ability(settings, queue));
    }
    findings
}

/// Whether what `rollback` asks for can be done.
fn ability(settings: &Settings, queue: Option<&Queue>) -> DoctorFinding {
    match settings.route.rollback.policy {
        RollbackPolicy::Off => DoctorFinding::note(AREA, SUBJECT, "harm by routing is not looked for"),
        RollbackPolicy::Warn => {
            DoctorFinding::ok(AREA, SUBJECT, "harm by routing is told, and ROUTE stays on")
        }
        RollbackPolicy::Act => {
            let switch = &settings.switches.route.origin;
            if switch.hides_file() {
                let text = format!(
                    "{switch} hides aq.toml: ROUTE is turned off for one run alone, and the next one routes again"
                );
                let next = "write route_via_service under [fleet] in aq.toml, and nowhere else";
                return DoctorFinding::warn(AREA, SUBJECT, text, next);
            }
            match queue.map_or(Ok(()), Queue::check_settings_replaceable) {
                Ok(()) => DoctorFinding::ok(AREA, SUBJECT, "harm by routing turns ROUTE off in aq.toml"),
                Err(obstacle) => {
                    let text =
                        format!("aq.toml can't be changed: {obstacle}; harm by routing would be told alone");
                    DoctorFinding::fail(
                        AREA,
                        SUBJECT,
                        text,
                        "make it a plain file of this user, or set rollback = \"warn\"",
                    )
                }
            }
        }
    }
}
