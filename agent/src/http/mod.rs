//! Metrics, health and records over HTTP and HTTPS, on threads without privileges.

mod access;
mod budget;
mod client;
mod counts;
mod elements;
#[expect(unused_qualifications, reason = "utoipa's macro writes paths out")]
mod flows;
#[expect(unused_qualifications, reason = "utoipa's macro writes paths out")]
mod graph;
mod guard;
mod health;
#[cfg(feature = "history")]
#[expect(unused_qualifications, reason = "utoipa's macro writes paths out")]
mod history;
mod host;
mod index;
mod ledger;
mod limits;
mod local_users;
mod metrics;
mod openapi;
mod page;
mod paged;
mod problem;
#[expect(unused_qualifications, reason = "utoipa's macro writes paths out")]
mod processes;
mod query;
mod schemas;
mod server;
mod settings;
#[expect(unused_qualifications, reason = "utoipa's macro writes paths out")]
mod stream;
mod tls;
mod token;

#[cfg(test)]
mod tests;

use std::net::TcpListener;
use std::sync::Arc;

use anyhow::{Context, Result};
use axum::http::StatusCode;
use axum::{Extension, Router};

use crate::privileges::Role;
use crate::published::Published;
use crate::threads;
use access::Access;
use budget::Budget;
use counts::Counts;
use guard::Guard;
use problem::Problem;
use server::Server;
use stream::Places;
use tls::Tls;
use tokio::sync::Semaphore;
use tokio_rustls::TlsAcceptor;

pub(crate) use settings::Settings;
pub(crate) use token::Token;

/// The open ports.
pub(crate) struct Ports {
    main: Option<TcpListener>,
    metrics: Option<TcpListener>,
    settings: Settings,
}

impl Ports {
    /// Opens the ports.
    ///
    /// # Errors
    /// A configured port is in use or may not be used.
    pub(crate) fn open(settings: Settings) -> Result<Self> {
        let [main, metrics] = settings.bind()?;
        Ok(Self { main, metrics, settings })
    }

    /// Whether there is anybody who may ask for records.
    pub(crate) const fn serves_records(&self) -> bool {
        self.main.is_some()
    }

    /// `metrics on ADDRESS, HTTP on ADDRESS`.
    pub(crate) fn describe(&self) -> String {
        let scheme = self.settings.scheme();
        let on = |what: &str, listener: &TcpListener| listener.local_addr().map(|a| format!("{what} on {a}")).ok();
        let metrics = self.metrics.as_ref().and_then(|l| on("metrics", l));
        let main = self.main.as_ref().and_then(|l| on(scheme, l)).unwrap_or_else(|| format!("no {scheme}"));
        metrics.into_iter().chain([main]).collect::<Vec<_>>().join(", ")
    }

    /// Serves until the process ends. Each port has a thread, so that what one is asked does not keep another busy.
    pub(crate) fn serve(self, published: &Published) -> Result<()> {
        let counts: Arc<Counts> = Arc::default();
        let counted = Arc::clone(&counts);
        published.add_families(move || counted.families().into());
        let has_credentials = self.settings.has_credentials();
        // Before privileges are given up: the files may be another user's.
        let tls = self.settings.tls.map(Tls::reloading).transpose()?;
        if let Some(listener) = self.metrics {
            let pages = openapi::metrics_pages().split_for_parts().0;
            start(
                "http-metrics",
                Port { listener, pages, access: Access::Open, tls: tls.clone() },
                &counts,
                published,
            )?;
        }
        if let Some(listener) = self.main {
            let access = match has_credentials {
                true => Access::Credentials { token: self.settings.token },
                false => Access::local(),
            };
            let pages = openapi::pages().split_for_parts().0.merge(page::files());
            start("http", Port { listener, pages, access, tls }, &counts, published)?;
        }
        Ok(())
    }
}

/// One port, with its pages and access rules.
struct Port {
    listener: TcpListener,
    pages: Router<Published>,
    access: Access,
    tls: Option<TlsAcceptor>,
}

fn start(thread: &'static str, port: Port, counts: &Arc<Counts>, published: &Published) -> Result<()> {
    let budget = Budget::new();
    let is_loopback = port.listener.local_addr().is_ok_and(|address| address.ip().to_canonical().is_loopback());
    let by_address = is_loopback && !matches!(port.access, Access::Credentials { .. });
    let guard = Guard {
        access: Arc::new(port.access),
        by_address,
        budget: budget.clone(),
        turn: Arc::new(Semaphore::new(1)),
        counts: Arc::clone(counts),
    };
    let server = Server::new(routes(port.pages, published.clone(), guard), port.tls, budget, Arc::clone(counts));
    let mut has_entered = false;
    let run = move || {
        // Once for the thread, however often the server is started in it.
        if !std::mem::replace(&mut has_entered, true) {
            Role::Http.enter().map_err(|e| format!("cannot give up privileges: {e:#}"))?;
        }
        let listener = port.listener.try_clone().map_err(|e| e.to_string())?;
        block_on(listener, server.clone()).map_err(|e| format!("{e:#}"))?;
        Err("the server has ended".into())
    };
    Ok(threads::spawn(thread, run).map(drop)?)
}

fn block_on(listener: TcpListener, server: Server) -> Result<()> {
    // Whatever arrives is looked at between any two tasks: one that makes a large page must not be followed by sixty more.
    let runtime = tokio::runtime::Builder::new_current_thread().event_interval(4).enable_all().build()?;
    runtime.block_on(async {
        // As a task it takes turns with those of connections; the future that is blocked on would come first each time.
        tokio::spawn(server.run(tokio::net::TcpListener::from_std(listener)?)).await.context("the listener failed")
    })
}

fn routes(pages: Router<Published>, published: Published, guard: Guard) -> Router {
    let places = Places::new(guard.budget.clone());
    pages
        .method_not_allowed_fallback(async || Problem::new(StatusCode::METHOD_NOT_ALLOWED, "read only: GET or HEAD"))
        .fallback(async || Problem::new(StatusCode::NOT_FOUND, "no such page; /api lists all pages"))
        .layer(Extension(places))
        .layer(axum::middleware::from_fn_with_state(guard, guard::guard))
        .with_state(published)
}
