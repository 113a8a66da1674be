//! The claims that fit an end, and the choice between them.

use std::cmp::Reverse;

use pidflow_schema::{Attribution, Protocol};

use super::claim::Claim;
use super::fit::{AFTER_NS, BEFORE_NS, CLOCK_ERROR_NS, Fit, REPEAT_NS, fit, is_born_for};
use super::flow_end::{Found, NotFound};
use super::unseen::Unseen;
use super::{FlowEnd, Role, kernel};
use crate::fact::ProcessId;

/// A claim that fits.
struct Fitting<'a> {
    fit: Fit,
    /// Distance of the time by which it fits from the flow's time, nanoseconds; 0: within it.
    distance: u64,
    time: u64,
    claim: &'a Claim,
}

/// The claims that fit, best first.
pub(super) struct Ranking<'a> {
    claims: Vec<Fitting<'a>>,
    /// Those that would fit if no events had been lost. They prove nothing, but another process's claim does not prove
    /// more where both may be right.
    doubtful: Vec<Fitting<'a>>,
}

/// The attributions of a table's results, and whether its claims contain the other end.
pub(super) struct Table {
    event: Attribution,
    snapshot: Attribution,
    exact: bool,
}

pub(super) const BY_TUPLE: Table =
    Table { event: Attribution::SocketEvent, snapshot: Attribution::SnapshotTuple, exact: true };
pub(super) const BY_PORT: Table =
    Table { event: Attribution::LocalPortEvent, snapshot: Attribution::SnapshotPort, exact: false };

impl<'a> Ranking<'a> {
    pub(super) fn of(claims: impl Iterator<Item = &'a Claim>, end: &FlowEnd, unseen: &Unseen) -> Self {
        let fitting = |claim: &'a Claim| {
            let (fit, time) = fit(claim, end).filter(|_| unseen.is_of_connection(claim, end))?;
            let distance = time.abs_diff(time.clamp(end.first_ns, end.last_ns));
            Some(Fitting { fit, distance, time, claim }).filter(|f| !f.claim.is_raw || speaks(f.fit, end))
        };
        let mut claims: Vec<_> = claims.filter_map(fitting).collect();
        if end.protocol == Protocol::TCP && claims.len() > 1 {
            drop_predecessors(&mut claims, end);
        }
        let is_shared = claims.iter().any(|f| claims.first().is_some_and(|one| one.claim.process != f.claim.process));
        let is_doubtful = |f: &Fitting<'_>| unseen.is_doubtful((f.claim, f.fit), end, is_shared);
        let (doubtful, mut claims): (Vec<_>, Vec<_>) = claims.into_iter().partition(is_doubtful);
        let late: Vec<&Claim> = claims.iter().map(|f| f.claim).filter(|c| is_born_for(c, end)).collect();
        claims.retain(|f| !late.iter().any(|new| has_replaced(new, f.claim)));
        claims.sort_by_key(|f| (Reverse(f.fit), f.distance, Reverse(f.time)));
        Self { claims, doubtful }
    }

    /// The process whose claim fits best.
    pub(super) fn best(&self) -> Option<ProcessId> {
        self.claims.first().map(|f| f.claim.process)
    }

    /// Whether no claim fits or might fit.
    pub(super) const fn is_empty(&self) -> bool {
        self.claims.is_empty() && self.doubtful.is_empty()
    }

    /// The latest user of a connected socket is the result. If two sockets may belong to the flow (only a local port is
    /// known, datagrams, raw sockets, several namespaces), two users at the same time cannot be distinguished, but
    /// successive ones can.
    pub(super) fn decide(&self, table: &Table, end: &FlowEnd) -> Option<Result<Found, NotFound>> {
        let Some(best) = self.claims.first() else {
            return self.doubtful.first().map(|f| Err(NotFound::lost(f.claim.process)));
        };
        let first = best.claim;
        let others = || self.claims.iter().filter(|f| f.claim.process != first.process);
        let is_same = |f: &Fitting<'_>| {
            let is_one = f.claim.socket == first.socket;
            table.exact && !first.is_raw && (is_one || (end.protocol == Protocol::TCP && !f.claim.is_beside(first)))
        };
        let is_apart = |c: &Claim| is_elsewhere(c, first) || is_another_connection(c, first, end);
        let is_rival = |f: &Fitting<'_>| match is_apart(f.claim) {
            true => f.fit >= Fit::Touches || f.fit == best.fit,
            false => !is_same(f) && is_rival(best, f, end),
        };
        let doubtful = self.doubtful.iter().filter(|f| f.claim.process != first.process);
        if others().chain(doubtful).any(is_rival) {
            return Some(Err(NotFound::ambiguous(Some(first.process))));
        }
        let other = others().map(|f| f.claim).find(|c| c.overlaps(first)).map(|c| c.process);
        let attribution = if first.snapshot { table.snapshot } else { table.event };
        let role = if first.role == Role::Unknown { self.role_of_socket(first) } else { first.role };
        let (process, netns) = (first.process, first.netns);
        Some(Ok(Found { process, attribution, role, netns, other, translated_from: None }))
    }

    /// The side is determined by the process that called connect or accept, even if another process has the socket now.
    fn role_of_socket(&self, of: &Claim) -> Role {
        let same = self.claims.iter().map(|f| f.claim).filter(|c| c.socket == of.socket && c.overlaps(of));
        same.map(|c| c.role).find(|r| *r != Role::Unknown).unwrap_or(Role::Unknown)
    }

    /// Whether the best bound socket took the port over from the best connected one of another process: it appeared
    /// with this flow, after the last report of the connected one.
    pub(super) fn succeeds(&self, connected: &Ranking<'_>, end: &FlowEnd) -> Option<ClosureCertainty> {
        let (new, old) = (self.claims.first()?, connected.claims.first()?);
        let came = new.claim.first_ns.abs_diff(end.first_ns) <= AFTER_NS && old.claim.seen_ns < new.claim.first_ns;
        let is_newcomer = new.claim.process != old.claim.process && new.fit == Fit::Used && came;
        let in_the_way = is_newcomer && new.claim.is_in_the_way_of(old.claim);
        in_the_way.then_some(if old.fit <= Fit::Covers {
            ClosureCertainty::Certain
        } else {
            ClosureCertainty::Possible
        })
    }
}

