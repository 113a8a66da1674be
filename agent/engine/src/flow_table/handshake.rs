//! Measures the duration of a TCP handshake (RFC 9293 section 3.5) from its packets.

use pidflow_schema::record::Handshake;

use crate::packet::{Packet, TcpFlags};

/// Packets out of order by up to this count as simultaneous, microseconds.
const MAX_DISORDER_US: u32 = 100_000;

/// The progress of a handshake.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[repr(u8)]
enum HandshakeStep {
    #[default]
    None,
    /// The client's SYN was seen at microsecond `first`.
    Syn,
    /// The SYN was answered `server` microseconds later.
    Answered,
    /// The answer was acknowledged `first` microseconds after it.
    Done,
    /// The duration was in a record, or cannot be known.
    Over,
}

/// One flow's handshake. Packed, because an entry has only ten bytes left in its three cache lines.
#[derive(Debug, Clone, Copy, Default)]
#[repr(C, packed(2))]
pub(super) struct HandshakeWatch {
    step: HandshakeStep,
    first: u32,
    server: u32,
}

impl HandshakeWatch {
    /// Whether the next packet of the client may complete the handshake.
    #[inline]
    pub(super) fn is_answered(self) -> bool {
        self.step == HandshakeStep::Answered
    }

    /// A SYN, with or without ACK. Retransmitted SYNs are ignored: latency counts from the first.
    pub(super) fn syn(&mut self, packet: &Packet) {
        let now = micros(packet.time_ns);
        match (packet.tcp_flags & TcpFlags::ACK != 0, self.step) {
            (false, HandshakeStep::None) => (self.step, self.first) = (HandshakeStep::Syn, now),
            (true, HandshakeStep::Syn) => match micros_between(self.first, now) {
                Some(passed) => (self.step, self.server) = (HandshakeStep::Answered, passed),
                None => self.give_up(),
            },
            _ => {}
        }
    }

    /// A packet of the client.
    pub(super) fn acknowledged(&mut self, packet: &Packet) {
        let plain = packet.tcp_flags & (TcpFlags::ACK | TcpFlags::SYN | TcpFlags::RST) == TcpFlags::ACK;
        if plain && self.step == HandshakeStep::Answered {
            let answered = self.first.wrapping_add(self.server);
            match micros_between(answered, micros(packet.time_ns)) {
                Some(passed) => (self.step, self.first) = (HandshakeStep::Done, passed),
                None => self.give_up(),
            }
        }
    }

    /// Gives up because the clock was set during the handshake.
    pub(super) const fn give_up(&mut self) {
        if !matches!(self.step, HandshakeStep::None | HandshakeStep::Done) {
            self.step = HandshakeStep::Over;
        }
    }

    /// The durations, for the record in which the handshake completed.
    pub(super) fn handshake(self) -> Option<Handshake> {
        (self.step == HandshakeStep::Done).then_some(Handshake { server_us: self.server, client_us: self.first })
    }

    /// After a record of a flow that goes on.
    pub(super) const fn begin_record(&mut self) {
        if matches!(self.step, HandshakeStep::Done) {
            self.step = HandshakeStep::Over;
        }
    }
}

/// A time in microseconds modulo 2^32.
#[expect(clippy::cast_possible_truncation, reason = "32 bits of microseconds last longer than any idle flow")]
pub(super) const fn micros(time_ns: u64) -> u32 {
    (time_ns / 1000) as u32
}

/// Time between two packets; 0 if they are slightly out of order, as those of two interfaces may be. None: the clock
/// was set back.
const fn micros_between(then: u32, now: u32) -> Option<u32> {
    let passed = now.wrapping_sub(then);
    match then.wrapping_sub(now) {
        _ if passed <= u32::MAX / 2 => Some(passed),
        back if back <= MAX_DISORDER_US => Some(0),
        _ => None,
    }
}
