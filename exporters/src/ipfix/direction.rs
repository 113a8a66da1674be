//! How the two directions of a flow are sent.

use pidflow_schema::{Counters, Element, Enterprise, FlowRecord};

use crate::wire::{Format, Op};

/// How IPFIX carries the direction from destination to source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// RFC 5103: one record, reverse elements with the private enterprise number 29305.
    #[default]
    Biflow,
    /// Two records, each with its own source and destination; the second one only if it has packets. Both have the
    /// times, class of service and interface of the whole flow. Only the first one contains a failed connect.
    Uniflow,
    /// One record, as nProbe: `OUT_BYTES` and `OUT_PKTS` as IANA's 23 and 24, for collectors without RFC 5103.
    Ntop,
}

/// Elements about both directions, which are in no unidirectional record.
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

/// The direction from source to destination, and the reverse direction if it has packets.
pub(super) fn one_way(record: &FlowRecord) -> (FlowRecord, Option<FlowRecord>) {
    let mut there = record.clone();
    there.flow.reverse = Counters::UNKNOWN;
    let back = (record.flow.reverse.packets > 0).then(|| way_back(record));
    (there, back)
}

/// The ICMP type of the first packet is not that of the answers.
fn way_back(record: &FlowRecord) -> FlowRecord {
    let mut back = record.clone();
    back.turn_round();
    back.flow.reverse = Counters::UNKNOWN;
    (back.flow.icmp_type_code, back.connect_error) = (None, None);
    back
}