/// How certain it is that a socket was closed without a report.
pub(super) enum ClosureCertainty {
    /// It would have been reported otherwise.
    Certain,
    /// It may have been used since, because repeated uses are not reported.
    Possible,
}

/// Whether a raw socket may belong to a flow: it sent the packets, or received packets that the kernel does not handle.
/// Each raw socket gets a copy of packets that the kernel handles.
fn speaks(fit: Fit, end: &FlowEnd) -> bool {
    match end.sent {
        true if kernel::may_send(end) => fit == Fit::Used,
        true => fit >= Fit::JustUsed,
        false => !kernel::handles(end.protocol),
    }
}

/// Whether the new claim's process started so late that the old claim would have been reported again if it still held
/// the port.
fn has_replaced(new: &Claim, old: &Claim) -> bool {
    new.socket != old.socket && old.seen_ns.saturating_add(REPEAT_NS) < new.from_ns && new.is_in_the_way_of(old)
}

/// Whether both are known to be in different namespaces.
const fn is_elsewhere(a: &Claim, b: &Claim) -> bool {
    a.netns != b.netns && a.netns != 0 && b.netns != 0
}

/// Drops the claims on previous connections: a tuple has one connection at a time, and another one was opened before the
/// flow began.
fn drop_predecessors(claims: &mut Vec<Fitting<'_>>, end: &FlowEnd) {
    let latest_ns = end.first_ns.saturating_add(CLOCK_ERROR_NS);
    let opened = claims.iter().map(|f| f.claim).filter(|c| c.role != Role::Unknown && c.first_ns <= latest_ns);
    let opened: Vec<&Claim> = opened.collect();
    let is_before = |c: &Claim, new: &Claim| c.first_ns < new.first_ns && c.is_of_another_connection(new);
    claims.retain(|f| !opened.iter().any(|new| is_before(f.claim, new)));
}

/// Whether the claims are on two connections, of which the later one began within the flow: packets between them were
/// lost.
fn is_another_connection(a: &Claim, b: &Claim, end: &FlowEnd) -> bool {
    let later_ns = a.first_ns.max(b.first_ns);
    let begins_within = later_ns > end.first_ns.saturating_add(BEFORE_NS) && later_ns <= end.last_ns;
    end.may_be_several && begins_within && a.is_of_another_connection(b)
}

/// Whether another process's claim on the same port is as good. A use within the last second is as good as one during
/// the flow, because it may have continued without a report. So is a first use reported late, if no other process is
/// known to have used the port during the flow.
fn is_rival(best: &Fitting<'_>, other: &Fitting<'_>, end: &FlowEnd) -> bool {
    let is_told_late = best.fit < Fit::Used && is_born_for(other.claim, end);
    let as_good = other.fit >= Fit::JustUsed || other.fit == best.fit || is_told_late;
    let begun_ns = match is_told_late || (end.received && other.claim.began_by_receive) {
        true => other.claim.from_ns,
        false => other.claim.first_ns,
    };
    as_good && !came_after(best.claim, (other.claim, begun_ns), end) && !went_before(other.claim, best.claim, end)
}

/// Whether the other claim is known to have begun after the flow. A first receive does not show that: the socket may
/// have waited for it, and it may have received one of the flow's own packets.
fn came_after(best: &Claim, (other, begun_ns): (&Claim, u64), end: &FlowEnd) -> bool {
    let follows = best.ended_ns.is_some_and(|t| t <= other.first_ns) && end.last_ns < other.first_ns;
    !other.snapshot && (begun_ns > end.last_ns.saturating_add(CLOCK_ERROR_NS) || follows)
}

/// Whether the old claim is known to have ended before the flow, within the clock error, and before the new one began.
fn went_before(old: &Claim, new: &Claim, end: &FlowEnd) -> bool {
    old.ended_ns.is_some_and(|t| t <= new.first_ns && t <= end.first_ns.saturating_add(CLOCK_ERROR_NS))
}
