//! VXLAN (RFC 7348), with group policy (draft-smith-vxlan-group-policy) or protocol field (draft-ietf-nvo3-vxlan-gpe).

use pidflow_schema::record::TunnelKind;

use super::{Found, Inside, be24, ether_type};
use crate::decode::Rest;

const HEADER: usize = 8;
/// The VNI is valid.
const VNI: u8 = 0x08;
/// The header has a group policy.
const POLICY: u8 = 0x80;
/// The header names the protocol inside.
const NEXT_PROTOCOL: u8 = 0x04;
/// The packet inside is copied to several receivers.
const COPIED: u8 = 0x02;
/// Flags in the second byte with a group policy: do not learn, policy applied.
const POLICY_FLAGS: u8 = 0x48;

/// Flags, reserved, VNI, reserved. All other flags must be 0.
pub(super) fn find(rest: Rest<'_>) -> Option<Found<'_>> {
    let [flags, second, third, fourth, high, middle, low, 0] = *rest.front::<HEADER>()? else { return None };
    let (kind, inside) = match (flags, [second, third, fourth]) {
        (VNI, [0, 0, 0]) => (TunnelKind::Vxlan, Inside::ETHERNET),
        (flags, [second, _, _]) if flags == VNI | POLICY && second & !POLICY_FLAGS == 0 => {
            (TunnelKind::Vxlan, Inside::ETHERNET)
        }
        (flags, [0, 0, next]) if flags & !COPIED == VNI | NEXT_PROTOCOL => (TunnelKind::VxlanGpe, next_protocol(next)?),
        _ => return None,
    };
    Some(Found { kind, id: Some(be24(high, middle, low)), inside, rest: rest.after(HEADER) })
}

const fn next_protocol(number: u8) -> Option<Inside> {
    match number {
        1 => Some(Inside::EtherType(ether_type::IPV4)),
        2 => Some(Inside::EtherType(ether_type::IPV6)),
        3 => Some(Inside::ETHERNET),
        5 => Some(Inside::EtherType(ether_type::MPLS)),
        _ => None,
    }
}
