//! One lease, from its grant to its end: told what happened and what time it is, it says what to do next (clauses T-1,
//! T-2, T-4, T-8 to T-10 and T-14). Pure: no clock, task or connection; the keeper carries out what it says.
//!
//! Renewals go beside the reports, so that a report that hangs starves none. Of everything else one request is out at a
//! time, and it is asked again, the same to its key, until it is answered.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use super::Settlement;
use super::settlement::{says_lost, settlement};
pub(crate) use super::talk::{Act, Closing, Input, Terms, Word};
use crate::clock::{BootInstant, Ending};
use crate::fleet::backoff::Backoff;
use crate::fleet::failure::Failure;
use crate::fleet::lease::{LeaseTime, NO_RENEWAL};

#[derive(Debug)]
pub(crate) struct Tenure {
    time: LeaseTime,
    terms: Terms,
    backoff: Backoff,
    /// Not said yet, in their order.
    words: VecDeque<Word>,
    /// Said, and not answered yet.
    out: Option<Word>,
    repeat_at: Option<BootInstant>,
    /// A renewal sent from this instant on confirms.
    confirming: Option<BootInstant>,
    lost: bool,
    closing: Option<Closing>,
    give_up_at: Option<BootInstant>,
    settled: bool,
}

impl Tenure {
    pub(crate) fn new(time: LeaseTime, terms: Terms, seed: u64) -> Tenure {
        Tenure {
            time,
            terms,
            backoff: Backoff::new(seed),
            words: VecDeque::new(),
            out: None,
            repeat_at: None,
            confirming: None,
            lost: false,
            closing: None,
            give_up_at: None,
            settled: false,
        }
    }

    pub(crate) fn step(&mut self, now: BootInstant, input: Input) -> Vec<Act> {
        let mut acts = Vec::new();
        if self.settled {
            return acts;
        }
        match input {
            Input::Report(_) if self.lost => {}
            Input::Report(news) => self.words.push_back(Word::Report(news)),
            Input::Confirm => {
                self.confirming = Some(now);
                self.renew(now, &mut acts);
            }
            Input::Close(closing) => self.close(now, closing, &mut acts),
            Input::Renewed { sent, answer } => self.renewed(sent, answer, &mut acts),
            Input::Answered(answer) => self.answered(now, answer, &mut acts),
            Input::Time => self.by_the_clock(now, &mut acts),
        }
        self.say_next(&mut acts);
        acts
    }

    /// When [`Input::Time`] is due.
    pub(crate) fn next_instant(&self) -> Option<BootInstant> {
        let kept = self.is_renewed();
        let loses_at = (kept && self.closing.is_none()).then(|| self.time.ending(self.terms.grace).term_at);
        let renewal = kept.then(|| self.time.next_renewal());
        [loses_at, renewal, self.repeat_at, self.give_up_at]
            .into_iter()
            .flatten()
            .min()
    }

    /// What is to be known of the lease beside this.
    pub(crate) fn standing(&self) -> Standing {
        Standing {
            time: self.time,
            ending: self.time.ending(self.terms.grace),
            lost: self.lost,
        }
    }

    pub(crate) fn is_settled(&self) -> bool {
        self.settled
    }

    fn close(&mut self, now: BootInstant, closing: Closing, acts: &mut Vec<Act>) {
        self.give_up_at = Some(now + self.terms.closing);
        match &closing {
            // In its turn, behind the stages before it. If the lease is lost it is sent all the same: what was finished
            // under it may still be taken, and then it is done by nobody else (clause C-5).
            Closing::Final(news) => self.words.push_back(Word::Report(news.clone())),
            Closing::Release(key) => self.only_say(Word::Release(Arc::clone(key)), acts),
            Closing::Quarantine(news) => self.only_say(Word::Quarantine(news.clone()), acts),
        }
        self.closing = Some(closing);
    }

    fn renew(&mut self, now: BootInstant, acts: &mut Vec<Act>) {
        if self.is_renewed() {
            self.time.renewal_started(now);
            let limit = self.time.renewal_limit(self.terms.timeout);
            acts.push(Act::Renew { limit });
        }
    }

