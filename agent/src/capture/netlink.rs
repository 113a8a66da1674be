//! The kernel's notices about network interfaces: rtnetlink(7).

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

use netlink_packet_core::{
    NLM_F_DUMP, NLM_F_DUMP_INTR, NLM_F_REQUEST, NLMSG_DONE, NLMSG_ERROR, NetlinkBuffer, NetlinkHeader, NetlinkMessage,
    NlaBuffer, NlasIterator,
};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::link::{LinkFlags, LinkHeader, LinkMessage};
use rustix::io::Errno;
use rustix::net::netlink::SocketAddrNetlink;
use rustix::net::{AddressFamily, RecvFlags, SocketFlags, SocketType, bind, recv, send, socket_with};

use super::link::{Link, Wiring};
use pidflow_capture::LinkCounts;

/// `RTMGRP_LINK` of linux/rtnetlink.h: the group that is notified of each change of an interface.
const LINK_GROUP: u32 = 1;
/// Message types and attributes of linux/rtnetlink.h and linux/if_link.h.
const RTM_NEWLINK: u16 = 16;
const RTM_DELLINK: u16 = 17;
const IFLA_IFNAME: u16 = 3;
const IFLA_LINK: u16 = 5;
const IFLA_MASTER: u16 = 10;
const IFLA_LINKINFO: u16 = 18;
const IFLA_INFO_KIND: u16 = 1;
const IFLA_STATS64: u16 = 23;
const IFLA_LINK_NETNSID: u16 = 37;
const IFLA_PROP_LIST: u16 = 52;
const IFLA_ALT_IFNAME: u16 = 53;
/// Kinds of interfaces of which two are a pair: what goes into one comes out of the other.
const PAIRS: [&str; 2] = ["veth", "netkit"];
/// The link-layer header of loopback, which the kernel does not count there.
const ETHERNET_OCTETS: u64 = 14;
/// Bytes of `struct ifinfomsg`.
const LINK_HEADER: usize = 16;
/// Longest message received, bytes. The kernel sends no longer ones unless asked to; a truncated one is reported as
/// lost.
const MAX_MESSAGE: usize = 64 * 1024;

/// One notice.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum LinkNotice {
    /// The interface's current state.
    Is(Link),
    /// The kernel's counters of the interface with this index.
    Counted(u32, LinkCounts),
    /// The interface with this index was deleted.
    Gone(u32),
    /// Every interface was listed since [`LinkMonitor::ask_for_all`].
    All,
    /// A notice was lost, or the list changed while it was sent: it has to be requested again.
    Lost,
}

/// A socket that is notified of changes of the interfaces of the network namespace in which it was opened.
#[derive(Debug)]
pub(super) struct LinkMonitor {
    socket: OwnedFd,
    buffer: Vec<u8>,
}

impl LinkMonitor {
    pub(super) fn open() -> io::Result<Self> {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        // Protocol 0 is NETLINK_ROUTE.
        let socket = socket_with(AddressFamily::NETLINK, SocketType::RAW, flags, None)?;
        bind(&socket, &SocketAddrNetlink::new(0, LINK_GROUP))?;
        Ok(Self { socket, buffer: vec![0; MAX_MESSAGE] })
    }

    /// Requests all interfaces; [`LinkMonitor::receive`] returns the answer.
    pub(super) fn ask_for_all(&self) -> io::Result<()> {
        let mut header = NetlinkHeader::default();
        header.flags = NLM_F_REQUEST | NLM_F_DUMP;
        let message = RouteNetlinkMessage::GetLink(LinkMessage::default());
        let mut request = NetlinkMessage::new(header, message.into());
        request.finalize();
        let mut bytes = vec![0; request.buffer_len()];
        request.serialize(&mut bytes);
        send(&self.socket, &bytes, rustix::net::SendFlags::empty())?;
        Ok(())
    }

