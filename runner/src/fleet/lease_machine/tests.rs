//! Whether a lost lease may be this host's own fault; the rest of the machine is explored by the model.

use super::*;
use crate::fleet::call_failure::{CoordinatorRefusal, FailureKind};

const TTL: Duration = Duration::from_secs(30);

fn machine() -> (LeaseStateMachine, BootInstant) {
    let granted = BootInstant::at_ms(1_000_000);
    let terms = LeaseTerms {
        timeout: Duration::from_secs(5),
        grace: Duration::from_secs(2),
        close_time_max: Duration::from_secs(60),
    };
    let time = LeaseTime::granted(TTL, granted).unwrap();
    (LeaseStateMachine::new(time, terms, 7), granted)
}

fn lease_lost() -> CallFailure {
    CallFailure::Definite(CoordinatorRefusal {
        status: 409,
        code: String::from("lease_lost"),
        detail: String::new(),
        retry_after: None,
    })
}

/// How the lease is lost where no renewal is answered, and what is due at the turn of this number is done so much later.
fn lost_with_delay(turn: usize, delay: Duration) -> bool {
    let (mut machine, _) = machine();
    for number in 0..20 {
        let due = machine.next_instant().unwrap();
        let now = if number == turn { due + delay } else { due };
        for effect in machine.step(now, LeaseEvent::TimerDue) {
            match effect {
                LeaseEffect::Lost { in_time, .. } => return in_time,
                LeaseEffect::Renew { .. } => {
                    let answer = Err(CallFailure::indefinite(FailureKind::Timeout, ""));
                    machine.step(now, LeaseEvent::Renewed { sent: now, answer });
                }
                other => panic!("{other:?}"),
            }
        }
    }
    panic!("it is not lost");
}

#[test]
fn a_lease_is_lost_in_time_unless_this_host_stood_still() {
    assert!(lost_with_delay(0, Duration::ZERO));
    assert!(lost_with_delay(1, TTL / 6));
    assert!(!lost_with_delay(1, TTL / 6 + Duration::from_millis(1)));
    // Suspended for an hour before the first renewal, and past the end.
    assert!(!lost_with_delay(0, Duration::from_secs(3600)));
}

#[test]
fn a_delay_before_a_renewal_that_is_answered_says_nothing_of_a_later_loss() {
    let (mut machine, granted) = machine();
    let late = granted + TTL / 3 + TTL / 5;
    machine.step(late, LeaseEvent::TimerDue);
    let (sent, answer) = (late, Ok(TTL));
    machine.step(late, LeaseEvent::Renewed { sent, answer });
    let due = machine.next_instant().unwrap();
    machine.step(due, LeaseEvent::TimerDue);
    let (sent, answer) = (due, Err(lease_lost()));
    let effects = machine.step(due, LeaseEvent::Renewed { sent, answer });
    assert!(
        matches!(effects[..], [LeaseEffect::Lost { in_time: true, .. }]),
        "{effects:?}"
    );
}

#[test]
fn the_coordinators_word_on_a_lease_that_still_held_is_in_time_whatever_was_late() {
    for (asked_after, expected) in [(TTL / 3 + TTL / 4, true), (TTL * 2, false)] {
        let (mut machine, granted) = machine();
        let now = granted + asked_after;
        machine.step(
            now,
            LeaseEvent::Report(StageReport {
                stage: crate::stage::Stage::Testing,
                at: String::new(),
                reason: None,
                key: "key".into(),
            }),
        );
        let (sent, answer) = (now, Err(lease_lost()));
        let effects = machine.step(now, LeaseEvent::Renewed { sent, answer });
        let lost = effects.iter().find_map(|effect| match effect {
            LeaseEffect::Lost { in_time, .. } => Some(*in_time),
            _ => None,
        });
        assert_eq!(lost, Some(expected), "{asked_after:?}");
    }
}
