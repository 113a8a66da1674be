//! Where a TCP connection begins and ends (RFC 9293 section 3.3.2), seen from outside.

use super::entry::{Entry, State};
use super::key::End;
use crate::packet::{Packet, TcpFlags};

/// Flags that change a connection's state.
pub(super) const EVENTS: u8 = TcpFlags::SYN | TcpFlags::FIN | TcpFlags::RST;

/// Whether `packet` opens another connection with the same addresses and ports.
///
/// A SYN opens one unless it repeats the sequence number of the SYN that this end already sent, or this end has
/// sent nothing yet (the SYN was overtaken by its answer, or both ends opened at the same time).
pub(super) fn reopens(entry: &Entry, from: End, packet: &Packet) -> bool {
    let sent = entry.sent(from);
    let repeated = sent.syn_sequence() == Some(packet.tcp_sequence);
    match packet.tcp_flags & (TcpFlags::SYN | TcpFlags::ACK | TcpFlags::RST | TcpFlags::FIN) {
        TcpFlags::SYN if sent.has_syn => !repeated,
        TcpFlags::SYN => entry.state != State::Open || sent.has_sent,
        // The SYN before it was not seen. One that was seen and not answered yet is answered now: a server that still
        // had the port pair in TIME_WAIT answered with an ACK first, was reset, and got the same SYN again
        // (RFC 9293 section 3.10.7.4).
        flags if flags == TcpFlags::SYN | TcpFlags::ACK => {
            let answers = entry.sent(from.other()).has_syn && !sent.has_syn;
            entry.state != State::Open && !repeated && !answers
        }
        _ => false,
    }
}

/// Takes note of SYN, FIN and RST; true: the connection has just ended.
pub(super) fn note(entry: &mut Entry, from: End, packet: &Packet) -> bool {
    if packet.tcp_flags & TcpFlags::SYN != 0 {
        entry.note_syn(from, packet);
    }
    if packet.tcp_flags & TcpFlags::FIN != 0 {
        entry.sent_mut(from).has_fin = true;
    }
    if entry.state != State::Open {
        return false;
    }
    if packet.tcp_flags & TcpFlags::RST != 0 {
        entry.state = State::Reset;
    } else if entry.sent(End::Low).has_fin && entry.sent(End::High).has_fin {
        entry.state = State::Finished;
    }
    entry.state != State::Open
}
