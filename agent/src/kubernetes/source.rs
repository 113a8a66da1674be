//! The thread that talks to the servers.

use std::sync::Arc;

use crossbeam_channel::Sender;
use pidflow_engine::fact::{Fact, TenantKind};
use pidflow_exporters::threads::Outcome;

use super::access::{Access, Way};
use super::cluster::{ClusterPods, ClusterServices};
use super::follower::{Ended, Follower, Pods, Services};
use super::inventory::{Inventory, Tells};
use super::node::{Node, missing, server};
use super::owners::Owners;
use super::state::State;
use super::texts::Texts;

/// Everything that is followed. It is kept when the work is restarted after a panic.
pub(super) struct Source {
    node: Node,
    cluster: Option<(ClusterPods, ClusterServices)>,
}

impl Source {
    pub(super) fn new(access: Access, facts: Sender<Vec<Fact>>, state: Arc<State>, max_bytes: usize) -> Self {
        if let Some(why) = missing(&access, state.wish()) {
            state.failed(vec![why.to_owned()]);
        }
        let api = server(&access, Way::Api);
        let pods = || Pods { owners: Owners::new(api.clone()), labels: access.labels.clone(), texts: Texts::default() };
        let api = api.clone().filter(|_| access.cluster);
        let tells = if api.is_some() { Tells::Containers } else { Tells::ContainersAndAddresses };
        let inventory = |kind, tells| Inventory::new(kind, tells, max_bytes / 3);
        let cluster = api.map(|server| {
            let follower = Follower::new(pods(), inventory(TenantKind::Pod, Tells::Addresses), facts.clone());
            let pods = ClusterPods { server: server.clone(), follower, state: Arc::clone(&state) };
            let inventory = inventory(TenantKind::Service, Tells::Addresses);
            let follower = Follower::new(Services::default(), inventory, facts.clone());
            (pods, ClusterServices { server, follower, state: Arc::clone(&state) })
        });
        let follower = Follower::new(pods(), inventory(TenantKind::Pod, tells), facts.clone());
        let node = Node { access: access.clone(), follower, state };
        Self { node, cluster }
    }

    /// Runs until the pipeline has ended.
    pub(super) fn run(&mut self) -> Outcome {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|e| e.to_string())?;
        let Self { node, cluster } = self;
        let Ended = runtime.block_on(async {
            match cluster {
                None => node.run().await,
                Some((pods, services)) => tokio::select! {
                    ended = node.run() => ended,
                    ended = pods.run() => ended,
                    ended = services.run() => ended,
                },
            }
        });
        Ok(())
    }
}
