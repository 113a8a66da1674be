//! A count of frames and their bytes.

use std::ops::AddAssign;

/// Number of frames and of their bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct FrameCount {
    /// Frames.
    pub packets: u64,
    /// Bytes of the whole frames on the wire.
    pub frame_octets: u64,
}

impl FrameCount {
    /// Counts one frame of `frame_octets` bytes.
    #[inline]
    pub fn count(&mut self, frame_octets: u32) {
        *self += Self { packets: 1, frame_octets: u64::from(frame_octets) };
    }
}

impl AddAssign for FrameCount {
    #[inline]
    fn add_assign(&mut self, more: Self) {
        self.packets += more.packets;
        self.frame_octets += more.frame_octets;
    }
}
