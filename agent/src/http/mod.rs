//! Metrics, health and the graph over HTTP, on a thread of its own that holds no privileges.

mod graph;
mod health;
mod metrics;

use std::net::TcpListener;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::{Context, Result};
use axum::Router;
use axum::routing::get;

use crate::metrics::status::Status;
use crate::privileges;

/// What the pages are made from.
#[derive(Debug, Clone)]
pub(crate) struct Shared {
    /// This host's name.
    pub(crate) host: Arc<str>,
    status: Arc<Mutex<Status>>,
}

impl Shared {
    /// Nothing known yet.
    pub(crate) fn new(host: &str) -> Self {
        let starting = Status { not_ready: vec!["starting".into()], ..Status::default() };
        Self { host: host.into(), status: Arc::new(Mutex::new(starting)) }
    }

    /// The latest status.
    pub(crate) fn status(&self) -> MutexGuard<'_, Status> {
        self.status.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Replaces it.
    pub(crate) fn publish(&self, status: Status) {
        *self.status() = status;
    }
}

/// Opens the port.
pub(crate) fn bind(address: &str) -> Result<TcpListener> {
    let listener = TcpListener::bind(address).with_context(|| {
        format!("cannot listen on {address} for HTTP; choose another with --listen ADDR or --listen off")
    })?;
    listener.set_nonblocking(true).context("cannot make the HTTP socket non-blocking")?;
    Ok(listener)
}

/// Serves until the process ends.
pub(crate) fn serve(listener: TcpListener, shared: Shared) -> Result<()> {
    let run = move || {
        let served =
            privileges::keep_none().context("cannot give up privileges").and_then(|()| block_on(listener, shared));
        if let Err(e) = served {
            tracing::error!("HTTP ended: {e:#}");
        }
    };
    std::thread::Builder::new().name("http".into()).spawn(run).context("cannot start the HTTP thread")?;
    Ok(())
}

fn block_on(listener: TcpListener, shared: Shared) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async { Ok(axum::serve(tokio::net::TcpListener::from_std(listener)?, routes(shared)).await?) })
}

fn routes(shared: Shared) -> Router {
    Router::new()
        .route("/", get(index))
        .route("/metrics", get(metrics::page))
        .route("/livez", get(health::live))
        .route("/readyz", get(health::ready))
        .route("/api/graph", get(graph::page))
        .with_state(shared)
}

async fn index() -> &'static str {
    "pidflow: /metrics /livez /readyz /api/graph\n"
}
