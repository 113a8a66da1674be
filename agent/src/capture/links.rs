//! The current interfaces, and changes of them.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use super::link::Link;
use super::netlink::LinkNotice;
use crate::clock::engine_ns;
use pidflow_capture::{Interface, PeerNamespace};
use pidflow_engine::flow_table::Observation;

/// The interfaces of this network namespace by index.
pub(super) type Names = HashMap<u32, NamedLink>;

/// What packet threads need to know of an interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct NamedLink {
    /// Distinguishes it from another interface that gets the same index.
    pub(super) appearance: u64,
    pub(super) name: Arc<str>,
    pub(super) leads_to: Option<PeerNamespace>,
    pub(super) observation: Observation,
}

impl NamedLink {
    /// The interface as announced to the pipeline.
    pub(super) fn interface(&self, number: u32, index: u32) -> Interface {
        let (leads_to, observation) = (self.leads_to, self.observation);
        Interface { leads_to, observation, ..Interface::new(number, index, &self.name) }
    }
}

/// Kinds of interfaces that send each packet through one of several member interfaces.
const BUNDLES: [&str; 2] = ["bond", "team"];

/// A change of an interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Event {
    Appeared(Link),
    Renamed {
        before: Arc<str>,
        now: Link,
    },
    /// It was down before.
    CameUp(Link),
    /// It is connected to something else.
    Rewired(Link),
    Disappeared(Link),
}

/// The interfaces by index.
#[derive(Debug, Default)]
pub(super) struct Links {
    known: BTreeMap<u32, Known>,
    appearances: u64,
}

#[derive(Debug, Clone)]
struct Known {
    link: Link,
    /// Distinguishes it from others that had its index before.
    appearance: u64,
    /// When it began to lead to its current peer namespace.
    leads_since_ns: u64,
    /// Whether it was listed since the list was requested.
    is_confirmed: bool,
}

impl Links {
    pub(super) fn iter(&self) -> impl Iterator<Item = &Link> {
        self.known.values().map(|known| &known.link)
    }

    pub(super) fn get(&self, index: u32) -> Option<&Link> {
        self.known.get(&index).map(|known| &known.link)
    }

    pub(super) fn called(&self, name: &str) -> Option<&Link> {
        self.iter().find(|link| link.is_called(name))
    }

    /// What packet threads need to know. `is_captured` says whether an interface is captured, now or when it is up.
    pub(super) fn names(&self, is_captured: impl Fn(&Link) -> bool) -> Names {
        let named = |known: &Known| NamedLink {
            appearance: known.appearance,
            name: Arc::clone(&known.link.name),
            leads_to: known.link.wiring.peer_namespace.map(|id| PeerNamespace { id, since_ns: known.leads_since_ns }),
            observation: self.observation(&known.link, &is_captured),
        };
        self.known.iter().map(|(index, known)| (*index, named(known))).collect()
    }

    /// The members of a bond or team see different packets of the same flows, and the bond or team sees them all.
    fn observation(&self, link: &Link, is_captured: impl Fn(&Link) -> bool) -> Observation {
        let master = link.wiring.master.and_then(|index| self.get(index));
        match master.filter(|master| BUNDLES.contains(&&*master.wiring.kind)) {
            Some(master) if is_captured(master) => Observation::ByAnother,
            Some(master) => Observation::TogetherAs(master.index),
            None => Observation::ByItself,
        }
    }

    /// Pairs of captured interfaces that see the same packets.
    pub(super) fn overlapping(&self, is_captured: impl Fn(&Link) -> bool) -> Vec<(&str, &str)> {
        let captured = |index: Option<u32>| index.and_then(|index| self.get(index)).filter(|link| is_captured(link));
        let others = |link: &Link| [captured(link.wiring.master), captured(link.wiring.lower)];
        let pairs = self
            .iter()
            .filter(|link| is_captured(link))
            .flat_map(|link| others(link).into_iter().flatten().map(|other| (&*link.name, &*other.name)));
        // Both ends of a pair name each other.
        let mut seen = HashSet::new();
        pairs.filter(|(a, b)| seen.insert((*a.min(b), *a.max(b)))).collect()
    }

    /// The list was requested: interfaces not listed until [`LinkNotice::All`] have disappeared.
    pub(super) fn expect_all(&mut self) {
        self.known.values_mut().for_each(|known| known.is_confirmed = false);
    }

