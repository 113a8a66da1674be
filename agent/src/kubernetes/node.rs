//! The pods of this node, from the first server that knows them.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{sleep, timeout};

use super::access::{Access, Way, Wish};
use super::follower::{Ended, Follower, Pods, now};
use super::kubelet;
use super::object;
use super::request::Server;
use super::state::State;
use super::watch::Watch;
use crate::http_client::Failure;
use crate::http_client::Pause;

const PODS: &str = "/api/v1/pods";

/// Follows the pods of this node.
pub(super) struct Node {
    pub(super) access: Access,
    pub(super) follower: Follower<Pods>,
    pub(super) state: Arc<State>,
}

impl Node {
    /// Runs until the pipeline has ended.
    pub(super) async fn run(&mut self) -> Ended {
        let mut pause = Pause::default();
        loop {
            match self.try_all().await {
                Ok(true) => pause.reset(),
                Ok(false) => {}
                Err(ended) => return ended,
            }
            sleep(pause.next()).await;
        }
    }

    /// Follows the best server that works, until it fails. False: none works.
    async fn try_all(&mut self) -> Result<bool, Ended> {
        let mut refusals = Vec::new();
        for way in self.access.ways(self.state.wish()) {
            let Some(server) = server(&self.access, way) else { continue };
            let (why, has_worked) = self.follow(way, server.clone()).await?;
            refusals.push(format!("{}: {}: {why}", way.name(), server.name()));
            if has_worked {
                self.state.failed(refusals);
                return Ok(true);
            }
        }
        self.state.failed(refusals);
        Ok(false)
    }

    async fn follow(&mut self, way: Way, server: Server) -> Result<(Failure, bool), Ended> {
        match way {
            Way::Kubelet => self.poll(&server).await,
            Way::Api => {
                let mut has_worked = false;
                let (state, watch) = (&self.state, watch(server, &self.access));
                let listed = |inventory: &_| {
                    has_worked = true;
                    state.works(way, inventory);
                };
                let why = self.follower.follow(watch, listed).await?;
                Ok((why, has_worked))
            }
        }
    }

    async fn poll(&mut self, server: &Server) -> Result<(Failure, bool), Ended> {
        let mut has_worked = false;
        loop {
            let asked = now();
            match kubelet::pods(server).await {
                Ok(pods) => {
                    let inventory = self.follower.take_all(&pods, asked).await?;
                    self.state.works(Way::Kubelet, inventory);
                    has_worked = true;
                }
                Err(why) => {
                    self.follower.lose()?;
                    return Ok((why, has_worked));
                }
            }
            sleep(kubelet::INTERVAL).await;
        }
    }
}

fn watch(server: Server, access: &Access) -> Watch<object::Pod> {
    Watch::new(server, PODS, format!("spec.nodeName={}", access.node))
}

pub(super) fn server(access: &Access, way: Way) -> Option<Server> {
    let url = match way {
        Way::Kubelet => access.kubelet.clone(),
        Way::Api => access.api.clone(),
    };
    Some(Server::new(url?, access.credentials.clone()))
}

/// Tries the servers once.
pub(super) async fn probe(access: &Access, state: &State, limit: Duration) {
    let mut refusals = Vec::new();
    for way in access.ways(state.wish()) {
        let Some(server) = server(access, way) else { continue };
        let tried = async {
            match way {
                Way::Kubelet => kubelet::pods(&server).await.map(drop),
                Way::Api => watch(server.clone(), access).next().await.map(drop),
            }
        };
        match timeout(limit, tried).await {
            Ok(Ok(())) => return state.found(way, refusals),
            Ok(Err(why)) => refusals.push(format!("{}: {}: {why}", way.name(), server.name())),
            Err(_) => refusals.push(format!("{}: {}: no answer in time", way.name(), server.name())),
        }
    }
    state.failed(refusals);
}

/// Why no server can be asked.
pub(super) fn missing(access: &Access, wish: Wish) -> Option<&'static str> {
    let is_empty = access.ways(wish).is_empty();
    is_empty.then_some("the name of this node is not known: set --node-name")
}
