//! The listener: few connections, each within its limits, so that slow clients cost nothing.

mod body;
mod connection;
mod progress;
mod watched;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::AbortHandle;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

use super::counts::{Counts, Cut};
use super::limits;
use progress::Progress;

/// After `accept` failed for want of something (descriptors, memory).
const PAUSE: Duration = Duration::from_millis(100);

/// Who asks: in the extensions of every request, unless the client is gone already.
#[derive(Debug, Clone, Copy)]
pub(super) struct Peer(pub(super) IpAddr);

/// A connection that is served.
struct Served {
    progress: Progress,
    task: AbortHandle,
}

/// What every connection is served with.
#[derive(Clone)]
pub(super) struct Server {
    /// The pages.
    pub(super) routes: Router,
    /// None: plain HTTP.
    pub(super) tls: Option<TlsAcceptor>,
    /// What happened.
    pub(super) counts: Arc<Counts>,
}

impl Server {
    /// Serves until the program ends.
    pub(super) async fn run(self, listener: TcpListener) {
        let mut served: Vec<Served> = Vec::new();
        loop {
            let Some(stream) = accept(&listener).await else { continue };
            served.retain(|s| !s.task.is_finished());
            if served.len() >= limits::CONNECTIONS {
                self.displace(&mut served);
            }
            let progress = Progress::new();
            let task = tokio::spawn(self.clone().serve(stream, progress.clone())).abort_handle();
            served.push(Served { progress, task });
        }
    }

    /// Closes the connection on which nothing has happened for longest: with slow clients enough to fill every
    /// place, one who asks still gets an answer.
    fn displace(&self, served: &mut Vec<Served>) {
        let longest = served.iter().enumerate().min_by_key(|(_, s)| s.progress.since()).map(|(i, _)| i);
        if let Some(i) = longest {
            served.swap_remove(i).task.abort();
            self.counts.cut(Cut::Displaced);
        }
    }

    async fn serve(self, stream: TcpStream, progress: Progress) {
        let peer = stream.peer_addr().ok().map(|address| Peer(address.ip()));
        let Some(tls) = &self.tls else {
            return connection::serve(stream, self.routes, peer, progress, self.counts).await;
        };
        match timeout(limits::ARRIVAL, tls.accept(stream)).await {
            Ok(Ok(stream)) => connection::serve(stream, self.routes, peer, progress, self.counts).await,
            Ok(Err(_)) | Err(_) => self.counts.cut(Cut::Handshake),
        }
    }
}

async fn accept(listener: &TcpListener) -> Option<TcpStream> {
    match listener.accept().await {
        Ok((stream, _)) => {
            // Answers are written whole; without it the last segment may wait for an acknowledgement.
            let _ = stream.set_nodelay(true);
            Some(stream)
        }
        Err(e) => {
            tracing::debug!("cannot accept an HTTP connection: {e}");
            tokio::time::sleep(PAUSE).await;
            None
        }
    }
}
