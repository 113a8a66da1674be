//! The thread that talks to the servers.

use std::sync::Arc;

use crossbeam_channel::Sender;
use pidflow_engine::fact::{Fact, TenantKind};
use pidflow_exporters::threads::Outcome;

use super::access::{Access, Way};
use super::cluster::{Cluster, Context};
use super::follower::{Ended, Follower, Pods};
use super::inventory::{Inventory, Tells};
use super::node::{Node, missing, server};
use super::owners::Owners;
use super::state::State;
use super::texts::Texts;

/// Everything that is followed. It is kept when the work is restarted after a panic.
pub(super) struct Source {
    node: Node,
    cluster: Option<Cluster>,
}

impl Source {
    /// A fifth of the memory is for the pods of this node, the rest for the cluster.
    pub(super) fn new(access: Access, facts: Sender<Vec<Fact>>, state: Arc<State>, max_bytes: usize) -> Self {
        if let Some(why) = missing(&access, state.wish()) {
            state.failed(vec![why.to_owned()]);
        }
        let api = server(&access, Way::Api);
        let pods = || Pods { owners: Owners::new(api.clone()), chosen: access.chosen.clone(), texts: Texts::default() };
        let api = api.clone().filter(|_| access.cluster);
        let tells = if api.is_some() { Tells::Containers } else { Tells::ContainersAndAddresses };
        let cluster = api.map(|server| {
            let (state, facts) = (Arc::clone(&state), facts.clone());
            Cluster::new(&Context { server, state, facts, max_bytes: max_bytes / 5 * 4 }, pods())
        });
        let inventory = Inventory::new(TenantKind::Pod, tells, max_bytes / 5);
        let follower = Follower::new(pods(), inventory, facts);
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
                Some(cluster) => tokio::select! {
                    ended = node.run() => ended,
                    ended = cluster.run() => ended,
                },
            }
        });
        Ok(())
    }
}
