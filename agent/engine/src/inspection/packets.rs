//! The packets of one batch that are to be inspected.

/// Bytes of a packet that are copied, from its IP header on; the rest is left out. Offloaded segments are longer than the link allows.
const MAX_PACKET_BYTES: usize = 16_384;
/// Bytes of all packets of a batch together. Beyond it, packets are not copied.
const MAX_BATCH_BYTES: usize = 4 << 20;

/// Copies of packets, by the number of their payload in the batch.
#[derive(Debug, Clone, Default)]
pub(crate) struct InspectedPackets {
    bytes: Vec<u8>,
    /// Numbers, and where each copy ends in `bytes`; in order of the numbers.
    ends: Vec<(u16, u32)>,
}

impl InspectedPackets {
    /// Whether there is room for another packet.
    pub(crate) const fn has_room(&self) -> bool {
        self.bytes.len() + MAX_PACKET_BYTES <= MAX_BATCH_BYTES
    }

    /// Copies the packet whose payload has this number, which must be greater than those before.
    pub(crate) fn push(&mut self, number: u16, packet: &[u8]) {
        self.bytes.extend(packet.iter().take(MAX_PACKET_BYTES));
        self.ends.push((number, u32::try_from(self.bytes.len()).unwrap_or(u32::MAX)));
    }

    /// The packet whose payload has this number.
    pub(crate) fn get(&self, number: u16) -> Option<&[u8]> {
        let at = self.ends.binary_search_by_key(&number, |(number, _)| *number).ok()?;
        let start = at.checked_sub(1).and_then(|before| self.ends.get(before)).map_or(0, |(_, end)| *end);
        let (_, end) = self.ends.get(at)?;
        self.bytes.get(start as usize..*end as usize)
    }

    pub(crate) const fn allocated_bytes(&self) -> usize {
        self.bytes.capacity() + self.ends.capacity() * size_of::<(u16, u32)>()
    }
}
