//! The network namespaces that have a process, with their addresses and ids.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::time::{Duration, Instant};

use pidflow_engine::fact::Fact;

use super::addresses::{Pace, addresses_fact};
use super::namespace_ids::NamespaceIds;
use super::procfs_read;
use crate::clock::engine_ns;

/// Interval between two readings of the addresses of other namespaces, about which the kernel sends no notices here.
const INTERVAL: Duration = Duration::from_secs(10);

/// The known namespaces.
#[derive(Debug)]
pub(super) struct Namespaces {
    /// A process in each namespace, through which it is read, by inode number of the namespace.
    processes: HashMap<u32, u32>,
    ids: NamespaceIds,
    /// They are to be read at the next poll. Many requests are one reading, because it looks at all processes.
    are_ids_wanted: bool,
    pace: Pace,
}

impl Namespaces {
    /// No namespace is known yet.
    pub(super) fn new() -> Self {
        Self { processes: HashMap::new(), ids: NamespaceIds::new(), are_ids_wanted: false, pace: Pace::new(INTERVAL) }
    }

    /// Inode number of each namespace, and a process in it.
    pub(super) fn iter(&self) -> impl Iterator<Item = (u32, u32)> {
        self.processes.iter().map(|(netns, process)| (*netns, *process))
    }

    /// A process uses sockets in a namespace.
    pub(super) fn add(&mut self, netns: u32, process: u32, facts: &mut Vec<Fact>) {
        if netns == 0 || self.processes.contains_key(&netns) {
            return;
        }
        let name = process.to_string();
        if procfs_read::network_namespace(&name) == Some(netns) {
            self.processes.insert(netns, process);
            facts.extend(addresses_fact(netns, &name));
            facts.extend(ids_fact(self.ids.of(process)));
        }
    }

    /// Adds the namespaces of a snapshot, which already contains their addresses.
    pub(super) fn take_snapshot(&mut self, facts: &mut Vec<Fact>) {
        let before = self.processes.len();
        for fact in facts.iter() {
            if let Fact::Socket { task, socket, .. } = fact
                && socket.netns != 0
            {
                self.processes.entry(socket.netns).or_insert(task.id.pid);
            }
        }
        if self.processes.len() > before {
            facts.extend(self.all_ids());
        }
    }

    /// The next poll reads the ids of all namespaces, those without sockets included.
    pub(super) const fn want_ids(&mut self) {
        self.are_ids_wanted = true;
    }

    /// Reports what may have changed.
    pub(super) fn poll(&mut self, now: Instant, facts: &mut Vec<Fact>) {
        let are_wanted = std::mem::take(&mut self.are_ids_wanted) | self.ids.have_changed();
        if self.pace.is_due(now) {
            self.look(facts);
            facts.extend(self.iter().filter_map(|(netns, process)| addresses_fact(netns, &process.to_string())));
            facts.extend(self.all_ids());
            self.pace.done(now);
        } else if are_wanted {
            // A new namespace may have the inode number of one that is gone.
            self.look(facts);
            facts.extend(self.all_ids());
        }
    }

    fn all_ids(&self) -> Option<Fact> {
        ids_fact(self.iter().filter_map(|(_, process)| self.ids.of(process)))
    }

    fn look(&mut self, facts: &mut Vec<Fact>) {
        let alive = procfs_read::network_namespaces();
        self.replace_ended(&alive, facts);
        self.add_all(&alive, facts);
    }

    /// Adds all namespaces, because interfaces may lead to namespaces in which no process uses a socket.
    fn add_all(&mut self, alive: &HashMap<u32, u32>, facts: &mut Vec<Fact>) {
        for (netns, process) in alive {
            if let Entry::Vacant(place) = self.processes.entry(*netns) {
                place.insert(*process);
                facts.extend(addresses_fact(*netns, &process.to_string()));
            }
        }
    }

    /// Replaces processes that have ended by others in the same namespace. A namespace without processes no longer has
    /// addresses.
    fn replace_ended(&mut self, alive: &HashMap<u32, u32>, facts: &mut Vec<Fact>) {
        let is_in = |netns, process: u32| procfs_read::network_namespace(&process.to_string()) == Some(netns);
        let ended: Vec<u32> = self.iter().filter(|(netns, process)| !is_in(*netns, *process)).map(|(n, _)| n).collect();
        for netns in ended {
            match alive.get(&netns) {
                Some(process) => drop(self.processes.insert(netns, *process)),
                None => {
                    self.processes.remove(&netns);
                    facts.push(Fact::Addresses { time_ns: engine_ns(), netns, addresses: Vec::new() });
                }
            }
        }
    }
}

fn ids_fact(ids: impl IntoIterator<Item = (i32, u32)>) -> Option<Fact> {
    let ids: Vec<_> = ids.into_iter().collect();
    (!ids.is_empty()).then(|| Fact::NamespaceIds { time_ns: engine_ns(), ids })
}
