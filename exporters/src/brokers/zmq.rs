//! ZeroMQ: records for ntopng, as nProbe publishes them.
//!
//! A publisher stores nothing for absent subscribers, and nothing is acknowledged.

use std::collections::HashSet;
use std::io;
use std::net::ToSocketAddrs;
use std::time::{Duration, Instant};

use pidflow_schema::FlowRecord;
use tokio::net::TcpSocket;
use tokio::runtime::{Builder, Runtime};
use tokio::time::{sleep, timeout};
use zeromq::util::PeerIdentity;
use zeromq::{PubSocket, Socket, SocketEvent, SocketOptions, SocketSend, ZmqMessage};

use crate::config::{Address, ZmqConfig};
use crate::sink::{Link, Loss};
use crate::sink::{Parts, Sink, Undelivered};

use super::Objects;
use super::ntopng::{Framing, MAX_MESSAGE};

/// Maximum number of records handed to the library at once, far below the number of messages at which it drops them
/// silently (100,000).
const MAX_HANDED_OVER: usize = 1000;
/// A subscriber that reads nothing for this long loses records, as with libzmq.
const SUBSCRIBER_TIMEOUT: Duration = Duration::from_secs(1);
/// Interval at which to check whether subscribers have read.
const QUEUE_POLL_INTERVAL: Duration = Duration::from_micros(200);
/// Time for the kernel to accept the remaining bytes when the exporter ends.
const DRAIN_TIMEOUT: Duration = Duration::from_millis(50);

/// Says why it could not be listened there, without doing so. A port that is taken may be this agent's own.
pub(crate) fn check_zmq(config: &ZmqConfig) -> Result<(), String> {
    let Address { host, port } = &config.endpoint;
    let failed = |e: io::Error| format!("cannot listen at {}: {e}", config.url());
    if config.connect {
        return Ok(());
    }
    let mut addresses = (host.as_str(), *port).to_socket_addrs().map_err(failed)?;
    let address =
        addresses.next().ok_or_else(|| format!("cannot listen at {}: the name has no address", config.url()))?;
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() };
    match socket.and_then(|s| s.bind(address)) {
        Err(e) if e.kind() != io::ErrorKind::AddrInUse => Err(failed(e)),
        _ => Ok(()),
    }
}

/// One publisher.
pub(crate) struct ZmqPublisher {
    socket: PubSocket,
    /// The library's events about subscribers that connect and disconnect.
    events: Box<dyn FnMut() -> Option<SocketEvent> + Send>,
    subscribers: HashSet<PeerIdentity>,
    /// Runs the tasks that accept subscribers and write to them.
    runtime: Runtime,
    framing: Framing,
    objects: Objects,
    records_per_message: usize,
    /// Address of a subscriber that listens, and the time before which it is not tried again.
    remote: Option<(String, Instant)>,
    /// The last message handed over. The library holds it until it has written it to every subscriber.
    last: Option<ZmqMessage>,
    link: Link,
}

impl ZmqPublisher {
    pub(crate) fn open(config: &ZmqConfig, parts: &Parts<'_>) -> Result<Self, String> {
        let runtime = Builder::new_multi_thread().worker_threads(1).thread_name("export-zmq").enable_all().build();
        let runtime = runtime.map_err(|e| format!("cannot start a runtime: {e}"))?;
        let mut options = SocketOptions::default();
        options.connect_timeout(SUBSCRIBER_TIMEOUT);
        let inside = runtime.enter();
        let mut socket = PubSocket::with_options(options);
        drop(inside);
        let mut monitor = socket.monitor();
        let url = config.url();
        if !config.connect {
            runtime.block_on(socket.bind(&url)).map_err(|e| format!("cannot listen at {url}: {e}"))?;
        }
        Ok(Self {
            socket,
            events: Box::new(move || monitor.try_recv().ok()),
            subscribers: HashSet::new(),
            runtime,
            framing: Framing::new(config),
            objects: Objects::new(config.keys, parts),
            records_per_message: config.records_per_message,
            remote: config.connect.then(|| (url, Instant::now())),
            last: None,
            link: parts.link(),
        })
    }

