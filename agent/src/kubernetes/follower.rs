//! Follows a server: what it tells goes into the inventory, and from there to the pipeline.

use crossbeam_channel::Sender;
use pidflow_engine::fact::Fact;
use serde::de::DeserializeOwned;

use super::access::Chosen;
use super::inventory::{Inventory, Now};
use super::object::{self, Identified};
use super::owners::Owners;
use super::tenant::Tenant;
use super::texts::Texts;
use super::watch::{Step, Watch};
use crate::clock::{engine_ns, wall_ns};
use crate::http_client::Failure;

/// Makes tenants of the server's objects.
pub(super) trait Reader {
    type Object: DeserializeOwned;
    /// None: the object has no identity.
    async fn tenant(&mut self, object: &Self::Object) -> Option<Tenant>;
    /// The UID of an object.
    fn uid(object: &Self::Object) -> Option<&str>;
}

/// Reads pods.
#[derive(Debug)]
pub(super) struct Pods {
    pub(super) owners: Owners,
    pub(super) chosen: Chosen,
    pub(super) texts: Texts,
}

impl Reader for Pods {
    type Object = object::Pod;

    async fn tenant(&mut self, pod: &object::Pod) -> Option<Tenant> {
        let namespace = pod.metadata.namespace.as_deref()?;
        let owners = self.owners.of(pod.metadata.controller(), namespace, &mut self.texts).await;
        Tenant::of_pod(pod, owners, &self.chosen, &mut self.texts)
    }

    fn uid(pod: &object::Pod) -> Option<&str> {
        pod.metadata.uid.as_deref()
    }
}

/// Reads objects of which nothing else needs to be asked.
#[derive(Debug)]
pub(super) struct Simple<O> {
    texts: Texts,
    make: fn(&O, &mut Texts) -> Option<Tenant>,
}

impl<O> Simple<O> {
    /// `make`: what is kept of an object.
    pub(super) fn new(make: fn(&O, &mut Texts) -> Option<Tenant>) -> Self {
        Self { texts: Texts::default(), make }
    }
}

impl<O: DeserializeOwned + Identified> Reader for Simple<O> {
    type Object = O;

    async fn tenant(&mut self, object: &O) -> Option<Tenant> {
        (self.make)(object, &mut self.texts)
    }

    fn uid(object: &O) -> Option<&str> {
        object.metadata().uid.as_deref()
    }
}

/// The pipeline has ended.
#[derive(Debug)]
pub(super) struct Ended;

/// What a server has, and where changes are sent.
#[derive(Debug)]
pub(super) struct Follower<R> {
    pub(super) reader: R,
    inventory: Inventory,
    facts: Sender<Vec<Fact>>,
}

impl<R: Reader> Follower<R> {
    pub(super) const fn new(reader: R, inventory: Inventory, facts: Sender<Vec<Fact>>) -> Self {
        Self { reader, inventory, facts }
    }

    /// Follows a watch until it fails. `listed` is called when everything is known.
    pub(super) async fn follow(
        &mut self,
        mut watch: Watch<R::Object>,
        mut listed: impl FnMut(&Inventory),
    ) -> Result<Failure, Ended> {
        loop {
            let step = match watch.next().await {
                Ok(step) => step,
                Err(why) => return self.lose().map(|()| why),
            };
            let is_listed = matches!(step, Step::ListEnded);
            self.take(step).await;
            if is_listed {
                listed(&self.inventory);
            }
            if !watch.has_more() {
                self.send()?;
            }
        }
    }

    async fn take(&mut self, step: Step<R::Object>) {
        match step {
            Step::ListBegan => {
                self.inventory.lose();
                self.inventory.begin_list();
            }
            Step::Listed(object) => self.set(&object).await,
            Step::ListEnded => self.inventory.end_list(now()),
            Step::Changed(object) => {
                self.set(&object).await;
                self.inventory.confirm(now());
            }
            Step::Deleted(object) => {
                self.inventory.remove(R::uid(&object).unwrap_or_default(), now());
                self.inventory.confirm(now());
            }
            Step::Unchanged => self.inventory.confirm(now()),
            Step::Silent => self.inventory.lose(),
        }
    }

    async fn set(&mut self, object: &R::Object) {
        if let Some(tenant) = self.reader.tenant(object).await {
            self.inventory.set(tenant, now());
        }
    }

    /// Takes all objects that a server had at a time. It does not tell what happens from then on.
    pub(super) async fn take_all(&mut self, objects: &[R::Object], asked: Now) -> Result<&Inventory, Ended> {
        self.inventory.begin_list();
        for object in objects {
            self.set(object).await;
        }
        self.inventory.end_list(asked);
        self.inventory.lose();
        self.send()?;
        Ok(&self.inventory)
    }

    /// The server can no longer be followed.
    pub(super) fn lose(&mut self) -> Result<(), Ended> {
        self.inventory.lose();
        self.send()
    }

    fn send(&mut self) -> Result<(), Ended> {
        let facts = self.inventory.take_facts();
        if facts.is_empty() { Ok(()) } else { self.facts.send(facts).map_err(|_| Ended) }
    }
}

/// The current time.
pub(super) fn now() -> Now {
    Now { engine_ns: engine_ns(), wall_ns: wall_ns() }
}
