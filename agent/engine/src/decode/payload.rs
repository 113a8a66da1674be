//! Picks payloads and TCP headers of packets while they are decoded.

use pidflow_schema::record::Protocol;

use super::layer::Layer;
use super::{Decoder, Discard, Excess, Frame, LinkType, PayloadRule, Rest, Target, TcpRule, blank, link, tunnel};
use crate::application::Payloads;
use crate::packet::{Fragment, Packet};
use crate::segment::Segment;

/// A packet with what follows its IP header.
struct WithPayload<'a> {
    packet: Packet,
    behind: &'a [u8],
    /// The captured part of the datagram, with its IP header.
    datagram: &'a [u8],
    /// Bytes of the datagram behind its IP header; 0: it has no header here.
    octets_behind: u32,
}

impl<'a> Target<'a> for WithPayload<'a> {
    #[inline]
    fn packet(&mut self) -> &mut Packet {
        &mut self.packet
    }

    #[inline]
    fn excess(&self) -> Excess {
        Excess::Marked
    }

    #[inline]
    fn behind(&mut self, rest: Rest<'a>, data: &'a [u8], octets: u32) {
        self.behind = data;
        self.datagram = rest.within(0, octets);
        self.octets_behind = rest.behind(data, octets).on_the_wire();
    }
}

impl Decoder {
    /// The payloads and TCP headers of the packets decoded since the last call. Pass them to
    /// [`crate::flow_table::FlowTable::set_payloads`] before these packets.
    #[must_use]
    pub fn take_payloads(&mut self) -> Payloads {
        let payloads = self.picker.as_mut().map(|picker| picker.take()).unwrap_or_default();
        payloads.with_segments(std::mem::take(&mut self.segments))
    }

    /// Reads a TCP header. Later fragments have none.
    #[inline]
    fn read_tcp(&mut self, found: &mut WithPayload<'_>) {
        if found.packet.fragment != Fragment::Later && found.octets_behind > 0 {
            let segment = Segment::read(&found.packet, found.behind, found.octets_behind);
            found.packet.segment = self.segments.push(segment);
        }
    }

    /// Decodes one frame, and picks its payload and its TCP header.
    #[inline(never)]
    pub(super) fn decode_with_payload(&mut self, link: LinkType, frame: &Frame<'_>) -> Result<Packet, Discard> {
        let mut found = WithPayload { packet: blank(frame), behind: &[], datagram: &[], octets_behind: 0 };
        link::decode(link, Rest::new(frame), &mut found)?;
        if found.packet.fragment != Fragment::Whole || tunnel::may_begin(&found.packet) {
            let Layer { packet, behind, datagram, octets_behind, .. } = self.look_inside(link, frame)?;
            found = WithPayload { packet, behind: behind.data, datagram, octets_behind };
        }
        if let Some(picker) = &mut self.picker {
            if self.rules.payloads == PayloadRule::Pick {
                picker.look(&mut found.packet, found.behind);
            }
            if let Some(gate) = &mut self.gate
                && found.packet.fragment == Fragment::Whole
                && gate.passes(&found.packet)
            {
                picker.push_packet(&mut found.packet, found.datagram);
            }
        }
        if self.rules.tcp == TcpRule::Measure && found.packet.protocol == Protocol::TCP {
            self.read_tcp(&mut found);
        }
        Ok(found.packet)
    }
}
