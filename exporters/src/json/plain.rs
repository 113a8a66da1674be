//! Addresses as text, without an allocation.

use std::net::Ipv4Addr;

use super::escape::put_hex;

/// Appends a number in decimal digits.
pub(crate) fn put_number(v: u64, out: &mut Vec<u8>) {
    out.extend_from_slice(itoa::Buffer::new().format(v).as_bytes());
}

/// Appends `192.0.2.1`.
pub(crate) fn put_ipv4(a: Ipv4Addr, out: &mut Vec<u8>) {
    for (place, octet) in a.octets().into_iter().enumerate() {
        if place > 0 {
            out.push(b'.');
        }
        put_number(u64::from(octet), out);
    }
}

/// Appends a MAC address, colon-separated, as nProbe writes it.
pub(crate) fn put_mac(a: [u8; 6], out: &mut Vec<u8>) {
    for (place, octet) in a.into_iter().enumerate() {
        if place > 0 {
            out.push(b':');
        }
        put_hex(octet, out);
    }
}
