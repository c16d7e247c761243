//! `aq`: a durable queue of coding-agent jobs for one host, and its careful way into a fleet.

mod decide;
mod fleet;
mod ids;
mod mode;
mod settings;
mod shadow;
mod stage;

fn main() {}
