//! How the two directions of a flow are sent.

use pidflow_schema::{Counters, Element, Enterprise, FlowRecord};

use crate::wire::{Format, Op};

/// How IPFIX carries what went from destination to source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// RFC 5103: one record, reverse elements with the private enterprise number 29305.
    #[default]
    Biflow,
    /// Two records, each with its own source and destination; the second one only when there were packets. Both have the
    /// times, class of service and interface of the whole flow; a failed connect stands in the first one only.
    Uniflow,
    /// One record, as nProbe: `OUT_BYTES` and `OUT_PKTS` as IANA's 23 and 24, for collectors without RFC 5103.
    Ntop,
}

/// What speaks of both directions at once and stands in no one-way record.
const OF_BOTH: [&str; 3] = ["BIFLOW_DIRECTION", "CLIENT_TCP_FLAGS", "SERVER_TCP_FLAGS"];

impl Direction {
    /// Which elements are sent.
    pub(super) const fn format(self) -> Format {
        let carries = match self {
            Self::Biflow => |_: &Element| true,
            Self::Uniflow => |e: &Element| e.enterprise != Enterprise::Reverse && !OF_BOTH.contains(&e.name),
            Self::Ntop => |e: &Element| e.enterprise != Enterprise::Reverse || e.v9.is_some(),
        };
        Format { carries, op: Op::ipfix }
    }

    /// Id and enterprise number of the element.
    pub(super) fn number(self, e: &Element, own_pen: u32) -> (u16, Option<u32>) {
        match (self, e.enterprise, e.v9) {
            (Self::Ntop, Enterprise::Reverse, Some(plain)) => (plain, None),
            _ => (e.id, e.enterprise.number(own_pen)),
        }
    }
}

/// What went from source to destination, and the way back when there were packets.
pub(super) fn one_way(record: &FlowRecord) -> (FlowRecord, Option<FlowRecord>) {
    let mut there = record.clone();
    there.flow.reverse = Counters::default();
    let back = (record.flow.reverse.packets > 0).then(|| way_back(record));
    (there, back)
}

/// The first packet's ICMP type is not that of the answers.
fn way_back(record: &FlowRecord) -> FlowRecord {
    let mut back = record.clone();
    back.flow.turn_round();
    std::mem::swap(&mut back.source, &mut back.destination);
    back.flow.reverse = Counters::default();
    (back.flow.icmp_type_code, back.connect_error) = (None, None);
    back
}
