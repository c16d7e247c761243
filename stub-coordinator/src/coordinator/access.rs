//! Who may do what: tokens and their scopes (C-31).
//!
//! Tokens are looked up by a keyed hash whose key is drawn at start, so the time a look-up takes says nothing about
//! the token; the plain text of a configured token is not kept.

use std::collections::HashMap;
use std::hash::Hasher;

use siphasher::sip128::{Hasher128, SipHasher13};

use super::commands::CommandRefusal;
use crate::contract::scope::{OperationPermission, Scope};

/// The tokens that this coordinator knows.
#[derive(Debug, Clone)]
pub(crate) struct AccessControl {
    secret: (u64, u64),
    grants: HashMap<u128, Vec<Scope>>,
}

impl AccessControl {
    pub(crate) fn new(secret: (u64, u64)) -> AccessControl {
        AccessControl {
            secret,
            grants: HashMap::new(),
        }
    }

    /// The key of the hashes, without which what they name is not found again.
    pub(crate) fn secret(&self) -> (u64, u64) {
        self.secret
    }

    pub(crate) fn grant(&mut self, token: &str, scopes: &[Scope]) {
        self.grants.insert(self.hash(token), scopes.to_vec());
    }

    /// Without any token configured the coordinator is open.
    pub(crate) fn is_open(&self) -> bool {
        self.grants.is_empty()
    }

    pub(crate) fn scopes(&self, token: &str) -> Option<&[Scope]> {
        self.grants.get(&self.hash(token)).map(Vec::as_slice)
    }

    /// Whether a token may do what an operation asks (C-31).
    pub(crate) fn check(
        &self,
        token: Option<&str>,
        permission: OperationPermission,
    ) -> Result<(), CommandRefusal> {
        if self.is_open() || permission == OperationPermission::Free {
            return Ok(());
        }
        let scopes = token
            .and_then(|token| self.scopes(token))
            .ok_or(CommandRefusal::Unauthenticated)?;
        match permission {
            OperationPermission::Scope(wanted)
                if !scopes.iter().any(|has| [wanted, Scope::Admin].contains(has)) =>
            {
                Err(CommandRefusal::InsufficientScope(wanted))
            }
            _ => Ok(()),
        }
    }

    /// A keyed hash: names a caller without holding the token.
    pub(crate) fn hash(&self, token: &str) -> u128 {
        let mut hasher = SipHasher13::new_with_keys(self.secret.0, self.secret.1);
        hasher.write(token.as_bytes());
        hasher.finish128().as_u128()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn access() -> AccessControl {
        let mut access = AccessControl::new((1, 2));
        access.grant("watcher", &[Scope::Shadow]);
        access.grant("worker", &[Scope::Work]);
        access.grant("root", &[Scope::Admin]);
        access
    }

    #[test]
    fn c31_a_token_without_the_scope_is_refused() {
        let wanted = OperationPermission::Scope(Scope::Work);
        assert_eq!(
            access().check(Some("watcher"), wanted),
            Err(CommandRefusal::InsufficientScope(Scope::Work))
        );
        assert_eq!(access().check(Some("worker"), wanted), Ok(()));
        assert_eq!(access().check(Some("root"), wanted), Ok(()));
        assert_eq!(
            access().check(Some("worker"), OperationPermission::Scope(Scope::Shadow)),
            Err(CommandRefusal::InsufficientScope(Scope::Shadow))
        );
    }

    #[test]
    fn any_known_token_may_read_and_an_unknown_one_nothing() {
        assert_eq!(access().check(Some("watcher"), OperationPermission::Read), Ok(()));
        for token in [None, Some("who"), Some("")] {
            assert_eq!(
                access().check(token, OperationPermission::Read),
                Err(CommandRefusal::Unauthenticated)
            );
        }
        assert_eq!(access().check(None, OperationPermission::Free), Ok(()));
    }

    #[test]
    fn without_any_token_the_coordinator_is_open() {
        assert_eq!(
            AccessControl::new((1, 2)).check(None, OperationPermission::Scope(Scope::Admin)),
            Ok(())
        );
    }
}
