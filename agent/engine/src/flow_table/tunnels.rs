//! The tunnels of flows, each with a small number that fits in a flow's key.

use foldhash::fast::RandomState;
use hashbrown::HashMap;

use crate::tunnel::PacketTunnel;

/// No tunnel.
const NO_TUNNEL: u16 = 0;
/// The number shared by all tunnels for which none is left. Their flows are distinguished from flows without a tunnel,
/// but not from each other.
const OTHER: u16 = u16::MAX;

/// A tunnel with a number.
#[derive(Debug)]
struct Known {
    tunnel: PacketTunnel,
    /// Number of flows and of entries of the batch that use it.
    references: u32,
}

/// A tunnel of the batch.
#[derive(Debug, Clone, Copy)]
struct InBatch {
    tunnel: PacketTunnel,
    numbers: Numbers,
}

/// The numbers of a packet's tunnel; its other direction has the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Numbers {
    /// The number shared by all tunnels that differ only in their ids.
    pub(super) any_id: u16,
    /// The number of the tunnel with its id; equal to `any_id` if it has none.
    pub(super) own_id: u16,
}

/// The tunnels of active flows, and of the batch that is being counted.
#[derive(Debug, Default)]
pub(super) struct TunnelTable {
    /// Indexed by number minus one.
    known: Vec<Known>,
    free: Vec<u16>,
    numbers: HashMap<PacketTunnel, u16, RandomState>,
    /// Indexed by the packets' numbers minus one.
    batch: Vec<InBatch>,
    /// How often no number was left.
    unnamed: u64,
}

impl TunnelTable {
    /// Replaces the tunnels of the batch.
    pub(super) fn set_batch(&mut self, tunnels: &[PacketTunnel]) {
        let mut batch = std::mem::take(&mut self.batch);
        for InBatch { numbers, .. } in batch.drain(..) {
            self.release(numbers.any_id);
            self.release(numbers.own_id);
        }
        self.batch = batch;
        tunnels.iter().for_each(|tunnel| _ = self.add_to_batch(*tunnel));
    }

    /// Adds a tunnel to the batch, and returns the number by which packets refer to it.
    pub(super) fn add_to_batch(&mut self, tunnel: PacketTunnel) -> u32 {
        let both_ways = tunnel.both_ways();
        let numbers = Numbers { any_id: self.acquire(both_ways.without_id()), own_id: self.acquire(both_ways) };
        self.batch.push(InBatch { tunnel, numbers });
        u32::try_from(self.batch.len()).unwrap_or(0)
    }

    /// The tunnel of a packet with this number.
    pub(super) fn of_packet(&self, number: u32) -> Option<PacketTunnel> {
        self.in_batch(number).map(|known| known.tunnel)
    }

    /// The numbers by which flows refer to the tunnel of a packet with this number.
    pub(super) fn numbers(&self, number: u32) -> Numbers {
        self.in_batch(number).map_or(Numbers { any_id: NO_TUNNEL, own_id: NO_TUNNEL }, |known| known.numbers)
    }

    fn in_batch(&self, number: u32) -> Option<&InBatch> {
        self.batch.get((number as usize).checked_sub(1)?)
    }

    /// The tunnel with this number; none: no tunnel, or [`OTHER`].
    pub(super) fn get(&self, number: u16) -> Option<&PacketTunnel> {
        Some(&self.known.get(usize::from(number).checked_sub(1)?)?.tunnel)
    }

    fn acquire(&mut self, tunnel: PacketTunnel) -> u16 {
        let known = self.numbers.get(&tunnel).copied();
        let number = known.unwrap_or_else(|| self.enter(tunnel));
        self.retain(number);
        number
    }

    #[cold]
    fn enter(&mut self, tunnel: PacketTunnel) -> u16 {
        let entry = Known { tunnel, references: 0 };
        let next = u16::try_from(self.known.len() + 1).unwrap_or(OTHER);
        let number = self.free.pop().unwrap_or(next);
        match self.known.get_mut(usize::from(number) - 1) {
            Some(place) => *place = entry,
            None if number < OTHER => self.known.push(entry),
            None => {
                self.unnamed += 1;
                return OTHER;
            }
        }
        self.numbers.insert(tunnel, number);
        number
    }

    /// Adds a reference to this number.
    #[inline]
    pub(super) fn retain(&mut self, number: u16) {
        if number != NO_TUNNEL
            && let Some(known) = self.known.get_mut(usize::from(number) - 1)
        {
            known.references += 1;
        }
    }

    /// Removes a reference to this number, which becomes free without references.
    #[inline]
    pub(super) fn release(&mut self, number: u16) {
        if number != NO_TUNNEL
            && let Some(known) = self.known.get_mut(usize::from(number) - 1)
        {
            known.references = known.references.saturating_sub(1);
            if known.references == 0 {
                self.numbers.remove(&known.tunnel);
                self.free.push(number);
            }
        }
    }

    /// How often no number was left for a tunnel of a batch.
    pub(super) const fn unnamed(&self) -> u64 {
        self.unnamed
    }

    /// Takes the table and leaves an empty one with the same counter.
    pub(super) fn take(&mut self) -> Self {
        let empty = Self { unnamed: self.unnamed, ..Self::default() };
        std::mem::replace(self, empty)
    }

    /// Whether no flow and no packet of the batch has a tunnel.
    pub(super) fn is_unused(&self) -> bool {
        self.numbers.is_empty() && self.batch.is_empty()
    }

    /// Returns memory if no tunnel is left.
    pub(super) fn shrink(&mut self) {
        if self.is_unused() {
            self.take();
        }
    }

    pub(super) fn allocated_bytes(&self) -> usize {
        self.known.capacity() * size_of::<Known>()
            + self.free.capacity() * size_of::<u16>()
            + self.numbers.allocation_size()
    }
}
