//! The sequence numbers of one direction that were skipped.

use super::sequence::{ahead, earlier, later};

/// The greatest number of gaps of one direction. A further one replaces the oldest, which counts as never filled.
const MAX_GAPS: usize = 64;

/// Sequence numbers that were skipped.
#[derive(Debug, Clone, Copy)]
struct Gap {
    start: u32,
    end: u32,
    since_us: u32,
    is_acknowledged: bool,
}

impl Gap {
    fn bytes(&self) -> u64 {
        self.end.wrapping_sub(self.start).into()
    }
}

/// Bytes that were never seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Unseen {
    /// As far as was seen, nobody got them.
    pub(super) lost: u64,
    /// The other end acknowledged them.
    pub(super) uncaptured: u64,
}

impl Unseen {
    fn add(&mut self, gap: &Gap) {
        let sum = if gap.is_acknowledged { &mut self.uncaptured } else { &mut self.lost };
        *sum += gap.bytes();
    }
}

/// All gaps of one direction, in the order in which they were found.
#[derive(Debug, Default)]
pub(super) struct Gaps(Vec<Gap>);

impl Gaps {
    pub(super) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds the numbers from `start` to before `end`.
    pub(super) fn open(&mut self, (start, end): (u32, u32), since_us: u32, unseen: &mut Unseen) {
        if self.0.len() >= MAX_GAPS {
            unseen.add(&self.0.remove(0));
        }
        self.0.push(Gap { start, end, since_us, is_acknowledged: false });
    }

    /// The numbers from `start` to before `end` were seen. Returns since when the first gap that they fill was there; none: they
    /// fill no gap.
    pub(super) fn fill(&mut self, (start, end): (u32, u32)) -> Option<u32> {
        let mut since_us = None;
        for at in (0..self.0.len()).rev() {
            let Some(gap) = self.0.get(at).copied() else { continue };
            let (from, to) = (later(gap.start, start), earlier(gap.end, end));
            if ahead(to, from) > 0 {
                since_us = Some(gap.since_us);
                self.0.remove(at);
                let rest = [Gap { end: from, ..gap }, Gap { start: to, ..gap }];
                self.0.splice(at..at, rest.into_iter().filter(|gap| gap.start != gap.end));
            }
        }
        self.0.truncate(MAX_GAPS);
        since_us
    }

    /// The other end acknowledged everything before `number`.
    pub(super) fn acknowledge(&mut self, number: u32) {
        let acknowledged = |gap: &&mut Gap| ahead(number, gap.end) >= 0;
        self.0.iter_mut().filter(acknowledged).for_each(|gap| gap.is_acknowledged = true);
    }

    /// Removes and sums the gaps that are acknowledged, and those that have been there since before `before_us`.
    pub(super) fn give_up(&mut self, before_us: u32) -> Unseen {
        self.take(|gap| gap.is_acknowledged || ahead(before_us, gap.since_us) > 0)
    }

    /// Removes and sums all gaps.
    pub(super) fn close(&mut self) -> Unseen {
        self.take(|_| true)
    }

    fn take(&mut self, is_over: impl Fn(&Gap) -> bool) -> Unseen {
        let mut unseen = Unseen::default();
        self.0.retain(|gap| {
            let over = is_over(gap);
            if over {
                unseen.add(gap);
            }
            !over
        });
        unseen
    }

    /// The clock was set: they are as old as `now_us`.
    pub(super) fn set_clock(&mut self, now_us: u32) {
        self.0.iter_mut().for_each(|gap| gap.since_us = now_us);
    }

    /// Memory, bytes.
    pub(super) const fn kept_bytes(&self) -> usize {
        self.0.capacity() * size_of::<Gap>()
    }
}
