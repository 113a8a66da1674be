//! Type records for elements that are not IANA's (RFC 5610).

use pidflow_schema::{DataType, Element};

use crate::wire::Draft;

use super::super::{SET_HEADER, VARIABLE};
use super::{Field, Layout, OwnElement, put_short};

/// RFC 5610 section 3.9.
const LAYOUT: Layout = Layout {
    id: 65_000,
    scopes: 2,
    fields: &[
        Field::Iana(346, 4),        // privateEnterpriseNumber
        Field::Iana(303, 2),        // informationElementId
        Field::Iana(339, 1),        // informationElementDataType
        Field::Iana(344, 1),        // informationElementSemantics
        Field::Iana(345, 2),        // informationElementUnits
        Field::Iana(342, 8),        // informationElementRangeBegin
        Field::Iana(343, 8),        // informationElementRangeEnd
        Field::Iana(341, VARIABLE), // informationElementName
    ],
};
/// Octets of a record's fields except the name.
const FIXED: usize = 26;

/// The description of one element.
#[derive(Clone, Copy)]
pub(in crate::ipfix) struct Type {
    enterprise: u32,
    id: u16,
    data_type: DataType,
    semantics: u8,
    unit: u16,
    name: &'static str,
}

impl Type {
    /// The type of an element of flow records; none if IANA defines it.
    pub(in crate::ipfix) fn of(e: &'static Element, own_pen: u32) -> Option<Self> {
        let enterprise = e.enterprise.number(own_pen)?;
        let (semantics, unit) = (e.semantics.number(), e.unit.number());
        Some(Self { enterprise, id: e.id, data_type: e.data_type, semantics, unit, name: e.ipfix_name })
    }

    /// The type of an element of options records.
    pub(in crate::ipfix) const fn of_own(e: &'static OwnElement, own_pen: u32) -> Self {
        Self { enterprise: own_pen, id: e.id, data_type: e.data_type, semantics: 0, unit: 0, name: e.name }
    }
}

/// Appends the options template.
pub(in crate::ipfix) fn put_type_template(own_pen: u32, draft: &mut Draft) {
    LAYOUT.put(own_pen, draft);
}

/// Appends the element's type record.
pub(in crate::ipfix) fn put_type(t: &Type, draft: &mut Draft) {
    draft.open(LAYOUT.id);
    let (begin, end) = range(t.data_type);
    let out = draft.body();
    out.extend_from_slice(&t.enterprise.to_be_bytes());
    out.extend_from_slice(&t.id.to_be_bytes());
    out.extend_from_slice(&[t.data_type.number(), t.semantics]);
    out.extend_from_slice(&t.unit.to_be_bytes());
    out.extend_from_slice(&begin.to_be_bytes());
    out.extend_from_slice(&end.to_be_bytes());
    put_short(t.name, out);
    draft.count_option();
}

/// Octets that [`put_type`] appends, at most.
pub(in crate::ipfix) const fn type_octets(t: &Type) -> usize {
    SET_HEADER + FIXED + 1 + t.name.len()
}

/// The whole range of an integer type. For other types 0 to 0, which means no range (RFC 5610 section 3.7).
fn range(data_type: DataType) -> (u64, u64) {
    use pidflow_schema::DataType::{Unsigned8, Unsigned16, Unsigned32, Unsigned64};
    let end = match data_type {
        Unsigned8 => u64::from(u8::MAX),
        Unsigned16 => u64::from(u16::MAX),
        Unsigned32 => u64::from(u32::MAX),
        Unsigned64 => u64::MAX,
        _ => 0,
    };
    (0, end)
}
