//! How well the packets of a TCP connection got through.

use serde::{Deserialize, Serialize};

/// What the packets of one direction of a TCP connection show. Counts are those of the record; the other members are the latest
/// known of the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct TcpDirection {
    /// Packets whose data, SYN or FIN was sent before.
    pub retransmitted_packets: u32,
    /// Bytes of their payload that were sent before.
    pub retransmitted_bytes: u64,
    /// Packets that another packet of the same direction overtook.
    pub out_of_order_packets: u32,
    /// Bytes that were never seen, and were not acknowledged as far as was seen.
    pub lost_bytes: u64,
    /// Bytes that were never seen, although the other end acknowledged them: the capture missed them.
    pub uncaptured_bytes: u64,
    /// Acknowledgements that repeat the previous one (RFC 5681 section 2).
    pub duplicate_acks: u32,
    /// Packets with a receive window of zero, without SYN, FIN and RST.
    pub zero_windows: u32,
    /// SYNs that were sent before; they are also in `retransmitted_packets`.
    pub syn_retransmissions: u32,
    /// Retransmissions after a time-out of the sender; they are also in `retransmitted_packets`.
    pub timeout_retransmissions: u32,
    /// Packets with the mark of a congested router (RFC 3168: ECN field CE).
    pub congestion_marks: u32,
    /// The least receive window, as in the header, of the record's packets without SYN and RST; none: there was no such packet.
    pub window_min: Option<u16>,
    /// The greatest one.
    pub window_max: Option<u16>,
    /// Window scale in the SYN (RFC 7323), a power of two; none: not seen, or the SYN has none.
    pub window_scale: Option<u8>,
    /// Maximum segment size in the SYN, bytes; none: not seen, or the SYN has none.
    pub max_segment: Option<u16>,
    /// The least time from a packet of this direction to its acknowledgement in the record, microseconds; none: not measured.
    pub rtt_min_us: Option<u32>,
    /// The smoothed one (RFC 6298 section 2), microseconds; none: not measured.
    pub rtt_smoothed_us: Option<u32>,
}

/// How far a TCP connection has got, as its packets show.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[repr(u8)]
pub enum TcpState {
    /// Only SYNs without ACK were seen.
    SynSent,
    /// A SYN was answered, and the answer was not acknowledged.
    SynReceived,
    /// Both ends may send, or the capture began later.
    #[default]
    Established,
    /// One end has sent FIN.
    HalfClosed,
    /// Both ends have sent FIN.
    Closed,
    /// An end has sent RST before both had sent FIN.
    Reset,
}

impl ApplicationLatency {
    /// Counts an exchange that took so many microseconds.
    pub fn count(&mut self, us: u32) {
        if self.exchanges == 0 {
            self.first_us = us;
        }
        self.max_us = self.max_us.max(us);
        self.total_us += u64::from(us);
        self.exchanges = self.exchanges.saturating_add(1);
    }
}

impl TcpState {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::SynSent, Self::SynReceived, Self::Established, Self::HalfClosed, Self::Closed, Self::Reset];

    /// The exported name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::SynSent => "syn-sent",
            Self::SynReceived => "syn-received",
            Self::Established => "established",
            Self::HalfClosed => "half-closed",
            Self::Closed => "closed",
            Self::Reset => "reset",
        }
    }
}

/// What ended a TCP connection first, and by whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[repr(u8)]
pub enum TcpEnd {
    /// The source sent FIN first.
    SourceFin,
    /// The destination sent FIN first.
    DestinationFin,
    /// Each end sent FIN before it got the other's (RFC 9293 section 3.6: simultaneous close).
    BothFin,
    /// The source sent RST, and nobody FIN before.
    SourceRst,
    /// The destination sent RST, and nobody FIN before.
    DestinationRst,
    /// Neither FIN nor RST was seen until the idle timeout.
    Timeout,
}

impl TcpEnd {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::SourceFin, Self::DestinationFin, Self::BothFin, Self::SourceRst, Self::DestinationRst, Self::Timeout];

    /// The exported name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::SourceFin => "source-fin",
            Self::DestinationFin => "destination-fin",
            Self::BothFin => "both-fin",
            Self::SourceRst => "source-rst",
            Self::DestinationRst => "destination-rst",
            Self::Timeout => "timeout",
        }
    }

    /// The same as seen from the other end.
    const fn turned(self) -> Self {
        match self {
            Self::SourceFin => Self::DestinationFin,
            Self::DestinationFin => Self::SourceFin,
            Self::SourceRst => Self::DestinationRst,
            Self::DestinationRst => Self::SourceRst,
            Self::BothFin | Self::Timeout => self,
        }
    }
}

/// How long the server of a connection took to answer. An exchange begins with the last packet with data of the client before data
/// of the server, and ends with the first packet of these.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ApplicationLatency {
    /// The duration of the record's first exchange, microseconds.
    pub first_us: u32,
    /// The longest duration, microseconds.
    pub max_us: u32,
    /// The sum of all durations, microseconds.
    pub total_us: u64,
    /// The number of exchanges in the record.
    pub exchanges: u32,
}

/// How well the packets of a TCP connection got through.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct TcpHealth {
    /// From source to destination.
    pub forward: TcpDirection,
    /// From destination to source.
    pub reverse: TcpDirection,
    /// How far the connection has got.
    pub state: TcpState,
    /// What ended it; none: it goes on, or another reason ended the flow.
    pub end: Option<TcpEnd>,
    /// How long the destination took to answer; none: no exchange was seen, or the SYN, so that it is not known who asks.
    pub latency: Option<ApplicationLatency>,
}

impl TcpHealth {
    /// Swaps the ends.
    pub fn turn_round(&mut self) {
        std::mem::swap(&mut self.forward, &mut self.reverse);
        self.end = self.end.map(TcpEnd::turned);
        self.latency = None;
    }
}
