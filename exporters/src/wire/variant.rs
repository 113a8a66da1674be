//! One template per combination of groups that occurs: what a record does not have is left out of its template.

use pidflow_schema::{Element, FlowRecord, Group, GroupSet};

use crate::template::Template;

use super::{Clock, Field, Op};

/// First id of a data template (RFC 7011 section 3.4.1; RFC 3954 section 5.2).
const FIRST_ID: u16 = 256;

/// What tells IPFIX from NetFlow v9 in a plan.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Format {
    /// Whether the format can carry the element at all.
    pub(crate) carries: fn(&Element) -> bool,
    /// How it does.
    pub(crate) op: fn(&Element) -> Op,
}

/// A template for the records of one combination of groups, and the plan of such a record.
pub(crate) struct Variant {
    /// The template's id.
    pub(crate) id: u16,
    /// What it sends, in order.
    pub(crate) elements: Vec<&'static Element>,
    /// Whether the receiver has been told of it.
    pub(crate) announced: bool,
    groups: GroupSet,
    plan: Vec<Field>,
}

impl Variant {
    fn new(id: u16, groups: GroupSet, template: &Template, format: Format) -> Self {
        let wanted = template.elements().iter().copied();
        let elements: Vec<_> = wanted.filter(|e| groups.contains(e.group) && (format.carries)(e)).collect();
        let plan = elements.iter().map(|e| Field::new(e, (format.op)(e))).collect();
        Self { id, elements, announced: false, groups, plan }
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
    /// The largest total of `octets` over the elements that one record can have: none is IPv4 and IPv6 at once.
    pub(crate) fn largest(self, template: &Template, octets: impl Fn(&Element) -> usize) -> usize {
        let without = |family: Group| -> usize {
            let elements = template.elements().iter().filter(|e| e.group != family && (self.carries)(e));
            elements.map(|e| octets(e)).sum()
        };
        without(Group::Ipv4).max(without(Group::Ipv6))
    }
}

/// The variants that have occurred, found by the groups of a record.
pub(crate) struct Variants {
    template: Template,
    used: GroupSet,
    format: Format,
    all: Vec<Variant>,
    /// Index of the one found last: records of a kind come together.
    last: usize,
}

impl Variants {
    pub(crate) fn new(template: Template, format: Format) -> Self {
        let used = template.groups();
        Self { template, used, format, all: Vec::new(), last: 0 }
    }

    /// The index of the variant for `record`, made when it is the first of its kind.
    pub(crate) fn of(&mut self, record: &FlowRecord) -> usize {
        let groups = record.groups().intersection(self.used);
        if self.all.get(self.last).is_none_or(|v| v.groups != groups) {
            let known = self.all.iter().position(|v| v.groups == groups);
            self.last = known.unwrap_or_else(|| self.make(groups));
        }
        self.last
    }

    /// There are fewer combinations (about 9,400: no usage without a process, no handshake of ICMP) than ids, so that the
    /// id never runs over.
    fn make(&mut self, groups: GroupSet) -> usize {
        let index = self.all.len();
        let id = FIRST_ID.saturating_add(u16::try_from(index).unwrap_or(u16::MAX));
        self.all.push(Variant::new(id, groups, &self.template, self.format));
        index
    }

    pub(crate) fn get(&self, index: usize) -> Option<&Variant> {
        self.all.get(index)
    }

    pub(crate) fn get_mut(&mut self, index: usize) -> Option<&mut Variant> {
        self.all.get_mut(index)
    }

    /// Every template is to be sent again before its next record.
    pub(crate) fn forget(&mut self) {
        for v in &mut self.all {
            v.announced = false;
        }
    }
}
