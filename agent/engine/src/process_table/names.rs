//! Names of users and pods.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use pidflow_schema::Pod;

use super::limits::{MAX_CONTAINER_ID_BYTES, MAX_POD_TEXT_BYTES, MAX_PODS, MAX_USER_NAME_BYTES, MAX_USERS};
use super::{PodsByContainer, ProcessTable};
use crate::fact::PodSource;
use crate::texts::cut;

impl ProcessTable {
    /// Replaces the user names.
    pub fn set_users(&mut self, users: &HashMap<u32, Arc<str>>) {
        self.dropped += users.len().saturating_sub(MAX_USERS) as u64;
        let is_same = |(uid, name): (&u32, &Arc<str>)| {
            self.users.get(uid).is_some_and(|known| **known == *cut(name, MAX_USER_NAME_BYTES))
        };
        if users.len() == self.users.len() && users.iter().all(is_same) {
            return;
        }
        let bounded = users.iter().take(MAX_USERS).map(|(uid, name)| (*uid, shortened(name, MAX_USER_NAME_BYTES)));
        self.users = bounded.collect();
        self.names_version = self.names_version.wrapping_add(1);
    }

    /// Replaces the pods that a source knows, except those of containers with a known process, to which a flow may still refer.
    pub fn set_pods(&mut self, source: PodSource, pods: &HashMap<Box<str>, Arc<Pod>>) {
        let held: HashSet<&str> = self.entries.values().map(|e| &*e.placement.container_id).collect();
        let known = match source {
            PodSource::Links => &mut self.linked_pods,
            PodSource::Kubernetes => &mut self.described_pods,
        };
        self.dropped += replace(known, pods, &held);
        self.names_version = self.names_version.wrapping_add(1);
    }

    /// The pod of a container.
    pub(super) fn pod(&self, container_id: &str) -> Option<Arc<Pod>> {
        self.described_pods.get(container_id).or_else(|| self.linked_pods.get(container_id)).cloned()
    }
}

/// The number of pods that there was no room for.
fn replace(known: &mut PodsByContainer, told: &HashMap<Box<str>, Arc<Pod>>, held: &HashSet<&str>) -> u64 {
    known.retain(|id, _| held.contains(&**id));
    let mut dropped = 0;
    for (id, pod) in told {
        let id = cut(id, MAX_CONTAINER_ID_BYTES);
        if known.len() >= MAX_PODS && !known.contains_key(id) {
            dropped += 1;
        } else {
            known.insert(id.into(), bounded(pod));
        }
    }
    dropped
}

/// The text itself, or a copy of its beginning if it is too long.
fn shortened(text: &Arc<str>, max: usize) -> Arc<str> {
    if text.len() <= max { Arc::clone(text) } else { cut(text, max).into() }
}

fn bounded(pod: &Arc<Pod>) -> Arc<Pod> {
    let texts = [&pod.namespace, &pod.name, &pod.container];
    if texts.iter().all(|t| t.len() <= MAX_POD_TEXT_BYTES) {
        return Arc::clone(pod);
    }
    let [namespace, name, container] = texts.map(|t| shortened(t, MAX_POD_TEXT_BYTES));
    Arc::new(Pod { namespace, name, container, details: pod.details.clone() })
}
