//! Facts of a flow that take one bit each.

use super::key::KeySide;
use super::side::Side;

/// Small facts about a flow, one bit each.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Facts(u8);

impl Facts {
    pub(super) const HAS_ICMP: u8 = 1;
    pub(super) const HAS_MACS: u8 = 2;
    /// The initiator is the high side of the key.
    pub(super) const INITIATOR_IS_HIGH: u8 = 4;
    /// The high side sent the first packet of the flow.
    pub(super) const FIRST_IS_HIGH: u8 = 8;
    /// The tunnel around the first packet went from the higher to the lower address.
    pub(super) const TUNNEL_IS_FROM_HIGH: u8 = 16;
    /// Several interfaces see the flow; see [`super::paths`].
    pub(super) const HAS_PATHS: u8 = 32;
    /// The first packet of the flow was seen after translation.
    pub(super) const FIRST_IS_AFTER: u8 = 64;
    /// The first packet of the flow was seen half translated.
    pub(super) const FIRST_IS_BETWEEN: u8 = 128;

    const FIRST_SIDE: u8 = Self::FIRST_IS_AFTER | Self::FIRST_IS_BETWEEN;

    pub(super) const fn has(self, fact: u8) -> bool {
        self.0 & fact != 0
    }

    pub(super) const fn set(&mut self, fact: u8, holds: bool) {
        self.0 = (self.0 & !fact) | if holds { fact } else { 0 };
    }

    /// Adds facts that hold.
    #[inline]
    pub(super) const fn add(&mut self, facts: u8) {
        self.0 |= facts;
    }

    pub(super) const fn side(self, is_high: u8) -> KeySide {
        if self.has(is_high) { KeySide::High } else { KeySide::Low }
    }

    /// Whether the first packet was seen on this side of an address translation, and one interface sees the flow.
    #[inline]
    pub(super) const fn seen_on_one_side(self, side: Side) -> bool {
        self.0 & (Self::HAS_PATHS | Self::FIRST_SIDE) == Self::first_side(side)
    }

    pub(super) const fn set_first_side(&mut self, side: Side) {
        self.0 = (self.0 & !Self::FIRST_SIDE) | Self::first_side(side);
    }

    /// How the side is written in [`Self::FIRST_SIDE`].
    const fn first_side(side: Side) -> u8 {
        match side {
            Side::Before => 0,
            Side::After => Self::FIRST_IS_AFTER,
            Side::Between => Self::FIRST_IS_BETWEEN,
        }
    }

    /// The facts of the same flow under a key whose sides are the other way round.
    pub(super) const fn turned(self) -> Self {
        Self(self.0 ^ (Self::INITIATOR_IS_HIGH | Self::FIRST_IS_HIGH | Self::TUNNEL_IS_FROM_HIGH))
    }
}
