//! IPFIX over TCP (RFC 7011 section 10.4): connects again by itself, templates first.

use std::io::{self, ErrorKind, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::sync::Arc;
use std::time::{Duration, Instant};

use pidflow_schema::FlowRecord;

use crate::config::Address;
use crate::exporter::{Control, Counters, Loss};

use super::{Encoder, Notice};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// A collector that reads nothing for this long is taken for dead.
const WRITE_TIMEOUT: Duration = Duration::from_secs(10);
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
/// How long one batch is held for a collector that is away.
const GIVE_UP: Duration = Duration::from_secs(300);

/// Sends to one collector, holding the batch at hand while it is away.
pub(crate) struct StreamSink {
    target: Address,
    encoder: Encoder,
    stream: Option<TcpStream>,
    counters: Arc<Counters>,
    control: Arc<Control>,
    notice: Notice,
}

impl StreamSink {
    pub(crate) fn new(target: &Address, encoder: Encoder, counters: &Arc<Counters>, control: &Arc<Control>) -> Self {
        Self {
            target: target.clone(),
            encoder,
            stream: None,
            counters: counters.clone(),
            control: control.clone(),
            notice: Notice::new(format!("ipfix tcp://{target}")),
        }
    }

    /// Until the whole batch is written to one connection. What was written to one that broke is sent again:
    /// at least once.
    pub(crate) fn export(&mut self, records: &[FlowRecord], now_ns: u64) {
        let give_up = Instant::now() + GIVE_UP;
        let mut pause = FIRST_PAUSE;
        while let Err(e) = self.attempt(records, now_ns) {
            self.stream = None;
            self.counters.error();
            self.notice.failed(&e, "connecting again, records wait");
            if Instant::now() >= give_up || !self.control.pause(pause) {
                self.counters.lost(Loss::Unreachable, records.len());
                return;
            }
            self.counters.retry();
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
        self.notice.worked();
    }

    fn attempt(&mut self, records: &[FlowRecord], now_ns: u64) -> io::Result<()> {
        if self.stream.as_ref().is_none_or(is_closed) {
            let limit = self.control.remaining().map_or(CONNECT_TIMEOUT, |left| left.min(CONNECT_TIMEOUT));
            self.stream = Some(connect(&self.target, limit)?);
            self.encoder.restart();
        }
        let stream = self.stream.as_mut().ok_or(ErrorKind::NotConnected)?;
        let mut result = Ok(());
        let (mut sent, mut octets) = (0, 0);
        self.encoder.encode(records, now_ns, &self.counters, &mut |message| {
            if result.is_ok() {
                result = stream.write_all(message.bytes);
                sent += message.records;
                octets += message.bytes.len();
            }
        });
        result.inspect(|()| self.counters.sent(sent, octets))
    }
}

/// Whether the collector has closed its side: it never sends, so that there is nothing to read but the end.
fn is_closed(stream: &TcpStream) -> bool {
    let peeked = stream.set_nonblocking(true).and_then(|()| stream.peek(&mut [0]));
    let blocking = stream.set_nonblocking(false);
    let open = matches!(&peeked, Err(e) if e.kind() == ErrorKind::WouldBlock) || matches!(peeked, Ok(n) if n > 0);
    !open || blocking.is_err()
}

fn connect(target: &Address, limit: Duration) -> io::Result<TcpStream> {
    let mut last = io::Error::new(ErrorKind::NotFound, "the name has no address");
    for address in (target.host.as_str(), target.port).to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, limit.max(Duration::from_millis(1))) {
            Ok(stream) => {
                stream.set_write_timeout(Some(WRITE_TIMEOUT))?;
                stream.set_nodelay(true)?;
                return Ok(stream);
            }
            Err(e) => last = e,
        }
    }
    Err(last)
}
