//! Follows one engine: lists its containers, and then reads its events, until it fails; then begins anew.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_channel::Sender;
use pidflow_engine::fact::Fact;
use tokio::time::sleep;

use super::engine::Engine;
use super::object::{Event, Named};
use super::state::State;
use crate::clock::wall_ns;
use crate::http_client::{Body, Failure, Pause};

/// The greatest number of containers that are told at once.
const MAX_BATCH: usize = 256;
/// After each batch: an engine with very many events does not occupy the pipeline.
const REST: Duration = Duration::from_millis(20);

/// An engine that was followed for so long works.
const STEADY: Duration = Duration::from_secs(30);

/// The pipeline has ended.
#[derive(Debug)]
pub(super) struct Ended;

/// Why following stopped.
#[derive(Debug)]
enum Stopped {
    Failed(Failure),
    Ended,
}

impl From<Failure> for Stopped {
    fn from(why: Failure) -> Self {
        Self::Failed(why)
    }
}

/// An engine, and where its containers are sent.
#[derive(Debug)]
pub(super) struct Follower {
    engine: Engine,
    state: Arc<State>,
    facts: Sender<Vec<Fact>>,
}

impl Follower {
    pub(super) const fn new(engine: Engine, state: Arc<State>, facts: Sender<Vec<Fact>>) -> Self {
        Self { engine, state, facts }
    }

    /// Runs until the pipeline has ended.
    pub(super) async fn run(self) -> Ended {
        let mut pause = Pause::default();
        loop {
            let begun = Instant::now();
            match self.follow().await {
                Stopped::Ended => return Ended,
                Stopped::Failed(why) => self.state.failed(&self.engine.name(), &why),
            }
            if begun.elapsed() > STEADY {
                pause.reset();
            }
            sleep(pause.next()).await;
        }
    }

    async fn follow(&self) -> Stopped {
        let outcome = self.list_and_listen().await;
        outcome.err().unwrap_or_else(|| Failure::Unreachable("the engine ended its events".into()).into())
    }

    async fn list_and_listen(&self) -> Result<(), Stopped> {
        // What happens while the list is read is among the events.
        let since_s = wall_ns() / 1_000_000_000;
        let list = self.engine.list().await?;
        let named: Vec<_> = list.iter().filter_map(super::object::Listed::named).collect();
        self.state.ignored(&self.engine.name(), (list.len() - named.len()) as u64);
        self.state.works(&self.engine.name(), named.len());
        for part in named.chunks(MAX_BATCH) {
            self.send(part.to_vec()).await?;
        }
        self.listen(self.engine.events(since_s).await?).await
    }

    async fn listen(&self, mut events: Body) -> Result<(), Stopped> {
        let mut named = Vec::new();
        while let Some(line) = events.line().await? {
            match serde_json::from_slice::<Event>(&line).ok().and_then(|event| event.named()) {
                Some(container) => named.push(container),
                None => self.state.ignored(&self.engine.name(), 1),
            }
            if !named.is_empty() && (named.len() >= MAX_BATCH || !events.has_line()) {
                self.send(std::mem::take(&mut named)).await?;
            }
        }
        Ok(())
    }

    async fn send(&self, named: Vec<Named>) -> Result<(), Stopped> {
        self.facts.send(vec![Fact::Containers(named)]).map_err(|_| Stopped::Ended)?;
        sleep(REST).await;
        Ok(())
    }
}
