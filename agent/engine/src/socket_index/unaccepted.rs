//! Incoming connections that no process had accepted when they began to close.

use std::collections::HashMap;

use foldhash::fast::RandomState;

use super::fit::{AFTER_NS, CLOCK_ERROR_NS};
use super::{FlowEnd, SocketIndex, Tuple};
use crate::fact::Socket;

/// The greatest number of connections kept (about 120 bytes each).
const MAX_UNACCEPTED: usize = 65_536;

/// When and where a connection waited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Waited {
    /// When it began to close, nanoseconds of the engine's clock.
    pub(super) until_ns: u64,
    /// Inode number of the listener's network namespace.
    pub(super) netns: u32,
}

/// All unaccepted connections.
#[derive(Debug, Default)]
pub(super) struct Unaccepted {
    by_tuple: HashMap<Tuple, Vec<Waited>, RandomState>,
    len: usize,
    dropped: u64,
}

impl Unaccepted {
    fn note(&mut self, tuple: Tuple, waited: Waited) {
        if self.len >= MAX_UNACCEPTED {
            self.dropped += 1;
            return;
        }
        self.by_tuple.entry(tuple).or_default().push(waited);
        self.len += 1;
    }

    /// Connections that may be the flow's.
    fn of(&self, end: &FlowEnd) -> impl Iterator<Item = Waited> {
        let (from, to) = (end.first_ns.saturating_sub(CLOCK_ERROR_NS), end.last_ns.saturating_add(AFTER_NS));
        let all = self.by_tuple.get(&end.tuple()).into_iter().flatten();
        all.filter(move |w| w.until_ns >= from && w.until_ns <= to).copied()
    }

    pub(super) fn expire(&mut self, before_ns: u64) {
        self.by_tuple.retain(|_, list| {
            list.retain(|w| w.until_ns >= before_ns);
            !list.is_empty()
        });
        self.len = self.by_tuple.values().map(Vec::len).sum();
    }

    /// Number of connections dropped because there was no room.
    pub(super) const fn dropped(&self) -> u64 {
        self.dropped
    }
}

impl SocketIndex {
    /// Notes a connection that began to close before a process accepted it.
    pub fn unaccepted(&mut self, time_ns: u64, socket: &Socket) {
        self.addresses.learn(socket.netns, socket.local);
        self.unaccepted.note(Tuple::of(socket), Waited { until_ns: time_ns, netns: socket.netns });
    }

    /// Where the flow's connection waited to be accepted until it began to close. Several: it may be any of them.
    pub(super) fn waited(&self, end: &FlowEnd) -> Vec<Waited> {
        let is_there = |w: &Waited| self.namespace_of(end).is_none_or(|netns| netns == w.netns || w.netns == 0);
        self.unaccepted.of(end).filter(is_there).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tuple(port: u16) -> Tuple {
        let address = std::net::Ipv4Addr::LOCALHOST.into();
        Tuple { protocol: 6, local: address, local_port: 80, remote: address, remote_port: port }
    }

    #[test]
    fn there_are_never_too_many_and_old_ones_are_forgotten() {
        let mut all = Unaccepted::default();
        for n in 0..100_000_u64 {
            all.note(tuple((n % 50_000) as u16), Waited { until_ns: n, netns: 1 });
        }
        assert_eq!((all.len, all.dropped()), (MAX_UNACCEPTED, 100_000 - MAX_UNACCEPTED as u64));
        all.expire(60_000);
        assert_eq!((all.len, all.by_tuple.len()), (5536, 5536));
    }
}
