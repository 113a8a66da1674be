//! Ends flows by timeouts.

use pidflow_schema::record::{Flow, FlowEndDetail, FlowEndReason};

use super::FlowTable;
use super::state::State;

/// The greatest number of records that one call of [`FlowTable::expire`] returns, approximately.
const MAX_EXPIRED_RECORDS: usize = 8192;

impl FlowTable {
    /// Appends the records of all flows that have ended by `now_ns`, at most some thousands per call. True: there are
    /// more.
    ///
    /// `now_ns` is the time, on the packets' clock, before which no packet will arrive. It may go back, earlier or
    /// later than the packets' times do; the table's time then continues from where it was. It may be the time of the
    /// last packet; if that is far ahead of the others, it ends no flow until other packets confirm it.
    pub fn expire(&mut self, now_ns: u64, out: &mut Vec<Flow>) -> bool {
        let until_ns = self.clock.until(now_ns);
        if let Some(own_ns) = self.clock.take_step_back() {
            self.changes.forget_after(own_ns.saturating_add(self.clock.tolerance_ns()));
        }
        self.release_late_fragments(out);
        self.translations.expire(now_ns);
        let limit = out.len() + MAX_EXPIRED_RECORDS;
        self.expire_closing(until_ns, limit, out);
        self.expire_idle(State::Unanswered, until_ns, limit, out);
        self.expire_idle(State::Open, until_ns, limit, out);
        self.expire_old(until_ns, limit, out);
        self.return_memory();
        out.len() >= limit
    }

    fn expire_closing(&mut self, until_ns: u64, limit: usize, out: &mut Vec<Flow>) {
        let mut corrections = self.slab.len();
        while let Some(slot) = self.lists.first(State::Finished).filter(|_| out.len() < limit) {
            let entry = self.slab.get(slot);
            if is_ahead(entry.listed_ns, self.clock.now_ns()) {
                if !take_one(&mut corrections) {
                    break;
                }
                self.correct_listing(slot);
            } else if age(until_ns, entry.listed_ns) < self.config.linger_ns {
                break;
            } else {
                self.end(slot, FlowEndReason::EndOfFlow, entry.state.detail(), out);
            }
        }
    }

    fn expire_idle(&mut self, state: State, until_ns: u64, limit: usize, out: &mut Vec<Flow>) {
        let Some(idle_ns) = self.config.idle_timeout_ns else { return };
        let mut corrections = self.slab.len();
        while let Some(slot) = self.lists.first(state).filter(|_| out.len() < limit) {
            let seen_ns = self.slab.get(slot).seen_ns();
            if is_ahead(seen_ns, self.clock.now_ns()) {
                if !take_one(&mut corrections) {
                    break;
                }
                self.correct_shift(slot);
                self.relist(slot);
            } else if age(until_ns, seen_ns) < idle_ns {
                break;
            } else {
                self.end(slot, FlowEndReason::IdleTimeout, FlowEndDetail::None, out);
            }
        }
    }

    fn expire_old(&mut self, until_ns: u64, limit: usize, out: &mut Vec<Flow>) {
        let Some(active_ns) = self.config.active_timeout_ns else { return };
        let mut corrections = self.slab.len();
        while let Some(slot) = self.by_age.first().filter(|_| out.len() < limit) {
            let entry = self.slab.get(slot);
            let (from_ns, shift) = (entry.record_from_ns(), entry.shift);
            if is_ahead(from_ns, self.clock.now_ns()) {
                if !take_one(&mut corrections) {
                    break;
                }
                self.correct_shift(slot);
                self.by_age.remove(&mut self.slab, slot);
                self.by_age.push(&mut self.slab, slot);
            } else if age(until_ns, from_ns) < active_ns {
                break;
            } else {
                self.record(slot, FlowEndReason::ActiveTimeout, FlowEndDetail::None, out);
                self.begin_record(slot, until_ns.wrapping_sub(shift));
            }
        }
    }

    /// Corrects a flow whose packet had a time in the future that later packets did not confirm: it counts as arrived
    /// now. Nothing is changed while others may still confirm it.
    fn correct_shift(&mut self, slot: u32) {
        let entry = self.slab.get_mut(slot);
        if self.clock.may_confirm(entry.seen_ns()) {
            return;
        }
        // A record without packets yet began after the last packet.
        entry.shift = self.clock.shift_of_wrong_stamp(entry.last_ns.max(entry.first_ns));
    }

    /// The same for a closing flow, which would otherwise delay those that closed after it.
    fn correct_listing(&mut self, slot: u32) {
        self.slab.get_mut(slot).listed_ns = self.clock.now_ns();
        self.lists.remove(&mut self.slab, slot);
        self.lists.push(&mut self.slab, slot);
    }
}

/// Whether a time is later than `now_ns`. The table's times are modulo 2^64: in a capture that begins near 1970, times
/// before the first packet are very large numbers.
const fn is_ahead(time_ns: u64, now_ns: u64) -> bool {
    time_ns.wrapping_sub(now_ns).cast_signed() > 0
}

/// Each flow is corrected at most once per call, so that a call always ends.
const fn take_one(corrections: &mut usize) -> bool {
    let has_one = *corrections > 0;
    *corrections = corrections.saturating_sub(1);
    has_one
}

/// How long before `until_ns` this time was; 0 if it was later.
const fn age(until_ns: u64, since_ns: u64) -> u64 {
    if is_ahead(since_ns, until_ns) { 0 } else { until_ns.wrapping_sub(since_ns) }
}
