//! Finds the listener of a connection for which no process is known.

use pidflow_schema::{Attribution, Protocol};

use super::claim::Claim;
use super::fit::{AFTER_NS, fit};
use super::flow_end::{Found, NotFound};
use super::unaccepted::Waited;
use super::{FlowEnd, Role, SocketIndex};
use crate::fact::ProcessId;

impl SocketIndex {
    /// The listener's owner, if the kernel reported that the connection reached a listener of that namespace and was
    /// not accepted. Otherwise the owner is only a candidate: the packets' destination may have been translated,
    /// another process may have accepted, or the connection may have been refused.
    pub(super) fn listener(&self, end: &FlowEnd) -> Option<Result<Found, NotFound>> {
        // The connecting end has no listener.
        if end.protocol != Protocol::TCP || end.opened {
            return None;
        }
        let waited = self.waited(end);
        // A listener in a namespace with unknown addresses proves nothing for an address that may be remote.
        if waited.is_empty() && !self.is_local(end.local) {
            return None;
        }
        let mut serving = self.listening(end, &waited);
        let first = serving.next()?;
        // Workers that share a listener through fork hold the same socket.
        let is_same = |c: &Claim| c.process == first.process || (c.socket == first.socket && c.netns == first.netns);
        let others = || Some(Err(NotFound::ambiguous(Some(first.process))));
        if !serving.all(is_same) {
            return others();
        }
        // The accept of another process may have been lost.
        if self.unseen.between(end.first_ns, end.last_ns.saturating_add(AFTER_NS)) {
            return Some(Err(NotFound::lost(first.process)));
        }
        match waited.as_slice() {
            [one, rest @ ..] if rest.iter().all(|w| w.netns == one.netns) => {
                let accepting = self.accepted_later(end, one).filter(|p| *p != first.process);
                Some(accepting.map_or_else(|| Ok(owner(first)), |p| Err(NotFound::ambiguous(Some(p)))))
            }
            _ => others(),
        }
    }

    /// Listeners that accept connections to this end, in the namespaces in which the connection is known to have
    /// waited.
    fn listening<'a>(&'a self, end: &'a FlowEnd, waited: &'a [Waited]) -> impl Iterator<Item = &'a Claim> {
        let claims = self.listeners.get(&end.local_port).map_or(&[][..], Vec::as_slice);
        // Strict comparison: connections after the close of the listener were refused.
        let is_open = |c: &&Claim| fit(c, end).is_some() && c.ended_ns.is_none_or(|t| t >= end.first_ns);
        let is_there = |c: &&Claim| waited.is_empty() || c.netns == 0 || waited.iter().any(|w| w.netns == c.netns);
        let takes = |c: &&Claim| self.serves(c, end) && !self.is_shadowed(c, claims, end);
        claims.iter().filter(takes).filter(is_open).filter(is_there)
    }

    /// The process that accepted the connection after it began to close.
    fn accepted_later(&self, end: &FlowEnd, waited: &Waited) -> Option<ProcessId> {
        let claims = self.tuples.get(&end.tuple()).into_iter().flatten();
        let mut later = claims.filter(|c| c.netns == waited.netns && c.role != Role::Connects);
        later.find(|c| c.first_ns >= waited.until_ns).map(|c| c.process)
    }
}

const fn owner(listening: &Claim) -> Found {
    let (process, role, netns) = (listening.process, listening.role, listening.netns);
    Found { process, attribution: Attribution::ListenerOnly, role, netns, other: None, translated_from: None }
}
