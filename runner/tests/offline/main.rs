//! The runner without a fleet, as its users see it: the binary, a queue folder, engines that are small scripts.

mod adding;
mod commands;
mod ending;
mod hand;
mod locks;
mod order;
mod rig;
mod running;
