//! Metrics, health and the data itself over HTTP and HTTPS, on a thread of its own that holds no privileges.

mod counts;
mod elements;
#[expect(unused_qualifications, reason = "utoipa's macro writes paths out")]
mod flows;
#[expect(unused_qualifications, reason = "utoipa's macro writes paths out")]
mod graph;
mod guard;
mod health;
mod index;
mod limits;
mod metrics;
mod openapi;
mod paged;
mod problem;
#[expect(unused_qualifications, reason = "utoipa's macro writes paths out")]
mod processes;
mod pulse;
mod query;
mod server;
mod settings;
mod shared;
mod tls;
mod token;

#[cfg(test)]
mod tests;

use std::net::TcpListener;
use std::sync::Arc;

use anyhow::{Context, Result};
use axum::Router;
use axum::http::StatusCode;

use crate::privileges::Role;
use guard::Guard;
use problem::Problem;
use server::Server;
use tls::Tls;

pub(crate) use settings::Settings;
pub(crate) use shared::Shared;

/// Opens the port.
pub(crate) fn bind(address: &str) -> Result<TcpListener> {
    let listener = TcpListener::bind(address).with_context(|| {
        format!("cannot listen on {address} for HTTP; choose another with --listen ADDR or --listen off")
    })?;
    listener.set_nonblocking(true).context("cannot make the HTTP socket non-blocking")?;
    Ok(listener)
}

/// Serves until the process ends.
pub(crate) fn serve(listener: TcpListener, settings: Settings, shared: Shared) -> Result<()> {
    let is_loopback = listener.local_addr().is_ok_and(|address| address.ip().to_canonical().is_loopback());
    let by_address = is_loopback && !settings.asks_for_token();
    if !is_loopback && !settings.asks_for_token() {
        warn_of_open(&listener);
    }
    let guard = Guard { token: settings.token, by_address, counts: Arc::clone(&shared.counts) };
    // Before privileges are given up: the files may be another user's.
    let tls = settings.tls.map(Tls::kept_new).transpose()?;
    let server = Server { tls, counts: Arc::clone(&shared.counts), routes: routes(shared, guard) };
    let run = move || {
        let served = Role::Http.enter().context("cannot give up privileges").and_then(|()| block_on(listener, server));
        if let Err(e) = served {
            tracing::error!("HTTP ended: {e:#}");
        }
    };
    std::thread::Builder::new().name("http".into()).spawn(run).context("cannot start the HTTP thread")?;
    Ok(())
}

/// What is said over HTTP (command lines, peers) is not for everybody.
fn warn_of_open(listener: &TcpListener) {
    if let Ok(address) = listener.local_addr() {
        tracing::warn!("whoever reaches {address} can read flows and processes; --token-file FILE asks for a token");
    }
}

fn block_on(listener: TcpListener, server: Server) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        server.run(tokio::net::TcpListener::from_std(listener)?).await;
        Ok(())
    })
}

fn routes(shared: Shared, guard: Guard) -> Router {
    let (pages, _) = openapi::pages().split_for_parts();
    pages
        .method_not_allowed_fallback(async || Problem::new(StatusCode::METHOD_NOT_ALLOWED, "read only: GET or HEAD"))
        .fallback(async || Problem::new(StatusCode::NOT_FOUND, "no such page; / lists those that there are"))
        .layer(axum::middleware::from_fn_with_state(guard, guard::guard))
        .with_state(shared)
}
