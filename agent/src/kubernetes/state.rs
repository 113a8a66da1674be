//! What works, and what is not seen: for `/readyz`, metrics, the log and `pidflow doctor`.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::access::{Way, Wish};
use super::inventory::Inventory;
use super::{CLUSTER, WHAT};
use crate::probes::{HookReport, Refusal};

/// What is missing without a server that knows the pods of this node.
const LOST: &str =
    "owners, nodes, labels and annotations of Kubernetes pods, and pods by address; names come from the links to logs";
/// What may be missing without all objects of the cluster.
const CLUSTER_LOST: &str = "pods, services, endpoints of services, nodes or zones at remote ends";

/// The state, shared with the thread.
#[derive(Debug)]
pub(crate) struct State {
    wish: Wish,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    /// Servers are asked.
    is_expected: bool,
    way: Option<Way>,
    refusals: Vec<String>,
    /// Whether the current failure is in the log.
    is_logged: bool,
    /// By path: none: it works.
    cluster: BTreeMap<&'static str, Option<String>>,
    /// By what is listed: how many there was no room for.
    dropped: BTreeMap<&'static str, u64>,
}

impl State {
    pub(super) fn new(wish: Wish) -> Self {
        Self { wish, inner: Mutex::default() }
    }

    /// No server is asked, and no pod is named.
    pub(crate) fn off() -> Self {
        Self::new(Wish::Off)
    }

    pub(super) const fn wish(&self) -> Wish {
        self.wish
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn expect_servers(&self) {
        self.inner().is_expected = true;
    }

    /// This server knows the pods of the node.
    pub(super) fn works(&self, way: Way, inventory: &Inventory) {
        let (known, dropped) = inventory.counts();
        let mut inner = self.inner();
        inner.note_dropped(WHAT, dropped);
        if inner.way != Some(way) {
            tracing::info!("{WHAT}: {known} from the {}", way.name());
        }
        (inner.way, inner.is_logged) = (Some(way), false);
        inner.refusals.clear();
    }

    /// As [`State::works`], with why better servers are not asked.
    pub(super) fn found(&self, way: Way, refusals: Vec<String>) {
        let mut inner = self.inner();
        (inner.way, inner.refusals) = (Some(way), refusals);
    }

    /// No server knows the pods of the node, for these reasons.
    pub(super) fn failed(&self, refusals: Vec<String>) {
        let mut inner = self.inner();
        if !std::mem::replace(&mut inner.is_logged, true) {
            let why = refusals.join("; ");
            tracing::warn!("{WHAT}: {why}; not seen: {LOST}; the agent continues to try; remedy: docs/kubernetes.md");
        }
        (inner.way, inner.refusals) = (None, refusals);
    }

    /// All objects below this path are known.
    pub(super) fn cluster_works(&self, path: &'static str, inventory: &Inventory) {
        let (known, dropped) = inventory.counts();
        let mut inner = self.inner();
        inner.note_dropped(path, dropped);
        if inner.cluster.insert(path, None) != Some(None) {
            tracing::info!("{CLUSTER}: {known} objects of {path}");
        }
    }

    pub(super) fn cluster_failed(&self, path: &'static str, why: String) {
        let before = self.inner().cluster.insert(path, Some(why.clone()));
        if !matches!(before, Some(Some(_))) {
            tracing::warn!("{CLUSTER}: {path}: {why}; not seen: {CLUSTER_LOST}; the agent continues to try");
        }
    }

    /// How the pods of this node are known; none: no server is asked.
    pub(crate) fn report(&self) -> Option<HookReport> {
        let inner = self.inner();
        if !inner.is_expected {
            return None;
        }
        let refusals = inner.refusals.iter().map(|reason| Refusal { hook: None, reason: reason.clone() }).collect();
        let lost = if inner.way.is_some() { "" } else { LOST };
        Some(HookReport { fact: WHAT, way: inner.way.map(|way| way.name().into()), refusals, lost })
    }

    /// How the pods and services of the cluster are known; none: they are not asked for.
    fn cluster_report(&self) -> Option<HookReport> {
        let inner = self.inner();
        let failed: Vec<_> = inner.cluster.iter().filter_map(|(path, why)| Some((path, why.as_ref()?))).collect();
        let refusals = failed.iter().map(|(path, why)| Refusal { hook: None, reason: format!("{path}: {why}") });
        let is_fine = failed.is_empty();
        let way = is_fine.then(|| Way::Api.name().to_owned());
        let lost = if is_fine { "" } else { CLUSTER_LOST };
        (!inner.cluster.is_empty()).then(|| HookReport { fact: CLUSTER, way, refusals: refusals.collect(), lost })
    }

    /// Everything that is reported.
    pub(crate) fn reports(&self) -> Vec<HookReport> {
        self.report().into_iter().chain(self.cluster_report()).collect()
    }

    /// Pods and services that there was no room for.
    pub(crate) fn dropped(&self) -> u64 {
        self.inner().dropped.values().sum()
    }
}

impl Inner {
    fn note_dropped(&mut self, what: &'static str, dropped: u64) {
        let before = self.dropped.insert(what, dropped).unwrap_or_default();
        if before == 0 && dropped > 0 {
            tracing::warn!("{what}: there is no room for {dropped}; remedy: a higher memory limit");
        }
    }
}
