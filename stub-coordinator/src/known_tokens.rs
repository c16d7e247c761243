//! The tokens that mean something to this stub, the control token among them.

use std::sync::Arc;

use crate::contract::scope::Scope;
use crate::shared_stub::SharedStub;

#[derive(Clone)]
pub(crate) struct KnownTokens {
    /// What `/_stub/` takes beside the tokens of the scope `admin`.
    control: Option<Arc<str>>,
    shared: Arc<SharedStub>,
}

impl KnownTokens {
    pub(crate) fn new(control: Option<&str>, shared: &Arc<SharedStub>) -> KnownTokens {
        KnownTokens {
            control: control.map(Arc::from),
            shared: Arc::clone(shared),
        }
    }

    /// Whether anybody was given it, whatever for.
    pub(crate) fn is_known(&self, sent: &str) -> bool {
        self.is_control(sent) || !self.shared.coordinator().scopes(sent).is_empty()
    }

    /// Whether it works the control API. Where nobody has a token, everybody may: the stub then listens on loopback
    /// alone.
    pub(crate) fn may_control(&self, sent: &str) -> bool {
        let coordinator = self.shared.coordinator();
        self.is_control(sent)
            || (self.control.is_none() && coordinator.access().is_open())
            // Found by a keyed hash, which tells nothing of how near a guess was.
            || coordinator.scopes(sent).contains(&Scope::Admin)
    }

    fn is_control(&self, sent: &str) -> bool {
        let control = self.control.as_deref();
        control.is_some_and(|token| equal_in_constant_time(sent.as_bytes(), token.as_bytes()))
    }
}

/// Takes the same time wherever the two differ; only their lengths tell.
fn equal_in_constant_time(left: &[u8], right: &[u8]) -> bool {
    left.len() == right.len()
        && left
            .iter()
            .zip(right)
            .fold(0_u8, |different, (left, right)| different | (left ^ right))
            == 0
}
