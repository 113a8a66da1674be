//! Where connections come from.

use std::net::{SocketAddr, TcpListener, TcpStream, ToSocketAddrs};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use rustix::event::{PollFd, PollFlags};

/// How long a connection to a publisher may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// Pauses between attempts: the first one, and the longest.
const PAUSES: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(30)];

/// Where connections come from.
pub(super) enum Entrance {
    /// Exporters connect to this address.
    Listener(TcpListener, SocketAddr),
    /// One publisher, to which pidflow connects.
    Dialer(Dialer),
}

/// Connects to a publisher, again and again.
pub(super) struct Dialer {
    /// HOST:PORT.
    to: String,
    pause: Duration,
    /// Not before this time.
    again: Instant,
    /// Whether it has been said that the publisher is not there.
    is_missed: bool,
}

impl Entrance {
    /// Opens a port.
    pub(super) fn listen(address: SocketAddr) -> Result<Self> {
        let open = || {
            let listener = TcpListener::bind(address)?;
            listener.set_nonblocking(true)?;
            let address = listener.local_addr()?;
            Ok::<_, std::io::Error>(Self::Listener(listener, address))
        };
        open().with_context(|| format!("cannot receive from exporters at {address}; choose another address"))
    }

    /// Connects to HOST:PORT later.
    pub(super) fn dial(to: &str) -> Self {
        Self::Dialer(Dialer { to: to.to_owned(), pause: PAUSES[0], again: Instant::now(), is_missed: false })
    }

    /// Its address.
    pub(super) fn address(&self) -> String {
        match self {
            Self::Listener(_, address) => address.to_string(),
            Self::Dialer(dialer) => dialer.to.clone(),
        }
    }

    /// Whether a connection that ends is followed by one to the same publisher.
    pub(super) const fn is_dialer(&self) -> bool {
        matches!(self, Self::Dialer(_))
    }

    /// The next connection, if there is one now; `open` are there.
    pub(super) fn next(&mut self, open: usize) -> Option<(TcpStream, SocketAddr)> {
        let (stream, peer) = match self {
            // A connection that failed before it was accepted, or no descriptor: the next turn tries again.
            Self::Listener(listener, _) => listener.accept().ok()?,
            Self::Dialer(dialer) => dialer.next(open)?,
        };
        stream.set_nonblocking(true).ok()?;
        Some((stream, peer))
    }

    /// What to wait on for the next connection.
    pub(super) fn waited(&self) -> Option<PollFd<'_>> {
        match self {
            Self::Listener(listener, _) => Some(PollFd::new(listener, PollFlags::IN)),
            Self::Dialer(_) => None,
        }
    }
}

impl Dialer {
    fn next(&mut self, open: usize) -> Option<(TcpStream, SocketAddr)> {
        if open > 0 || Instant::now() < self.again {
            return None;
        }
        let connected = self.connect();
        self.pause = if connected.is_ok() { PAUSES[0] } else { PAUSES[1].min(self.pause * 2) };
        self.again = Instant::now() + self.pause;
        match connected {
            Ok((stream, peer)) => {
                tracing::info!("connected to the publisher zmq://{}", self.to);
                self.is_missed = false;
                Some((stream, peer))
            }
            Err(e) => {
                if !std::mem::replace(&mut self.is_missed, true) {
                    tracing::warn!("cannot connect to the publisher zmq://{}: {e}; it is tried again", self.to);
                }
                None
            }
        }
    }

    /// The first of its addresses that answers.
    fn connect(&self) -> std::io::Result<(TcpStream, SocketAddr)> {
        let mut last = std::io::Error::new(std::io::ErrorKind::NotFound, "the name has no address");
        for address in self.to.to_socket_addrs()? {
            match TcpStream::connect_timeout(&address, CONNECT_TIMEOUT) {
                Ok(stream) => return Ok((stream, address)),
                Err(e) => last = e,
            }
        }
        Err(last)
    }
}
