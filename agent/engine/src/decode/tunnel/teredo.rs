//! Teredo (RFC 4380 section 5.1.1).

use pidflow_schema::record::TunnelKind;

use super::{Found, Inside, Payload, ether_type};

/// Bytes of indicator, length of client identification and length of authentication value; these are followed by nonce
/// and confirmation.
const AUTHENTICATION: usize = 4;
const NONCE_AND_CONFIRMATION: usize = 9;
/// Indicator, port and address.
const ORIGIN: usize = 8;
const IPV6_HEADER: u32 = 40;

/// An optional authentication header and origin indication, then an IPv6 packet that ends with the datagram.
pub(super) fn find(Payload { mut rest, goes_on }: Payload<'_>) -> Option<Found<'_>> {
    if let Some([0, 1, client, value]) = rest.front::<AUTHENTICATION>() {
        rest = rest.after(AUTHENTICATION + usize::from(*client) + usize::from(*value) + NONCE_AND_CONFIRMATION);
    }
    if let Some([0, 0]) = rest.front() {
        rest = rest.after(ORIGIN);
    }
    let [first, ..] = rest.data else { return None };
    let octets = IPV6_HEADER + u32::from(rest.be16(4)?);
    let fits = octets == rest.on_the_wire() || (goes_on && octets > rest.on_the_wire());
    (first >> 4 == 6 && fits).then_some(Found {
        kind: TunnelKind::Teredo,
        id: None,
        inside: Inside::EtherType(ether_type::IPV6),
        rest,
    })
}
