//! Reset the stub; export its state, and import it.

use std::sync::Arc;
use std::sync::mpsc::{RecvError, sync_channel};

use serde::Deserialize;
use thiserror::Error;

use super::Stub;
use crate::coordinator::saved_state::SavedState;
use crate::shared_stub::{ResetScope, SharedStub};

/// Why a state was not taken; nothing has changed then.
#[derive(Debug, Error)]
#[error("this is no state to go on from; take one that a stub exported")]
pub struct ImportError(#[source] Box<dyn std::error::Error + Send + Sync>);

impl Stub {
    /// Puts things back to what they were at the start; requests under way end without an answer.
    /// ```
    #[doc = include_str!("dry_run_example.txt")]
    /// use stub_coordinator::{ResetScope, Stub, StubConfig};
    ///
    /// let stub = Stub::start(StubConfig::default())?;
    /// dry_run(&stub)?;
    /// stub.reset(ResetScope::Journal);
    /// assert!(stub.journal().is_empty());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn reset(&self, scope: ResetScope) {
        // A server that is gone has nothing under way, and nobody who would see the difference.
        let _ = self.on_the_server(move |shared| shared.reset(scope));
        self.wait_until_listening_settled();
    }

    /// All state as one document: what `GET /_stub/state` gives. It holds tokens.
    /// ```
    /// use stub_coordinator::{NewJob, Stub, StubConfig};
    ///
    /// let jobs = vec![NewJob::named("tidy", "sh")];
    /// let first = Stub::start(StubConfig { jobs, ..StubConfig::default() })?;
    /// let second = Stub::start(StubConfig::default())?;
    /// second.import_state(&first.export_state())?;
    /// assert_eq!(second.digest(), first.digest());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn export_state(&self) -> serde_json::Value {
        serde_json::to_value(self.shared.save()).expect("a state has nothing in it that JSON lacks")
    }

    /// Goes on from a document that [`Stub::export_state`] gave; requests under way end without an answer. An error where
    /// the document is no state; nothing has changed then.
    pub fn import_state(&self, document: &serde_json::Value) -> Result<(), ImportError> {
        let saved = SavedState::deserialize(document).map_err(|error| ImportError(error.into()))?;
        match self.on_the_server(move |shared| shared.restore(saved)) {
            Ok(restored) => restored.map_err(|error| ImportError(error.into())),
            Err(gone) => Err(ImportError(gone.into())),
        }
    }

    /// Does something on the server's thread, where no handler is in the middle of anything.
    fn on_the_server<T: Send + 'static>(
        &self,
        act: impl FnOnce(&SharedStub) -> T + Send + 'static,
    ) -> Result<T, RecvError> {
        let shared = Arc::clone(&self.shared);
        let (tell, told) = sync_channel(1);
        self.runtime.spawn(async move {
            // Whoever asked waits for it, below.
            let _ = tell.send(act(&shared));
        });
        told.recv()
    }
}
