//! Determines which end began a flow if neither its packets nor a connect or accept show it.

use pidflow_schema::Protocol;

use super::claim::Claim;
use super::{FlowEnd, SocketIndex, Tuple, kernel, unspecified};

/// How long after a datagram its answer may come, nanoseconds: as long as resolvers wait (resolv.conf(5)). Later
/// datagrams are a separate conversation.
const MAX_ANSWER_DELAY_NS: u64 = 5_000_000_000;

impl SocketIndex {
    /// Whether the source began the flow; none: unknown. For TCP, the end with a listener did not begin it. For
    /// datagrams, the end whose socket sent to the other one before the first captured packet began it, if the other
    /// end's socket existed then; otherwise the datagram was for a previous owner of the port.
    #[must_use]
    pub fn source_began(&self, source: &FlowEnd, destination: &FlowEnd) -> Option<bool> {
        if source.protocol == Protocol::TCP {
            let (one, other) = (self.is_listened_at(source), self.is_listened_at(destination));
            return (one != other).then_some(other);
        }
        let answered_ns = self.first_sent_ns(destination)?;
        let is_first = self.first_sent_ns(source).is_none_or(|sent_ns| answered_ns < sent_ns);
        (is_first && self.was_there(source, answered_ns)).then_some(false)
    }

    /// Whether this end may have had its socket at that time: its first report is a receive, or it was reported by
    /// then. Always true for an end on another host.
    fn was_there(&self, end: &FlowEnd, time_ns: u64) -> bool {
        let at_port = self.ports.get(&(end.protocol, end.local_port)).into_iter().flatten();
        let mut claims = self.exchanging(end).chain(at_port).filter(|c| self.serves(c, end));
        let receives = |c: &Claim| c.snapshot || c.began_by_receive || c.first_ns <= time_ns;
        !self.is_local(end.local) || claims.any(|c| receives(c) && c.ended_ns.is_none_or(|t| t >= end.first_ns))
    }

    /// Claims of sockets that exchanged datagrams with the other end.
    fn exchanging(&self, end: &FlowEnd) -> impl Iterator<Item = &Claim> {
        let exact = end.tuple();
        let tuples = [exact, Tuple { local: unspecified(end.local), ..exact }];
        tuples.into_iter().filter_map(|tuple| self.tuples.get(&tuple)).flatten()
    }

    fn is_listened_at(&self, end: &FlowEnd) -> bool {
        let is_open = |c: &Claim| {
            let was_there = c.snapshot || c.first_ns <= end.last_ns;
            was_there && c.ended_ns.is_none_or(|t| t >= end.first_ns)
        };
        let claims = self.listeners.get(&end.local_port).into_iter().flatten();
        claims.filter(|c| is_open(c)).any(|c| self.serves(c, end))
    }

    /// When a socket of this end first sent to the other one, if that was its first report and the flow may be the
    /// answer.
    fn first_sent_ns(&self, end: &FlowEnd) -> Option<u64> {
        if end.local_port == 0 || kernel::is_icmp(end.protocol) {
            return None;
        }
        let began = self.exchanging(end).filter(|c| c.began_by_send && self.may_see(c, end)).map(|c| c.first_ns);
        began.filter(|t| *t <= end.first_ns && end.first_ns - t <= MAX_ANSWER_DELAY_NS).min()
    }
}
