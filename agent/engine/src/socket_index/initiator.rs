//! Which end of a flow began it, where no packet that was seen says so and the kernel reported neither connect nor accept.

use pidflow_schema::Protocol;

use super::claim::Claim;
use super::{FlowEnd, SocketIndex, Tuple, kernel, unspecified};

/// How long after a datagram its answer may come: longer than resolvers wait (5 s, resolv.conf(5)). What comes later is a
/// conversation of its own.
const MAX_ANSWER_DELAY_NS: u64 = 5_000_000_000;

impl SocketIndex {
    /// Whether the source began the flow; none: nobody can say. Of TCP, the end at which somebody listens did not begin it.
    /// Of datagrams, the end whose socket had sent to the other one before the first packet that was seen did.
    #[must_use]
    pub fn source_began(&self, source: &FlowEnd, destination: &FlowEnd) -> Option<bool> {
        if source.protocol == Protocol::TCP {
            let (one, other) = (self.is_listened_at(source), self.is_listened_at(destination));
            return (one != other).then_some(other);
        }
        let answered_ns = self.first_sent_ns(destination)?;
        let is_first = self.first_sent_ns(source).is_none_or(|sent_ns| answered_ns < sent_ns);
        is_first.then_some(false)
    }

    fn is_listened_at(&self, end: &FlowEnd) -> bool {
        let is_open = |c: &Claim| {
            let was_there = c.snapshot || c.first_ns <= end.last_ns;
            was_there && c.ended_ns.is_none_or(|t| t >= end.first_ns)
        };
        let claims = self.listeners.get(&end.local_port).into_iter().flatten();
        claims.filter(|c| is_open(c)).any(|c| self.serves(c, end))
    }

    /// When a socket of this end first sent to the other one, where that is the first that was heard of it, and the flow may
    /// be the answer.
    fn first_sent_ns(&self, end: &FlowEnd) -> Option<u64> {
        if end.local_port == 0 || kernel::is_icmp(end.protocol) {
            return None;
        }
        let exact = end.tuple();
        let claims = [exact, Tuple { local: unspecified(end.local), ..exact }];
        let claims = claims.iter().filter_map(|tuple| self.tuples.get(tuple)).flatten();
        let began = claims.filter(|c| c.began_by_send && self.may_see(c, end)).map(|c| c.first_ns);
        began.filter(|t| *t <= end.first_ns && end.first_ns - t <= MAX_ANSWER_DELAY_NS).min()
    }
}
