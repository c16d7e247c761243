//! The stages of a job, and which leads to which.

use serde::{Deserialize, Serialize};

/// Where a job stands. The order is the order of the work (C-8).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Stage {
    Queued,
    Building,
    Testing,
    Review,
    Shipped,
    Failed,
    Quarantined,
    /// Taken back by who submits jobs (C-12). No report leads here.
    Withdrawn,
}

impl Stage {
    pub(crate) const ALL: [Stage; 8] = [
        Stage::Queued,
        Stage::Building,
        Stage::Testing,
        Stage::Review,
        Stage::Shipped,
        Stage::Failed,
        Stage::Quarantined,
        Stage::Withdrawn,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Stage::Queued => "queued",
            Stage::Building => "building",
            Stage::Testing => "testing",
            Stage::Review => "review",
            Stage::Shipped => "shipped",
            Stage::Failed => "failed",
            Stage::Quarantined => "quarantined",
            Stage::Withdrawn => "withdrawn",
        }
    }

    pub(crate) fn parse(text: &str) -> Option<Stage> {
        Stage::ALL.into_iter().find(|stage| stage.name() == text)
    }

    pub(crate) fn is_final(self) -> bool {
        matches!(
            self,
            Stage::Shipped | Stage::Failed | Stage::Quarantined | Stage::Withdrawn
        )
    }

    /// Whether a report may name it: a job is withdrawn by who submitted it, never by who works on it.
    pub(crate) fn is_reported(self) -> bool {
        self != Stage::Withdrawn
    }

    /// Whether a report may lead from here to `next` (C-8): forward, over skipped stages too, never on from an end.
    pub(crate) fn leads_to(self, next: Stage) -> bool {
        !self.is_final() && next > self && next.is_reported()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn c8_stages_lead_forward_and_final_ones_nowhere() {
        assert!(Stage::Building.leads_to(Stage::Testing));
        assert!(Stage::Building.leads_to(Stage::Failed));
        assert!(Stage::Review.leads_to(Stage::Shipped));
        assert!(!Stage::Testing.leads_to(Stage::Building));
        assert!(!Stage::Building.leads_to(Stage::Queued));
        for last in [
            Stage::Shipped,
            Stage::Failed,
            Stage::Quarantined,
            Stage::Withdrawn,
        ] {
            for next in Stage::ALL {
                assert!(!last.leads_to(next), "{last:?} to {next:?}");
            }
        }
    }

    #[test]
    fn c12_no_report_leads_to_withdrawn() {
        for stage in Stage::ALL {
            assert!(!stage.leads_to(Stage::Withdrawn), "{stage:?}");
        }
    }

    #[test]
    fn every_stage_is_read_back_by_its_name() {
        for stage in Stage::ALL {
            assert_eq!(Stage::parse(stage.name()), Some(stage));
        }
    }
}
