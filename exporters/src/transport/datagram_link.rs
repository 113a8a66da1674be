//! One receiver of datagrams. If it is unreachable, only its own records are lost.

use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::net::{DatagramTarget, Datagrams, Lookup};
use crate::sink::{Counters, Link, Loss, Mode, Parts};
use crate::wire::Message;

use super::pace::Pace;

/// Pause before an unreachable receiver is tried again.
const RECONNECT_PAUSE: Duration = Duration::from_secs(1);
/// How long records wait for the first look-up of a name. Later look-ups run in the background.
const LOOKUP_TIMEOUT: Duration = Duration::from_secs(10);

/// Default rate when files are read, packets per second. Files are read faster than any collector reads its socket, and
/// nobody counts what UDP then loses. Linux's default socket buffer holds about ten milliseconds at this rate.
const OFFLINE_PACKETS_PER_SECOND: u32 = 10_000;

/// The socket and the state of the receiver.
pub(super) struct DatagramLink {
    target: DatagramTarget,
    socket: Option<Datagrams>,
    /// Whether datagrams must fit the path MTU.
    whole: bool,
    /// The earliest time to open a socket.
    next_attempt: Option<Instant>,
    /// Looks up a name whose addresses may change.
    lookup: Option<Lookup>,
    pace: Option<Pace>,
    /// Whether the other side has reported, since the last query, that nobody listens.
    refused: bool,
    /// Whether the receiver has changed since the last query.
    moved: bool,
    /// Whether the other side has reported this since the name was last looked up.
    suspect: bool,
    link: Link,
}

impl DatagramLink {
    /// Sends at most `packets_per_second`, if set.
    pub(super) fn new(target: DatagramTarget, packets_per_second: Option<u32>, parts: &Parts<'_>) -> Self {
        let usual = (parts.context.mode == Mode::Offline).then_some(OFFLINE_PACKETS_PER_SECOND);
        let lookup = match &target {
            DatagramTarget::Udp(address) => Lookup::new(address),
            DatagramTarget::Unix(_) => None,
        };
        Self {
            target,
            lookup,
            socket: None,
            whole: false,
            next_attempt: None,
            pace: packets_per_second.or(usual).map(Pace::new),
            refused: false,
            moved: false,
            suspect: false,
            link: parts.link(),
        }
    }

    /// Datagrams that exceed the path MTU are fragmented only if they were made before the MTU was known.
    pub(super) fn whole(self) -> Self {
        Self { whole: true, ..self }
    }

    pub(super) const fn counters(&self) -> &Arc<Counters> {
        &self.link.counters
    }

    /// Whether there is a socket. Opens one if there is none.
    pub(super) fn connect(&mut self) -> bool {
        if self.socket.is_none() && self.may_be_opened() {
            match self.open() {
                Ok(socket) => self.socket = Some(socket),
                Err(e) => {
                    self.next_attempt = Some(Instant::now() + RECONNECT_PAUSE);
                    self.failed(&e);
                }
            }
        }
        self.follow();
        self.socket.is_some()
    }

    /// A name that was not found is looked up again in the background.
    fn may_be_opened(&self) -> bool {
        self.next_attempt.is_none_or(|t| self.lookup.is_none() && Instant::now() >= t)
    }

    /// Changes to the name's new address, once it is known.
    fn follow(&mut self) {
        let Some(found) = self.lookup.as_mut().and_then(|l| l.poll(Instant::now())) else { return };
        let now_at = self.socket.as_ref().and_then(Datagrams::peer);
        let next = match now_at {
            // Nobody listens at this address, but maybe at another one of the name.
            Some(now_at) if self.suspect => found.iter().find(|a| **a != now_at),
            Some(now_at) if found.contains(&now_at) => None,
            _ => found.first(),
        };
        self.suspect = false;
        if let Some(next) = next {
            self.move_to(*next);
        }
    }

    fn move_to(&mut self, address: SocketAddr) {
        match Datagrams::udp(address).and_then(|socket| self.prepared(socket)) {
            Ok(socket) => {
                self.link.notice.changed(&format!("now sending to {address}"));
                (self.socket, self.moved) = (Some(socket), true);
            }
            Err(e) => self.failed(&e),
        }
    }

    /// Counts records for which there is no socket.
    pub(super) fn unreachable(&self, records: usize) {
        self.link.counters.lost(Loss::Unreachable, records);
    }

    fn open(&self) -> io::Result<Datagrams> {
        let limit = self.link.control.remaining().map_or(LOOKUP_TIMEOUT, |left| left.min(LOOKUP_TIMEOUT));
        self.prepared(Datagrams::connect(&self.target, limit)?)
    }

    fn prepared(&self, socket: Datagrams) -> io::Result<Datagrams> {
        if self.whole {
            socket.forbid_fragments()?;
        }
        Ok(socket)
    }

    /// The path MTU's limit for messages in bytes, if it matters and is known.
    pub(super) fn path_payload(&self) -> Option<usize> {
        self.socket.as_ref().filter(|_| self.whole)?.path_payload()
    }

