//! One receiver of datagrams: that it is away costs its own records and nothing else.

use std::io::{self, ErrorKind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::exporter::{Counters, Loss, Mode};
use crate::net::{DatagramTarget, Datagrams};
use crate::wire::Message;

use super::pace::Pace;
use super::{Notice, Parts};

/// How long to wait before a name is looked up again that was not found.
const LOOKUP_PAUSE: Duration = Duration::from_secs(5);

/// How long to wait before a Unix socket is tried again whose receiver has gone.
const RECONNECT_PAUSE: Duration = Duration::from_secs(1);

/// Files are read faster than any collector reads its socket, and what UDP loses there nobody counts: about ten
/// milliseconds' worth fit into a socket's buffer as Linux makes it.
const OFFLINE_PACKETS_PER_SECOND: u32 = 10_000;

/// The socket and what is known about the other side.
pub(super) struct DatagramLink {
    target: DatagramTarget,
    socket: Option<Datagrams>,
    /// Datagrams are to pass the path in one piece.
    whole: bool,
    /// Not to be looked up before.
    next_lookup: Option<Instant>,
    pace: Option<Pace>,
    /// The other side said that nobody listens, since this was last asked.
    refused: bool,
    counters: Arc<Counters>,
    notice: Notice,
}

impl DatagramLink {
    /// At most `packets_per_second`, if that is said.
    pub(super) fn new(target: DatagramTarget, packets_per_second: Option<u32>, parts: &Parts<'_>) -> Self {
        let usual = (parts.context.mode == Mode::Offline).then_some(OFFLINE_PACKETS_PER_SECOND);
        Self {
            target,
            socket: None,
            whole: false,
            next_lookup: None,
            pace: packets_per_second.or(usual).map(Pace::new),
            refused: false,
            counters: parts.counters.clone(),
            notice: Notice::new(parts.config.name()),
        }
    }

    /// Datagrams too large for the path are sent in fragments only where they were made before that was known.
    pub(super) fn whole(self) -> Self {
        Self { whole: true, ..self }
    }

    pub(super) const fn counters(&self) -> &Arc<Counters> {
        &self.counters
    }

    /// Whether there is a socket; makes one when there is none.
    pub(super) fn connect(&mut self) -> bool {
        if self.socket.is_none() && self.next_lookup.is_none_or(|t| Instant::now() >= t) {
            match self.open() {
                Ok(socket) => self.socket = Some(socket),
                Err(e) => {
                    self.next_lookup = Some(Instant::now() + LOOKUP_PAUSE);
                    self.failed(&e);
                }
            }
        }
        self.socket.is_some()
    }

    /// Counts records for which there is no socket.
    pub(super) fn unreachable(&self, records: usize) {
        self.counters.lost(Loss::Unreachable, records);
    }

    fn open(&self) -> io::Result<Datagrams> {
        let socket = Datagrams::connect(&self.target)?;
        if self.whole {
            socket.forbid_fragments()?;
        }
        Ok(socket)
    }

    /// Octets that pass the path in one piece, where that matters and is known.
    pub(super) fn path_payload(&self) -> Option<usize> {
        self.socket.as_ref().filter(|_| self.whole)?.path_payload()
    }

    pub(super) fn send(&mut self, message: Message<'_>) {
        if let Some(pace) = &mut self.pace {
            pace.wait();
        }
        match self.try_send(message.bytes) {
            Ok(()) => {
                self.counters.sent(message.records, message.bytes.len());
                if !self.refused {
                    self.notice.worked();
                }
            }
            Err(e) if e.raw_os_error() == Some(libc::EMSGSIZE) => {
                self.counters.lost(Loss::TooLarge, message.records);
                self.counters.error();
                self.notice.failed(&e, "the record does not fit into a datagram and is lost");
            }
            Err(e) => {
                self.counters.lost(Loss::Unreachable, message.records);
                self.failed(&e);
                self.let_go();
            }
        }
    }

    /// A socket that stays useless is made anew.
    fn let_go(&mut self) {
        if self.socket.as_ref().is_some_and(Datagrams::ends_with_receiver) {
            self.socket = None;
            self.next_lookup = Some(Instant::now() + RECONNECT_PAUSE);
        }
    }

    /// Hears of datagrams that nobody took, where no later one brings the news.
    pub(super) fn check(&mut self) {
        let Some(Ok(Some(e))) = self.socket.as_ref().map(Datagrams::take_error) else { return };
        self.refused = true;
        if e.raw_os_error() == Some(libc::EMSGSIZE) {
            // A router had no way to say so earlier: that datagram is lost, the next ones will fit.
            self.counters.error();
        } else {
            self.failed(&e);
        }
    }

    /// Whether nobody listened there since this was last asked.
    pub(super) const fn was_refused(&mut self) -> bool {
        std::mem::replace(&mut self.refused, false)
    }

    /// A pending ICMP error is reported instead of sending (Linux `ip(7)`, `SO_ERROR`): it tells of an earlier datagram,
    /// so that this one gets a second attempt. So does one for which the path has just become too narrow.
    fn try_send(&mut self, bytes: &[u8]) -> io::Result<()> {
        let socket = self.socket.as_ref().ok_or(ErrorKind::NotConnected)?;
        match socket.send(bytes) {
            Err(e) if matches!(e.kind(), ErrorKind::ConnectionRefused | ErrorKind::Interrupted) => {
                let again = socket.send(bytes);
                if e.kind() == ErrorKind::ConnectionRefused {
                    self.refused = true;
                    self.failed(&e);
                }
                again
            }
            Err(e) if self.whole && e.raw_os_error() == Some(libc::EMSGSIZE) => {
                self.counters.error();
                self.counters.retry();
                socket.send_in_fragments(bytes)
            }
            sent => sent,
        }
    }

    fn failed(&mut self, e: &io::Error) {
        self.counters.error();
        self.notice.failed(e, "records sent there are lost until a collector listens");
    }
}
