//! The flow table's time, which never goes back.
//!
//! Times of packets may go back or jump: a clock is set, a machine was suspended, a packet has a wrong timestamp. The
//! table adds a *shift* to each packet's time so that its own time is monotonic. The shift changes when the packets'
//! clock is set back. A single wrong timestamp does not count as a step: later packets must agree with it. If packets of
//! several clocks mix, as in a capture of two hosts, each clock keeps its own shift.

use super::{FlowTableConfig, PacketClock};

/// Number of consecutive packets that must agree before the clock counts as set back.
const VOTES_FOR_STEP_BACK: u32 = 8;
/// The same for a jump ahead. It is smaller, because in sparse traffic a long gap is far more likely than a wrong
/// timestamp.
const VOTES_FOR_JUMP_AHEAD: u32 = 3;
/// Maximum by which packets of several interfaces may be out of order, nanoseconds. It is less if the idle timeout is.
const MAX_DISORDER_NS: u64 = 10_000_000_000;
/// The same with an idle timeout shorter than this, nanoseconds.
const MIN_DISORDER_NS: u64 = 1_000_000_000;

/// How many clocks' shifts are known beside the current one.
const OTHER_CLOCKS: usize = 3;

/// The table's time before the first packet: far from all times of packets (the year 2262).
const NOT_BEGUN_NS: u64 = 1 << 63;

/// Converts times of packets to the table's time. Sums are modulo 2^64, so a shift may represent a negative number.
#[derive(Debug)]
pub(super) struct TableClock {
    now_ns: u64,
    /// Width of the range of usual times, which begins `tolerance_ns` before `now_ns`: twice the tolerance. 0 while
    /// there are diverging times, so that every packet is checked.
    usual_span_ns: u64,
    /// Table time = packet time + shift.
    shift: u64,
    /// The shifts before the last steps, the latest first: for late packets, for a clock that is set to what it was before,
    /// and for other clocks beside the current one.
    other_shifts: [u64; OTHER_CLOCKS],
    tolerance_ns: u64,
    doubt: DivergingTimes,
    /// The shifts of earlier diverging times, the latest first. Later packets that agree with one of them are of another clock.
    doubted_shifts: [u64; OTHER_CLOCKS],
    caller: Caller,
    has_stepped_back: bool,
}

/// Consecutive packets whose times are far off and agree with each other.
#[derive(Debug, Default)]
struct DivergingTimes {
    /// Number of these packets; 0: there are none.
    votes: u32,
    is_ahead: bool,
    /// Time of the latest of these packets.
    time_ns: u64,
    /// Their shift. It is kept after `votes` has returned to 0.
    shift: u64,
}

