//! One message per UDP datagram, to one collector.

use std::io::{self, ErrorKind};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs, UdpSocket};
use std::sync::Arc;
use std::time::{Duration, Instant};

use pidflow_schema::FlowRecord;

use crate::config::{Address, WireConfig};
use crate::exporter::{Counters, Loss, Mode};
use crate::wire::Message;

use super::{Encoder, Kept, Notice, Sink};

/// How long to wait before a name is looked up again that was not found.
const LOOKUP_PAUSE: Duration = Duration::from_secs(5);

/// Files are read faster than any collector reads its socket, and what UDP loses there nobody counts: about ten
/// milliseconds' worth fit into a socket's buffer as Linux makes it.
const OFFLINE_PACKETS_PER_SECOND: u32 = 10_000;

/// Sends to one collector; that it is away costs its own records and nothing else.
pub(crate) struct DatagramSink {
    encoder: Encoder,
    link: Link,
}

/// The socket and what is known about the other side.
struct Link {
    target: Address,
    socket: Option<UdpSocket>,
    /// Not to be looked up before.
    next_lookup: Option<Instant>,
    pace: Option<Pace>,
    /// The other side said that nobody listens, since this was last asked.
    refused: bool,
    counters: Arc<Counters>,
    notice: Notice,
}

impl DatagramSink {
    /// To `target`, which is that of `config`.
    pub(crate) fn new(
        (config, target): (&WireConfig, &Address),
        encoder: Encoder,
        mode: Mode,
        counters: &Arc<Counters>,
    ) -> Self {
        let usual = (mode == Mode::Offline).then_some(OFFLINE_PACKETS_PER_SECOND);
        let link = Link {
            target: target.clone(),
            socket: None,
            next_lookup: None,
            pace: config.packets_per_second.or(usual).map(Pace::new),
            refused: false,
            counters: counters.clone(),
            notice: Notice::new(config.target.to_string()),
        };
        Self { encoder, link }
    }

    fn send(&mut self, records: &[FlowRecord], now_ns: u64) {
        let link = &mut self.link;
        if !link.connect() {
            link.counters.lost(Loss::Unreachable, records.len());
            return;
        }
        let counters = link.counters.clone();
        self.encoder.encode(records, now_ns, &counters, &mut |message| link.send(message));
        self.announce_if_refused();
    }

    /// Whoever listens there next knows no template.
    fn announce_if_refused(&mut self) {
        if std::mem::take(&mut self.link.refused) {
            self.encoder.announce_again();
        }
    }
}

impl Sink for DatagramSink {
    fn export(&mut self, records: &[FlowRecord], now_ns: u64) -> Result<(), Kept> {
        self.send(records, now_ns);
        Ok(())
    }

    /// Hears of datagrams that nobody took, where no later one brings the news.
    fn flush(&mut self) {
        self.link.check();
        self.announce_if_refused();
    }
}

impl Link {
    /// Whether there is a socket; makes one when there is none.
    fn connect(&mut self) -> bool {
        if self.socket.is_none() && self.next_lookup.is_none_or(|t| Instant::now() >= t) {
            match connect(&self.target) {
                Ok(socket) => self.socket = Some(socket),
                Err(e) => {
                    self.next_lookup = Some(Instant::now() + LOOKUP_PAUSE);
                    self.failed(&e);
                }
            }
        }
        self.socket.is_some()
    }

    fn send(&mut self, message: Message<'_>) {
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
            Err(e) => {
                self.counters.lost(Loss::Unreachable, message.records);
                self.failed(&e);
            }
        }
    }

    fn check(&mut self) {
        if let Some(Ok(Some(e))) = self.socket.as_ref().map(UdpSocket::take_error) {
            self.refused = true;
            self.failed(&e);
        }
    }

    /// A pending ICMP error is reported instead of sending (Linux `ip(7)`, `SO_ERROR`): it tells of an earlier datagram,
    /// so that this one gets a second attempt.
    fn try_send(&mut self, bytes: &[u8]) -> io::Result<()> {
        let socket = self.socket.as_ref().ok_or(ErrorKind::NotConnected)?;
        match socket.send(bytes) {
            Err(e) if matches!(e.kind(), ErrorKind::ConnectionRefused | ErrorKind::Interrupted) => {
                let again = socket.send(bytes).map(drop);
                if e.kind() == ErrorKind::ConnectionRefused {
                    self.refused = true;
                    self.failed(&e);
                }
                again
            }
            sent => sent.map(drop),
        }
    }

    fn failed(&mut self, e: &io::Error) {
        self.counters.error();
        self.notice.failed(e, "records sent there are lost until a collector listens");
    }
}

/// The first of the name's addresses to which a socket can be connected.
fn connect(target: &Address) -> io::Result<UdpSocket> {
    let mut last = io::Error::new(ErrorKind::NotFound, "the name has no address");
    for address in (target.host.as_str(), target.port).to_socket_addrs()? {
        match connect_to(address) {
            Ok(socket) => return Ok(socket),
            Err(e) => last = e,
        }
    }
    Err(last)
}

fn connect_to(address: SocketAddr) -> io::Result<UdpSocket> {
    let any = match address {
        SocketAddr::V4(_) => SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)),
        SocketAddr::V6(_) => SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0)),
    };
    let socket = UdpSocket::bind(any)?;
    socket.connect(address)?;
    Ok(socket)
}

/// Spreads packets evenly.
struct Pace {
    interval: Duration,
    next: Instant,
}

/// Sleeping for less than this costs more than it evens out.
const LEAST_SLEEP: Duration = Duration::from_millis(1);

impl Pace {
    fn new(per_second: u32) -> Self {
        Self { interval: Duration::from_secs(1) / per_second.max(1), next: Instant::now() }
    }

    fn wait(&mut self) {
        let now = Instant::now();
        let ahead = self.next.saturating_duration_since(now);
        if ahead >= LEAST_SLEEP {
            std::thread::sleep(ahead);
        }
        self.next = self.next.max(now) + self.interval;
    }
}
