//! Maps interfaces to the network namespaces of their peers, and keeps flows of different namespaces apart if these use
//! the same addresses. Otherwise a packet between two namespaces is one packet of one flow, no matter at which of their
//! interfaces it is seen.

use std::collections::{BTreeMap, HashMap};

use pidflow_engine::fact::Fact;
use pidflow_engine::flow_table::FlowTable;
use pidflow_engine::join::Joiner;
use pidflow_schema::Flow;

use pidflow_capture::{Interface, PeerNamespace};

/// The greatest number of remembered leads, current and former. Beyond it, the oldest are dropped.
const MAX_LEADS: usize = 65_536;
/// The greatest number of namespace ids kept. The kernel assigns the lowest free id.
const MAX_IDS: usize = 65_536;
/// An id that was read up to this long before an interface appeared may belong to its namespace, because the kernel's
/// notices of both arrive separately. It is used until the id is read again.
const MAX_NOTICE_DELAY_NS: u64 = 1_000_000_000;

/// Numbers that pidflow assigns are at most this. Inode numbers of namespaces are greater (`PROC_DYNAMIC_FIRST` and
/// `PROC_NET_INIT_INO` of Linux).
const MAX_OWN_NUMBER: u32 = 1 << 31;

/// The peer namespace of an interface, current or former.
#[derive(Debug)]
struct Lead {
    to: PeerNamespace,
    /// Number of the interface.
    interface: u32,
    /// Inode number of the namespace; none: unknown yet.
    inode: Option<u32>,
    /// Whether the inode number was read after the interface got this peer. Later readings are ignored then, because
    /// the kernel may give the id to another namespace.
    is_certain: bool,
    /// Whether the flow table keeps flows of this interface apart from those of other namespaces.
    is_apart: bool,
}

impl Lead {
    fn take(&mut self, (inode, asked_ns): (u32, u64)) {
        if !self.is_certain && asked_ns + MAX_NOTICE_DELAY_NS >= self.to.since_ns {
            self.inode = Some(inode);
            self.is_certain = asked_ns >= self.to.since_ns;
        }
    }
}

/// The peer namespaces of all interfaces.
#[derive(Debug, Default)]
pub(super) struct Namespaces {
    /// By the kernel's id (`RTM_GETNSID`): inode number, and when it was read.
    ids: HashMap<i32, (u32, u64)>,
    /// By the number that pidflow assigns and the flow table uses; numbers are assigned in order, from 1.
    leads: BTreeMap<u32, Lead>,
    /// By interface number: the key in `leads` of its current lead.
    current: HashMap<u32, u32>,
    last: u32,
    is_due: bool,
    /// An interface has a new peer since [`Namespaces::take_wanted`].
    is_wanted: bool,
}

impl Namespaces {
    /// Applies facts about namespaces; ignores all others.
    pub(super) fn learn(&mut self, fact: &Fact) {
        match fact {
            Fact::NamespaceIds { time_ns, ids } => {
                for (id, inode) in ids {
                    if self.ids.len() < MAX_IDS || self.ids.contains_key(id) {
                        self.ids.insert(*id, (*inode, *time_ns));
                    }
                }
                self.is_due = true;
            }
            Fact::Addresses { .. } => self.is_due = true,
            _ => {}
        }
    }

    /// Applies announcements of interfaces whose peer may have changed.
    pub(super) fn announce(&mut self, interfaces: &[Interface], table: &mut FlowTable) {
        for interface in interfaces.iter().filter(|interface| !interface.is_gone) {
            let before = self.current.get(&interface.number).and_then(|number| self.leads.get(number));
            if before.map(|lead| lead.to) != interface.leads_to {
                self.lead(interface, table);
            }
        }
        while self.leads.len() > MAX_LEADS
            && let Some((number, lead)) = self.leads.pop_first()
            && self.current.get(&lead.interface) == Some(&number)
        {
            self.current.remove(&lead.interface);
        }
    }

    /// No packet of the interface of this number comes any more.
    pub(super) fn forget_interface(&mut self, number: u32) {
        self.current.remove(&number);
    }

