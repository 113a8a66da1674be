//! Handles packets that are not ordinary: opens tunnels, and gives later fragments the ports of the first one.

use super::fragment::Datagram;
use super::ip::{AUTHENTICATION, authentication};
use super::layer::Layer;
use super::tunnel::{self, Payload};
use super::{Decoder, Discard, Fragments, Frame, LinkType, Rest, Tunnels, blank, link, transport};
use crate::packet::Fragment;
use crate::tunnel::PacketTunnel;

/// The greatest number of nested tunnels that are opened. Deeper packets are counted as the packet of the next tunnel.
pub(super) const MAX_DEPTH: usize = 4;
/// The greatest number of tunnels of one batch; beyond it, tunnels are not opened. A batch of a capture has fewer
/// packets.
const MAX_TUNNELS: usize = 65_536;
/// A tunnel is searched among this many latest ones before it is added again, because traffic alternates between few.
const RECENT_TUNNELS: usize = 8;

impl Decoder {
    /// The tunnels of the packets decoded since the last call. Pass them to
    /// [`crate::flow_table::FlowTable::set_tunnels`] before these packets.
    #[must_use]
    pub fn take_tunnels(&mut self) -> Vec<PacketTunnel> {
        std::mem::take(&mut self.tunnels)
    }

    /// Decodes the frame again: the inner packet, if it belongs to a tunnel, and the ports of fragments.
    #[cold]
    #[inline(never)]
    pub(super) fn look_inside<'a>(&mut self, link: LinkType, frame: &Frame<'a>) -> Result<Layer<'a>, Discard> {
        let mut layer = Layer::new(blank(frame), None, false);
        link::decode(link, Rest::new(frame), &mut layer)?;
        let mut inner = self.open(layer, 0)?;
        inner.packet.tunnel = inner.tunnel.map_or(0, |tunnel| self.number(tunnel));
        Ok(inner)
    }

    fn open<'a>(&mut self, mut layer: Layer<'a>, depth: usize) -> Result<Layer<'a>, Discard> {
        let datagram = Datagram::of(&layer.packet, layer.tunnel);
        if layer.packet.fragment == Fragment::Later {
            return self.later(&datagram, layer);
        }
        authenticate(&mut layer);
        let inner = self.inside(&layer, depth);
        let innermost = inner.map(|inner| self.open(inner, depth + 1)).transpose()?;
        if layer.packet.fragment == Fragment::First && self.rules.fragments == Fragments::Join {
            self.fragments.remember(datagram, &layer.packet, innermost.map(|layer| (layer.packet, layer.tunnel)));
        }
        Ok(innermost.unwrap_or(layer))
    }

    fn later<'a>(&mut self, datagram: &Datagram, mut layer: Layer<'a>) -> Result<Layer<'a>, Discard> {
        if self.rules.fragments == Fragments::Separate {
            return Err(Discard::LaterFragment);
        }
        self.fragments.complete(datagram, &mut layer);
        Ok(layer)
    }

    /// The packet inside a packet of a tunnel. None: it does not certainly belong to a tunnel, or what is inside is not
    /// IP.
    fn inside<'a>(&self, layer: &Layer<'a>, depth: usize) -> Option<Layer<'a>> {
        if self.rules.tunnels == Tunnels::Outer || depth >= MAX_DEPTH || self.tunnels.len() >= MAX_TUNNELS {
            return None;
        }
        let outer = &layer.packet;
        let payload = Payload { rest: layer.behind, goes_on: layer.goes_on || outer.fragment == Fragment::First };
        let found = tunnel::find(outer, payload)?;
        let tunnel = Some(PacketTunnel::around(outer, found.kind, found.id));
        let mut inner = Layer::new(outer.inside(), tunnel, payload.goes_on);
        found.decode(&mut inner).ok()?;
        Some(inner)
    }

    /// The number of a tunnel in this batch.
    fn number(&mut self, tunnel: PacketTunnel) -> u32 {
        let before = self.tunnels.len().saturating_sub(RECENT_TUNNELS);
        let recent = self.tunnels.iter().skip(before).position(|known| *known == tunnel);
        let index = recent.map_or(self.tunnels.len(), |at| before + at);
        if recent.is_none() {
            self.tunnels.push(tunnel);
        }
        u32::try_from(index + 1).unwrap_or(0)
    }
}

/// Removes an Authentication Header. For IPv6 this was done with the other extension headers.
fn authenticate(layer: &mut Layer<'_>) {
    if layer.packet.protocol == AUTHENTICATION
        && let Some((protocol, data)) = authentication(layer.behind.data)
    {
        layer.packet.protocol = protocol;
        let header = layer.behind.data.len() - data.len();
        layer.octets_behind = layer.octets_behind.saturating_sub(header as u32);
        layer.behind = layer.behind.after(header);
        transport::decode(data, layer.behind.on_the_wire(), &mut layer.packet);
    }
}
