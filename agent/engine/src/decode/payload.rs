//! Picks the payloads of packets while they are decoded.

use super::{Decoder, Discard, Frame, LinkType, Rest, Target, blank, link, tunnel};
use crate::application::Payloads;
use crate::packet::{Fragment, Packet};

/// A packet with what follows its IP header.
struct WithPayload<'a> {
    packet: Packet,
    behind: &'a [u8],
}

impl<'a> Target<'a> for WithPayload<'a> {
    #[inline]
    fn packet(&mut self) -> &mut Packet {
        &mut self.packet
    }

    #[inline]
    fn goes_on(&self) -> bool {
        false
    }

    #[inline]
    fn behind(&mut self, _: Rest<'a>, data: &'a [u8], _: u32) {
        self.behind = data;
    }
}

impl Decoder {
    /// The payloads of the packets decoded since the last call. Pass them to
    /// [`crate::flow_table::FlowTable::set_payloads`] before these packets.
    #[must_use]
    pub fn take_payloads(&mut self) -> Payloads {
        self.picker.as_mut().map(|picker| picker.take()).unwrap_or_default()
    }

    /// Decodes one frame, and picks its payload.
    #[inline(never)]
    pub(super) fn decode_with_payload(&mut self, link: LinkType, frame: &Frame<'_>) -> Result<Packet, Discard> {
        let mut found = WithPayload { packet: blank(frame), behind: &[] };
        link::decode(link, Rest::new(frame), &mut found)?;
        if found.packet.fragment != Fragment::Whole || tunnel::may_begin(&found.packet) {
            let layer = self.look_inside(link, frame)?;
            found = WithPayload { packet: layer.packet, behind: layer.behind.data };
        }
        if let Some(picker) = &mut self.picker {
            picker.look(&mut found.packet, found.behind);
        }
        Ok(found.packet)
    }
}
