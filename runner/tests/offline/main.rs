//! The runner as its users see it: the binary, a queue folder, engines that are small scripts.

mod adding;
mod commands;
mod coordinator;
mod doctoring;
mod ending;
mod folder;
mod gate;
mod hand;
mod locks;
mod lost;
mod making;
mod order;
mod pausing;
mod printing;
mod pruning;
mod rig;
mod routed;
mod running;
mod shadow;
mod signals;
mod spare;
mod telling;
mod tls;
mod watching;
mod wishes;
mod writing;