    /// Whether there is a subscriber to send to.
    fn has_subscribers(&mut self) -> bool {
        self.look();
        if let Some((url, again)) = &mut self.remote
            && self.subscribers.is_empty()
            && Instant::now() >= *again
        {
            if let Err(e) = self.runtime.block_on(self.socket.connect(url)) {
                self.link.failed(&e, "records are lost until a subscriber connects");
            }
            *again = Instant::now() + SUBSCRIBER_TIMEOUT;
            self.look();
        }
        !self.subscribers.is_empty()
    }

    fn look(&mut self) {
        while let Some(event) = (self.events)() {
            match event {
                SocketEvent::Accepted(_, peer) | SocketEvent::Connected(_, peer) => _ = self.subscribers.insert(peer),
                SocketEvent::Disconnected(peer) => _ = self.subscribers.remove(&peer),
                _ => {}
            }
        }
    }

    /// Waits until the library has written everything, within limits.
    fn is_written(&mut self) -> bool {
        let limit = self.link.control.remaining().map_or(SUBSCRIBER_TIMEOUT, |left| left.min(SUBSCRIBER_TIMEOUT));
        let Some(last) = self.last.take() else { return true };
        let is_held = || last.iter().any(|frame| !frame.is_unique());
        let written = async || {
            while is_held() {
                sleep(QUEUE_POLL_INTERVAL).await;
            }
        };
        let written = self.runtime.block_on(async { timeout(limit, written()).await });
        if written.is_err() {
            self.last = Some(last);
        }
        written.is_ok()
    }

    fn publish(&mut self) {
        let objects: Vec<_> = self.objects.iter().collect();
        for group in objects.chunks(self.records_per_message) {
            for payload in payloads(group) {
                let octets = payload.octets.len();
                if octets > MAX_MESSAGE {
                    self.link.counters.lost(Loss::TooLarge, payload.records);
                    continue;
                }
                let mut message = ZmqMessage::from(self.framing.header(octets));
                message.push_back(payload.octets.into());
                self.last = Some(message.clone());
                match self.runtime.block_on(self.socket.send(message)) {
                    Ok(()) => self.link.counters.sent(payload.records, octets),
                    Err(e) => {
                        self.link.counters.lost(Loss::Unreachable, payload.records);
                        self.link.failed(&e, "records are lost");
                    }
                }
            }
        }
    }
}

/// The JSON of one message.
struct Payload {
    octets: Vec<u8>,
    records: usize,
}

/// A single object is sent as it is, several as an array. If they are too large for one message, another one is begun.
fn payloads(group: &[&[u8]]) -> Vec<Payload> {
    if let [one] = group {
        return vec![Payload { octets: one.to_vec(), records: 1 }];
    }
    let mut all: Vec<Payload> = Vec::new();
    for object in group {
        match all.last_mut() {
            Some(open) if open.octets.len() + object.len() + 2 <= MAX_MESSAGE => {
                open.octets.push(b',');
                open.octets.extend_from_slice(object);
                open.records += 1;
            }
            _ => all.push(Payload { octets: [b"[", *object].concat(), records: 1 }),
        }
    }
    all.iter_mut().for_each(|payload| payload.octets.push(b']'));
    all
}

impl Sink for ZmqPublisher {
    fn export(&mut self, records: &[FlowRecord], _now_ns: u64) -> Result<(), Undelivered> {
        for part in records.chunks(MAX_HANDED_OVER) {
            if !self.has_subscribers() {
                self.link.counters.lost(Loss::NoSubscriber, part.len());
            } else if !self.is_written() {
                self.link.counters.lost(Loss::Unreachable, part.len());
                self.link.failed(&"a subscriber does not read", "records are lost until it does");
            } else {
                self.objects.fill(part);
                self.publish();
                self.link.notice.worked();
            }
        }
        Ok(())
    }

    fn flush(&mut self) {
        self.has_subscribers();
        self.is_written();
    }
}

impl Drop for ZmqPublisher {
    fn drop(&mut self) {
        self.is_written();
        self.runtime.block_on(async { sleep(DRAIN_TIMEOUT).await });
    }
}
