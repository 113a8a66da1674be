//! Determines from its packets where a TCP connection begins and ends (RFC 9293 section 3.3.2).

use super::FlowTable;
use super::entry::Entry;
use super::key::KeySide;
use super::state::State;
use crate::packet::{Packet, TcpFlags};

/// Flags that change a connection's state.
pub(super) const EVENTS: u8 = TcpFlags::SYN | TcpFlags::FIN | TcpFlags::RST;

/// Whether `packet` opens another connection with the same addresses and ports.
///
/// A SYN opens one unless it repeats the sequence number of the SYN that this end already sent, or this end has
/// sent nothing yet (the SYN was overtaken by its answer, or both ends opened at the same time).
pub(super) fn reopens(entry: &Entry, from: KeySide, packet: &Packet) -> bool {
    let sent = entry.sent(from);
    let repeated = sent.syn_sequence() == Some(packet.tcp_sequence);
    match packet.tcp_flags & (TcpFlags::SYN | TcpFlags::ACK | TcpFlags::RST | TcpFlags::FIN) {
        TcpFlags::SYN if sent.has_syn() => !repeated,
        TcpFlags::SYN => !entry.state.is_open() || sent.has_sent(),
        // A SYN-ACK opens another connection if its SYN was not seen. If it was, and was not answered yet, this is the
        // answer.
        flags if flags == TcpFlags::SYN | TcpFlags::ACK => {
            let answers = entry.sent(from.other()).has_syn() && !sent.has_syn();
            !entry.state.is_open() && !repeated && !answers
        }
        _ => false,
    }
}

/// Handles SYN, FIN and RST, and returns the state that follows.
///
/// A SYN after an RST in the same flow continues the attempt: a server that still has the previous connection answers
/// the first SYN with an ACK, is reset, and gets the same SYN again (RFC 9293 sections 3.5.2 and 3.10.7.4). A FIN that
/// arrived before its sender's SYN belongs to the previous connection.
pub(super) fn note(entry: &mut Entry, from: KeySide, packet: &Packet) -> State {
    if packet.tcp_flags & TcpFlags::SYN != 0 {
        entry.note_syn(from, packet);
        entry.sent_mut(from).set_fin(false);
    }
    if packet.tcp_flags & TcpFlags::FIN != 0 {
        entry.sent_mut(from).set_fin(true);
    }
    if packet.tcp_flags & (TcpFlags::FIN | TcpFlags::RST) != 0 {
        entry.sent_mut(from).note_end(packet.tcp_sequence);
    }
    let attempts_again = entry.state == State::Reset && packet.tcp_flags & TcpFlags::SYN != 0;
    if !entry.state.is_open() && !attempts_again {
        return entry.state;
    }
    if packet.tcp_flags & TcpFlags::RST != 0 {
        State::Reset
    } else if entry.sent(KeySide::Low).has_fin() && entry.sent(KeySide::High).has_fin() {
        State::Finished
    } else if attempts_again {
        State::Open
    } else {
        entry.state
    }
}

impl FlowTable {
    /// Handles a packet with one of [`EVENTS`].
    pub(super) fn tcp_event(&mut self, slot: u32, from: KeySide, packet: &Packet) {
        let entry = self.slab.get_mut(slot);
        let next = note(entry, from, packet);
        if entry.state.is_open() == next.is_open() {
            entry.state = next;
        } else if !self.config.is_whole_capture() {
            self.set_state(slot, next);
        }
    }
}
