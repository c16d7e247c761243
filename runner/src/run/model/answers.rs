//! Answers and instants of the model, handed to whom they are for.

use super::coordinator::{Answer, Token};
use super::keeping::job_of;
use super::network::{Call, Caller, claimed, done, renewed};
use super::process::Kept;
use super::world::{Happening, World, lease_name};
use crate::fleet::routed::FleetEvent;
use crate::fleet::routed::inquiry::{self, Inquiry};
use crate::fleet::routed::round::{self, Round};
use crate::fleet::routed::settlement::settlement;
use crate::fleet::routed::tenure::Input;
use crate::ids::LeaseId;

impl World {
    pub(super) fn hand_over(&mut self, call: &Call, answer: Option<Answer>) {
        let host = call.host;
        match call.caller {
            Caller::Claim { inquiry } => {
                if let Some(Answer::Granted(token)) = answer {
                    self.process(host).known.insert(token);
                }
                let answer = claimed(answer);
                self.inquire(host, inquiry, inquiry::Input::Claimed(answer));
            }
            Caller::RenewalOfClaim { inquiry } => {
                self.inquire(host, inquiry, inquiry::Input::Renewed(renewed(answer)));
            }
            Caller::Renewal { token, sent } => {
                if answer == Some(Answer::LeaseLost) {
                    self.told_lost.insert(token);
                }
                let answer = (self.rules.renewal)(renewed(answer));
                if let (Ok(_), Some(kept)) = (&answer, self.process(host).kept.get_mut(&token)) {
                    kept.confirmed = kept.confirmed.max(Some(sent));
                }
                let sent = (self.rules.counts_from)(sent, self.clock(host));
                self.tenure(host, token, Input::Renewed { sent, answer });
            }
            Caller::LastWord { token, saying } => {
                let waits = |kept: &Kept| kept.saying == saying;
                if self.process(host).kept.get(&token).is_some_and(waits) {
                    self.note_answered(call, answer);
                    self.tenure(host, token, Input::Answered(done(answer)));
                }
            }
            Caller::Round { saying } => {
                if self.process(host).saying == saying {
                    self.note_answered(call, answer);
                    self.step_round(host, round::Input::Answered(done(answer)));
                }
            }
            Caller::Orphan { token } => {
                let outcome = settlement(done(answer));
                let lease = LeaseId::new(&lease_name(token)).unwrap();
                let job = job_of(token);
                self.tell(host, FleetEvent::Settled { job, lease, outcome });
            }
            Caller::Nobody => {}
        }
    }

    /// Wakes the process when something of it is due.
    pub(super) fn settle_timers(&mut self, host: usize) {
        let (now, clock, incarnation) = (self.now, self.clock(host), self.hosts[host].incarnation);
        let Some(process) = &mut self.hosts[host].process else {
            return;
        };
        let inquiries = process.inquiries.values().filter_map(Inquiry::next_instant);
        let tenures = process
            .kept
            .values()
            .filter_map(|kept| kept.tenure.next_instant());
        let round = process.round.as_ref().and_then(Round::next_instant);
        let asks = process.pacing.waits_until().filter(|at| *at > clock);
        let due = inquiries.chain(tenures).chain(round).chain(asks).min();
        let due = due.map(|at| now + at.since(clock).as_millis() as u64);
        // A duration is cut to whole milliseconds: a moment later it is due for sure.
        let due = due.map(|at| at.max(now + 1));
        if due.is_some() && (process.timer_at.is_none_or(|at| at <= now) || due < process.timer_at) {
            process.timer_at = due;
            due.into_iter()
                .for_each(|at| self.schedule(at, Happening::Timer { host, incarnation }));
        }
    }

    pub(super) fn timer(&mut self, host: usize, incarnation: u32) {
        if self.hosts[host].process.is_none() || self.hosts[host].incarnation != incarnation {
            return;
        }
        self.process(host).timer_at = None;
        let tokens: Vec<Token> = self.process(host).kept.keys().copied().collect();
        for token in tokens {
            self.tenure(host, token, Input::Time);
        }
        let numbers: Vec<u32> = self.process(host).inquiries.keys().copied().collect();
        for number in numbers {
            self.inquire(host, number, inquiry::Input::Time);
        }
        self.step_round(host, round::Input::Time);
        self.after(host);
    }
}