    fn renewed(&mut self, sent: BootInstant, answer: Result<Duration, Failure>, acts: &mut Vec<Act>) {
        match answer {
            // Once it was given up it stays so: what ran under it is being ended.
            _ if self.lost => {}
            Ok(ttl) => {
                if let Err(error) = self.time.renewed(sent, ttl) {
                    return self.lose(&error.to_string(), acts);
                }
                if self.confirming.take_if(|asked| sent >= *asked).is_some() {
                    acts.push(Act::Confirmed);
                }
            }
            Err(failure) if says_lost(&failure) => self.lose(&failure.to_string(), acts),
            // The next one is due in its time.
            Err(_) => {}
        }
    }

    fn answered(&mut self, now: BootInstant, answer: Result<(), Failure>, acts: &mut Vec<Act>) {
        if let Err(failure @ Failure::Indefinite { .. }) = &answer {
            self.repeat_at = Some(now + self.backoff.after_failure(failure.retry_after()));
            return;
        }
        self.backoff.succeeded();
        let said = self.out.take();
        if said.is_some_and(|word| self.is_last(&word)) {
            return self.settle(settlement(answer), acts);
        }
        match answer {
            Err(failure) if says_lost(&failure) && !self.lost => self.lose(&failure.to_string(), acts),
            // Another refusal is about that stage alone, and the next may be taken.
            Ok(()) | Err(_) => {}
        }
    }

    fn by_the_clock(&mut self, now: BootInstant, acts: &mut Vec<Act>) {
        let term_at = self.time.ending(self.terms.grace).term_at;
        if self.is_renewed() && self.closing.is_none() && now >= term_at {
            self.lose(NO_RENEWAL, acts);
        } else if now >= self.time.next_renewal() {
            self.renew(now, acts);
        }
        if self.give_up_at.is_some_and(|at| now >= at) {
            let why = String::from("no answer in time");
            return self.settle(Settlement::Undelivered(why), acts);
        }
        if self.repeat_at.take_if(|at| now >= *at).is_some() {
            acts.extend(self.out.clone().map(Act::Say));
        }
    }

    fn lose(&mut self, reason: &str, acts: &mut Vec<Act>) {
        self.lost = true;
        let last = self.words.pop_back().filter(|word| self.is_last(word));
        self.words.clear();
        self.words.extend(last);
        if self.out.as_ref().is_some_and(|word| !self.is_last(word)) {
            self.abandon(acts);
        }
        if self.closing.is_none() {
            let reason = reason.to_owned();
            acts.push(Act::Lost { reason });
        }
    }

    fn only_say(&mut self, word: Word, acts: &mut Vec<Act>) {
        if self.out.is_some() {
            self.abandon(acts);
        }
        self.words = VecDeque::from([word]);
    }

    fn abandon(&mut self, acts: &mut Vec<Act>) {
        (self.out, self.repeat_at) = (None, None);
        acts.push(Act::Abandon);
    }

    fn say_next(&mut self, acts: &mut Vec<Act>) {
        if self.out.is_none() && !self.settled {
            self.out = self.words.pop_front();
            acts.extend(self.out.clone().map(Act::Say));
        }
    }

    fn settle(&mut self, outcome: Settlement, acts: &mut Vec<Act>) {
        self.settled = true;
        acts.push(Act::Settled(outcome));
    }

    /// The word that the tenure ends with. A final stage is reported by nothing else.
    fn is_last(&self, word: &Word) -> bool {
        match word {
            Word::Report(news) => matches!(&self.closing, Some(Closing::Final(last)) if last == news),
            Word::Quarantine(_) | Word::Release(_) => true,
        }
    }

    /// Until a final report is answered it is, so that the job does not go to another factory meanwhile.
    fn is_renewed(&self) -> bool {
        !self.lost && matches!(self.closing, None | Some(Closing::Final(_)))
    }
}

/// What the loop asks before every effect, and what it runs under.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Standing {
    time: LeaseTime,
    ending: Ending,
    lost: bool,
}

impl Standing {
    pub(crate) fn holds(self, now: BootInstant) -> bool {
        !self.lost && self.time.holds(now)
    }

    /// When what runs has to end, if the lease is not prolonged once more.
    pub(crate) fn ending(self) -> Ending {
        self.ending
    }
}
