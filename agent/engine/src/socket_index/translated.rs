//! Connections whose destination was translated (DNAT), so that the socket has another one than the packets.

use std::collections::HashMap;
use std::net::IpAddr;

use foldhash::fast::RandomState;
use pidflow_schema::{Attribution, Protocol};

use super::claim::Claim;
use super::fit::{AFTER_NS, BEFORE_NS, CLOCK_ERROR_NS, fit};
use super::flow_end::{Found, NotFound};
use super::{FlowEnd, Role, SocketIndex, Tuple};
use crate::fact::SocketUse;

/// Memory of one tuple here, bytes: itself, its key, its list.
const CONNECT_BYTES: usize = 160;

/// How long before its SYN a connect may be reported if the caller was preempted in it, nanoseconds.
const MAX_SYN_DELAY_NS: u64 = 100_000_000;

/// Tuples of connects by their local end.
#[derive(Debug, Default)]
pub(super) struct Connects {
    by_local: HashMap<(IpAddr, u16), Vec<Tuple>, RandomState>,
    len: usize,
}

impl Connects {
    /// Remembers the tuple of a connect. Returns the memory that this takes, bytes.
    pub(super) fn note(&mut self, used: SocketUse, tuple: Tuple) -> usize {
        let is_connect = matches!(used, SocketUse::Connect | SocketUse::ConnectFailed { .. });
        if !is_connect || tuple.protocol != Protocol::TCP {
            return 0;
        }
        let list = self.by_local.entry((tuple.local, tuple.local_port)).or_default();
        if list.contains(&tuple) {
            return 0;
        }
        list.reserve_exact(1);
        list.push(tuple);
        self.len += 1;
        CONNECT_BYTES
    }

    pub(super) const fn bytes(&self) -> usize {
        self.len * CONNECT_BYTES
    }

    pub(super) fn keep(&mut self, is_kept: impl Fn(&Tuple) -> bool) {
        self.by_local.retain(|_, list| {
            list.retain(&is_kept);
            !list.is_empty()
        });
        self.len = self.by_local.values().map(Vec::len).sum();
    }
}

impl SocketIndex {
    /// The process at the end that opened the flow, if no socket has the flow's tuple: the only one that connected from
    /// that address and port at that time, to any destination.
    pub(super) fn translated(&self, end: &FlowEnd) -> Option<Result<Found, NotFound>> {
        let tuples = self.connects.by_local.get(&(end.local, end.local_port)).filter(|_| end.opened)?;
        let fitting =
            |tuple: &&Tuple| self.tuples.get(*tuple).is_some_and(|list| self.connecting(list, end).count() > 0);
        let mut fitting = tuples.iter().filter(fitting);
        let tuple = fitting.next()?;
        let mut claims = self.connecting(self.tuples.get(tuple)?, end);
        let first = claims.next()?;
        if fitting.next().is_some() || claims.any(|c| c.process != first.process || c.socket != first.socket) {
            return Some(Err(NotFound::ambiguous(Some(first.process))));
        }
        // The connect of another process may have been lost.
        if self.unseen.between(end.first_ns.saturating_sub(BEFORE_NS), end.first_ns.saturating_add(AFTER_NS)) {
            return Some(Err(NotFound::lost(first.process)));
        }
        let (process, role, netns) = (first.process, first.role, first.netns);
        let translated_from = Some((tuple.remote, tuple.remote_port));
        Some(Ok(Found { process, attribution: Attribution::LocalPortEvent, role, netns, other: None, translated_from }))
    }

    /// Claims of a connect that may have sent the flow's SYN.
    fn connecting<'a>(&'a self, claims: &'a [Claim], end: &'a FlowEnd) -> impl Iterator<Item = &'a Claim> {
        let is_late = |c: &Claim| end.began_with_syn && c.first_ns.saturating_add(MAX_SYN_DELAY_NS) < end.first_ns;
        let has_begun = move |c: &Claim| c.first_ns <= end.first_ns.saturating_add(CLOCK_ERROR_NS) && !is_late(c);
        let is_open = |c: &Claim| c.ended_ns.is_none_or(|t| t >= end.first_ns) && fit(c, end).is_some();
        let is_its = move |c: &&Claim| has_begun(c) && is_open(c) && self.unseen.is_of_connection(c, end);
        let may_see = |c: &&Claim| self.namespace_of(end).is_none_or(|netns| netns == c.netns || c.netns == 0);
        claims.iter().filter(|c| c.role == Role::Connects).filter(is_its).filter(may_see)
    }
}
