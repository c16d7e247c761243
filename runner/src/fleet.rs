//! The coordinator as the runner sees it: what is said to it, how long that may take, and what its answers mean.
//!
//! Who calls it and when is decided elsewhere: the shadow lane compares, the run loop claims.

pub(crate) mod background_thread;
pub(crate) mod backoff;
pub(crate) mod call_failure;
pub(crate) mod client;
pub(crate) mod coordinator_health;
pub(crate) mod health_reporter;
pub(crate) mod lease_time;
pub(crate) mod routed;
pub(crate) mod wire;