    pub(super) fn send(&mut self, message: Message<'_>) {
        if let Some(pace) = &mut self.pace {
            pace.wait(&self.link.control);
        }
        if self.link.control.is_over() {
            return self.link.counters.lost(Loss::Shutdown, message.records);
        }
        match self.try_send(message.bytes) {
            Ok(()) => {
                self.link.counters.sent(message.records, message.bytes.len());
                if !self.refused {
                    self.link.notice.worked();
                }
            }
            Err(e) if e.raw_os_error() == Some(libc::EMSGSIZE) => {
                self.link.counters.lost(Loss::TooLarge, message.records);
                self.link.failed(&e, "the record does not fit into a datagram and is lost");
            }
            Err(e) => {
                self.link.counters.lost(Loss::Unreachable, message.records);
                self.failed(&e);
                self.let_go();
            }
        }
    }

    /// Replaces an unusable socket.
    fn let_go(&mut self) {
        if self.socket.as_ref().is_some_and(Datagrams::ends_with_receiver) {
            self.socket = None;
            self.next_attempt = Some(Instant::now() + RECONNECT_PAUSE);
        }
    }

    /// Checks for errors of earlier datagrams, in case no later datagram reports them.
    pub(super) fn check(&mut self) {
        self.follow();
        let Some(Ok(Some(e))) = self.socket.as_ref().map(Datagrams::take_error) else {
            return self.link.notice.look();
        };
        self.refused = true;
        if e.raw_os_error() == Some(libc::EMSGSIZE) {
            // A router can report the MTU only after a datagram: that datagram is lost, the next ones will fit.
            self.link.counters.error();
        } else {
            self.failed(&e);
        }
    }

    /// Whether the receiver may have been replaced since the last call, and so lacks what was sent before.
    pub(super) const fn begins_anew(&mut self) -> bool {
        std::mem::replace(&mut self.refused, false) | std::mem::replace(&mut self.moved, false)
    }

    /// A pending ICMP error is reported instead of sending (Linux `ip(7)`, `SO_ERROR`). It is about an earlier
    /// datagram, so this one gets a second attempt. So does a datagram that has just become too large for the path MTU.
    fn try_send(&mut self, bytes: &[u8]) -> io::Result<()> {
        let socket = self.socket.as_ref().ok_or(ErrorKind::NotConnected)?;
        let limit = self.link.control.remaining();
        match socket.send(bytes, limit) {
            Err(e) if matches!(e.kind(), ErrorKind::ConnectionRefused | ErrorKind::Interrupted) => {
                let again = socket.send(bytes, limit);
                if e.kind() == ErrorKind::ConnectionRefused {
                    self.refused = true;
                    self.failed(&e);
                }
                again
            }
            Err(e) if self.whole && e.raw_os_error() == Some(libc::EMSGSIZE) => {
                self.link.counters.error();
                self.link.counters.retry();
                socket.send_in_fragments(bytes)
            }
            sent => sent,
        }
    }

    fn failed(&mut self, e: &io::Error) {
        if let Some(lookup) = &mut self.lookup {
            lookup.hurry();
            self.suspect = true;
        }
        self.link.failed(e, "records sent there are lost until a collector listens");
    }
}

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;

    use super::*;
    use crate::WireVersion;
    use crate::config::{Address, ExporterConfig};
    use crate::sink::{Control, ExportContext};

    /// The collector has moved from the first of these to the second one.
    fn both(of: &Address) -> io::Result<Vec<SocketAddr>> {
        Ok([[127, 0, 0, 1], [127, 0, 0, 2]].map(|host| SocketAddr::from((host, of.port))).to_vec())
    }

    #[test]
    fn a_collector_that_moves_is_followed_and_gets_templates() {
        let socket = UdpSocket::bind("127.0.0.2:0").unwrap();
        socket.set_nonblocking(true).unwrap();
        let target = Address { host: "localhost".into(), port: socket.local_addr().unwrap().port() };
        let config = ExporterConfig::collector(&format!("udp://{target}"), WireVersion::Ipfix).unwrap();
        let (counters, control) = (Arc::new(Counters::default()), Arc::new(Control::default()));
        let context = ExportContext::default();
        let parts = Parts { config: &config, context: &context, counters: &counters, control: &control };
        let mut link = DatagramLink::new(DatagramTarget::Udp(target.clone()), None, &parts);
        link.lookup = Some(Lookup::with(target, both));
        let (end, mut moved) = (Instant::now() + Duration::from_secs(20), false);
        while socket.recv(&mut [0; 16]).is_err() {
            assert!(link.connect() && Instant::now() < end, "nothing comes");
            moved |= std::mem::take(&mut link.moved);
            link.send(Message { bytes: b"records", records: 1 });
            std::thread::sleep(Duration::from_millis(50));
        }
        assert!(moved && link.begins_anew());
    }
}
