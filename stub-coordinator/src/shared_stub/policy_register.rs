//! What the stub says of its policy and version. It is no part of real state: nobody saves it, and no digest covers it.

use std::sync::{PoisonError, RwLock};

use axum::http::HeaderValue;

use crate::contract::policy_statement::PolicyStatement;

/// What is said now, and what was said at the start.
pub(crate) struct PolicyRegister {
    /// For a reset; never changes.
    initial: Option<PolicyStatement>,
    /// Control and the handle change it, each answer tells it.
    current: RwLock<Option<PolicyStatement>>,
}

impl PolicyRegister {
    pub(crate) fn new(initial: Option<PolicyStatement>) -> PolicyRegister {
        PolicyRegister {
            current: RwLock::new(initial.clone()),
            initial,
        }
    }

    pub(crate) fn get(&self) -> Option<PolicyStatement> {
        // It is replaced whole, so a panic elsewhere leaves no half of one.
        self.current
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    pub(crate) fn set(&self, policy: Option<PolicyStatement>) {
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = policy;
    }

    /// The header of an answer that is made now.
    pub(crate) fn header(&self) -> Option<HeaderValue> {
        let current = self.current.read().unwrap_or_else(PoisonError::into_inner);
        let current = current.as_ref()?;
        HeaderValue::try_from(current.header()).ok()
    }

    pub(super) fn reset(&self) {
        self.set(self.initial.clone());
    }
}
