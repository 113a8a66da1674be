//! PPP (RFC 1661), also over Ethernet (RFC 2516).

use super::{Discard, Rest, Target, ip, mpls};

/// PPP protocol numbers (IANA).
mod protocol {
    pub(super) const IPV4: u16 = 0x0021;
    pub(super) const IPV6: u16 = 0x0057;
    pub(super) const MPLS: u16 = 0x0281;
    pub(super) const MPLS_MULTICAST: u16 = 0x0283;
}

/// Address and control field of a frame, which both ends may agree to omit (RFC 1662 section 3.1).
const ADDRESS_AND_CONTROL: [u8; 2] = [0xff, 0x03];

/// Decodes a PPP frame without its flags.
pub(super) fn ppp<'a>(rest: Rest<'a>, out: &mut impl Target<'a>) -> Result<(), Discard> {
    let rest = if rest.front() == Some(&ADDRESS_AND_CONTROL) { rest.after(2) } else { rest };
    let (protocol, rest) = protocol_field(rest)?;
    match protocol {
        protocol::IPV4 => ip::ipv4(rest, out),
        protocol::IPV6 => ip::ipv6(rest, out),
        protocol::MPLS | protocol::MPLS_MULTICAST => mpls::mpls(rest, out),
        other => Err(Discard::Ppp(other)),
    }
}

/// Two bytes, or one if both ends agreed on that: only the last byte is odd (RFC 1661 section 2).
fn protocol_field(rest: Rest<'_>) -> Result<(u16, Rest<'_>), Discard> {
    match rest.data {
        [short, ..] if short & 1 == 1 => Ok((u16::from(*short), rest.after(1))),
        [high, low, ..] => Ok((u16::from_be_bytes([*high, *low]), rest.after(2))),
        _ => Err(Discard::TruncatedLink),
    }
}

/// A session's packet (RFC 2516 section 4): version and type 1, code 0, session id, length.
pub(super) fn over_ethernet<'a>(rest: Rest<'a>, out: &mut impl Target<'a>) -> Result<(), Discard> {
    match rest.front::<6>().ok_or(Discard::TruncatedLink)? {
        [0x11, 0, ..] => ppp(rest.after(6), out).map_err(|reason| match reason {
            Discard::Ppp(_) => Discard::Pppoe,
            other => other,
        }),
        _ => Err(Discard::Pppoe),
    }
}
