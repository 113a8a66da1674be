//! The templates in use. Their number is bounded, and unused ones are removed.

use std::collections::HashMap;

use pidflow_schema::{FlowRecord, GroupSet};

use crate::template::Template;

use super::template_ids::TemplateIds;
use super::{Format, Resend, Variant};

/// Templates in use at a time. There are tens of thousands of combinations of groups, of which a host has a few dozen; of the
/// others each may come from a packet that a stranger made.
const MAX_TEMPLATES: usize = 4096;
/// When there are too many, this fraction of them is removed.
const EVICTED_PART: usize = 8;
/// A template that was not used for this long is removed.
const UNUSED_NS: u64 = 1_800_000_000_000;
/// Interval at which to look for unused templates.
const UNUSED_CHECK_INTERVAL_NS: u64 = 60_000_000_000;

/// The variants that have occurred, found by the groups of a record. When there are too many, the least recently used
/// are removed.
pub(crate) struct Variants {
    template: Template,
    /// Groups of the template's elements.
    groups: GroupSet,
    format: Format,
    all: Vec<Variant>,
    places: HashMap<GroupSet, usize>,
    /// Index of the last variant found, because similar records often follow each other.
    last: usize,
    ids: TemplateIds,
    /// Templates to withdraw.
    withdrawn: Vec<u16>,
    uses: u64,
    /// Time of the last check for unused templates.
    looked_ns: u64,
}

impl Variants {
    pub(crate) fn new(template: Template, format: Format, resend: Resend) -> Self {
        Self {
            groups: template.groups(),
            template,
            format,
            all: Vec::new(),
            places: HashMap::new(),
            last: 0,
            ids: TemplateIds::new(resend),
            withdrawn: Vec::new(),
            uses: 0,
            looked_ns: 0,
        }
    }

    /// The index of the variant for `record`, which is created if it is the first of its kind. It is valid until the
    /// next call. None: every id is in use, or was used so recently that the receiver may remember another template for
    /// it.
    pub(crate) fn of(&mut self, record: &FlowRecord, now_ns: u64) -> Option<usize> {
        self.of_groups(record.groups().intersection(self.groups), now_ns)
    }

    fn of_groups(&mut self, groups: GroupSet, now_ns: u64) -> Option<usize> {
        self.give_up_unused(now_ns);
        if self.all.get(self.last).is_none_or(|v| v.groups != groups) {
            let known = self.places.get(&groups).copied();
            self.last = known.or_else(|| self.make(groups, now_ns))?;
        }
        self.uses += 1;
        let used = (now_ns, self.uses);
        self.all.get_mut(self.last)?.used = used;
        Some(self.last)
    }

    fn make(&mut self, groups: GroupSet, now_ns: u64) -> Option<usize> {
        if self.all.len() >= MAX_TEMPLATES {
            self.make_room(now_ns);
        }
        let id = self.ids.take(now_ns)?;
        self.places.insert(groups, self.all.len());
        self.all.push(Variant::new(id, groups, &self.template, self.format));
        Some(self.all.len() - 1)
    }

    /// Removes the least recently used variants, many at a time, because removing one costs as much as removing many.
    fn make_room(&mut self, now_ns: u64) {
        let mut uses: Vec<_> = self.all.iter().map(|v| v.used.1).collect();
        uses.sort_unstable();
        let latest = uses.get(MAX_TEMPLATES / EVICTED_PART).copied().unwrap_or(u64::MAX);
        self.give_up_if(now_ns, |v| v.used.1 < latest);
    }

    fn give_up_if(&mut self, now_ns: u64, is_such: impl Fn(&Variant) -> bool) {
        for index in (0..self.all.len()).rev() {
            if self.all.get(index).is_some_and(&is_such) {
                self.give_up(index, now_ns);
            }
        }
    }

    /// Removes the variant. The last one moves to its index.
    fn give_up(&mut self, index: usize, now_ns: u64) {
        let old = self.all.swap_remove(index);
        self.places.remove(&old.groups);
        if let Some(moved) = self.all.get(index) {
            self.places.insert(moved.groups, index);
        }
        if old.announced && self.ids.are_withdrawn() {
            self.withdrawn.push(old.id);
        }
        self.ids.give_back(old.id, now_ns);
        self.last = usize::MAX;
    }

    fn give_up_unused(&mut self, now_ns: u64) {
        // The clock may have been set back.
        if now_ns.abs_diff(self.looked_ns) < UNUSED_CHECK_INTERVAL_NS {
            return;
        }
        self.looked_ns = now_ns;
        self.give_up_if(now_ns, |v| now_ns.saturating_sub(v.used.0) >= UNUSED_NS);
    }

    pub(crate) fn get(&self, index: usize) -> Option<&Variant> {
        self.all.get(index)
    }

    pub(crate) fn get_mut(&mut self, index: usize) -> Option<&mut Variant> {
        self.all.get_mut(index)
    }

