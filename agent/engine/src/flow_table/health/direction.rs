//! What one end of a connection sent.

use pidflow_schema::record::TcpDirection;

use super::round_trip::RoundTrip;
use super::sequence::{MAX_WINDOW, ahead};
use super::trouble::Trouble;
use crate::packet::{Packet, TcpFlags};
use crate::segment::Segment;

/// The last packets of one end, and the extremes since the last record.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Direction {
    /// The sequence number after the greatest one that was sent; none: nothing is known of its position.
    pub(super) next: Option<u32>,
    /// Sequence number of its SYN.
    initial: Option<u32>,
    /// The greatest acknowledgement that it sent.
    pub(super) acknowledged: Option<u32>,
    /// When it last sent data, SYN or FIN.
    pub(super) sent_us: u32,
    pub(super) round_trip: RoundTrip,
    /// Windows of packets without SYN and RST: the latest, the least and the greatest since the last record.
    window: Option<u16>,
    windows: Option<(u16, u16)>,
    max_segment: Option<u16>,
    window_scale: Option<u8>,
    /// How often in a row it repeated an acknowledgement.
    pub(super) duplicates: u8,
    /// Whether its last packet only asked for an answer: a keep-alive, or a probe of a zero window.
    pub(super) has_probed: bool,
}

impl Direction {
    /// A connection begins with this SYN, whose data ends before `next`.
    pub(super) fn begin(&mut self, packet: &Packet, segment: &Segment, next: u32) {
        *self = Self {
            next: Some(next),
            initial: Some(packet.tcp_sequence),
            max_segment: segment.max_segment,
            window_scale: segment.window_scale,
            ..Self::default()
        };
    }

    /// Whether this is the sequence number of the SYN that it sent before.
    pub(super) fn has_initial(&self, sequence: u32) -> bool {
        self.initial == Some(sequence)
    }

    /// How far data from `start` to before `end` begins ahead of what was sent; none: this is not known, or too far.
    pub(super) fn distance(&self, start: u32, end: u32) -> Option<i32> {
        let distance = ahead(start, self.next?);
        let is_plausible = distance.unsigned_abs() < MAX_WINDOW && end.wrapping_sub(start) < MAX_WINDOW;
        is_plausible.then_some(distance)
    }

    /// Whether this packet only asks for an answer. A keep-alive (RFC 9293 section 3.8.4) repeats the last byte, or has none, when
    /// everything is acknowledged; a probe (section 3.8.6.1) has the next byte when the other end's window is zero.
    pub(super) fn is_probe(&self, other: &Self, packet: &Packet, segment: &Segment) -> bool {
        let is_plain = packet.tcp_flags & (TcpFlags::SYN | TcpFlags::FIN | TcpFlags::RST) == 0;
        let Some(next) = self.next.filter(|_| is_plain && segment.payload <= 1) else { return false };
        let repeats = packet.tcp_sequence == next.wrapping_sub(1);
        let is_idle = segment.payload == 0 || other.acknowledged.is_none_or(|number| number == next);
        let is_window_probe = packet.tcp_sequence == next && segment.payload == 1 && other.window == Some(0);
        (repeats && is_idle) || is_window_probe
    }

    /// Whether this packet repeats the acknowledgement of the previous one (RFC 5681 section 2), and `other` did not ask for that.
    pub(super) fn repeats_acknowledgement(&self, other: &Self, packet: &Packet, segment: &Segment) -> bool {
        let flags = packet.tcp_flags & (TcpFlags::SYN | TcpFlags::FIN | TcpFlags::RST | TcpFlags::ACK);
        flags == TcpFlags::ACK
            && segment.payload == 0
            && segment.window != 0
            && self.window == Some(segment.window)
            && self.acknowledged == Some(segment.acknowledgement)
            && self.next == Some(packet.tcp_sequence)
            && !other.has_probed
    }

    /// Notes acknowledgement and window of a packet without RST.
    pub(super) fn note(&mut self, packet: &Packet, segment: &Segment) {
        if packet.tcp_flags & TcpFlags::ACK != 0 {
            let distance = self.acknowledged.map(|number| ahead(segment.acknowledgement, number));
            if distance.is_none_or(|distance| distance > 0 || distance.unsigned_abs() > MAX_WINDOW) {
                self.acknowledged = Some(segment.acknowledgement);
                self.duplicates = 0;
            }
        }
        if packet.tcp_flags & TcpFlags::SYN == 0 {
            let window = segment.window;
            self.window = Some(window);
            self.windows = Some(self.windows.map_or((window, window), |(min, max)| (min.min(window), max.max(window))));
        }
    }

    /// Its figures since the last record, with those in `trouble`. A new record begins.
    pub(super) fn take(&mut self, trouble: Option<&mut Trouble>) -> TcpDirection {
        let windows = self.windows.take();
        let figures = TcpDirection {
            window_min: windows.map(|(min, _)| min),
            window_max: windows.map(|(_, max)| max),
            window_scale: self.window_scale,
            max_segment: self.max_segment,
            rtt_min_us: self.round_trip.min_us(),
            rtt_smoothed_us: self.round_trip.smoothed_us(),
            ..trouble.map(Trouble::take).unwrap_or_default()
        };
        self.round_trip.begin_record();
        figures
    }
}
