//! Kubernetes: the pods of this node, and, where asked for, the addresses of all pods, services,
//! endpoints and nodes of the cluster.
//!
//! The pods of this node come from the kubelet, or, where that cannot be read, from the API server. Without both, the names of
//! pods come from the kubelet's links to logs (`probes/pods.rs`). One thread without capabilities talks to both.

mod access;
mod cluster;
mod follower;
mod inventory;
mod kubelet;
mod node;
mod object;
mod owners;
mod request;
mod source;
mod state;
mod tenant;
#[cfg(test)]
mod tests;
mod texts;
mod watch;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use crossbeam_channel::Sender;
use pidflow_engine::fact::Fact;

pub(crate) use access::{Chosen, Settings, Way, Wish, is_loopback};
pub(crate) use state::State;

use crate::privileges::Role;
use crate::probes::HookReport;
use crate::threads::spawn_for;
use source::Source;

/// The names of the facts in reports.
const WHAT: &str = "Kubernetes pods";
const CLUSTER: &str = "Kubernetes addresses";

/// How long `pidflow doctor` waits for each server.
const PROBE_TIMEOUT: Duration = Duration::from_secs(3);

/// Starts the thread that sends pods to `facts`. No thread is started where this is no Kubernetes node.
///
/// # Errors
/// The thread cannot be started.
pub(crate) fn start(settings: &Settings, facts: Sender<Vec<Fact>>, max_bytes: usize) -> Result<Arc<State>> {
    let state = Arc::new(State::new(settings.wish));
    let Some(access) = settings.access() else { return Ok(state) };
    state.expect_servers();
    let folder: PathBuf = access.credentials.clone();
    let mut source = Source::new(access, facts, Arc::clone(&state), max_bytes);
    spawn_for(Role::Kubernetes, "kubernetes", folder, move || source.run()).context(WHAT)?;
    Ok(state)
}

/// What [`start`] would find after its first attempts; none: no server is asked. For `pidflow doctor`.
pub(crate) fn probe(settings: &Settings) -> Option<HookReport> {
    let access = settings.access()?;
    let state = State::new(settings.wish);
    state.expect_servers();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().ok()?;
    runtime.block_on(node::probe(&access, &state, PROBE_TIMEOUT));
    state.report()
}
