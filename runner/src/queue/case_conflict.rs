//! Two ids that differ by case alone, where the file system can't tell their files apart.

use std::fmt::{self, Display, Formatter};

use crate::ids::JobId;
use crate::stage::Stage;

/// A job that is in the way of another, whose id differs from its own by case alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CaseConflict {
    pub(crate) other: JobId,
    pub(crate) stage: Stage,
}

impl Display for CaseConflict {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "a job `{}` is in {}, and this file system takes names that differ by case alone for one",
            self.other, self.stage
        )
    }
}

pub(super) fn differ_by_case(one: &JobId, other: &JobId) -> bool {
    one != other && one.as_str().eq_ignore_ascii_case(other.as_str())
}
