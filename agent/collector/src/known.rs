//! Finds what is done with an element, by its number.

use std::collections::HashMap;

use pidflow_schema::{ELEMENTS, Element, Enterprise, Group, by_name};

use crate::field::{Action, End, Sampling, Time};

/// Elements of ntop and of pidflow in NetFlow v9 have types from here on.
const FIRST_PRIVATE_V9: u16 = 57472;

/// IANA's elements that are written by another element of the table: totals where exporters send no deltas, firewalls' counters
/// by role, prefixes of IPv6, and ports by protocol.
const SAME: [(u16, &str); 12] = [
    (85, "IN_BYTES"),
    (86, "IN_PKTS"),
    (231, "IN_BYTES"),
    (232, "OUT_BYTES"),
    (298, "IN_PKTS"),
    (299, "OUT_PKTS"),
    (29, "IPV4_SRC_MASK"),
    (30, "IPV4_DST_MASK"),
    (180, "L4_SRC_PORT"),
    (181, "L4_DST_PORT"),
    (182, "L4_SRC_PORT"),
    (183, "L4_DST_PORT"),
];

/// IANA's elements (and Cisco's types of NetFlow v9 with the same numbers) that depend on other values.
const SPECIAL: [(u16, Action); 37] = [
    (6, Action::TcpFlags),
    (21, Action::Time(Time::Uptime(End::Stop))),
    (22, Action::Time(Time::Uptime(End::Start))),
    (34, Action::Sampling(Sampling::Interval)),
    (35, Action::Skip),
    (48, Action::Sampling(Sampling::Sampler)),
    (49, Action::Skip),
    (50, Action::Sampling(Sampling::Interval)),
    (60, Action::Skip),
    (82, Action::InterfaceName),
    (83, Action::InterfaceDescription),
    (150, Action::Time(Time::Seconds(End::Start))),
    (151, Action::Time(Time::Seconds(End::Stop))),
    (152, Action::Time(Time::Milliseconds(End::Start))),
    (153, Action::Time(Time::Milliseconds(End::Stop))),
    (154, Action::Time(Time::Ntp(End::Start))),
    (155, Action::Time(Time::Ntp(End::Stop))),
    (156, Action::Time(Time::Ntp(End::Start))),
    (157, Action::Time(Time::Ntp(End::Stop))),
    (158, Action::Time(Time::Before(End::Start))),
    (159, Action::Time(Time::Before(End::Stop))),
    (160, Action::Time(Time::Boot)),
    (161, Action::Time(Time::Duration(1_000_000))),
    (162, Action::Time(Time::Duration(1_000))),
    (176, Action::IcmpType),
    (177, Action::IcmpCode),
    (178, Action::IcmpType),
    (179, Action::IcmpCode),
    (210, Action::Skip),
    (302, Action::Sampling(Sampling::Sampler)),
    (305, Action::Sampling(Sampling::Taken)),
    (306, Action::Sampling(Sampling::Space)),
    (309, Action::Sampling(Sampling::Size)),
    (310, Action::Sampling(Sampling::Population)),
    (311, Action::Sampling(Sampling::Probability)),
    (323, Action::Time(Time::Event(1_000_000))),
    (335, Action::Skip),
];

/// The actions for all known elements.
#[derive(Debug)]
pub(crate) struct Known {
    elements: &'static [Element],
    /// By enterprise number (0: IANA) and id.
    ipfix: HashMap<(u32, u16), Action>,
    /// By NetFlow v9 type.
    netflow9: HashMap<u16, Action>,
    own_pen: u32,
}

impl Known {
    /// `own_pen` is the enterprise number of pidflow's own elements.
    pub(crate) fn new(own_pen: u32) -> Self {
        let (mut ipfix, mut netflow9) = (HashMap::new(), HashMap::new());
        for (place, element) in (0..).zip(ELEMENTS.iter()) {
            let action = if element.write.is_some() { Action::Write(place) } else { Action::Skip };
            ipfix.insert((element.enterprise.number(own_pen).unwrap_or(0), element.id), action);
            netflow9.extend(element.v9.map(|id| (id, action)));
        }
        for (id, name) in SAME {
            let action = place_of(name).map_or(Action::Skip, Action::Alias);
            ipfix.insert((0, id), action);
            netflow9.insert(id, action);
        }
        for (id, action) in SPECIAL {
            ipfix.insert((0, id), action);
            netflow9.insert(id, action);
        }
        ipfix.insert((Enterprise::REVERSE_PEN, 6), Action::ReverseTcpFlags);
        Self { elements: &ELEMENTS, ipfix, netflow9, own_pen }
    }

    /// The action for an element of IPFIX; `pen` is 0 for IANA's.
    pub(crate) fn ipfix(&self, pen: u32, id: u16) -> Action {
        self.ipfix.get(&(pen, id)).copied().unwrap_or(Action::Other { pen, id })
    }

    /// The action for a type of NetFlow v9.
    pub(crate) fn netflow9(&self, id: u16) -> Action {
        self.netflow9.get(&id).copied().unwrap_or(Action::Other { pen: 0, id })
    }

    /// Whether only pidflow sends this element; then it sends no zeros for what it does not know.
    pub(crate) fn is_own(&self, pen: u32, id: u16) -> bool {
        pen == self.own_pen || (pen == 0 && id >= pidflow_schema::table::OWN_V9_BASE)
    }

    /// Whether ntop's programs send this element.
    pub(crate) const fn is_ntop(pen: u32, id: u16) -> bool {
        pen == Enterprise::NTOP_PEN || (pen == 0 && id >= FIRST_PRIVATE_V9)
    }

    /// Whether a zero of the element at this place may mean that the value is not known. pidflow's templates contain only what is
    /// known. Addresses of the family that a record does not have are zero.
    pub(crate) fn zero_waits(&self, place: usize, is_pidflow: bool) -> bool {
        let Some(element) = self.elements.get(place) else { return false };
        match element.group {
            Group::Always => false,
            group if group.is_counter() => false,
            Group::Ipv4 | Group::Ipv6 => true,
            _ => !is_pidflow,
        }
    }

    /// The element at this place of the table.
    #[inline]
    pub(crate) fn element(&self, place: u16) -> Option<&'static Element> {
        self.elements.get(usize::from(place))
    }
}

/// The place of an element in the table.
fn place_of(name: &str) -> Option<u16> {
    let element = by_name(name)?;
    let place = ELEMENTS.iter().position(|e| std::ptr::eq(e, element))?;
    u16::try_from(place).ok()
}
