//! The last word on a lease that is long on its way: nothing new is asked for until it is answered or given up for now,
//! so a person is told what is waited for.

use std::time::{Duration, Instant};

/// What takes less is no matter.
const PATIENCE: Duration = Duration::from_secs(5);

/// One stretch of waiting at a time, and one word about it.
#[derive(Debug, Default)]
pub(super) struct DeliveryNotice {
    since: Option<Instant>,
    told: bool,
}

impl DeliveryNotice {
    /// True: to be told now. `waits`: something is on its way.
    pub(super) fn is_due(&mut self, waits: bool, now: Instant) -> bool {
        if !waits {
            *self = DeliveryNotice::default();
            return false;
        }
        let since = *self.since.get_or_insert(now);
        now >= since + PATIENCE && !std::mem::replace(&mut self.told, true)
    }

    pub(super) fn next_instant(&self) -> Option<Instant> {
        self.since.filter(|_| !self.told).map(|since| since + PATIENCE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_long_on_its_way_is_told_once_each_time() {
        let start = Instant::now();
        let late = start + PATIENCE;
        let mut delivery_notice = DeliveryNotice::default();
        assert!(!delivery_notice.is_due(false, start) && delivery_notice.next_instant().is_none());
        assert!(!delivery_notice.is_due(true, start));
        assert_eq!(delivery_notice.next_instant(), Some(late));
        assert!(delivery_notice.is_due(true, late) && !delivery_notice.is_due(true, late));
        assert_eq!(delivery_notice.next_instant(), None);
        assert!(!delivery_notice.is_due(false, late) && !delivery_notice.is_due(true, late));
        assert!(delivery_notice.is_due(true, late + PATIENCE));
    }
}