    /// Receives all pending notices; does not wait.
    pub(super) fn receive(&mut self, said: &mut Vec<LinkNotice>) -> io::Result<()> {
        loop {
            match recv(&self.socket, self.buffer.as_mut_slice(), RecvFlags::TRUNC) {
                Ok((length, whole)) if length < whole => said.push(LinkNotice::Lost),
                Ok((length, _)) => parse(self.buffer.get(..length).unwrap_or_default(), said),
                Err(Errno::AGAIN) => return Ok(()),
                // The socket's buffer overflowed.
                Err(Errno::NOBUFS) => said.push(LinkNotice::Lost),
                Err(Errno::INTR) => {}
                Err(e) => return Err(e.into()),
            }
        }
    }
}

impl AsFd for LinkMonitor {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// Messages follow each other, each padded to four bytes.
fn parse(mut bytes: &[u8], said: &mut Vec<LinkNotice>) {
    while let Ok(message) = NetlinkBuffer::new_checked(bytes) {
        let (length, kind) = (message.length() as usize, message.message_type());
        if message.flags() & NLM_F_DUMP_INTR != 0 {
            said.push(LinkNotice::Lost);
        }
        said.extend(one(kind, message.payload()));
        said.extend(counted(kind, message.payload()));
        bytes = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
}

fn one(kind: u16, payload: &[u8]) -> Option<LinkNotice> {
    match kind {
        NLMSG_DONE => Some(LinkNotice::All),
        NLMSG_ERROR => Some(LinkNotice::Lost),
        RTM_NEWLINK => link(payload).map(LinkNotice::Is),
        RTM_DELLINK => header(payload).map(|header| LinkNotice::Gone(header.index)),
        _ => None,
    }
}

/// None: the notice is not about the interface itself, but about its port of a bridge (family `AF_BRIDGE`).
fn header(payload: &[u8]) -> Option<LinkHeader> {
    let header = LinkHeader::parse(payload).ok()?;
    (u8::from(header.interface_family) == 0).then_some(header)
}

/// None where there is no name: notices about wireless interfaces have none.
fn link(payload: &[u8]) -> Option<Link> {
    let header = header(payload)?;
    let attributes = attributes(payload.get(LINK_HEADER..)?);
    let mut link = Link {
        index: header.index,
        name: "".into(),
        other_names: Vec::new(),
        is_up: header.flags.contains(LinkFlags::Up),
        is_loopback: header.flags.contains(LinkFlags::Loopback),
        wiring: wiring(payload.get(LINK_HEADER..)?, header.index),
    };
    for attribute in attributes {
        match attribute.kind() {
            IFLA_IFNAME => link.name = name(attribute.value()).into(),
            IFLA_PROP_LIST => {
                let names = self::attributes(attribute.value()).filter(|a| a.kind() == IFLA_ALT_IFNAME);
                link.other_names = names.map(|a| name(a.value())).collect();
            }
            _ => {}
        }
    }
    (!link.name.is_empty()).then_some(link)
}

fn wiring(attributes: &[u8], own: u32) -> Wiring {
    let mut wiring = Wiring::default();
    let mut namespace = None;
    for attribute in self::attributes(attributes) {
        match attribute.kind() {
            IFLA_MASTER => wiring.master = number(attribute.value()),
            IFLA_LINK => wiring.lower = number(attribute.value()).filter(|index| *index != own && *index != 0),
            IFLA_LINK_NETNSID => namespace = number(attribute.value()).map(u32::cast_signed),
            IFLA_LINKINFO => {
                let kind = self::attributes(attribute.value()).find(|a| a.kind() == IFLA_INFO_KIND);
                wiring.kind = kind.map_or_else(Arc::default, |kind| name(kind.value()).into());
            }
            _ => {}
        }
    }
    if let Some(id) = namespace {
        // The index is one of the other namespace.
        wiring.lower = None;
        wiring.peer_namespace = (id >= 0 && PAIRS.contains(&&*wiring.kind)).then_some(id);
    }
    wiring
}

fn number(value: &[u8]) -> Option<u32> {
    value.first_chunk().map(|bytes| u32::from_ne_bytes(*bytes))
}

/// The counters of an interface; none: the message has none.
fn counted(kind: u16, payload: &[u8]) -> Option<LinkNotice> {
    let header = header(payload).filter(|_| kind == RTM_NEWLINK)?;
    let mut attributes = attributes(payload.get(LINK_HEADER..)?);
    let statistics = attributes.find(|attribute| attribute.kind() == IFLA_STATS64)?;
    let is_loopback = header.flags.contains(LinkFlags::Loopback);
    Some(LinkNotice::Counted(header.index, counts(statistics.value(), is_loopback)?))
}

/// The first fields of `struct rtnl_link_stats64`: packets, bytes, errors and drops, each received and then sent.
fn counts(statistics: &[u8], is_loopback: bool) -> Option<LinkCounts> {
    let (pairs, _) = statistics.as_chunks::<16>();
    let sum = |pair: &[u8; 16]| {
        let (received, sent) = pair.split_first_chunk()?;
        let sent = if is_loopback { 0 } else { u64::from_ne_bytes(*sent.first_chunk()?) };
        Some(u64::from_ne_bytes(*received).wrapping_add(sent))
    };
    let [packets, octets, errors, dropped] = pairs.first_chunk()?.each_ref().map(sum);
    let (packets, headers) = (packets?, if is_loopback { ETHERNET_OCTETS } else { 0 });
    let octets = octets?.wrapping_add(packets.wrapping_mul(headers));
    Some(LinkCounts { packets, octets, errors: errors?, dropped: dropped? })
}

fn attributes(bytes: &[u8]) -> impl Iterator<Item = NlaBuffer<&[u8]>> {
    NlasIterator::new(bytes).map_while(Result::ok)
}

/// A string that ends with a NUL.
fn name(value: &[u8]) -> String {
    let name = value.split(|byte| *byte == 0).next().unwrap_or_default();
    String::from_utf8_lossy(name).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
        let mut attribute = [(4 + value.len() as u16).to_ne_bytes(), kind.to_ne_bytes()].concat();
        attribute.extend(value);
        attribute.resize(attribute.len().next_multiple_of(4), 0);
        attribute
    }

    fn message(kind: u16, family: u8, flags: u32, attributes: &[u8]) -> Vec<u8> {
        let mut message = ((16 + LINK_HEADER + attributes.len()) as u32).to_ne_bytes().to_vec();
        message.extend(kind.to_ne_bytes());
        message.extend([0; 10]);
        message.extend([family, 0, 1, 0]);
        [7, flags, 0].iter().for_each(|n: &u32| message.extend(n.to_ne_bytes()));
        message.extend(attributes);
        message
    }

    fn said(bytes: &[u8]) -> Vec<LinkNotice> {
        let mut said = Vec::new();
        parse(bytes, &mut said);
        said
    }

    #[test]
    fn names_and_flags_are_read_and_bridge_ports_are_not() {
        let other_names = [attribute(IFLA_ALT_IFNAME, b"uplink\0"), attribute(IFLA_ALT_IFNAME, b"enp3s0\0")].concat();
        let attributes = [
            attribute(IFLA_IFNAME, b"eth0\0"),
            attribute(0x7fff, b"what a later kernel adds"),
            attribute(IFLA_PROP_LIST | 0x8000, &other_names),
        ]
        .concat();
        let up = message(RTM_NEWLINK, 0, 1, &attributes);
        let of_bridge = [RTM_NEWLINK, RTM_DELLINK].map(|kind| message(kind, 7, 1, &attributes)).concat();
        let gone = message(RTM_DELLINK, 0, 0, &[]);
        let expected = Link {
            index: 7,
            name: "eth0".into(),
            other_names: vec!["uplink".into(), "enp3s0".into()],
            is_up: true,
            is_loopback: false,
            wiring: Wiring::default(),
        };
        assert_eq!(said(&[up, of_bridge, gone].concat()), [LinkNotice::Is(expected), LinkNotice::Gone(7)]);
    }

    #[test]
    fn what_an_interface_is_connected_to_is_read() {
        let wired = |kind: &[u8], more: &[(u16, i32)]| {
            let more = more.iter().flat_map(|(kind, n)| attribute(*kind, &n.to_ne_bytes()));
            let info = attribute(IFLA_LINKINFO | 0x8000, &attribute(IFLA_INFO_KIND, kind));
            let attributes = [attribute(IFLA_IFNAME, b"eth0\0"), more.collect(), info].concat();
            match &said(&message(RTM_NEWLINK, 0, 1, &attributes))[..] {
                [LinkNotice::Is(link)] => link.wiring.clone(),
                other => panic!("{other:?}"),
            }
        };
        let port = wired(b"veth\0", &[(IFLA_MASTER, 3), (IFLA_LINK, 2), (IFLA_LINK_NETNSID, 5)]);
        let expected = Wiring { kind: "veth".into(), master: Some(3), lower: None, peer_namespace: Some(5) };
        assert_eq!(port, expected);
        assert_eq!(
            wired(b"vlan\0", &[(IFLA_LINK, 2)]),
            Wiring { lower: Some(2), kind: "vlan".into(), ..Wiring::default() }
        );
        // An interface without a lower one has its own index here. The lower interface of a macvlan may be in another
        // namespace, but that is no peer.
        let none = |kind: &str| Wiring { kind: kind.into(), ..Wiring::default() };
        assert_eq!(wired(b"dummy\0", &[(IFLA_LINK, 7)]), none("dummy"));
        assert_eq!(wired(b"macvlan\0", &[(IFLA_LINK, 2), (IFLA_LINK_NETNSID, 0)]), none("macvlan"));
        assert_eq!(wired(b"veth\0", &[(IFLA_LINK, 2), (IFLA_LINK_NETNSID, -1)]), none("veth"));
    }

    #[test]
    fn what_an_interface_counted_is_read_and_loopback_counts_once() {
        let statistics: Vec<u8> = (1..=24_u64).flat_map(u64::to_ne_bytes).collect();
        let attributes = [attribute(IFLA_IFNAME, b"eth0\0"), attribute(IFLA_STATS64, &statistics)].concat();
        let counted = |flags, attributes: &[u8]| match &said(&message(RTM_NEWLINK, 0, flags, attributes))[..] {
            [LinkNotice::Is(_), LinkNotice::Counted(7, counts)] => Some(*counts),
            _ => None,
        };
        let both = LinkCounts { packets: 3, octets: 7, errors: 11, dropped: 15 };
        assert_eq!(counted(1, &attributes), Some(both));
        let received = LinkCounts { packets: 1, octets: 3 + 14, errors: 5, dropped: 7 };
        assert_eq!(counted(1 | 8, &attributes), Some(received));
        let cut = [attribute(IFLA_IFNAME, b"eth0\0"), attribute(IFLA_STATS64, &statistics[..60])].concat();
        assert_eq!(counted(1, &cut), None);
    }

    #[test]
    fn messages_that_are_cut_or_lie_about_their_length_end_the_list() {
        let whole = message(RTM_NEWLINK, 0, 1, &attribute(IFLA_IFNAME, b"eth0\0"));
        for length in 0..whole.len() {
            assert!(said(&whole[..length]).is_empty());
        }
        let mut nameless = message(RTM_NEWLINK, 0, 1, &attribute(IFLA_IFNAME, b"eth0\0"));
        nameless[32..34].copy_from_slice(&200_u16.to_ne_bytes());
        assert!(said(&nameless).is_empty());
    }
}
