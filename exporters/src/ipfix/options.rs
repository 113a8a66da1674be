//! Options records: what pidflow's and ntop's elements mean (RFC 5610), and what the exporter has done (RFC 7011 section 4.1).

use pidflow_schema::Element;

use crate::wire::{Draft, EncoderStats};

use super::SET_HEADER;

/// Set id of options templates (RFC 7011 section 3.3.2).
const OPTIONS_TEMPLATE_SET: u16 = 3;
/// Ids far above those of data templates.
const TYPE_INFORMATION: u16 = 65_000;
const STATISTICS: u16 = 65_001;
const VARIABLE: u16 = 0xffff;

/// Element and length of each field of the type information, the first two being its scope (RFC 5610 section 3.9).
const TYPE_FIELDS: [(u16, u16); 8] = [
    (346, 4),        // privateEnterpriseNumber
    (303, 2),        // informationElementId
    (339, 1),        // informationElementDataType
    (344, 1),        // informationElementSemantics
    (345, 2),        // informationElementUnits
    (342, 8),        // informationElementRangeBegin
    (343, 8),        // informationElementRangeEnd
    (341, VARIABLE), // informationElementName
];
const TYPE_SCOPES: u16 = 2;

/// Those of the statistics, the first being its scope.
const STATISTICS_FIELDS: [(u16, u16); 5] = [
    (149, 4), // observationDomainId
    (41, 8),  // exportedMessageTotalCount
    (42, 8),  // exportedFlowRecordTotalCount
    (40, 8),  // exportedOctetTotalCount
    (165, 8), // notSentFlowTotalCount
];
const STATISTICS_SCOPES: u16 = 1;

/// Appends an options template record (RFC 7011 section 3.4.2.2).
fn put_options_template(id: u16, scopes: u16, fields: &[(u16, u16)], draft: &mut Draft) {
    draft.open(OPTIONS_TEMPLATE_SET);
    let count = u16::try_from(fields.len()).unwrap_or(u16::MAX);
    let head = [id, count, scopes];
    let specifiers = fields.iter().flat_map(|(element, length)| [*element, *length]);
    for word in head.into_iter().chain(specifiers) {
        draft.body().extend_from_slice(&word.to_be_bytes());
    }
}

/// Appends the options template of the type information.
pub(super) fn put_type_template(draft: &mut Draft) {
    put_options_template(TYPE_INFORMATION, TYPE_SCOPES, &TYPE_FIELDS, draft);
}

/// Appends what kind of value `e` has. `enterprise` is the number of its enterprise.
pub(super) fn put_type(e: &Element, enterprise: u32, draft: &mut Draft) {
    draft.open(TYPE_INFORMATION);
    let (begin, end) = range(e);
    let out = draft.body();
    out.extend_from_slice(&enterprise.to_be_bytes());
    out.extend_from_slice(&e.id.to_be_bytes());
    out.extend_from_slice(&[e.data_type.number(), e.semantics.number()]);
    out.extend_from_slice(&e.unit.number().to_be_bytes());
    out.extend_from_slice(&begin.to_be_bytes());
    out.extend_from_slice(&end.to_be_bytes());
    out.push(u8::try_from(e.ipfix_name.len()).unwrap_or(0));
    out.extend_from_slice(e.ipfix_name.as_bytes());
    draft.count_option();
}

/// Octets that [`put_type`] appends, at most.
pub(super) fn type_octets(e: &Element) -> usize {
    let fixed: usize = TYPE_FIELDS.iter().filter(|(_, length)| *length != VARIABLE).map(|(_, n)| usize::from(*n)).sum();
    SET_HEADER + fixed + 1 + e.ipfix_name.len()
}

/// The whole range of an integer; 0 to 0, which means no range (RFC 5610 section 3.7), of anything else.
fn range(e: &Element) -> (u64, u64) {
    use pidflow_schema::DataType::{Unsigned8, Unsigned16, Unsigned32, Unsigned64};
    let end = match e.data_type {
        Unsigned8 => u64::from(u8::MAX),
        Unsigned16 => u64::from(u16::MAX),
        Unsigned32 => u64::from(u32::MAX),
        Unsigned64 => u64::MAX,
        _ => 0,
    };
    (0, end)
}

/// Appends the options template of the statistics, and the statistics.
pub(super) fn put_statistics(domain: u32, stats: &EncoderStats, not_sent: u64, draft: &mut Draft) {
    put_options_template(STATISTICS, STATISTICS_SCOPES, &STATISTICS_FIELDS, draft);
    draft.open(STATISTICS);
    draft.body().extend_from_slice(&domain.to_be_bytes());
    for total in [stats.messages, stats.records, stats.octets, not_sent] {
        draft.body().extend_from_slice(&total.to_be_bytes());
    }
    draft.count_option();
}
