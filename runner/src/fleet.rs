//! The coordinator as the runner sees it: what is said to it, how long that may take, and what its answers mean.
//!
//! Who calls it and when is decided elsewhere: the shadow lane compares, the run loop claims.

pub(crate) mod backoff;
pub(crate) mod client;
pub(crate) mod failure;
pub(crate) mod health;
pub(crate) mod health_reporter;
pub(crate) mod lease;
pub(crate) mod routed;
pub(crate) mod thread;
pub(crate) mod wire;
