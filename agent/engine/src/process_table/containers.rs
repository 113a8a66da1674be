//! What container engines know of containers.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use foldhash::fast::RandomState;
use pidflow_schema::Container;

use super::ProcessTable;
use super::limits::{MAX_CONTAINER_ID_BYTES, MAX_CONTAINERS, MAX_WORKLOAD_TEXT_BYTES};
use crate::texts::cut;

/// Containers by id. An id never belongs to another container, so that what is known of one that is deleted stays true; flows of
/// its processes may end later. The oldest give way.
#[derive(Debug, Default)]
pub(super) struct Containers {
    known: HashMap<Box<str>, Arc<Container>, RandomState>,
    /// Their ids, oldest first.
    order: VecDeque<Box<str>>,
}

impl Containers {
    pub(super) fn get(&self, id: &str) -> Option<Arc<Container>> {
        if id.is_empty() { None } else { self.known.get(id).cloned() }
    }

    /// Whether something changed that records show.
    fn set(&mut self, id: &str, container: &Arc<Container>) -> bool {
        let id = cut(id, MAX_CONTAINER_ID_BYTES);
        let container = bounded(container);
        if let Some(known) = self.known.get_mut(id) {
            let is_new = *known != container;
            *known = container;
            return is_new;
        }
        if self.known.len() >= MAX_CONTAINERS
            && let Some(oldest) = self.order.pop_front()
        {
            self.known.remove(&oldest);
        }
        self.order.push_back(id.into());
        self.known.insert(id.into(), container);
        true
    }
}

fn bounded(container: &Arc<Container>) -> Arc<Container> {
    let Container { name, image, compose_project, compose_service } = &**container;
    let texts = [name, image, compose_project, compose_service];
    if texts.iter().all(|text| text.len() <= MAX_WORKLOAD_TEXT_BYTES) {
        return Arc::clone(container);
    }
    let [name, image, compose_project, compose_service] = texts.map(|text| cut(text, MAX_WORKLOAD_TEXT_BYTES).into());
    Arc::new(Container { name, image, compose_project, compose_service })
}

impl ProcessTable {
    /// Adds or replaces what is known of containers.
    pub fn set_containers(&mut self, containers: &[(Box<str>, Arc<Container>)]) {
        let mut is_new = false;
        for (id, container) in containers {
            is_new |= self.containers.set(id, container);
        }
        if is_new {
            self.names_version = self.names_version.wrapping_add(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use pidflow_schema::Placement;

    use super::super::from_proc::tests::{seen, task};
    use super::*;

    fn named(id: &str, name: &str) -> (Box<str>, Arc<Container>) {
        (id.into(), Arc::new(Container { name: name.into(), ..Container::default() }))
    }

    fn name_of(t: &mut ProcessTable, pid: u32) -> Option<String> {
        let process = t.describe(task(pid, "").id, 100, 100).unwrap();
        process.container.as_ref().map(|c| c.name.to_string())
    }

    #[test]
    fn a_process_has_the_names_of_its_container_as_soon_as_they_are_known() {
        let mut t = ProcessTable::default();
        let placed = |id: &str| Some(Placement { container_id: id.into(), ..Placement::default() });
        t.described(&seen(10, &task(10, "web"), placed("c1")));
        t.described(&seen(10, &task(11, "sshd"), placed("")));
        assert_eq!(name_of(&mut t, 10), None);
        t.set_containers(&[named("c1", "shop-web-1"), named("", "nobody"), named("c2", "other")]);
        assert_eq!((name_of(&mut t, 10).as_deref(), name_of(&mut t, 11)), (Some("shop-web-1"), None));
        t.set_containers(&[named("c1", "renamed")]);
        assert_eq!(name_of(&mut t, 10).as_deref(), Some("renamed"));
    }

    #[test]
    fn what_an_engine_says_is_bounded() {
        let mut t = ProcessTable::default();
        let long = "ü".repeat(100_000);
        t.set_containers(&(0..10_000).map(|n| named(&format!("{n:0300}"), &long)).collect::<Vec<_>>());
        let Containers { known, order } = &t.containers;
        assert_eq!((known.len(), order.len()), (1, 1), "ids that differ only where they are cut are one");
        t.set_containers(&(0..10_000).map(|n| named(&format!("{n}"), &long)).collect::<Vec<_>>());
        let Containers { known, order } = &t.containers;
        assert_eq!((known.len(), order.len()), (MAX_CONTAINERS, MAX_CONTAINERS));
        assert!(known.contains_key("9999") && !known.contains_key("0"), "the oldest give way");
        assert!(known.values().all(|c| c.name.len() <= MAX_WORKLOAD_TEXT_BYTES));
    }
}
