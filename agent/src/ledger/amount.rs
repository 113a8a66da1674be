//! An amount of traffic: packets and bytes.

use std::ops::{Add, AddAssign};

use pidflow_engine::decode::FrameCount;
use pidflow_engine::flow_table::Traffic;
use serde::{Deserialize, Serialize};

/// Packets and their bytes: whole frames in accounts of interfaces and of the capture, from the IP header on in
/// accounts of flows and records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct Amount {
    /// Packets.
    pub(crate) packets: u64,
    /// Bytes.
    pub(crate) bytes: u64,
}

impl Amount {
    /// The absolute difference of two amounts that should be equal.
    pub(crate) const fn apart(self, other: Self) -> Self {
        Self { packets: self.packets.abs_diff(other.packets), bytes: self.bytes.abs_diff(other.bytes) }
    }
}

impl From<FrameCount> for Amount {
    fn from(frames: FrameCount) -> Self {
        Self { packets: frames.packets, bytes: frames.frame_octets }
    }
}

impl From<Traffic> for Amount {
    fn from(traffic: Traffic) -> Self {
        Self { packets: traffic.packets, bytes: traffic.octets }
    }
}

impl Add for Amount {
    type Output = Self;

    fn add(self, more: Self) -> Self {
        Self { packets: self.packets + more.packets, bytes: self.bytes + more.bytes }
    }
}

impl AddAssign for Amount {
    fn add_assign(&mut self, more: Self) {
        *self = *self + more;
    }
}

impl std::iter::Sum for Amount {
    fn sum<I: Iterator<Item = Self>>(amounts: I) -> Self {
        amounts.fold(Self::default(), Add::add)
    }
}
