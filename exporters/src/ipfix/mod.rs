//! IPFIX messages (RFC 7011).

mod announcements;
mod direction;
mod encoder;
mod options;

pub use direction::Direction;
pub use encoder::{IpfixEncoder, IpfixOptions};
pub use options::{FIGURES, LEDGER};

use pidflow_schema::Element;

use crate::template::Template;
use crate::wire::{Draft, Op, Variant};

/// RFC 7011 section 3.1.
const VERSION: u16 = 10;
const HEADER: usize = 16;
/// Set id of templates (RFC 7011 section 3.3.2).
const TEMPLATE_SET: u16 = 2;
/// Id and field count before a template record's fields.
const RECORD_HEADER: usize = 4;
/// Octets of one template's withdrawal.
const WITHDRAWAL: usize = 4;
/// Id and length before a set's records.
const SET_HEADER: usize = 4;
/// Field specifier bit that says that an enterprise number follows (RFC 7011 section 3.2).
const ENTERPRISE_BIT: u16 = 0x8000;
/// Length in a field specifier of an element of variable length (RFC 7011 section 7).
const VARIABLE: u16 = 0xffff;

/// Appends one field specifier (RFC 7011 section 3.2).
fn put_specifier(e: &Element, options: &IpfixOptions, out: &mut Vec<u8>) {
    let length = Op::ipfix(e).octets().unwrap_or(VARIABLE);
    let (id, enterprise) = options.direction.number(e, options.own_pen);
    let id = if enterprise.is_some() { id | ENTERPRISE_BIT } else { id };
    out.extend_from_slice(&id.to_be_bytes());
    out.extend_from_slice(&length.to_be_bytes());
    if let Some(number) = enterprise {
        out.extend_from_slice(&number.to_be_bytes());
    }
}

/// Appends a template record (RFC 7011 section 3.4.1).
fn put_template(variant: &Variant, options: &IpfixOptions, draft: &mut Draft) {
    draft.open(TEMPLATE_SET);
    let out = draft.body();
    out.extend_from_slice(&variant.id.to_be_bytes());
    out.extend_from_slice(&u16::try_from(variant.elements.len()).unwrap_or(u16::MAX).to_be_bytes());
    for e in &variant.elements {
        put_specifier(e, options, out);
    }
}

/// Appends a set that withdraws templates (RFC 7011 section 8.1): field counts of 0, and no other templates in the set.
fn put_withdrawals(ids: &[u16], draft: &mut Draft) {
    draft.close();
    draft.open(TEMPLATE_SET);
    for id in ids {
        draft.body().extend_from_slice(&id.to_be_bytes());
        draft.body().extend_from_slice(&[0, 0]);
    }
    draft.close();
}

/// Octets of the largest template record, and of the largest data record with all its texts empty, in any direction.
fn largest(template: &Template, own_pen: u32) -> (usize, usize) {
    let specifier = |e: &Element| if e.enterprise.number(own_pen).is_some() { 8 } else { 4 };
    let value = |e: &Element| Op::ipfix(e).octets().map_or(1, usize::from);
    let format = Direction::Biflow.format();
    (RECORD_HEADER + format.largest(template, specifier), format.largest(template, value))
}
