//! What only some packets need: tunnels are opened, later fragments get what the first one of their datagram says.

use super::fragment::Datagram;
use super::ip::{AUTHENTICATION, authentication};
use super::{Decoder, Discard, Fragments, Rest, Tunnels, transport, tunnel};
use crate::packet::{Fragment, Packet};
use crate::tunnel::PacketTunnel;

/// Tunnels that are opened inside of each other. What is deeper is counted as the packet of the next tunnel.
pub(super) const MAX_DEPTH: usize = 4;
/// Tunnels of one batch; with more, packets are not opened. A batch of a capture has fewer packets.
const MAX_TUNNELS: usize = 65_536;
/// Among so many of the last ones a tunnel is looked for before it is entered again: traffic changes between few.
const RECENT_TUNNELS: usize = 8;

/// A packet, what carried it, and what is behind its IP header.
#[derive(Debug, Clone, Copy)]
pub(super) struct Layer<'a> {
    pub(super) packet: Packet,
    pub(super) tunnel: Option<PacketTunnel>,
    pub(super) behind: Rest<'a>,
}

impl Decoder {
    /// The tunnels that the packets decoded since the last call were in, to be told to the flow table before these packets:
    /// [`crate::flow_table::FlowTable::set_tunnels`].
    #[must_use]
    pub fn take_tunnels(&mut self) -> Vec<PacketTunnel> {
        std::mem::take(&mut self.tunnels)
    }

    /// The packet inside where there is one, else the same, with the ports of a datagram whose fragment it is.
    #[cold]
    #[inline(never)]
    pub(super) fn look_inside(&mut self, behind: Rest<'_>, packet: &mut Packet) -> Result<(), Discard> {
        let inner = self.open(Layer { packet: *packet, tunnel: None, behind }, 0)?;
        *packet = inner.packet;
        if let Some(tunnel) = inner.tunnel {
            packet.tunnel = self.number(tunnel);
        }
        Ok(())
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

    /// The packet inside of one that begins a tunnel. None: it does not, or not certainly, or what is inside is not IP.
    fn inside<'a>(&self, layer: &Layer<'a>, depth: usize) -> Option<Layer<'a>> {
        if self.rules.tunnels == Tunnels::Outer || depth >= MAX_DEPTH || self.tunnels.len() >= MAX_TUNNELS {
            return None;
        }
        let outer = &layer.packet;
        let goes_on = layer.behind.goes_on || outer.fragment == Fragment::First;
        let found = tunnel::find(outer, Rest { goes_on, ..layer.behind })?;
        let mut packet = outer.inside();
        let behind = found.decode(&mut packet).ok()?;
        Some(Layer { packet, tunnel: Some(PacketTunnel::around(outer, found.kind, found.id)), behind })
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

/// Takes an Authentication Header off; IPv6 has done so with its other extension headers.
fn authenticate(layer: &mut Layer<'_>) {
    if layer.packet.protocol == AUTHENTICATION
        && let Some((protocol, data)) = authentication(layer.behind.data)
    {
        layer.packet.protocol = protocol;
        layer.behind = layer.behind.after(layer.behind.data.len() - data.len());
        transport::decode(layer.behind, &mut layer.packet);
    }
}
