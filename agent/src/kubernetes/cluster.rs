//! The addresses of all pods, services, endpoints and nodes of the cluster, for the remote ends of flows.

use std::sync::Arc;

use crossbeam_channel::Sender;
use pidflow_engine::fact::{Fact, TenantKind};
use serde::de::DeserializeOwned;
use tokio::time::sleep;

use super::follower::{Ended, Follower, Pods, Reader, Simple};
use super::inventory::{Inventory, Tells};
use super::object::{EndpointSlice, Identified, Node, Service};
use super::request::Server;
use super::state::State;
use super::tenant::Tenant;
use super::texts::Texts;
use super::watch::Watch;
use crate::http_client::Pause;

/// Follows everything of the cluster.
pub(super) struct Cluster {
    pods: All<Pods>,
    services: All<Simple<Service>>,
    slices: All<Simple<EndpointSlice>>,
    nodes: All<Simple<Node>>,
}

/// Where changes are sent, and what is shared.
pub(super) struct Context {
    pub(super) server: Server,
    pub(super) state: Arc<State>,
    pub(super) facts: Sender<Vec<Fact>>,
    /// Memory for all that is known, bytes.
    pub(super) max_bytes: usize,
}

/// All objects of one kind.
struct All<R> {
    path: &'static str,
    server: Server,
    follower: Follower<R>,
    state: Arc<State>,
}

impl Cluster {
    /// Of the memory, pods get four parts of ten, endpoint slices three, services two and nodes one.
    pub(super) fn new(context: &Context, pods: Pods) -> Self {
        Self {
            pods: All::new(context, ("/api/v1/pods", TenantKind::Pod, 4), pods),
            services: All::simple(context, ("/api/v1/services", TenantKind::Service, 2), Tenant::of_service),
            slices: All::simple(
                context,
                ("/apis/discovery.k8s.io/v1/endpointslices", TenantKind::ServiceEndpoint, 3),
                Tenant::of_slice,
            ),
            nodes: All::simple(context, ("/api/v1/nodes", TenantKind::Node, 1), Tenant::of_node),
        }
    }

    /// Runs until the pipeline has ended.
    pub(super) async fn run(&mut self) -> Ended {
        let Self { pods, services, slices, nodes } = self;
        let pods = async {
            let reader = &mut pods.follower.reader;
            reader.owners.read_all(&mut reader.texts).await;
            pods.run().await
        };
        tokio::select! {
            ended = pods => ended,
            ended = services.run() => ended,
            ended = slices.run() => ended,
            ended = nodes.run() => ended,
        }
    }
}

impl<O: DeserializeOwned + Identified> All<Simple<O>> {
    fn simple(
        context: &Context,
        what: (&'static str, TenantKind, usize),
        make: fn(&O, &mut Texts) -> Option<Tenant>,
    ) -> Self {
        Self::new(context, what, Simple::new(make))
    }
}

impl<R: Reader> All<R> {
    /// `what`: path, kind, and how many tenths of the memory it may use.
    fn new(context: &Context, (path, kind, tenths): (&'static str, TenantKind, usize), reader: R) -> Self {
        let inventory = Inventory::new(kind, Tells::Addresses, context.max_bytes / 10 * tenths);
        let follower = Follower::new(reader, inventory, context.facts.clone());
        Self { path, server: context.server.clone(), follower, state: Arc::clone(&context.state) }
    }

    async fn run(&mut self) -> Ended {
        let mut pause = Pause::default();
        loop {
            let watch = Watch::new(self.server.clone(), self.path, String::new());
            let listed = |inventory: &_| {
                pause.reset();
                self.state.cluster_works(self.path, inventory);
            };
            match self.follower.follow(watch, listed).await {
                Ok(why) => self.state.cluster_failed(self.path, format!("{}: {why}", self.server.name())),
                Err(ended) => return ended,
            }
            sleep(pause.next()).await;
        }
    }
}
