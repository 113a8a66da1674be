//! Periods in which events were lost.

use std::collections::VecDeque;

/// The greatest number of periods kept. Beyond it, the oldest two are merged.
const MAX_SPANS: usize = 256;

/// Periods (from, until), in the order in which they were reported.
#[derive(Debug, Default)]
pub(crate) struct Losses {
    spans: VecDeque<(u64, u64)>,
}

impl Losses {
    pub(crate) fn note(&mut self, from_ns: u64, until_ns: u64) {
        if let Some((_, last)) = self.spans.back_mut().filter(|(from, last)| *from <= from_ns && from_ns <= *last) {
            *last = until_ns.max(*last);
            return;
        }
        self.spans.push_back((from_ns, until_ns.max(from_ns)));
        if self.spans.len() > MAX_SPANS
            && let (Some(a), Some(b)) = (self.spans.pop_front(), self.spans.front_mut())
        {
            *b = (a.0.min(b.0), a.1.max(b.1));
        }
    }

    /// Whether events of this period were lost.
    pub(crate) fn between(&self, from_ns: u64, until_ns: u64) -> bool {
        self.spans.iter().any(|(from, last)| *from <= until_ns && from_ns <= *last)
    }

    pub(crate) fn expire(&mut self, before_ns: u64) {
        self.spans.retain(|(_, last)| *last >= before_ns);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_kept_and_never_too_many() {
        let mut losses = Losses::default();
        (0..1000).for_each(|n| losses.note(n * 10, n * 10 + 5));
        assert_eq!(losses.spans.len(), MAX_SPANS);
        assert!(losses.between(7, 8), "the oldest are one");
        assert!(!losses.between(9_986, 9_989) && losses.between(9_986, 9_990));
        losses.note(9_995, 20_000);
        losses.expire(15_000);
        assert_eq!(losses.spans, [(9_990, 20_000)]);
    }
}
