//! The command of a supervisor with all that it starts: how its end is noticed, and how everything below it is ended.
//! Linux gives a supervisor what it needs for a proof that nothing survived. Elsewhere processes are found by their
//! parents, groups, sessions and a mark in their environment.

#[cfg(any(portable, not(target_os = "linux")))]
mod marked_tree;
#[cfg(all(target_os = "linux", not(portable)))]
mod subreaper_tree;

#[cfg(any(portable, not(target_os = "linux")))]
pub(super) use marked_tree::MarkedTree as ProcessTree;
#[cfg(all(target_os = "linux", not(portable)))]
pub(super) use subreaper_tree::SubreaperTree as ProcessTree;
