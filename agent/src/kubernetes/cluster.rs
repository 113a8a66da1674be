//! The addresses of all pods and services of the cluster, for the remote ends of flows.

use std::sync::Arc;

use tokio::time::sleep;

use super::follower::{Ended, Follower, Pods, Reader, Services};
use super::pause::Pause;
use super::request::Server;
use super::state::State;
use super::watch::Watch;

/// Follows all pods.
pub(super) struct ClusterPods {
    pub(super) server: Server,
    pub(super) follower: Follower<Pods>,
    pub(super) state: Arc<State>,
}

/// Follows all services.
pub(super) struct ClusterServices {
    pub(super) server: Server,
    pub(super) follower: Follower<Services>,
    pub(super) state: Arc<State>,
}

impl ClusterPods {
    /// Runs until the pipeline has ended.
    pub(super) async fn run(&mut self) -> Ended {
        let reader = &mut self.follower.reader;
        reader.owners.read_all(&mut reader.texts).await;
        follow(&self.server, "/api/v1/pods", &mut self.follower, &self.state).await
    }
}

impl ClusterServices {
    /// Runs until the pipeline has ended.
    pub(super) async fn run(&mut self) -> Ended {
        follow(&self.server, "/api/v1/services", &mut self.follower, &self.state).await
    }
}

async fn follow<R: Reader>(server: &Server, path: &'static str, follower: &mut Follower<R>, state: &State) -> Ended {
    let mut pause = Pause::default();
    loop {
        let watch = Watch::new(server.clone(), path, String::new());
        let listed = |inventory: &_| {
            pause.reset();
            state.cluster_works(path, inventory);
        };
        match follower.follow(watch, listed).await {
            Ok(why) => state.cluster_failed(path, format!("{}: {why}", server.name())),
            Err(ended) => return ended,
        }
        sleep(pause.next()).await;
    }
}