/// The clock of the caller of [`super::FlowTable::expire`]. It may be set earlier or later than the packets show, and
/// may lag behind them.
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
            other_shifts: [0; OTHER_CLOCKS],
            tolerance_ns,
            doubt: DivergingTimes::default(),
            doubted_shifts: [0; OTHER_CLOCKS],
            caller: Caller::default(),
            has_stepped_back: false,
        }
    }

    /// The table's time.
    pub(super) const fn now_ns(&self) -> u64 {
        self.now_ns
    }

    /// By how much packets of one clock may be out of order, nanoseconds.
    #[inline]
    pub(super) const fn tolerance_ns(&self) -> u64 {
        self.tolerance_ns
    }

    /// Takes a packet's time into account, and returns its shift.
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
            self.contradict();
        } else if let Some(shift) = self.known_shifts().find(|shift| self.is_near(time_ns, *shift)) {
            self.contradict();
            self.step_to(shift);
        } else {
            return self.doubt(time_ns);
        }
        self.now_ns = self.now_ns.max(time_ns.wrapping_add(self.shift));
        self.shift
    }

    /// Handles a time that is far off. Until other packets confirm it, a packet with a time in the past is treated as if it had the
    /// table's current time.
    fn doubt(&mut self, time_ns: u64) -> u64 {
        let is_ahead = self.ahead(time_ns, self.shift) > 0;
        let DivergingTimes { votes, is_ahead: was_ahead, time_ns: before_ns, .. } = self.doubt;
        if votes > 0 && was_ahead == is_ahead && time_ns.saturating_add(self.tolerance_ns) >= before_ns {
            self.doubt.time_ns = time_ns;
            self.set_votes(votes + 1);
        } else {
            let contradicted = self.contradicted_shift();
            let shift = if is_ahead { self.shift } else { self.now_ns.wrapping_sub(time_ns) };
            self.doubted_shifts.rotate_right(1);
            let [latest, ..] = &mut self.doubted_shifts;
            *latest = contradicted;
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

    /// Takes back one vote, because a packet of a known clock followed packets whose times were far off.
    fn contradict(&mut self) {
        self.doubt.shift = self.contradicted_shift();
        self.set_votes(self.doubt.votes.saturating_sub(1));
    }

    /// The shift of diverging packets that others contradict. If their times were ahead, the clock did not jump: they are of
    /// another clock, and the latest of them corresponds to the table's current time.
    fn contradicted_shift(&self) -> u64 {
        let DivergingTimes { votes, is_ahead, time_ns, shift } = self.doubt;
        if votes > 0 && is_ahead { self.now_ns.wrapping_sub(time_ns) } else { shift }
    }

    /// The shifts of other clocks, the most likely first.
    fn known_shifts(&self) -> impl Iterator<Item = u64> + use<> {
        let doubted = (self.doubt.votes == 0).then_some(self.doubt.shift);
        self.other_shifts.into_iter().chain(doubted).chain(self.doubted_shifts)
    }

    /// The shift of a packet whose timestamp is in the future although it has already arrived.
    pub(super) fn shift_of_wrong_stamp(&self, time_ns: u64) -> u64 {
        let known = self.known_shifts().find(|shift| self.is_near(time_ns, *shift));
        known.unwrap_or_else(|| self.now_ns.wrapping_sub(time_ns))
    }

    fn set_votes(&mut self, votes: u32) {
        self.doubt.votes = votes;
        self.usual_span_ns = if votes == 0 { self.tolerance_ns.saturating_mul(2) } else { 0 };
    }

    fn step_to(&mut self, shift: u64) {
        self.set_votes(0);
        if shift == self.shift {
            return;
        }
        self.has_stepped_back = true;
        let mut before = std::mem::replace(&mut self.shift, shift);
        for other in &mut self.other_shifts {
            std::mem::swap(other, &mut before);
            if before == shift {
                break;
            }
        }
    }

    /// The table time before which no packet will arrive, given the caller's time before which none will.
    pub(super) fn until(&mut self, now_ns: u64) -> u64 {
        if self.now_ns != NOT_BEGUN_NS {
            self.caller.until_ns = self.callers_time(now_ns);
            self.now_ns = self.now_ns.max(self.caller.until_ns);
        }
        self.caller.until_ns
    }

    fn callers_time(&mut self, now_ns: u64) -> u64 {
        for shift in std::iter::once(self.shift).chain(self.other_shifts) {
            if self.is_near(now_ns, shift) {
                self.caller.shift = shift;
                return now_ns.wrapping_add(shift);
            }
        }
        let Caller { shift, until_ns } = self.caller;
        let told_ns = now_ns.wrapping_add(shift);
        let step = told_ns.wrapping_sub(until_ns).cast_signed();
        if step < 0 && step.unsigned_abs() > self.tolerance_ns {
            // The caller's clock was set back: its time continues from here.
            self.caller.shift = until_ns.wrapping_sub(now_ns);
            return until_ns;
        }
        // A time later than all packets must come from a clock; one that is not later may come from a wrong timestamp.
        let is_of_packet = self.doubt.votes > 0 && now_ns <= self.doubt.time_ns;
        let may_be_ahead_ns = if self.doubt.is_ahead { 0 } else { self.tolerance_ns };
        if is_of_packet && told_ns > self.now_ns.saturating_add(may_be_ahead_ns) { self.now_ns } else { told_ns }
    }

    /// The table's time at the end. The last packets count even without others that confirm them.
    pub(super) fn last_ns(&self) -> u64 {
        let DivergingTimes { votes, is_ahead, time_ns, shift } = self.doubt;
        if votes > 0 && is_ahead { self.now_ns.max(time_ns.wrapping_add(shift)) } else { self.now_ns }
    }

    /// Whether the next packets may still confirm this table time, which is ahead of all others.
    pub(super) fn may_confirm(&self, table_ns: u64) -> bool {
        let DivergingTimes { votes, is_ahead, time_ns, shift } = self.doubt;
        votes > 0 && is_ahead && time_ns.wrapping_add(shift).abs_diff(table_ns) <= self.tolerance_ns
    }

    /// The current time by the packets' own clock, returned once after each step of that clock.
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