    /// Ids of templates to withdraw, before anything else is sent.
    pub(crate) fn take_withdrawn(&mut self) -> Vec<u16> {
        std::mem::take(&mut self.withdrawn)
    }

    /// Marks every template to be sent again before its next record.
    pub(crate) fn forget(&mut self) {
        for v in &mut self.all {
            v.announced = false;
        }
    }

    /// Starts again for a new receiver, which knows no template.
    pub(crate) fn restart(&mut self) {
        self.forget();
        self.withdrawn.clear();
        self.ids.restart();
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use pidflow_schema::Group;

    use super::super::Op;
    use super::super::template_ids::{FIRST_ID, LAST_ID};
    use super::*;

    const SECOND_NS: u64 = 1_000_000_000;
    const GROUPS: [Group; 17] = [
        Group::Ipv4,
        Group::Ipv6,
        Group::Icmp,
        Group::Vlan,
        Group::Source,
        Group::Destination,
        Group::SourceUsage,
        Group::DestinationUsage,
        Group::SourceIowait,
        Group::DestinationIowait,
        Group::ConnectError,
        Group::Ethernet,
        Group::SourceCandidate,
        Group::DestinationCandidate,
        Group::Icmpv6,
        Group::SourceNamespace,
        Group::Handshake,
    ];
    /// More than there are ids.
    const COMBINATIONS: u32 = 1 << GROUPS.len();

    fn groups(n: u32) -> GroupSet {
        let with = |set: GroupSet, (bit, group): (usize, &Group)| set.with(*group, n >> bit & 1 == 1);
        GROUPS.iter().enumerate().fold(GroupSet::EMPTY.with(Group::Always, true), with)
    }

    fn variants(resend: Resend) -> Variants {
        let format = Format { carries: |_| true, op: Op::ipfix };
        Variants::new(Template::parse("%PROTOCOL").unwrap(), format, resend)
    }

    #[test]
    fn more_groups_than_ids_over_a_connection_get_a_template_each() {
        let (mut variants, mut meanings) = (variants(Resend::NEVER), HashMap::new());
        for n in 0..COMBINATIONS {
            let index = variants.of_groups(groups(n), 0).unwrap();
            for id in variants.take_withdrawn() {
                assert!(meanings.remove(&id).is_some(), "{id} was withdrawn and never announced");
            }
            let variant = variants.get_mut(index).unwrap();
            variant.announced = true;
            assert!((FIRST_ID..=LAST_ID).contains(&variant.id));
            assert_eq!(meanings.insert(variant.id, variant.groups), None, "{} has a meaning", variant.id);
            assert!(variants.all.len() <= MAX_TEMPLATES && variants.places.len() == variants.all.len());
        }
        assert!(meanings.len() > MAX_TEMPLATES - MAX_TEMPLATES / EVICTED_PART, "{}", meanings.len());
    }

    #[test]
    fn over_udp_no_id_changes_its_meaning_within_a_templates_lifetime() {
        let mut variants = variants(Resend::default());
        let ids = u32::from(LAST_ID - FIRST_ID) + 1;
        let refused = (0..COMBINATIONS).filter(|n| variants.of_groups(groups(*n), 0).is_none()).count();
        assert_eq!(refused as u32, COMBINATIONS - ids);
        assert!(variants.take_withdrawn().is_empty(), "RFC 7011 section 8.4");
        assert!(variants.of_groups(groups(1), 1799 * SECOND_NS).is_none());
        assert!(variants.of_groups(groups(1), 1800 * SECOND_NS).is_some());
    }

    #[test]
    fn those_that_were_not_used_for_longest_make_room() {
        let mut variants = variants(Resend::NEVER);
        let most = u32::try_from(MAX_TEMPLATES).unwrap();
        (0..most).for_each(|n| _ = variants.of_groups(groups(n), 0));
        variants.of_groups(groups(0), 0);
        variants.of_groups(groups(most), 0);
        assert!(variants.places.contains_key(&groups(0)) && !variants.places.contains_key(&groups(1)));
    }

    #[test]
    fn what_is_not_used_is_given_up_also_when_the_clock_is_set() {
        let mut variants = variants(Resend::NEVER);
        let mut at = |n: u32, seconds: u64| {
            let index = variants.of_groups(groups(n), seconds * SECOND_NS).unwrap();
            variants.get_mut(index).unwrap().announced = true;
            (variants.all.len(), variants.take_withdrawn())
        };
        assert_eq!(at(1, 10_000), (1, vec![]));
        assert_eq!(at(2, 10_000), (2, vec![]));
        assert_eq!(at(2, 11_700), (2, vec![]));
        assert_eq!(at(2, 11_900), (1, vec![FIRST_ID]));
        assert_eq!(at(1, 5_000), (2, vec![]));
        assert_eq!(at(1, 6_700), (2, vec![]), "the other one was used in what is the future now");
        assert_eq!(at(1, 8_400), (2, vec![]));
        assert_eq!(at(1, 13_800).0, 1);
    }
}
