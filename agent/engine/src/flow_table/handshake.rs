//! How long a TCP handshake took (RFC 9293 section 3.5), seen from outside.

use pidflow_schema::record::Handshake;

use super::entry::micros;
use crate::packet::{Packet, TcpFlags};

/// How far it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[repr(u8)]
enum Step {
    #[default]
    None,
    /// The client's SYN was seen at microsecond `first`.
    Syn,
    /// It was answered `server` microseconds later.
    Answered,
    /// The answer was acknowledged `first` microseconds after it.
    Done,
    /// A record has told of it.
    Told,
}

/// One flow's handshake. Packed, because ten octets are what an entry has left in its three cache lines.
#[derive(Debug, Clone, Copy, Default)]
#[repr(C, packed(2))]
pub(super) struct Watch {
    step: Step,
    first: u32,
    server: u32,
}

impl Watch {
    /// Whether the next packet of the client may end it.
    #[inline]
    pub(super) fn is_answered(self) -> bool {
        self.step == Step::Answered
    }

    /// A SYN, with or without ACK. Repeated ones change nothing: who waits for the connection waits from the first on.
    pub(super) fn syn(&mut self, packet: &Packet) {
        let now = micros(packet.time_ns);
        match (packet.tcp_flags & TcpFlags::ACK != 0, self.step) {
            (false, Step::None) => (self.step, self.first) = (Step::Syn, now),
            (true, Step::Syn) => (self.step, self.server) = (Step::Answered, since(now, self.first)),
            _ => {}
        }
    }

    /// A packet of the client.
    pub(super) fn acknowledged(&mut self, packet: &Packet) {
        let plain = packet.tcp_flags & (TcpFlags::ACK | TcpFlags::SYN | TcpFlags::RST) == TcpFlags::ACK;
        if plain && self.step == Step::Answered {
            let answered = self.first.wrapping_add(self.server);
            (self.step, self.first) = (Step::Done, since(micros(packet.time_ns), answered));
        }
    }

    /// For the record of the time in which it ended.
    pub(super) fn handshake(self) -> Option<Handshake> {
        (self.step == Step::Done).then_some(Handshake { server_us: self.server, client_us: self.first })
    }

    /// After a record of a flow that goes on.
    pub(super) const fn begin_record(&mut self) {
        if matches!(self.step, Step::Done) {
            self.step = Step::Told;
        }
    }
}

/// Packets of two interfaces may be a little out of order: then no time has passed.
fn since(now: u32, then: u32) -> u32 {
    let passed = now.wrapping_sub(then);
    if passed > u32::MAX / 2 { 0 } else { passed }
}
