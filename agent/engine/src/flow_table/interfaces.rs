//! The interfaces that packets come from, and what was counted at each.

use std::collections::HashSet;
use std::sync::Arc;

use super::FlowTable;
use crate::decode::FrameCount;
use crate::packet::Packet;

/// So many interfaces are gone before it is looked which of them no flow refers to.
const MIN_GONE: usize = 256;

/// What was counted at an interface that the table has forgotten.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ForgottenInterface {
    /// Its number.
    pub number: u32,
    /// As [`FlowTable::counted_by_interface`].
    pub counted: FrameCount,
    /// As [`FlowTable::seen_elsewhere_by_interface`].
    pub seen_elsewhere: FrameCount,
}

/// Interfaces from which no packet comes any more.
#[derive(Debug, Default)]
pub(super) struct GoneInterfaces {
    /// Those to which a flow may refer.
    numbers: Vec<u32>,
    /// Of those, so many were referred to when it was looked last.
    referred: usize,
    /// Those that were forgotten and not taken yet.
    forgotten: Vec<ForgottenInterface>,
}

impl FlowTable {
    /// Says what the number in [`Packet::interface`] stands for: the kernel's index (0: a file) and the name.
    /// Numbers begin at 0 and must be given out in order.
    pub fn set_interface(&mut self, number: u32, index: u32, name: &Arc<str>) {
        self.interfaces.change(number, |known| {
            if known.label.as_ref().is_none_or(|(i, n)| (*i, n) != (index, name)) {
                known.label = Some((index, Arc::clone(name)));
            }
        });
    }

    /// Says to which network namespace the interface of this number leads, by a number of the caller's (for example the
    /// namespace's inode); 0: unknown, as it is for all at first.
    ///
    /// Equal addresses and ports on interfaces of different namespaces are different flows; an unknown one goes with any.
    /// So a packet that is seen on its way through several interfaces stays in one flow if only one of them has a
    /// namespace. Name those behind which addresses of other namespaces may be used again.
    pub fn set_network_namespace(&mut self, interface: u32, namespace: u32) {
        if namespace != 0 {
            self.has_namespaces = true;
            self.interfaces.change(interface, |known| known.namespace = namespace);
        } else if let Some(known) = self.interfaces.get_mut(interface) {
            known.namespace = 0;
        }
    }

    /// No packet of the interface of this number comes any more: it is forgotten as soon as no flow refers to it, and what was
    /// counted there comes out of [`FlowTable::take_forgotten_interfaces`].
    pub fn interface_is_gone(&mut self, number: u32) {
        self.gone.numbers.push(number);
        // Every look costs a time in proportion to the flows; twice as many have to be gone as were referred to last.
        if self.gone.numbers.len() >= MIN_GONE + 2 * self.gone.referred {
            self.forget_interfaces();
        }
    }

    fn forget_interfaces(&mut self) {
        let flows = self.slab.live().map(super::entry::Entry::interface);
        let fragments = self.held_fragments.packets().map(|packet| packet.interface);
        let referred: HashSet<u32> = flows.chain(fragments).collect();
        let (stay, go) =
            std::mem::take(&mut self.gone.numbers).into_iter().partition(|number| referred.contains(number));
        self.gone.numbers = stay;
        self.gone.referred = self.gone.numbers.len();
        let go: Vec<u32> = go;
        for number in go {
            if let Some(known) = self.interfaces.remove(number) {
                let (counted, seen_elsewhere) = (known.counted, known.seen_elsewhere);
                self.gone.forgotten.push(ForgottenInterface { number, counted, seen_elsewhere });
            }
        }
    }

    /// Interfaces that were forgotten since the last call.
    pub fn take_forgotten_interfaces(&mut self) -> Vec<ForgottenInterface> {
        std::mem::take(&mut self.gone.forgotten)
    }

    /// Number of interfaces that the table knows.
    #[must_use]
    pub const fn known_interfaces(&self) -> usize {
        self.interfaces.len()
    }

    #[inline]
    pub(super) fn count(&mut self, packet: &Packet) {
        self.counters.packets += 1;
        self.counters.octets += u64::from(packet.octets);
        self.counters.frame_octets += u64::from(packet.frame_octets);
        if let Some(known) = self.interfaces.get_mut(packet.interface) {
            known.counted.count(packet.frame_octets);
        }
    }

    /// Another interface is counted for this packet.
    pub(super) fn count_elsewhere(&mut self, packet: &Packet) {
        self.counters.seen_elsewhere.count(packet.frame_octets);
        if let Some(known) = self.interfaces.get_mut(packet.interface) {
            known.seen_elsewhere.count(packet.frame_octets);
        }
    }
}
