//! What a TCP header says beside ports, sequence number and flags, for [`crate::flow_table`]'s figures of connections.

use crate::packet::{Fragment, Packet, TcpFlags};

/// Bytes of a TCP header up to the window.
const HEAD: usize = 16;
/// Bytes of a TCP header without options.
const MIN_HEADER: usize = 20;
/// The greatest window scale (RFC 7323 section 2.3); a greater one counts as this.
const MAX_SCALE: u8 = 14;

/// The header of one TCP packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Segment {
    pub(crate) acknowledgement: u32,
    /// Bytes of payload.
    pub(crate) payload: u32,
    /// Window as in the header.
    pub(crate) window: u16,
    /// Maximum segment size of a SYN, bytes.
    pub(crate) max_segment: Option<u16>,
    /// Window scale of a SYN.
    pub(crate) window_scale: Option<u8>,
    /// What is needed was not captured, or is in another fragment: the other members are not valid.
    pub(crate) is_cut: bool,
}

impl Segment {
    /// Reads a header. `captured` is the captured part of a datagram from the TCP header on, which has `octets` bytes from there.
    pub(crate) fn read(packet: &Packet, captured: &[u8], octets: u32) -> Self {
        let whole = Self::of(captured, octets).filter(|_| packet.fragment == Fragment::Whole);
        let mut segment = whole.unwrap_or(Self { is_cut: true, ..Self::default() });
        if packet.tcp_flags & TcpFlags::SYN != 0 {
            segment.read_options(captured);
        }
        segment
    }

    fn of(captured: &[u8], octets: u32) -> Option<Self> {
        let [_, _, _, _, _, _, _, _, acknowledgement @ .., offset, _, window_high, window_low] =
            captured.first_chunk::<HEAD>()?;
        let payload =
            octets.checked_sub(u32::from(offset >> 4) * 4).filter(|_| usize::from(offset >> 4) * 4 >= MIN_HEADER)?;
        Some(Self {
            acknowledgement: u32::from_be_bytes(*acknowledgement),
            payload,
            window: u16::from_be_bytes([*window_high, *window_low]),
            ..Self::default()
        })
    }

    /// RFC 9293 section 3.1: each option is a kind, and, except for kinds 0 and 1, its length and data.
    fn read_options(&mut self, captured: &[u8]) {
        let end = usize::from(captured.get(12).map_or(0, |offset| offset >> 4)) * 4;
        let mut rest = captured.get(MIN_HEADER..end.min(captured.len())).unwrap_or_default();
        loop {
            rest = match rest {
                [1, after @ ..] => after,
                [2, 4, high, low, after @ ..] => {
                    self.max_segment = Some(u16::from_be_bytes([*high, *low]));
                    after
                }
                [3, 3, scale, after @ ..] => {
                    self.window_scale = Some((*scale).min(MAX_SCALE));
                    after
                }
                [2..=u8::MAX, octets @ 2..=u8::MAX, ..] => rest.get(usize::from(*octets)..).unwrap_or_default(),
                _ => return,
            };
        }
    }
}

/// The headers of one batch of packets. Packets refer to them by number.
#[derive(Debug, Clone, Default)]
pub(crate) struct Segments(Vec<Segment>);

impl Segments {
    /// Adds a header and returns its number; 0: there is no room for it.
    #[inline]
    pub(crate) fn push(&mut self, segment: Segment) -> u16 {
        let number = u16::try_from(self.0.len() + 1).unwrap_or(0);
        if number != 0 {
            self.0.push(segment);
        }
        number
    }

    /// The header with this number.
    #[inline]
    pub(crate) fn get(&self, number: u16) -> Option<&Segment> {
        self.0.get(usize::from(number).checked_sub(1)?)
    }

    /// Memory, bytes.
    pub(crate) const fn allocated_bytes(&self) -> usize {
        self.0.capacity() * size_of::<Segment>()
    }
}