    /// Sets a new peer of an interface. Until its namespace is known, the interface's flows are kept apart from all
    /// others.
    fn lead(&mut self, interface: &Interface, table: &mut FlowTable) {
        self.current.remove(&interface.number);
        table.set_network_namespace(interface.number, 0);
        if let Some(to) = interface.leads_to {
            self.last = self.last % MAX_OWN_NUMBER + 1;
            let lead = Lead { to, interface: interface.number, inode: None, is_certain: false, is_apart: true };
            self.leads.insert(self.last, lead);
            self.current.insert(interface.number, self.last);
            table.set_network_namespace(interface.number, self.last);
            (self.is_due, self.is_wanted) = (true, true);
        }
    }

    /// Whether the ids of namespaces should be read, because an interface has a new peer. The kernel sends a notice only if it
    /// assigns a new id, not if the peer's namespace has one already, and what was read before may be out of date.
    pub(super) const fn take_wanted(&mut self) -> bool {
        std::mem::replace(&mut self.is_wanted, false)
    }

    /// Updates in the flow table which interfaces are kept apart.
    pub(super) fn apply(&mut self, joiner: &Joiner, table: &mut FlowTable) {
        if !std::mem::take(&mut self.is_due) {
            return;
        }
        for number in self.current.values() {
            let Some(lead) = self.leads.get_mut(number) else { continue };
            self.ids.get(&lead.to.id).into_iter().for_each(|known| lead.take(*known));
            let is_apart = lead.inode.is_none_or(|inode| joiner.shares_addresses(inode));
            if std::mem::replace(&mut lead.is_apart, is_apart) != is_apart {
                table.set_network_namespace(lead.interface, if is_apart { *number } else { 0 });
            }
        }
    }

    /// Replaces pidflow's number of the namespace in a flow by its inode number, or by none if that is unknown.
    pub(super) fn named(&self, mut flow: Flow) -> Flow {
        if let Some(number) = flow.network_namespace.filter(|number| *number <= MAX_OWN_NUMBER) {
            flow.network_namespace = self.leads.get(&number).and_then(|lead| lead.inode);
        }
        flow
    }
}

#[cfg(test)]
mod tests {
    use pidflow_engine::flow_table::FlowTableConfig;
    use pidflow_engine::packet::Packet;
    use pidflow_schema::{FlowEndDetail, FlowEndReason, Protocol};

    use super::*;

    const SECOND: u64 = 1_000_000_000;

    struct Made {
        namespaces: Namespaces,
        joiner: Joiner,
        table: FlowTable,
    }

    impl Made {
        fn new() -> Self {
            let table = FlowTable::new(FlowTableConfig { counts_once: true, ..FlowTableConfig::default() });
            Self { namespaces: Namespaces::default(), joiner: Joiner::new(SECOND, 1), table }
        }

        fn tell(&mut self, fact: Fact) {
            self.namespaces.learn(&fact);
            self.joiner.apply(&fact);
        }

        fn addresses(&mut self, netns: u32, addresses: &[&str]) {
            let addresses = addresses.iter().map(|a| a.parse().unwrap()).collect();
            self.tell(Fact::Addresses { time_ns: 0, netns, addresses });
        }

        fn interface(&mut self, number: u32, id: Option<i32>) {
            let leads_to = id.map(|id| PeerNamespace { id, since_ns: 10 * SECOND });
            let interface = Interface { leads_to, ..Interface::new(number, number + 1, &"v".into()) };
            crate::pipeline::name_interfaces(&mut self.table, std::slice::from_ref(&interface));
            self.namespaces.announce(&[interface], &mut self.table);
        }

        /// Feeds one packet of the same five-tuple per interface, and returns namespace and packet count of each flow.
        fn flows(mut self, interfaces: &[u32]) -> Vec<(Option<u32>, u64)> {
            self.namespaces.apply(&self.joiner, &mut self.table);
            let mut out: Vec<Flow> = Vec::new();
            for interface in interfaces {
                let ends = (("10.0.0.2".parse().unwrap(), 5), ("10.0.0.1".parse().unwrap(), 6));
                let mut packet = Packet::new(20 * SECOND, Protocol::UDP, ends.0, ends.1).with_octets(60, 74);
                packet.interface = *interface;
                self.table.update(&packet, &mut out);
            }
            self.table.finish(FlowEndReason::ForcedEnd, FlowEndDetail::None, &mut out);
            out.into_iter()
                .map(|f| self.namespaces.named(f))
                .map(|f| (f.network_namespace, f.forward.packets))
                .collect()
        }
    }

