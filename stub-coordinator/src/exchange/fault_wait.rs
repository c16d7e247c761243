//! Faults of time: a request waits for a while, at a gate, or for ever. Disarming the rule lets go of it.

use std::sync::Arc;

use tokio::sync::watch;

use crate::clock::{Clock, WakeGuard};
use crate::faults::{FaultWait, GateRegistry};
use crate::rules::FiredRule;

/// How a wait ended.
pub(super) enum FaultWaitOutcome {
    Continue,
    /// There will be no answer.
    NoAnswer,
}

/// Waits as the fault says; returns at once where it says nothing of time. While it waits, nobody waits for it.
pub(super) async fn wait_as_told(
    fired: &FiredRule,
    clock: &Arc<Clock>,
    gates: &GateRegistry,
    under_way: &mut Option<WakeGuard>,
) -> FaultWaitOutcome {
    let mut disarmed = fired.disarmed.clone();
    match fired.fault.wait(fired.draw) {
        FaultWait::Nothing => {}
        FaultWait::Time(length) => {
            let what = format!("delay of rule {}", fired.rule);
            // From the moment at which the rule fired: that is what whoever moves the clock can know.
            let sleep = clock.sleep_until(fired.at.after(length), &what);
            *under_way = None;
            tokio::select! {
                woken = sleep => *under_way = Some(woken),
                () = ended(&mut disarmed) => {}
            }
        }
        FaultWait::Gate(name) => {
            *under_way = None;
            tokio::select! {
                () = gates.wait(name) => {}
                () = ended(&mut disarmed) => {}
            }
        }
        FaultWait::Disarming => {
            *under_way = None;
            ended(&mut disarmed).await;
            return FaultWaitOutcome::NoAnswer;
        }
    }
    FaultWaitOutcome::Continue
}

/// Ends when the rule is disarmed: its sender is dropped then.
async fn ended(disarmed: &mut watch::Receiver<()>) {
    while disarmed.changed().await.is_ok() {}
}
