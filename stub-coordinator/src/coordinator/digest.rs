//! The digest of real state (C-20), kept up to date a change at a time.
//!
//! One 128-bit hash an entity, summed without carry beyond 128 bits: adding, changing and removing an entity are
//! one or two additions, whatever the size of the state, and the order in which entities came does not matter.

use std::fmt;
use std::hash::Hash;

use siphasher::sip128::{Hasher128, SipHasher13};

/// A hash of one entity, or the sum over all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Digest(u128);

impl Digest {
    /// The hash of one entity. The key is fixed: equal states have equal digests in every process.
    pub(crate) fn of(entity: &impl Hash) -> Digest {
        let mut hasher = SipHasher13::new_with_keys(0x666c_6565_7420_636f, 0x6f72_6469_6e61_746f);
        entity.hash(&mut hasher);
        Digest(hasher.finish128().as_u128())
    }

    pub(crate) fn value(self) -> u128 {
        self.0
    }

    pub(crate) fn add(&mut self, entity: Digest) {
        self.0 = self.0.wrapping_add(entity.0);
    }

    pub(crate) fn remove(&mut self, entity: Digest) {
        self.0 = self.0.wrapping_sub(entity.0);
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:032x}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn adding_and_removing_an_entity_leaves_no_trace() {
        let mut digest = Digest::of(&"first");
        let before = digest;
        digest.add(Digest::of(&("second", 2)));
        assert_ne!(digest, before);
        digest.remove(Digest::of(&("second", 2)));
        assert_eq!(digest, before);
    }

    #[test]
    fn the_order_of_arrival_does_not_matter_but_the_content_does() {
        let sum = |entities: [&str; 2]| {
            let mut digest = Digest::default();
            entities.iter().for_each(|entity| digest.add(Digest::of(entity)));
            digest
        };
        assert_eq!(sum(["a", "b"]), sum(["b", "a"]));
        assert_ne!(sum(["a", "b"]), sum(["a", "c"]));
    }
}
