//! A way to end runs that are on their way: asked once, from any thread, and heard by each of them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Shared by all runs of a suite.
#[derive(Clone, Default)]
pub struct StopSignal(Arc<Mutex<StopState>>);

#[derive(Default)]
struct StopState {
    asked: bool,
    next: u64,
    listening: BTreeMap<u64, Box<dyn Fn() + Send>>,
}

/// A run that hears of it. Dropping it ends that.
pub(crate) struct StopListener {
    stop: StopSignal,
    number: u64,
}

impl StopSignal {
    /// Ends every run that is on its way; none begins after it.
    pub fn now(&self) {
        let mut inner = self.lock();
        inner.asked = true;
        for tell in inner.listening.values() {
            tell();
        }
    }

    pub fn asked(&self) -> bool {
        self.lock().asked
    }

    /// `tell` is called when runs are to end: at once, if they already are.
    pub(crate) fn listen(&self, tell: impl Fn() + Send + 'static) -> StopListener {
        let mut inner = self.lock();
        if inner.asked {
            tell();
        }
        let number = inner.next;
        inner.next += 1;
        inner.listening.insert(number, Box::new(tell));
        StopListener {
            stop: self.clone(),
            number,
        }
    }

    fn lock(&self) -> MutexGuard<'_, StopState> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for StopSignal {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Stop {{ asked: {} }}", self.asked())
    }
}

impl Drop for StopListener {
    fn drop(&mut self) {
        self.stop.lock().listening.remove(&self.number);
    }
}
