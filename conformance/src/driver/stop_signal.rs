//! A way to end runs that are on their way: asked once, from any thread, and received by each of them.

use std::collections::BTreeMap;
use std::process::exit;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

use crate::exit_codes::{EndingSignal, HarnessExit};
use crate::stdio;

/// Shared by all runs of a suite.
#[derive(Clone, Default)]
pub struct StopSignal(Arc<Mutex<StopState>>);

#[derive(Default)]
struct StopState {
    signal: Option<EndingSignal>,
    next: u64,
    listening: BTreeMap<u64, Box<dyn Fn() + Send>>,
}

/// A run that hears of it. Dropping it ends that.
pub(crate) struct StopListener {
    stop: StopSignal,
    number: u64,
}

impl StopSignal {
    /// Ends every run that is on its way, as this signal asks; none begins after it.
    pub fn stop(&self, signal: EndingSignal) {
        let mut inner = self.lock();
        inner.signal.get_or_insert(signal);
        for notify in inner.listening.values() {
            notify();
        }
    }

    pub fn is_asked(&self) -> bool {
        self.signal().is_some()
    }

    /// The first signal that asked for the end.
    pub fn signal(&self) -> Option<EndingSignal> {
        self.lock().signal
    }

    /// At the first signal what runs is ended and the reports are written; at the second the process is gone.
    pub fn stop_at_signals(&self) {
        let Ok(mut signals) = signal_hook::iterator::Signals::new([SIGINT, SIGTERM, SIGHUP]) else {
            return;
        };
        let stop = self.clone();
        std::thread::spawn(move || {
            for number in signals.forever() {
                let signal = match number {
                    SIGINT => EndingSignal::Interrupt,
                    _ => EndingSignal::Terminate,
                };
                if stop.is_asked() {
                    exit(i32::from(HarnessExit::Ended(signal).code()));
                }
                stop.stop(signal);
                stdio::say("interrupted; what runs is ended and the reports are written");
            }
        });
    }

    /// `notify` is called when runs are to end: at once, if they already are.
    pub(crate) fn listen(&self, notify: impl Fn() + Send + 'static) -> StopListener {
        let mut inner = self.lock();
        if inner.signal.is_some() {
            notify();
        }
        let number = inner.next;
        inner.next += 1;
        inner.listening.insert(number, Box::new(notify));
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
        write!(formatter, "StopSignal {{ signal: {:?} }}", self.signal())
    }
}

impl Drop for StopListener {
    fn drop(&mut self) {
        self.stop.lock().listening.remove(&self.number);
    }
}
