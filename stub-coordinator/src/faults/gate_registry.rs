//! Gates: places where requests wait until somebody releases them by name. What tests use instead of delays.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard};

use tokio::sync::watch;

/// The gates of one stub.
#[derive(Debug, Default)]
pub(crate) struct GateRegistry {
    /// A gate is made when somebody waits at it or opens it, and goes when rules are reset.
    by_name: Mutex<HashMap<String, Gate>>,
}

#[derive(Debug)]
struct Gate {
    /// Whether it is open: written by a release, and replaced when a rule closes it.
    open: watch::Sender<bool>,
    /// How many requests wait at it.
    waiting: usize,
}

/// Somebody who waits at a gate; leaving counts itself out.
struct GateWaiter<'a>(&'a GateRegistry, &'a str);

impl Drop for GateWaiter<'_> {
    fn drop(&mut self) {
        if let Some(gate) = self.0.gates().get_mut(self.1) {
            gate.waiting -= 1;
        }
    }
}

impl GateRegistry {
    /// Waits until the gate is open.
    pub(crate) async fn wait(&self, name: &str) {
        let mut open = {
            let mut gates = self.gates();
            let gate = gates.entry(name.to_owned()).or_insert_with(Gate::closed);
            gate.waiting += 1;
            gate.open.subscribe()
        };
        let _waiting = GateWaiter(self, name);
        // The sender lives as long as the gate; a gate that went is an open one.
        let _ = open.wait_for(|open| *open).await;
    }

    /// Opens a gate until a rule with it is armed, and says how many were waiting at it.
    pub(crate) fn release(&self, name: &str) -> usize {
        let mut gates = self.gates();
        let gate = gates.entry(name.to_owned()).or_insert_with(Gate::closed);
        gate.open.send_replace(true);
        gate.waiting
    }

    /// Closes these gates where `arm` succeeds, and lets nobody pass in between: a rule that is armed holds at its
    /// gates, whatever was released before.
    pub(crate) fn closing<T, E>(&self, names: &[String], arm: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
        let mut gates = self.gates();
        let armed = arm()?;
        for name in names {
            gates.entry(name.clone()).and_modify(Gate::close);
        }
        Ok(armed)
    }

    /// Closes every gate again and lets go of who waits.
    pub(crate) fn reset(&self) {
        let mut gates = self.gates();
        gates.values().for_each(|gate| {
            gate.open.send_replace(true);
        });
        gates.retain(|_, gate| gate.waiting > 0);
        gates.values_mut().for_each(Gate::close);
    }

    /// Every gate with how many wait at it.
    pub(crate) fn waiting(&self) -> Vec<(String, usize)> {
        let mut gates: Vec<_> = self
            .gates()
            .iter()
            .map(|(name, gate)| (name.clone(), gate.waiting))
            .collect();
        gates.sort();
        gates
    }

    fn gates(&self) -> MutexGuard<'_, HashMap<String, Gate>> {
        self.by_name.lock().expect("no holder of the gates' lock panics")
    }
}

impl Gate {
    fn closed() -> Gate {
        Gate {
            open: watch::channel(false).0,
            waiting: 0,
        }
    }

    /// Closes it for who comes. Who was let go and has not left yet still goes on; who waits, waits on.
    fn close(&mut self) {
        if *self.open.borrow() {
            self.open = watch::channel(false).0;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::Future;
    use std::pin::pin;
    use std::task::{Context, Waker};

    use super::*;

    #[test]
    fn after_a_reset_who_comes_waits_though_who_was_let_go_has_not_left_yet() {
        let gates = GateRegistry::default();
        let mut context = Context::from_waker(Waker::noop());
        let mut first = pin!(gates.wait("g"));
        assert!(first.as_mut().poll(&mut context).is_pending());
        gates.reset();
        let mut later = pin!(gates.wait("g"));
        assert!(later.as_mut().poll(&mut context).is_pending());
        assert!(first.as_mut().poll(&mut context).is_ready());
    }
}
