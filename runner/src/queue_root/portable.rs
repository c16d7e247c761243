//! Opens a path one folder after the other, each without following a link.

use rustix::fs::OFlags;

pub(super) use super::open_stepwise as open_below;

/// A folder that other calls start from.
pub(super) const FOLDER: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY);
