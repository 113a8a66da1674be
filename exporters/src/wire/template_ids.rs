//! Template numbers: none has two meanings at the same time.

use std::collections::VecDeque;

use super::Resend;

/// First id of a data template (RFC 7011 section 3.4.1; RFC 3954 section 5.2).
pub(super) const FIRST_ID: u16 = 256;
/// Last id of a data template; those above are for options templates.
pub(super) const LAST_ID: u16 = 64_999;

/// Minimum time for which a receiver is assumed to remember a template that is not repeated: 30 minutes is usual.
const MIN_LIFETIME_NS: u64 = 1_800_000_000_000;
/// A receiver is assumed to remember a template for this many resend intervals (RFC 7011 section 8.4).
const LIFETIME_INTERVALS: u64 = 3;

/// The free ids, and those that will become free.
pub(super) struct TemplateIds {
    /// The next unused id; none: all have been used.
    fresh: Option<u16>,
    /// Ids that are no longer used, and the time from which they may be reused.
    resting: VecDeque<(u16, u64)>,
    /// How long an id waits before reuse; 0 where templates are withdrawn.
    rest_ns: u64,
}

impl TemplateIds {
    /// A transport on which templates are never repeated is reliable, and supports withdrawals.
    pub(super) fn new(resend: Resend) -> Self {
        let lifetime = MIN_LIFETIME_NS.max(resend.interval_ns.saturating_mul(LIFETIME_INTERVALS));
        Self::resting(if resend == Resend::NEVER { 0 } else { lifetime })
    }

    fn resting(rest_ns: u64) -> Self {
        Self { fresh: Some(FIRST_ID), resting: VecDeque::new(), rest_ns }
    }

    /// Whether unused templates are withdrawn (RFC 7011 section 8.1).
    pub(super) const fn are_withdrawn(&self) -> bool {
        self.rest_ns == 0
    }

    /// The id that has been free for longest; none: no id is free now.
    pub(super) fn take(&mut self, now_ns: u64) -> Option<u16> {
        if let Some(id) = self.fresh {
            self.fresh = (id < LAST_ID).then_some(id + 1);
            return Some(id);
        }
        self.resting.pop_front_if(|(_, from_ns)| *from_ns <= now_ns).map(|(id, _)| id)
    }

    /// Frees the id.
    pub(super) fn give_back(&mut self, id: u16, now_ns: u64) {
        self.resting.push_back((id, now_ns.saturating_add(self.rest_ns)));
    }

    /// Starts again for a new receiver, which knows no id.
    pub(super) fn restart(&mut self) {
        self.resting.iter_mut().for_each(|(_, from_ns)| *from_ns = 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_id_is_used_once_and_again_after_its_wait() {
        let mut ids = TemplateIds::resting(100);
        let all: Vec<_> = std::iter::from_fn(|| ids.take(0)).collect();
        assert!(all.into_iter().eq(FIRST_ID..=LAST_ID));
        ids.give_back(300, 50);
        ids.give_back(301, 60);
        assert_eq!([149, 150, 150, 160].map(|now| ids.take(now)), [None, Some(300), None, Some(301)]);
        ids.give_back(302, u64::MAX);
        assert_eq!(ids.take(0), None);
        ids.restart();
        assert_eq!(ids.take(0), Some(302));
    }

    #[test]
    fn ids_wait_where_templates_cannot_be_withdrawn() {
        let lifetime =
            |seconds: u64| TemplateIds::new(Resend { interval_ns: seconds * 1_000_000_000, messages: 9 }).rest_ns;
        assert_eq!([30, 3600].map(lifetime), [1800, 10_800].map(|s| s * 1_000_000_000));
        assert!(
            TemplateIds::new(Resend::NEVER).are_withdrawn() && !TemplateIds::new(Resend::default()).are_withdrawn()
        );
    }
}
