//! One payload, with what is known of its flow.

/// One payload of a flow.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Piece<'a> {
    /// IP protocol number.
    pub(crate) protocol: u8,
    /// Which of the flow's two ends sent it: the higher one in the order of keys.
    pub(crate) is_from_high: bool,
    /// The ports of both ends.
    pub(crate) ports: [u16; 2],
    /// TCP: sequence number of the first byte.
    pub(crate) sequence: u32,
    /// TCP: position of the first byte in its direction; none: unknown, because the SYN was not seen.
    pub(crate) position: Option<u32>,
    /// When it was seen, microseconds modulo 2^32.
    pub(crate) now_us: u32,
    pub(crate) bytes: &'a [u8],
}
