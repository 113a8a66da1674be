//! NetFlow version 9 packets (RFC 3954).

mod encoder;

pub use encoder::{Netflow9Encoder, Netflow9Options};

use pidflow_schema::Element;

use crate::template::Template;
use crate::wire::{Draft, Format, Op, Variant};

/// RFC 3954 section 5.1.
const VERSION: u16 = 9;
const HEADER: usize = 20;
/// FlowSet id of templates (RFC 3954 section 5.2).
const TEMPLATE_SET: u16 = 0;
/// FlowSets end on 32-bit boundaries (RFC 3954 section 5.3).
const ALIGN: usize = 4;

/// Id and field count before a template record's fields.
const RECORD_HEADER: usize = 4;
/// Id and length before a FlowSet's records.
const SET_HEADER: usize = 4;
/// Type and length of one field.
const SPECIFIER: usize = 4;

const FORMAT: Format = Format { carries, op: Op::netflow9 };

/// An element without a NetFlow v9 type or with a length of 0 cannot be sent.
const fn carries(e: &Element) -> bool {
    e.v9.is_some() && e.v9_length > 0
}

/// Appends a template record (RFC 3954 section 5.2).
fn put_template(variant: &Variant, draft: &mut Draft) {
    draft.open(TEMPLATE_SET);
    let out = draft.body();
    out.extend_from_slice(&variant.id.to_be_bytes());
    out.extend_from_slice(&u16::try_from(variant.elements.len()).unwrap_or(u16::MAX).to_be_bytes());
    for e in &variant.elements {
        out.extend_from_slice(&e.v9.unwrap_or(0).to_be_bytes());
        out.extend_from_slice(&e.v9_length.to_be_bytes());
    }
}

/// Octets of the largest template record or data record, including the FlowSet's header and padding.
fn largest(template: &Template) -> usize {
    let specifiers = RECORD_HEADER + FORMAT.largest(template, |_| SPECIFIER);
    let record = FORMAT.largest(template, |e| usize::from(e.v9_length));
    SET_HEADER + specifiers.max(record).next_multiple_of(ALIGN)
}
