//! What one side of a flow sent.

use pidflow_schema::record::{Counters, UnknownCounters};

use super::entry_facts::Facts;
use super::handshake::micros;
use crate::packet::Marks;

/// Counters and state of what one side of the key sent.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Sent {
    pub(super) packets: u64,
    pub(super) octets: u64,
    pub(super) frame_octets: u64,
    /// TCP: sequence number of its SYN, valid if [`Sent::has_syn`]. Otherwise: time of its last packet, microseconds
    /// modulo 2^32.
    pub(super) mark: u32,
    pub(super) tcp_flags: u8,
    /// Facts about the whole flow, except for [`Sent::IS_BEYOND_FRAME`], unlike `tcp_flags` and `packets`, which restart with each record.
    pub(super) facts: Facts,
    /// The tunnel that carried its packets, a number of [`super::tunnels::TunnelTable`]; 0: none, or nothing was sent.
    pub(super) tunnel: u16,
}

impl Sent {
    pub(super) const HAS_SYN: u8 = 1;
    pub(super) const HAS_FIN: u8 = 2;
    pub(super) const HAS_SENT: u8 = 4;
    /// Payloads of the flow were read; set for both sides.
    pub(super) const IS_WATCHED: u8 = 8;
    /// It ended the connection at a sequence number up to which its packets are there.
    pub(super) const IS_GAPLESS: u8 = 16;
    /// Its packets before a FIN or RST are not all there, or are of another connection.
    pub(super) const HAS_GAP: u8 = 32;
    /// The flow is a connection that is measured ([`super::health`]); set for both sides.
    pub(super) const IS_MEASURED: u8 = 64;
    /// The IP header of a packet since the last record states more bytes than its frame had.
    pub(super) const IS_BEYOND_FRAME: u8 = Marks::BEYOND_FRAME;

    /// Whether it sent a SYN.
    pub(super) const fn has_syn(&self) -> bool {
        self.facts.has(Self::HAS_SYN)
    }

    /// Whether it sent a FIN since its last SYN.
    pub(super) const fn has_fin(&self) -> bool {
        self.facts.has(Self::HAS_FIN)
    }

    /// Whether it sent anything.
    pub(super) const fn has_sent(&self) -> bool {
        self.facts.has(Self::HAS_SENT)
    }

    pub(super) const fn set_fin(&mut self, has_fin: bool) {
        self.facts.set(Self::HAS_FIN, has_fin);
    }

    pub(super) const fn counters(&self) -> Counters {
        Counters {
            packets: self.packets,
            octets: self.octets,
            frame_octets: self.frame_octets,
            tcp_flags: self.tcp_flags,
            is_beyond_frame: self.facts.has(Self::IS_BEYOND_FRAME),
            unknown: UnknownCounters::NONE,
        }
    }

    /// Sequence number of its SYN; none: it sent none.
    pub(super) fn syn_sequence(&self) -> Option<u32> {
        self.has_syn().then_some(self.mark)
    }

    /// Compares the sequence number of its FIN or RST with what it sent since its SYN. Counters that restarted with a
    /// record show a gap where there is none.
    pub(super) fn note_end(&mut self, sequence: u32) {
        if let Some(syn) = self.syn_sequence() {
            let skipped = u64::from(sequence.wrapping_sub(syn).wrapping_sub(1)) > self.octets;
            self.facts.set(if skipped { Self::HAS_GAP } else { Self::IS_GAPLESS }, true);
        }
    }

    /// When it sent last, if `now_ns` is at most an hour later; none: it sent nothing. Not for TCP.
    pub(super) fn last_sent_ns(&self, now_ns: u64) -> Option<u64> {
        let ago = u64::from(micros(now_ns).wrapping_sub(self.mark)) * 1000;
        self.has_sent().then(|| now_ns.saturating_sub(ago))
    }

    pub(super) const fn begin_record(&mut self) {
        self.packets = 0;
        self.octets = 0;
        self.frame_octets = 0;
        self.tcp_flags = 0;
        self.facts.set(Self::IS_BEYOND_FRAME, false);
    }
}
