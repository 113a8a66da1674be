//! Names, images and Compose services of containers, from the API of Docker or Podman on a Unix socket that the operator names.
//!
//! Only running containers are asked for, and creations, starts and renames are followed. Nothing but GET requests is ever sent. The
//! thread has no capabilities: the socket must admit the agent's user or one of its groups.

mod engine;
mod follower;
mod object;
mod state;
#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, Result};
use crossbeam_channel::Sender;
use pidflow_engine::fact::Fact;
use pidflow_exporters::threads::Outcome;

pub(crate) use state::State;

use crate::privileges::Role;
use crate::threads::spawn_as;
use engine::Engine;
use follower::{Ended, Follower};

/// The name of this fact in reports.
const WHAT: &str = "names of containers";

/// Starts the thread that sends names of containers to `facts`. Without a socket no thread is started.
///
/// # Errors
/// The thread cannot be started.
pub(crate) fn start(sockets: Vec<PathBuf>, facts: Sender<Vec<Fact>>) -> Result<Arc<State>> {
    let state = Arc::new(State::of(&sockets));
    if !sockets.is_empty() {
        let shared = Arc::clone(&state);
        spawn_as(Role::Containers, "containers", move || run(&sockets, &shared, &facts)).context(WHAT)?;
    }
    Ok(state)
}

/// Runs until the pipeline has ended.
fn run(sockets: &[PathBuf], state: &Arc<State>, facts: &Sender<Vec<Fact>>) -> Outcome {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|e| e.to_string())?;
    runtime.block_on(async {
        let mut all = tokio::task::JoinSet::new();
        for socket in sockets {
            let follower = Follower::new(Engine::new(socket.clone()), Arc::clone(state), facts.clone());
            all.spawn(follower.run());
        }
        // The pipeline ends for all of them; a task that panics is one too.
        all.join_next().await.map_or(Ok(()), |ended| ended.map(|Ended| ()).map_err(|e| e.to_string()))
    })
}
