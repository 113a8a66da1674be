//! The table's own time, which never goes back.
//!
//! Times of packets may go back or jump: a clock is set, a machine was suspended, a packet is stamped wrongly. The
//! table adds a *shift* to each packet's time, so that its own time goes on: the same shift as long as the packets'
//! clock is not set back, another one after. Few packets never decide: a stamp far off is a step only when the packets
//! that follow agree with it.

use super::{FlowTableConfig, PacketClock};

/// Packets in a row that must say so before the clock is taken for set back.
const VOTES_FOR_STEP_BACK: u32 = 8;
/// The same for a jump ahead. Fewer, because in sparse traffic a long gap is far more likely than a wrong stamp.
const VOTES_FOR_JUMP_AHEAD: u32 = 3;
/// Packets of several interfaces arrive out of order by up to so much, nanoseconds; less where the idle timeout is.
const MAX_DISORDER_NS: u64 = 10_000_000_000;
/// See [`MAX_DISORDER_NS`]: with an idle timeout shorter than this, nanoseconds.
const MIN_DISORDER_NS: u64 = 1_000_000_000;

/// The table's time before the first packet: far from all times of packets (the year 2262).
const NOT_BEGUN_NS: u64 = 1 << 63;

/// Turns times of packets into the table's time. Sums are modulo 2^64: a shift may stand for a negative number.
#[derive(Debug)]
pub(super) struct TableClock {
    now_ns: u64,
    /// How wide the span of usual times is, which begins the tolerance before `now_ns`: twice the tolerance. 0 while there
    /// is a doubt, so that each packet is looked at.
    usual_span_ns: u64,
    /// Table time = packet time + shift.
    shift: u64,
    /// The one before the last step: of packets that are late, or of a clock that is set to what it was before.
    previous_shift: u64,
    tolerance_ns: u64,
    doubt: DivergingTimes,
    caller: Caller,
    has_stepped_back: bool,
}

/// Packets whose times are far off, and agree with each other.
#[derive(Debug, Default)]
struct DivergingTimes {
    /// 0: there is no doubt.
    votes: u32,
    is_ahead: bool,
    /// Of the latest of these packets.
    time_ns: u64,
    /// Their shift.
    shift: u64,
}

/// The clock of who calls [`super::FlowTable::expire`]: it may be set before or after the packets show it, and lag behind.
#[derive(Debug, Default)]
struct Caller {
    shift: u64,
    until_ns: u64,
}

impl TableClock {
    pub(super) fn new(config: &FlowTableConfig) -> Self {
        let disorder_ns = config.idle_timeout_ns.unwrap_or(u64::MAX).clamp(MIN_DISORDER_NS, MAX_DISORDER_NS);
        let is_steady = config.packet_clock == PacketClock::Steady;
        // Without timeouts, time ends no flow, and one record may span any times.
        let tolerance_ns = if is_steady || config.is_whole_capture() { u64::MAX } else { disorder_ns };
        Self {
            now_ns: if is_steady { 0 } else { NOT_BEGUN_NS },
            usual_span_ns: tolerance_ns.saturating_mul(2),
            shift: 0,
            previous_shift: 0,
            tolerance_ns,
            doubt: DivergingTimes::default(),
            caller: Caller::default(),
            has_stepped_back: false,
        }
    }

    /// The table's time.
    pub(super) const fn now_ns(&self) -> u64 {
        self.now_ns
    }

    /// By how much packets may be out of order without their clock being another, nanoseconds.
    #[inline]
    pub(super) const fn tolerance_ns(&self) -> u64 {
        self.tolerance_ns
    }

    /// Takes note of a packet's time and gives its shift.
    #[inline]
    pub(super) fn follow(&mut self, time_ns: u64) -> u64 {
        let table_ns = time_ns.wrapping_add(self.shift);
        if table_ns.wrapping_sub(self.now_ns).wrapping_add(self.tolerance_ns) > self.usual_span_ns {
            return self.follow_far(time_ns);
        }
        self.now_ns = self.now_ns.max(table_ns);
        self.shift
    }

    #[cold]
    fn follow_far(&mut self, time_ns: u64) -> u64 {
        if self.now_ns == NOT_BEGUN_NS {
            self.now_ns = time_ns;
            return self.shift;
        }
        if self.is_near(time_ns, self.shift) {
            self.set_votes(self.doubt.votes.saturating_sub(1));
        } else if self.is_near(time_ns, self.previous_shift) {
            self.step_to(self.previous_shift);
        } else {
            return self.doubt(time_ns);
        }
        self.now_ns = self.now_ns.max(time_ns.wrapping_add(self.shift));
        self.shift
    }

