//! Ends claims whose close was lost, from a list of the existing sockets.

use std::collections::HashSet;
use std::net::SocketAddr;

use foldhash::fast::RandomState;

use super::claim::Claim;
use super::fit::REPEAT_NS;
use super::{Place, SocketIndex, Tuple};
use crate::fact::{ProcessId, SocketsAlive};

impl SocketIndex {
    /// Ends the claims on sockets that are not in the list and were last reported before it. Returns how many.
    pub fn reconcile(&mut self, alive: &SocketsAlive) -> u64 {
        let tcp: HashSet<(SocketAddr, SocketAddr), RandomState> = alive.tcp.iter().copied().collect();
        let listening: HashSet<SocketAddr, RandomState> =
            alive.tcp.iter().filter(|(_, remote)| remote.port() == 0).map(|(local, _)| *local).collect();
        let inodes: HashSet<u64, RandomState> = alive.inodes.iter().copied().collect();
        let mut ended = 0;
        let mut end = |list: &mut Vec<Claim>, is_alive: &dyn Fn(&Claim) -> bool| {
            for claim in list.iter_mut().filter(|c| is_older(c, alive) && !is_alive(c)) {
                end_unseen(claim, alive.taken_ns);
                ended += 1;
            }
        };
        for (tuple, list) in &mut self.tuples {
            if tuple.protocol == pidflow_schema::Protocol::TCP {
                end(list, &|_| tcp.contains(&ends(tuple)));
            } else if alive.protocols.contains(&tuple.protocol) {
                end(list, &|c| inodes.contains(&c.socket));
            }
        }
        for ((protocol, _), list) in &mut self.ports {
            if alive.protocols.contains(protocol) {
                end(list, &|c| inodes.contains(&c.socket));
            }
        }
        for (port, list) in &mut self.listeners {
            end(list, &|c| listening.contains(&SocketAddr::new(c.local, *port)));
        }
        ended
    }

    /// Ends all claims of a process that does not exist any more. Returns how many.
    pub fn vanished(&mut self, process: ProcessId, taken_ns: u64) -> u64 {
        let mut ended = 0;
        for place in self.places.remove(&process).unwrap_or_default() {
            let list = match place {
                Place::Tuple(tuple) => self.tuples.get_mut(&tuple),
                Place::Port(protocol, port) => self.ports.get_mut(&(protocol, port)),
                Place::Listener(port) => self.listeners.get_mut(&port),
            };
            let is_its = |c: &&mut Claim| c.process == process && c.ended_ns.is_none() && c.seen_ns < taken_ns;
            for claim in list.into_iter().flatten().filter(is_its) {
                end_unseen(claim, taken_ns);
                ended += 1;
            }
        }
        ended
    }
}

const fn ends(tuple: &Tuple) -> (SocketAddr, SocketAddr) {
    (SocketAddr::new(tuple.local, tuple.local_port), SocketAddr::new(tuple.remote, tuple.remote_port))
}

fn is_older(claim: &Claim, alive: &SocketsAlive) -> bool {
    claim.netns == alive.netns && claim.ended_ns.is_none() && claim.seen_ns < alive.taken_ns
}

/// Ends a claim. Its socket may have been used without a report for up to [`REPEAT_NS`] after the last one.
fn end_unseen(claim: &mut Claim, taken_ns: u64) {
    claim.ended_ns = Some(claim.seen_ns.saturating_add(REPEAT_NS).min(taken_ns));
}
