//! IPv4 addresses of the own network namespace from rtnetlink(7): the kernel returns only the local table, however many
//! routes there are, and notifies when an interface's address changes.

use std::io;
use std::net::IpAddr;

use netlink_packet_core::{NLM_F_DUMP, NLM_F_REQUEST, NetlinkHeader, NetlinkMessage, NetlinkPayload};
use netlink_packet_route::route::{RouteAddress, RouteAttribute, RouteMessage, RouteScope, RouteType};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};
use netlink_sys::protocols::NETLINK_ROUTE;
use netlink_sys::{Socket, SocketAddr};

/// Length of an IPv4 address.
const WHOLE_ADDRESS: u8 = 32;

/// Every IPv4 address that the kernel treats as local.
///
/// # Errors
/// The kernel has no netlink, or can only return all tables (before 4.20).
pub(super) fn local_ipv4() -> io::Result<Vec<IpAddr>> {
    let mut socket = Socket::new(NETLINK_ROUTE)?;
    socket.bind_auto()?;
    socket.connect(&SocketAddr::new(0, 0))?;
    socket.set_netlink_get_strict_chk(true)?;
    socket.send(&request(), 0)?;
    let mut found = Vec::new();
    loop {
        let (answer, _) = socket.recv_from_full()?;
        if take(&answer, &mut found)? {
            return Ok(found);
        }
    }
}

fn request() -> Vec<u8> {
    let mut route = RouteMessage::default();
    route.header.address_family = AddressFamily::Inet;
    route.header.table = libc::RT_TABLE_LOCAL;
    route.header.kind = RouteType::Local;
    route.header.scope = RouteScope::Universe;
    let mut header = NetlinkHeader::default();
    header.flags = NLM_F_REQUEST | NLM_F_DUMP;
    let mut message = NetlinkMessage::new(header, NetlinkPayload::from(RouteNetlinkMessage::GetRoute(route)));
    message.finalize();
    let mut bytes = vec![0; message.buffer_len()];
    message.serialize(&mut bytes);
    bytes
}

/// Collects the addresses of an answer's messages. True: the answer is complete.
fn take(answer: &[u8], found: &mut Vec<IpAddr>) -> io::Result<bool> {
    let mut rest = answer;
    while !rest.is_empty() {
        let message = NetlinkMessage::<RouteNetlinkMessage>::deserialize(rest).map_err(io::Error::other)?;
        match message.payload {
            NetlinkPayload::Done(_) => return Ok(true),
            NetlinkPayload::Error(e) => return Err(e.to_io()),
            NetlinkPayload::InnerMessage(RouteNetlinkMessage::NewRoute(route)) => found.extend(address(&route)),
            _ => {}
        }
        let length = (message.header.length as usize).next_multiple_of(ALIGNMENT);
        rest = rest.get(length.max(ALIGNMENT)..).unwrap_or_default();
    }
    Ok(false)
}

/// `NLMSG_ALIGNTO`.
const ALIGNMENT: usize = 4;

fn address(route: &RouteMessage) -> Option<IpAddr> {
    let is_address = route.header.kind == RouteType::Local && route.header.destination_prefix_length == WHOLE_ADDRESS;
    route.attributes.iter().filter(|_| is_address).find_map(|attribute| match attribute {
        RouteAttribute::Destination(RouteAddress::Inet(address)) => Some(IpAddr::V4(*address)),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::super::tables;
    use super::*;

    #[test]
    fn the_kernel_gives_what_the_table_shows() {
        let mut by_netlink = local_ipv4().unwrap();
        let mut by_file = tables::ipv4("self");
        for list in [&mut by_netlink, &mut by_file] {
            list.sort_unstable();
            list.dedup();
        }
        assert!(!by_file.is_empty());
        assert_eq!(by_netlink, by_file);
    }

    #[test]
    fn no_answer_panics() {
        let mut found = Vec::new();
        for answer in [&[0; 3][..], &[0; 16], &[0xff; 40]] {
            let _ = take(answer, &mut found);
        }
        assert!(found.is_empty());
    }
}
