//! The sides of an address translation.

/// Bits that are flipped in an interface's index if it sees the packets after translation, or half translated. The kernel's indices
/// of interfaces are smaller.
const AFTER: u32 = 1 << 30;
const BETWEEN: u32 = 1 << 29;

/// The side of an address translation on which a packet is seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    /// Before translation, or the packet is not translated.
    Before,
    /// The destination is translated, the source not yet.
    Between,
    /// After translation.
    After,
}

impl Side {
    /// The point of observation of this side at an interface. One interface may see a packet on several sides (a bridge, a packet
    /// that returns to the interface it came from); each side is a point of its own.
    pub(super) const fn point(self, interface: u32) -> u32 {
        match self {
            Self::Before => interface,
            Self::Between => interface ^ BETWEEN,
            Self::After => interface ^ AFTER,
        }
    }
}
