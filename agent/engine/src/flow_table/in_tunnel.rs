//! Finds the flow of a packet in a tunnel.
//!
//! Equal addresses and ports with two tunnel ids are two flows. But the two directions of one flow often have different
//! ids: a TEID belongs to the receiver, and networks with Geneve or VXLAN (OVN, Cilium) encode the receiver's segment
//! or the sender's identity. So a flow has one id per direction. The first packet of the other direction is counted in
//! the flow with the same id, if there is one, otherwise in the only flow of which that direction has sent nothing.

use std::cmp::Ordering;

use pidflow_schema::record::Flow;

use super::key::{FlowKey, KeySide, Keyed};
use super::tunnels::Numbers;
use super::{Entry, FlowTable, Side};
use crate::packet::{Packet, TcpFlags};
use crate::tunnel::PacketTunnel;

/// The greatest number of flows that differ only in their tunnel ids and are compared one by one. Further ones are
/// distinguished by the id, which then must be the same in both directions.
const MAX_COMPARED: usize = 64;

/// How well a flow matches a packet, best first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Fit {
    /// The packet's sender has sent with this id before.
    Same,
    /// Only the other end has sent so far, with this id.
    Answers,
    /// Only the other end has sent so far, with another id.
    AnswersOther,
}

fn fit(entry: &Entry, from: KeySide, own_id: u16, packet: &Packet) -> Option<Fit> {
    let is_request = packet.tcp_flags & (TcpFlags::SYN | TcpFlags::ACK) == TcpFlags::SYN;
    match (entry.sent(from).tunnel, entry.sent(from.other()).tunnel) {
        (known, _) if known == own_id => Some(Fit::Same),
        (0, other) if other == own_id => Some(Fit::Answers),
        // A SYN is no answer, but its answer may have overtaken it; that shows who began.
        (0, _) if !is_request || entry.initiator() == from => Some(Fit::AnswersOther),
        _ => None,
    }
}

/// The result of comparing flows.
#[derive(Debug, Default)]
struct Compared {
    count: usize,
    best: Option<(Fit, u32)>,
    is_ambiguous: bool,
}

impl Compared {
    /// Adds a flow. True: no further flow needs to be compared.
    fn see(&mut self, slot: u32, fit: Option<Fit>) -> bool {
        self.count += 1;
        if let Some(fit) = fit {
            match self.best.map(|(best, _)| fit.cmp(&best)) {
                Some(Ordering::Greater) => {}
                Some(Ordering::Equal) => self.is_ambiguous = true,
                Some(Ordering::Less) | None => (self.best, self.is_ambiguous) = (Some((fit, slot)), false),
            }
        }
        fit == Some(Fit::Same) || self.count >= MAX_COMPARED
    }

    fn slot(&self) -> Option<u32> {
        self.best.filter(|_| !self.is_ambiguous).map(|(_, slot)| slot)
    }
}

impl FlowTable {
    /// Sets the tunnels of the next packets, by the numbers that their decoder assigned
    /// ([`crate::decode::Decoder::take_tunnels`]). Replaces the previous ones.
    ///
    /// Packets with equal addresses and ports in tunnels with another kind, other addresses or another id are in
    /// different flows. The two directions of a flow may have different ids; see
    /// [`Tunnel::reverse_id`](pidflow_schema::Tunnel::reverse_id).
    pub fn set_tunnels(&mut self, tunnels: &[PacketTunnel]) {
        self.tunnels.set_batch(tunnels);
    }

    /// The key of a packet's flow without the namespace, and the side that sent the packet.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "64 octets are returned, for each packet")]
    pub(super) fn key(&self, packet: &Packet) -> (FlowKey, KeySide) {
        let (mut key, from) = FlowKey::of(packet);
        if packet.tunnel != 0 {
            key.tunnel = self.tunnels.numbers(packet.tunnel).any_id;
        }
        (key, from)
    }

    /// The same with the hash of the key.
    #[inline]
    pub(super) fn keyed(&self, packet: &Packet) -> Keyed {
        let (key, from) = self.key(packet);
        Keyed { hash: self.hash(&key), key, from }
    }

    /// Counts a packet in a tunnel in its flow.
    #[inline(never)]
    pub(super) fn update_in_tunnel(
        &mut self,
        (mut key, from, mut hash): (FlowKey, KeySide, u32),
        shift: u64,
        packet: &Packet,
        out: &mut Vec<Flow>,
    ) {
        let known = self.find_in_tunnel((&mut key, &mut hash), from, packet);
        if !self.is_counted_here(known, (from, Side::Before), packet) {
            return;
        }
        if let Some(slot) = known
            && self.takes(slot, (from, shift), packet, out)
        {
            self.add(slot, from, packet);
            self.note_tunnel(slot, from, packet, key.namespace);
        } else {
            self.insert((key, from, hash), shift, packet, out);
        }
    }

    /// The flow of a packet in a tunnel. If there is none, `key` and `hash` become those of a new one.
    fn find_in_tunnel(&self, (key, hash): (&mut FlowKey, &mut u32), from: KeySide, packet: &Packet) -> Option<u32> {
        let Numbers { own_id, .. } = self.tunnels.numbers(packet.tunnel);
        let mut compared = Compared::default();
        self.index.find(*hash, |slot| {
            let entry = self.slab.get(slot);
            let is_it = entry.key == *key || entry.key.is_compatible(key);
            is_it && compared.see(slot, fit(entry, from, own_id, packet))
        });
        compared.slot().or_else(|| {
            let mut by_id = *key;
            by_id.tunnel = own_id;
            let hash_by_id = self.hash(&by_id);
            let known = self.index.find(hash_by_id, |slot| self.slab.get(slot).key == by_id);
            if known.is_some() || compared.count >= MAX_COMPARED {
                (*key, *hash) = (by_id, hash_by_id);
            }
            known
        })
    }

    /// Notes in its flow the tunnel of a packet that `from` sent.
    pub(super) fn note_tunnel(&mut self, slot: u32, from: KeySide, packet: &Packet, namespace: u32) {
        let own_id = self.tunnels.numbers(packet.tunnel).own_id;
        let entry = self.slab.get_mut(slot);
        entry.key.namespace = entry.key.namespace.max(namespace);
        let sent = entry.sent_mut(from);
        if sent.tunnel == 0 {
            sent.tunnel = own_id;
            self.tunnels.retain(own_id);
        }
    }

    /// Releases the tunnels of a flow that has ended.
    #[cold]
    pub(super) fn release_tunnels(&mut self, slot: u32) {
        let entry = self.slab.get(slot);
        let numbers = [entry.key.tunnel, entry.sent(KeySide::Low).tunnel, entry.sent(KeySide::High).tunnel];
        numbers.into_iter().for_each(|number| self.tunnels.release(number));
    }
}
