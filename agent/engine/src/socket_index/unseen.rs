//! What lost events may have reported, and the doubt that follows for a claim.

use super::claim::Claim;
use super::fit::{AFTER_NS, BEFORE_NS, CLOCK_ERROR_NS, Fit};
use super::{FlowEnd, Role};
use crate::fact::Lost;
use crate::losses::Losses;

/// Periods in which events were lost.
#[derive(Debug, Default)]
pub(super) struct Unseen {
    anything: Losses,
    continuations: Losses,
}

impl Unseen {
    pub(super) fn note(&mut self, what: Lost, (from_ns, until_ns): (u64, u64)) {
        match what {
            Lost::Anything => self.anything.note(from_ns, until_ns),
            Lost::Continuation => self.continuations.note(from_ns, until_ns),
        }
    }

    /// Whether another process may have got a socket in this period without a report.
    pub(super) fn between(&self, from_ns: u64, until_ns: u64) -> bool {
        self.anything.between(from_ns, until_ns)
    }

    pub(super) fn expire(&mut self, before_ns: u64) {
        self.anything.expire(before_ns);
        self.continuations.expire(before_ns);
    }

    /// Whether the claim may be on the connection whose SYN the flow contains. A claim that began earlier is on a
    /// previous connection with the same tuple.
    pub(super) fn is_of_connection(&self, claim: &Claim, end: &FlowEnd) -> bool {
        if !end.began_with_syn || claim.first_ns.saturating_add(BEFORE_NS) >= end.first_ns {
            return true;
        }
        // Its connect may be reported earlier, if the caller was preempted before the SYN was sent, or the SYN is a
        // retransmission.
        let is_open = claim.ended_ns.is_none_or(|t| t >= end.first_ns);
        let is_unused = claim.uses.first().is_none_or(|t| t.saturating_add(BEFORE_NS) >= end.first_ns);
        claim.role == Role::Connects && is_open && is_unused && !self.between(claim.first_ns, end.first_ns)
    }

    /// Whether a lost event may have reported that the flow, or a part of it, is not the claim's: its socket was closed
    /// before, or opened after it, and another one had the address meanwhile. `is_shared`: several processes have
    /// claims, so that a lost report of a use may have been of another one.
    pub(super) fn is_doubtful(&self, (claim, fit): (&Claim, Fit), end: &FlowEnd, is_shared: bool) -> bool {
        let heard_ns = claim.seen_ns;
        if end.may_be_several && self.is_of_another_connection_too(claim, end) {
            return true;
        }
        let is_before = heard_ns.saturating_add(CLOCK_ERROR_NS) < end.first_ns;
        let is_after = claim.first_ns > end.last_ns.saturating_add(CLOCK_ERROR_NS) && !claim.snapshot;
        if is_before || (fit <= Fit::Covers && heard_ns < end.last_ns) {
            let is_used_unseen = is_shared && self.continuations.between(heard_ns, end.last_ns);
            return self.between(heard_ns, end.last_ns) || is_used_unseen;
        }
        is_after && self.between(end.first_ns, claim.first_ns)
    }

    /// Whether another connection may have begun the flow before the claim, or continued it after the claim's last
    /// report.
    fn is_of_another_connection_too(&self, claim: &Claim, end: &FlowEnd) -> bool {
        let begins_late = !claim.snapshot && claim.first_ns > end.first_ns.saturating_add(AFTER_NS);
        let ends_early = claim.seen_ns.saturating_add(AFTER_NS) < end.last_ns;
        (begins_late && self.between(end.first_ns, claim.first_ns))
            || (ends_early && self.between(claim.seen_ns, end.last_ns))
    }
}
