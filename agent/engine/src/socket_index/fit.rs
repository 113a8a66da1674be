//! Compares claims with the time of a flow.

use pidflow_schema::Protocol;

use super::FlowEnd;
use super::Role;
use super::claim::Claim;

/// The probes report repeated uses at most once in this time, nanoseconds.
pub(super) const REPEAT_NS: u64 = 1_000_000_000;
/// How long before its packet a send may be reported, nanoseconds.
pub(super) const BEFORE_NS: u64 = 5_000_000;
/// The greatest difference between the kernel's clock and the packets' clock, nanoseconds.
pub(super) const CLOCK_ERROR_NS: u64 = 200_000;
/// How long after the last packet a receive or close may be reported, nanoseconds.
pub(super) const AFTER_NS: u64 = 50_000_000;
/// How long after the last packet a first use may be reported if the sender was preempted in the call, nanoseconds.
const MAX_FIRST_USE_DELAY_NS: u64 = 1_000_000_000;
/// How long the kernel may continue a connection that its process closed, nanoseconds: FIN_WAIT2 and TIME_WAIT (60 s
/// each).
const LINGER_NS: u64 = 120_000_000_000;

/// How well a claim fits a flow's time, best last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Fit {
    /// It was closed before, and the kernel is still ending the connection.
    Lingers,
    /// It was held during the flow, by a snapshot or an earlier event.
    Covers,
    /// It was connected, accepted or closed during the flow.
    Touches,
    /// It was used within [`REPEAT_NS`] before the flow, so a use during the flow may be unreported.
    JustUsed,
    /// It was used during the flow.
    Used,
}

/// How a claim fits the time of a flow, and the time by which it does; none: it does not.
pub(super) fn fit(claim: &Claim, end: &FlowEnd) -> Option<(Fit, u64)> {
    let (from, to) = (end.first_ns.saturating_sub(BEFORE_NS), end.last_ns.saturating_add(AFTER_NS));
    if let Some(ended) = claim.ended_ns.filter(|t| t.saturating_add(CLOCK_ERROR_NS) < end.first_ns) {
        let lingers = end.protocol == Protocol::TCP && ended.saturating_add(LINGER_NS) >= from;
        return lingers.then_some((Fit::Lingers, ended));
    }
    let within = |t: &&u64| **t >= from && **t <= to;
    let outside = |t: &u64| t.abs_diff((*t).clamp(end.first_ns, end.last_ns));
    if let Some(&t) = claim.uses.iter().rev().filter(within).min_by_key(|t| outside(t)) {
        return Some((Fit::Used, t));
    }
    // A connect or accept counts as a use: what the process then sends is not reported again at once.
    let opened = (claim.role != Role::Unknown).then_some(claim.first_ns);
    let before = claim.uses.iter().rev().copied().chain(opened).find(|t| *t < from);
    if let Some(t) = before.filter(|t| t.saturating_add(REPEAT_NS + BEFORE_NS) >= from) {
        return Some((Fit::JustUsed, t));
    }
    if within(&&claim.first_ns) || claim.ended_ns.is_some_and(|t| t <= to) {
        return Some((Fit::Touches, claim.first_ns));
    }
    // A snapshot may have been taken after the flow began.
    let began = claim.first_ns <= to || claim.snapshot || is_born_for(claim, end);
    began.then_some((Fit::Covers, claim.first_ns))
}

/// Whether the claim's process existed when the flow began, and was first reported to use the socket during the flow or
/// up to a second after it. An owner last reported before that process started no longer holds the port.
pub(super) fn is_born_for(claim: &Claim, end: &FlowEnd) -> bool {
    let told = claim.first_ns <= end.last_ns.saturating_add(MAX_FIRST_USE_DELAY_NS) && claim.first_ns >= end.first_ns;
    end.protocol != Protocol::TCP && !claim.snapshot && claim.from_ns != 0 && claim.from_ns <= end.first_ns && told
}
