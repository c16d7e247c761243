//! The answers remembered for `Idempotency-Key`s, the last so many of them (C-11, C-32).
//!
//! Answers that went with an effect are real state and in the digest. An answer without one (204 to a claim, a stage
//! reported again) is kept in a list of its own that the digest leaves out: a poll that finds nothing must not look
//! like a change (C-4), nor push out the memory of a lease.

use std::collections::{HashMap, VecDeque};

use serde::{Deserialize, Serialize};

use super::commands::CommandReply;
use super::digest::Digest;
use crate::contract::ids::EventKey;

/// A request as far as repeating it goes: who sent it under which key, and what exactly was sent.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) struct IdempotentRequest {
    /// Hash of the caller's token: a key is the caller's own.
    #[serde(with = "super::saved_state::hex")]
    pub(crate) caller: u128,
    pub(crate) key: EventKey,
    /// Hash of operation, path and body.
    #[serde(with = "super::saved_state::hex")]
    pub(crate) fingerprint: u128,
}

#[derive(Debug, Clone)]
pub(crate) struct IdempotencyCache {
    with_effect: BoundedReplies,
    without_effect: BoundedReplies,
}

/// What the memory knows of a request.
pub(crate) enum CacheLookup {
    Fresh,
    Repeated(Box<CommandReply>),
    /// The key was used for another request.
    Mismatch,
}

#[derive(Debug, Clone)]
struct BoundedReplies {
    limit: usize,
    answers: HashMap<(u128, EventKey), (u128, CommandReply)>,
    order: VecDeque<IdempotentRequest>,
}

impl IdempotencyCache {
    pub(crate) fn new(limit: usize) -> IdempotencyCache {
        let bounded_replies = || BoundedReplies {
            limit: limit.max(1),
            answers: HashMap::new(),
            order: VecDeque::new(),
        };
        IdempotencyCache {
            with_effect: bounded_replies(),
            without_effect: bounded_replies(),
        }
    }

    pub(crate) fn recall(&self, once: &IdempotentRequest) -> CacheLookup {
        let place = (once.caller, once.key.clone());
        let found = self
            .with_effect
            .answers
            .get(&place)
            .or_else(|| self.without_effect.answers.get(&place));
        match found {
            None => CacheLookup::Fresh,
            Some((fingerprint, reply)) if *fingerprint == once.fingerprint => {
                CacheLookup::Repeated(Box::new(reply.clone()))
            }
            Some(_) => CacheLookup::Mismatch,
        }
    }

    /// Keeps an answer that went with an effect; says what enters the digest and what leaves it.
    pub(crate) fn keep(&mut self, once: IdempotentRequest, reply: CommandReply) -> (Digest, Option<Digest>) {
        let added = entry_digest(&once);
        let forgotten = self.with_effect.put(once, reply);
        (added, forgotten.as_ref().map(entry_digest))
    }

    /// What is kept of answers that went with an effect, oldest first.
    pub(crate) fn kept(&self) -> impl Iterator<Item = (&IdempotentRequest, &CommandReply)> {
        let bounded_replies = &self.with_effect;
        let reply = |once: &IdempotentRequest| {
            Some(&bounded_replies.answers.get(&(once.caller, once.key.clone()))?.1)
        };
        bounded_replies
            .order
            .iter()
            .filter_map(move |once| Some((once, reply(once)?)))
    }

    /// Keeps an answer that went without one.
    pub(crate) fn put_without_effect(&mut self, once: IdempotentRequest, reply: CommandReply) {
        self.without_effect.put(once, reply);
    }
}

impl BoundedReplies {
    fn put(&mut self, once: IdempotentRequest, reply: CommandReply) -> Option<IdempotentRequest> {
        self.answers
            .insert((once.caller, once.key.clone()), (once.fingerprint, reply));
        self.order.push_back(once);
        if self.order.len() <= self.limit {
            return None;
        }
        let oldest = self.order.pop_front()?;
        self.answers.remove(&(oldest.caller, oldest.key.clone()));
        Some(oldest)
    }
}

fn entry_digest(once: &IdempotentRequest) -> Digest {
    Digest::of(&("answer", once))
}
