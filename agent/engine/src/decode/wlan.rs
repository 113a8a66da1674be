//! Data frames of IEEE 802.11, without what stands before and behind them on the air.

use super::{Discard, Rest, Target, link};

/// Frame control, duration, three addresses, sequence.
const HEADER: usize = 24;
const FOURTH_ADDRESS: usize = 6;
const QOS: usize = 2;
const HT_CONTROL: usize = 4;
/// Bits in the second byte of frame control.
const TO_SYSTEM: u8 = 0x01;
const FROM_SYSTEM: u8 = 0x02;
const IS_FRAGMENT: u8 = 0x04;
const IS_PROTECTED: u8 = 0x40;
const HAS_ORDER: u8 = 0x80;
/// Several frames follow, in the first byte of QoS control.
const IS_AGGREGATE: u8 = 0x80;
/// LLC and SNAP with the EtherType behind it (RFC 1042).
const SNAP: [u8; 6] = [0xaa, 0xaa, 3, 0, 0, 0];

/// Decodes a data frame that is not encrypted. Some vendors send the two bytes of frame control in the other order.
pub(super) fn data<'a>(rest: Rest<'a>, out: &mut impl Target<'a>) -> Result<(), Discard> {
    let [first, second] = *rest.front().ok_or(Discard::TruncatedLink)?;
    let (kind, flags) = if is_data(first) { (first, second) } else { (second, first) };
    if !is_data(kind) || flags & (IS_PROTECTED | IS_FRAGMENT) != 0 {
        return Err(Discard::Llc);
    }
    let has_four = flags & (TO_SYSTEM | FROM_SYSTEM) == TO_SYSTEM | FROM_SYSTEM;
    let mut body = rest.after(HEADER + if has_four { FOURTH_ADDRESS } else { 0 });
    if kind & 0x80 != 0 {
        let [control, _] = *body.front().ok_or(Discard::TruncatedLink)?;
        if control & IS_AGGREGATE != 0 {
            return Err(Discard::Llc);
        }
        body = body.after(QOS + if flags & HAS_ORDER == 0 { 0 } else { HT_CONTROL });
    }
    if body.front() != Some(&SNAP) {
        return Err(Discard::Llc);
    }
    let ether_type = body.be16(SNAP.len()).ok_or(Discard::TruncatedLink)?;
    link::network(ether_type, body.after(SNAP.len() + 2), out)
}

/// Version 0, type 2, and the subtypes that carry data, with and without QoS.
const fn is_data(control: u8) -> bool {
    control & 0x7f == 0x08
}
