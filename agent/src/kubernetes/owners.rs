//! The owners of pods: what owns the ReplicaSet or Job that created a pod is asked of the API server, if it allows.

use std::num::NonZeroUsize;
use std::time::{Duration, Instant};

use hyper::StatusCode;
use lru::LruCache;
use pidflow_schema::{Owner, OwnerBasis};

use super::object::{List, OwnerReference, Partial};
use super::request::Server;
use super::tenant::Ownership;
use super::texts::Texts;
use crate::http_client::Failure;
use crate::pod_owner::owner_of_controller;

/// Metadata alone: the specification of a ReplicaSet is long.
const METADATA: &str = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1";
const METADATA_LIST: &str = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1";
/// The longest answer, bytes.
const MAX_ANSWER: usize = 1 << 20;
/// The longest page of a list, bytes.
const MAX_PAGE: usize = 16 << 20;
/// The greatest number of ReplicaSets and Jobs whose owners are kept (about 300 bytes each).
const MAX_KEPT: NonZeroUsize = NonZeroUsize::new(16_384).unwrap();
/// How long nothing is asked after the server refused, or could not be reached.
const REFUSED_PAUSE: Duration = Duration::from_secs(600);
const UNREACHABLE_PAUSE: Duration = Duration::from_secs(30);

/// The kinds whose owners are asked for, and their paths.
const ASKED: [(&str, &str, &str); 2] =
    [("ReplicaSet", "/apis/apps/v1", "replicasets"), ("Job", "/apis/batch/v1", "jobs")];

/// What owns the ReplicaSets and Jobs.
#[derive(Debug)]
pub(super) struct Owners {
    server: Option<Server>,
    /// By UID of the ReplicaSet or Job; none: nothing owns it.
    known: LruCache<String, Option<Owner>>,
    /// Until when nothing is asked.
    pause: Option<Instant>,
}

impl Owners {
    /// `server`: the API server; none: nothing is asked.
    pub(super) fn new(server: Option<Server>) -> Self {
        Self { server, known: LruCache::new(MAX_KEPT), pause: None }
    }

    /// Who owns a pod with this controller in this namespace.
    pub(super) async fn of(
        &mut self,
        controller: Option<&OwnerReference>,
        namespace: &str,
        texts: &mut Texts,
    ) -> Ownership {
        let Some(reference) = controller else { return Ownership::default() };
        let controller = Owner { kind: texts.shared(&reference.kind), name: texts.shared(&reference.name) };
        let (owner, basis) = match self.above(reference, namespace, texts).await {
            Some(above) => (above.unwrap_or_else(|| controller.clone()), OwnerBasis::OwnerReference),
            None => {
                (owner_of_controller(&controller).unwrap_or_else(|| controller.clone()), OwnerBasis::ControllerName)
            }
        };
        Ownership { controller: Some(controller), owner: Some(owner), basis }
    }

    /// What owns the controller; outer none: unknown.
    async fn above(
        &mut self,
        controller: &OwnerReference,
        namespace: &str,
        texts: &mut Texts,
    ) -> Option<Option<Owner>> {
        // Other controllers (StatefulSet, DaemonSet, those of operators) are what the operator wrote.
        let Some((_, api, plural)) = ASKED.iter().find(|(kind, ..)| *kind == controller.kind) else {
            return Some(None);
        };
        let uid = controller.uid.as_deref()?;
        if let Some(known) = self.known.get(uid) {
            return Some(known.clone());
        }
        let path = format!("{api}/namespaces/{namespace}/{plural}/{}", controller.name);
        let found = self.ask(&path).await?;
        // Another object with the same name.
        let found = (found.metadata.uid.as_deref() == Some(uid)).then_some(found)?;
        self.keep(&found, texts);
        self.known.get(uid).cloned()
    }

    async fn ask(&mut self, path: &str) -> Option<Partial> {
        if self.pause.is_some_and(|until| Instant::now() < until) {
            return None;
        }
        let server = self.server.as_ref()?;
        let answer = async { server.get(path, METADATA).await?.all(MAX_ANSWER).await }.await;
        match answer {
            Ok(body) => serde_json::from_slice(&body).ok(),
            Err(e) => {
                self.refused(&e);
                None
            }
        }
    }

    /// A refusal counts for all: permissions are given for a kind in all namespaces. What is gone is not a refusal.
    fn refused(&mut self, why: &Failure) {
        let pause = match why {
            Failure::Refused(StatusCode::NOT_FOUND, _) => return,
            Failure::Refused(StatusCode::FORBIDDEN, _) => REFUSED_PAUSE,
            _ => UNREACHABLE_PAUSE,
        };
        if self.pause.is_none() {
            tracing::info!("owners of Kubernetes pods are guessed from names: {why}");
        }
        self.pause = Some(Instant::now() + pause);
    }

    fn keep(&mut self, found: &Partial, texts: &mut Texts) {
        let Some(uid) = found.metadata.uid.clone() else { return };
        let owner = found.metadata.controller();
        let owner = owner.map(|o| Owner { kind: texts.shared(&o.kind), name: texts.shared(&o.name) });
        self.known.put(uid, owner);
    }

    /// Reads the owners of all ReplicaSets and Jobs of the cluster, so that they need not be asked for one by one.
    pub(super) async fn read_all(&mut self, texts: &mut Texts) {
        for (_, api, plural) in ASKED {
            if let Err(e) = self.read_list(&format!("{api}/{plural}"), texts).await {
                self.refused(&e);
            }
        }
    }

    async fn read_list(&mut self, path: &str, texts: &mut Texts) -> Result<(), Failure> {
        let Some(server) = self.server.clone() else { return Ok(()) };
        let mut next = String::new();
        loop {
            let page = server.get(&super::watch::page(path, "", &next), METADATA_LIST).await?.all(MAX_PAGE).await?;
            let page: List<Partial> = serde_json::from_slice(&page).map_err(|e| Failure::Unusable(e.to_string()))?;
            page.items.iter().flatten().for_each(|found| self.keep(found, texts));
            match page.metadata.and_then(|m| m.next).filter(|next| !next.is_empty()) {
                Some(more) => next = more,
                None => return Ok(()),
            }
        }
    }
}