    /// A packet far off. Until the doubt is over, one behind is taken for as recent as the packets before it.
    fn doubt(&mut self, time_ns: u64) -> u64 {
        let is_ahead = self.ahead(time_ns, self.shift) > 0;
        let DivergingTimes { votes, is_ahead: was_ahead, time_ns: before_ns, .. } = self.doubt;
        if votes > 0 && was_ahead == is_ahead && time_ns.saturating_add(self.tolerance_ns) >= before_ns {
            self.doubt.time_ns = time_ns;
            self.set_votes(votes + 1);
        } else {
            let shift = if is_ahead { self.shift } else { self.now_ns.wrapping_sub(time_ns) };
            self.doubt = DivergingTimes { is_ahead, time_ns, shift, ..self.doubt };
            self.set_votes(1);
        }
        let shift = self.doubt.shift;
        let needed = if is_ahead { VOTES_FOR_JUMP_AHEAD } else { VOTES_FOR_STEP_BACK };
        if self.doubt.votes >= needed {
            self.step_to(shift);
            self.now_ns = self.now_ns.max(time_ns.wrapping_add(shift));
        }
        shift
    }

    fn set_votes(&mut self, votes: u32) {
        self.doubt.votes = votes;
        self.usual_span_ns = if votes == 0 { self.tolerance_ns.saturating_mul(2) } else { 0 };
    }

    fn step_to(&mut self, shift: u64) {
        self.set_votes(0);
        if shift != self.shift {
            self.previous_shift = std::mem::replace(&mut self.shift, shift);
            self.has_stepped_back = true;
        }
    }

    /// The table time before which no packet is to come, where the caller says that none before `now_ns` is.
    pub(super) fn until(&mut self, now_ns: u64) -> u64 {
        if self.now_ns != NOT_BEGUN_NS {
            self.caller.until_ns = self.callers_time(now_ns);
            self.now_ns = self.now_ns.max(self.caller.until_ns);
        }
        self.caller.until_ns
    }

    fn callers_time(&mut self, now_ns: u64) -> u64 {
        for shift in [self.shift, self.previous_shift] {
            if self.is_near(now_ns, shift) {
                self.caller.shift = shift;
                return now_ns.wrapping_add(shift);
            }
        }
        let Caller { shift, until_ns } = self.caller;
        let told_ns = now_ns.wrapping_add(shift);
        let step = told_ns.wrapping_sub(until_ns).cast_signed();
        if step < 0 && step.unsigned_abs() > self.tolerance_ns {
            // Its clock was set back: its time goes on from here.
            self.caller.shift = until_ns.wrapping_sub(now_ns);
            return until_ns;
        }
        // Nobody but a clock knows a time later than all packets'; one that is not later may come from a wrong stamp.
        let is_of_packet = self.doubt.votes > 0 && self.doubt.is_ahead && now_ns <= self.doubt.time_ns;
        if is_of_packet && told_ns > self.now_ns { self.now_ns } else { told_ns }
    }

    /// The table's time at the end: what the last packets say counts, though too few follow that could confirm it.
    pub(super) fn last_ns(&self) -> u64 {
        let DivergingTimes { votes, is_ahead, time_ns, shift } = self.doubt;
        if votes > 0 && is_ahead { self.now_ns.max(time_ns.wrapping_add(shift)) } else { self.now_ns }
    }

    /// Whether it is open if a time (of the table) is one to come or the next packets will confirm it.
    pub(super) fn may_confirm(&self, table_ns: u64) -> bool {
        let DivergingTimes { votes, is_ahead, time_ns, shift } = self.doubt;
        votes > 0 && is_ahead && time_ns.wrapping_add(shift).abs_diff(table_ns) <= self.tolerance_ns
    }

    /// The packets' own time now, once after their clock was set.
    pub(super) fn take_step_back(&mut self) -> Option<u64> {
        std::mem::take(&mut self.has_stepped_back).then(|| self.now_ns.wrapping_sub(self.shift))
    }

    #[inline]
    const fn ahead(&self, time_ns: u64, shift: u64) -> i64 {
        time_ns.wrapping_add(shift).wrapping_sub(self.now_ns).cast_signed()
    }

    #[inline]
    const fn is_near(&self, time_ns: u64, shift: u64) -> bool {
        self.ahead(time_ns, shift).unsigned_abs() <= self.tolerance_ns
    }
}
