//! The sides of an address translation.

/// Bits of a point of observation: the interface sees the packets after translation, or half translated. The kernel's indices of
/// interfaces are smaller.
const AFTER: u32 = 1 << 30;
const BETWEEN: u32 = 1 << 29;

/// On which side of an address translation a packet is seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    /// Before it, or there is none.
    Before,
    /// The destination is translated, and the source is not yet.
    Between,
    /// After it.
    After,
}

impl Side {
    /// One interface may see a packet on both sides (a bridge, a packet that returns to where it came from): these are two points.
    pub(super) const fn point(self, interface: u32) -> u32 {
        match self {
            Self::Before => interface,
            Self::Between => interface ^ BETWEEN,
            Self::After => interface ^ AFTER,
        }
    }
}
