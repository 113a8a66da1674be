//! The interfaces of packets, and the counters of each.

use std::collections::HashSet;
use std::sync::Arc;

use super::FlowTable;
use crate::decode::FrameCount;
use crate::packet::Packet;

/// Minimum number of removed interfaces before the table searches for those that no flow refers to.
const MIN_GONE: usize = 256;

/// The counters of an interface that the table has forgotten.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ForgottenInterface {
    /// The number of the interface.
    pub number: u32,
    /// Same as in [`FlowTable::counted_by_interface`].
    pub counted: FrameCount,
    /// Same as in [`FlowTable::seen_elsewhere_by_interface`].
    pub seen_elsewhere: FrameCount,
}

/// Interfaces from which no more packets arrive.
#[derive(Debug, Default)]
pub(super) struct GoneInterfaces {
    /// Numbers of removed interfaces to which a flow may still refer.
    numbers: Vec<u32>,
    /// Number of these interfaces that a flow or a held fragment referred to at the last search.
    referred: usize,
    /// Forgotten interfaces that the caller has not taken yet.
    forgotten: Vec<ForgottenInterface>,
}

impl FlowTable {
    /// Sets the kernel's index (0: a file) and the name of an interface, identified by the number in
    /// [`Packet::interface`]. Numbers begin at 0 and must be assigned densely.
    pub fn set_interface(&mut self, number: u32, index: u32, name: &Arc<str>) {
        self.interfaces.change(number, |known| {
            if known.label.as_ref().is_none_or(|(i, n)| (*i, n) != (index, name)) {
                known.label = Some((index, Arc::clone(name)));
            }
        });
    }

    /// Sets the network namespace to which the interface with this number leads, as a number of the caller's choice
    /// (for example the namespace's inode); 0: unknown, the initial value.
    ///
    /// Packets with equal addresses and ports on interfaces of different namespaces are in different flows; an unknown
    /// namespace matches any. So a packet seen at several interfaces stays in one flow if only one of them has a
    /// namespace. Set it for interfaces to namespaces that may reuse addresses of others.
    pub fn set_network_namespace(&mut self, interface: u32, namespace: u32) {
        if namespace != 0 {
            self.has_namespaces = true;
            self.interfaces.change(interface, |known| known.namespace = namespace);
        } else if let Some(known) = self.interfaces.get_mut(interface) {
            known.namespace = 0;
        }
    }

    /// Reports that no more packets of the interface with this number arrive. The table forgets it as soon as no flow refers
    /// to it; [`FlowTable::take_forgotten_interfaces`] returns its counters.
    pub fn interface_is_gone(&mut self, number: u32) {
        self.gone.numbers.push(number);
        // A search visits all flows. It waits until enough interfaces are removed, in proportion to those still in use.
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

    /// Counts a packet that is counted in its flow at another interface.
    pub(super) fn count_elsewhere(&mut self, packet: &Packet) {
        self.counters.seen_elsewhere.count(packet.frame_octets);
        if let Some(known) = self.interfaces.get_mut(packet.interface) {
            known.seen_elsewhere.count(packet.frame_octets);
        }
    }
}
