//! The calls of a hand-over, so that the model can stand in for the network.

use std::time::Duration;

use crate::fleet::call_failure::CallFailure;
use crate::fleet::client::{CoordinatorClient, CoordinatorJob};
use crate::fleet::wire::WireJob;
use crate::ids::JobId;

pub(crate) trait HandoverCalls {
    async fn submit(&self, job: &WireJob, key: &str) -> Result<(), CallFailure>;

    async fn job(&self, id: &JobId) -> Result<CoordinatorJob, CallFailure>;

    async fn withdraw(&self, id: &JobId, key: &str) -> Result<(), CallFailure>;

    /// Between two tries.
    async fn wait(&self, time: Duration);
}

impl HandoverCalls for CoordinatorClient {
    async fn submit(&self, job: &WireJob, key: &str) -> Result<(), CallFailure> {
        CoordinatorClient::submit(self, job, key).await
    }

    async fn job(&self, id: &JobId) -> Result<CoordinatorJob, CallFailure> {
        CoordinatorClient::job(self, id).await
    }

    async fn withdraw(&self, id: &JobId, key: &str) -> Result<(), CallFailure> {
        CoordinatorClient::withdraw(self, id, key).await
    }

    async fn wait(&self, time: Duration) {
        tokio::time::sleep(time).await;
    }
}
