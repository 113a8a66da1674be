//! One template per combination of groups that occurs: elements that a record does not have are left out of its
//! template.

use pidflow_schema::{Element, FlowRecord, Group, GroupSet};

use crate::template::Template;

use super::{Clock, Field, Op};

/// The differences between IPFIX and NetFlow v9 in a plan.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Format {
    /// Whether the format supports the element.
    pub(crate) carries: fn(&Element) -> bool,
    /// How the format encodes it.
    pub(crate) op: fn(&Element) -> Op,
}

/// A template for the records of one combination of groups, and the plan of such a record.
pub(crate) struct Variant {
    /// The template's id.
    pub(crate) id: u16,
    /// Its fields, in order.
    pub(crate) elements: Vec<&'static Element>,
    /// Whether the template was sent to the receiver.
    pub(crate) announced: bool,
    /// Groups of its records.
    pub(super) groups: GroupSet,
    /// The last use: the time, and a number that grows with each use.
    pub(super) used: (u64, u64),
    plan: Vec<Field>,
    /// Fields of the plan that cannot represent every time.
    limited: Vec<Field>,
}

impl Variant {
    pub(super) fn new(id: u16, groups: GroupSet, template: &Template, format: Format) -> Self {
        let wanted = template.elements().iter().copied();
        let elements: Vec<_> = wanted.filter(|e| groups.contains(e.group) && (format.carries)(e)).collect();
        let plan: Vec<_> = elements.iter().map(|e| Field::new(e, (format.op)(e))).collect();
        let limited = plan.iter().copied().filter(Field::is_limited).collect();
        Self { id, elements, announced: false, groups, used: (0, 0), plan, limited }
    }

    /// Whether the format can represent every time of the record.
    pub(crate) fn can_tell(&self, record: &FlowRecord, clock: Clock) -> bool {
        self.limited.iter().all(|field| field.can_tell(record, clock))
    }

    /// Appends a record.
    #[inline]
    pub(crate) fn write(&self, record: &FlowRecord, clock: Clock, out: &mut Vec<u8>) {
        for field in &self.plan {
            field.write(record, clock, out);
        }
    }
}

impl Format {
    /// The largest sum of `octets` over the elements that one record can have: no record is both IPv4 and IPv6.
    pub(crate) fn largest(self, template: &Template, octets: impl Fn(&Element) -> usize) -> usize {
        let without = |family: Group| -> usize {
            let elements = template.elements().iter().filter(|e| e.group != family && (self.carries)(e));
            elements.map(|e| octets(e)).sum()
        };
        without(Group::Ipv4).max(without(Group::Ipv6))
    }
}