    fn ids(time_ns: u64, ids: &[(i32, u32)]) -> Fact {
        Fact::NamespaceIds { time_ns, ids: ids.to_vec() }
    }

    /// Two interfaces to namespaces 71 and 72, known by 4 and 5.
    fn two(second_has: &str) -> Made {
        let mut made = Made::new();
        made.addresses(71, &["127.0.0.1", "10.0.0.2"]);
        made.addresses(72, &["127.0.0.1", second_has]);
        made.interface(0, Some(4));
        made.interface(1, Some(5));
        made
    }

    #[test]
    fn equal_addresses_of_two_namespaces_are_two_flows() {
        let mut made = two("10.0.0.2");
        made.tell(ids(11 * SECOND, &[(4, 71), (5, 72)]));
        assert_eq!(made.flows(&[0, 1, 0, 1, 1]), [(Some(71), 2), (Some(72), 3)]);
    }

    #[test]
    fn a_packet_between_two_namespaces_of_different_addresses_is_one() {
        let mut made = two("10.0.0.1");
        made.tell(ids(11 * SECOND, &[(4, 71), (5, 72)]));
        assert_eq!(made.flows(&[0, 1, 0, 1]), [(None, 2)]);
    }

    #[test]
    fn a_number_from_before_the_interface_was_there_is_not_believed() {
        let mut made = two("10.0.0.2");
        made.tell(ids(2 * SECOND, &[(4, 71), (5, 72)]));
        assert_eq!(made.flows(&[0, 0, 1]), [(None, 2), (None, 1)], "and they are not taken for one");
    }

    #[test]
    fn what_becomes_known_later_holds_for_flows_that_began_before() {
        let mut made = two("10.0.0.2");
        let mut flows = Vec::new();
        made.namespaces.apply(&made.joiner, &mut made.table);
        let ends = (("10.0.0.2".parse().unwrap(), 5), ("10.0.0.1".parse().unwrap(), 6));
        made.table.update(&Packet::new(20 * SECOND, Protocol::UDP, ends.0, ends.1), &mut flows);
        // The id is read just before the interface was noticed, then after it, and then when another namespace has the
        // id.
        for (time_ns, inode) in [(9_500_000_000, 70), (11 * SECOND, 71), (12 * SECOND, 73)] {
            made.tell(ids(time_ns, &[(4, inode)]));
            made.namespaces.apply(&made.joiner, &mut made.table);
        }
        assert_eq!(made.flows(&[0, 0]), [(Some(71), 3)]);
    }

    #[test]
    fn ids_are_wanted_once_for_each_new_peer() {
        let mut made = two("10.0.0.2");
        assert!(made.namespaces.take_wanted() && !made.namespaces.take_wanted());
        made.interface(1, Some(5));
        assert!(!made.namespaces.take_wanted(), "it leads to the same as before");
        made.interface(1, Some(4));
        assert!(made.namespaces.take_wanted());
    }

    #[test]
    fn an_interface_that_leads_elsewhere_is_no_longer_taken_for_the_first() {
        let mut made = two("10.0.0.2");
        made.tell(ids(11 * SECOND, &[(4, 71), (5, 72)]));
        made.namespaces.apply(&made.joiner, &mut made.table);
        made.interface(0, Some(6));
        made.interface(1, None);
        made.tell(ids(12 * SECOND, &[(4, 74), (6, 73)]));
        made.addresses(73, &["10.0.0.2"]);
        assert_eq!(made.flows(&[0, 0]), [(Some(73), 2)]);
    }

    #[test]
    fn of_too_many_interfaces_the_oldest_are_forgotten() {
        let mut made = Made::new();
        (0..MAX_LEADS as u32 + 10).for_each(|number| made.interface(number, Some(4)));
        assert_eq!((made.namespaces.leads.len(), made.namespaces.current.len()), (MAX_LEADS, MAX_LEADS));
    }
}