    /// Applies notices.
    pub(super) fn take(&mut self, said: LinkNotice, events: &mut Vec<Event>) {
        match said {
            LinkNotice::Is(link) => self.set(link, events),
            LinkNotice::Gone(index) => events.extend(self.remove(index)),
            LinkNotice::All => {
                let gone: Vec<u32> = self.known.values().filter(|k| !k.is_confirmed).map(|k| k.link.index).collect();
                events.extend(gone.into_iter().filter_map(|index| self.remove(index)));
            }
            LinkNotice::Counted(..) | LinkNotice::Lost => {}
        }
    }

    fn set(&mut self, link: Link, events: &mut Vec<Event>) {
        let Some(known) = self.known.get_mut(&link.index) else {
            self.appearances += 1;
            let (appearance, leads_since_ns) = (self.appearances, engine_ns());
            let known = Known { link: link.clone(), appearance, leads_since_ns, is_confirmed: true };
            self.known.insert(link.index, known);
            return events.push(Event::Appeared(link));
        };
        known.is_confirmed = true;
        let before = std::mem::replace(&mut known.link, link.clone());
        if before.wiring.peer_namespace != link.wiring.peer_namespace {
            known.leads_since_ns = engine_ns();
        }
        if before.wiring != link.wiring {
            events.push(Event::Rewired(link.clone()));
        }
        if link.is_up && !before.is_up {
            events.push(Event::CameUp(link.clone()));
        }
        if before.name != link.name {
            events.push(Event::Renamed { before: before.name, now: link });
        }
    }

    fn remove(&mut self, index: u32) -> Option<Event> {
        self.known.remove(&index).map(|known| Event::Disappeared(known.link))
    }
}

#[cfg(test)]
mod tests {
    use super::super::link::Wiring;
    use super::*;

    fn link(index: u32, name: &str) -> Link {
        Link {
            index,
            name: name.into(),
            other_names: vec![format!("{name}-too")],
            is_up: true,
            is_loopback: false,
            wiring: Wiring::default(),
        }
    }

    fn events(links: &mut Links, said: impl IntoIterator<Item = LinkNotice>) -> Vec<Event> {
        let mut events = Vec::new();
        said.into_iter().for_each(|said| links.take(said, &mut events));
        events
    }

    #[test]
    fn an_index_that_is_taken_over_is_another_appearance_and_a_new_name_is_not() {
        let mut links = Links::default();
        let first = events(&mut links, [LinkNotice::Is(link(7, "eth7")), LinkNotice::Is(link(7, "eth7"))]);
        assert_eq!(first, [Event::Appeared(link(7, "eth7"))]);
        let appearance =
            |links: &Links| links.names(|_| true).into_values().map(|named| named.appearance).collect::<Vec<_>>();
        let before = appearance(&links);
        let renamed = events(&mut links, [LinkNotice::Is(link(7, "lan0"))]);
        assert_eq!(renamed, [Event::Renamed { before: "eth7".into(), now: link(7, "lan0") }]);
        assert_eq!(appearance(&links), before);
        let down = Link { is_up: false, ..link(7, "lan0") };
        assert_eq!(
            events(&mut links, [LinkNotice::Is(down), LinkNotice::Is(link(7, "lan0"))]),
            [Event::CameUp(link(7, "lan0"))]
        );
        let taken = events(&mut links, [LinkNotice::Gone(7), LinkNotice::Gone(7), LinkNotice::Is(link(7, "eth9"))]);
        assert_eq!(taken, [Event::Disappeared(link(7, "lan0")), Event::Appeared(link(7, "eth9"))]);
        assert_ne!(appearance(&links), before);
        assert!(links.called("eth9-too").is_some() && links.called("lan0").is_none());
    }

    #[test]
    fn missed_changes_are_recovered() {
        let mut links = Links::default();
        events(
            &mut links,
            [LinkNotice::Is(link(1, "lo")), LinkNotice::Is(link(2, "eth0")), LinkNotice::Is(link(3, "eth1"))],
        );
        links.expect_all();
        let all = [
            LinkNotice::Is(link(1, "lo")),
            LinkNotice::Is(link(3, "wan")),
            LinkNotice::Is(link(4, "eth2")),
            LinkNotice::All,
        ];
        let expected = [
            Event::Renamed { before: "eth1".into(), now: link(3, "wan") },
            Event::Appeared(link(4, "eth2")),
            Event::Disappeared(link(2, "eth0")),
        ];
        assert_eq!(events(&mut links, all), expected);
        assert_eq!(events(&mut links, [LinkNotice::Lost]), []);
    }
}
