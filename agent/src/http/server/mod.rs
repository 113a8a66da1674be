//! A listener: few connections, each with limits, so that slow clients use few resources.
//!
//! A connection is in one of two sets of slots. Until something arrives on it, it is in a large set, where it costs
//! only a descriptor; then it moves to a small set. So a client that only connects, however often, displaces only other
//! silent connections, and a client that sends requests is answered.

mod body;
mod connection;
mod progress;
mod room;
mod watched;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use axum::Router;
use rustix::net::sockopt::set_socket_linger;
use rustix::process::{Resource, getrlimit};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::AbortHandle;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

use super::budget::Budget;
use super::client::{Client, group};
use super::counts::{CloseReason, Counts};
use super::limits;
use progress::Progress;
use room::{ConnectionSlot, ConnectionSlots};

/// Pause after `accept` failed for lack of descriptors or memory.
const ACCEPT_RETRY_PAUSE: Duration = Duration::from_millis(100);

/// The shared state of all connections of a listener.
#[derive(Clone)]
pub(super) struct Server {
    routes: Router,
    tls: Option<TlsAcceptor>,
    budget: Budget,
    counts: Arc<Counts>,
    asking: Arc<Mutex<ConnectionSlots>>,
}

impl Server {
    /// A listener for these pages; plain HTTP without an acceptor.
    pub(super) fn new(routes: Router, tls: Option<TlsAcceptor>, budget: Budget, counts: Arc<Counts>) -> Self {
        Self {
            routes,
            tls,
            budget,
            counts,
            asking: Arc::new(Mutex::new(ConnectionSlots::new(limits::MAX_CONNECTIONS))),
        }
    }

    /// Serves until the program ends.
    pub(super) async fn run(self, listener: TcpListener) {
        let mut silent = ConnectionSlots::new(silent_places());
        loop {
            let Some((stream, address)) = accept(&listener).await else { continue };
            if silent.is_full() {
                // Lets connections on which something has arrived meanwhile move out of the silent slots.
                tokio::task::yield_now().await;
            }
            let progress = Progress::new();
            let handle = Arc::new(OnceLock::new());
            let listening = self.clone().listen(stream, address, progress.clone(), Arc::clone(&handle));
            let task = tokio::spawn(listening).abort_handle();
            let _ = handle.set(task.clone());
            self.displaced(silent.admit(ConnectionSlot { client: group(address.ip()), progress, task }));
        }
    }

    fn displaced(&self, count: usize) {
        (0..count).for_each(|_| self.counts.cut(CloseReason::Displaced));
    }

    fn asking(&self) -> MutexGuard<'_, ConnectionSlots> {
        self.asking.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for the first byte, and then serves at once, so that a complete request is answered before another
    /// connection can displace this one.
    async fn listen(self, stream: TcpStream, address: SocketAddr, silent: Progress, task: Arc<OnceLock<AbortHandle>>) {
        // Nothing was said, so nothing can be lost: a reset takes half the time of an orderly end, and leaves no state.
        let _ = stream.set_zero_linger();
        let arrived = timeout(limits::IDLE_TIMEOUT, stream.peek(&mut [0])).await;
        if !matches!(arrived, Ok(Ok(1))) {
            return;
        }
        if set_socket_linger(&stream, None).is_err() {
            return;
        }
        // Answers are written at once; without this option the last segment may wait for an acknowledgement.
        let _ = stream.set_nodelay(true);
        let Ok(local) = stream.local_addr() else { return };
        let (client, progress) = (Client::new(address, local), Progress::new());
        let Some(task) = task.get().cloned() else { return };
        silent.leave();
        let closed = self.asking().admit(ConnectionSlot { client: client.group(), progress: progress.clone(), task });
        self.displaced(closed);
        // In a box of its own, so that a silent connection does not take the memory of one that is served.
        Box::pin(self.serve(stream, client, progress)).await;
    }

    /// Lets a connection wait if its client has used its share of CPU time, because even the head of a request costs some.
    /// Not one from this host: a health check may come from the same address as a flood, and while it waits the flood
    /// would displace it.
    async fn delay(&self, client: Client) {
        if !client.is_of_this_host() {
            let wait = self.budget.wait_of_client(client.group(), Instant::now());
            tokio::time::sleep(wait.min(limits::MAX_DELAY)).await;
        }
    }

    async fn serve(self, stream: TcpStream, mut client: Client, progress: Progress) {
        self.delay(client).await;
        let Some(tls) = self.tls.clone() else {
            return connection::serve(stream, &self, client, progress).await;
        };
        // A TLS handshake costs as much as many pages.
        let wait = self.budget.wait(client.group(), Instant::now());
        tokio::time::sleep(wait.min(limits::MAX_DELAY)).await;
        let handshake = connection::metered(tls.accept(stream), &self.budget, client.group());
        match timeout(limits::REQUEST_TIMEOUT, handshake).await {
            Ok(Ok(stream)) => {
                client.has_certificate = stream.get_ref().1.peer_certificates().is_some_and(|c| !c.is_empty());
                connection::serve(stream, &self, client, progress).await;
            }
            Ok(Err(_)) | Err(_) => self.counts.cut(CloseReason::Handshake),
        }
    }
}

/// Number of slots for silent connections: at most a quarter of the files that this process may open, because other
/// code needs some.
fn silent_places() -> usize {
    let files = getrlimit(Resource::Nofile).current.and_then(|n| usize::try_from(n).ok());
    files.map_or(limits::MAX_SILENT_CONNECTIONS, |n| (n / 4).clamp(1, limits::MAX_SILENT_CONNECTIONS))
}

/// A connection; none: it is already closed, or there is no slot for it. This code runs for every connection of a
/// flood, so it must be cheap.
async fn accept(listener: &TcpListener) -> Option<(TcpStream, SocketAddr)> {
    match listener.accept().await {
        Ok(accepted) => Some(accepted),
        Err(e) => {
            tracing::debug!("cannot accept an HTTP connection: {e}");
            tokio::time::sleep(ACCEPT_RETRY_PAUSE).await;
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reading the head of a request costs time, which is the client's.
    #[tokio::test]
    async fn a_connection_waits_if_its_client_has_used_its_share_unless_it_is_of_this_host() {
        let client = |from: &str, to: &str| Client::new(from.parse().unwrap(), to.parse().unwrap());
        let (flood, same_network) =
            (client("[2001:db8::2]:1", "[2001:db8::1]:2"), client("[2001:db8::3]:1", "[2001:db8::1]:2"));
        let others = [client("127.0.0.1:1", "127.0.0.1:2"), client("[2001:db8:1::2]:1", "[2001:db8::1]:2")];
        let budget = Budget::new();
        [flood, others[0]].iter().for_each(|c| budget.charge(c.group(), Duration::from_secs(60), Instant::now()));
        let server = Server::new(Router::new(), None, budget, Arc::default());
        for (waiting, waits) in [(flood, true), (same_network, true), (others[0], false), (others[1], false)] {
            let begun = Instant::now();
            server.delay(waiting).await;
            assert_eq!(begun.elapsed() >= limits::MAX_DELAY, waits, "{waiting:?}");
        }
    }
}
