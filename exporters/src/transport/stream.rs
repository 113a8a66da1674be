//! Sends bytes over a connection (TCP, TLS, Unix socket). It reconnects, and then starts a new session.

use std::io::{self, ErrorKind, Write};
use std::sync::Arc;
use std::time::{Duration, Instant};

use pidflow_schema::FlowRecord;

use crate::config::{Address, TlsConfig};
use crate::delivery::{Failure, Receiver, Sent};
use crate::json::JsonEncoder;
use crate::net::{PeerState, Stream, StreamTarget, TlsClient};
use crate::sink::Counters;

use crate::sink::Parts;

use super::Encoder;

/// Encodes records for a connection.
pub(crate) trait StreamEncoder: Send {
    /// A new connection begins.
    fn restart(&mut self);

    /// Appends the records.
    fn encode(&mut self, records: &[FlowRecord], now_ns: u64, counters: &Counters, out: &mut Vec<u8>) -> Sent;

    /// Counts those of the last records that it left out. The others have arrived.
    fn count(&self, _counters: &Counters) {}
}

/// IPFIX over TCP (RFC 7011 section 10.4): templates first in each connection.
pub(super) struct WireStream(pub(super) Encoder);

impl StreamEncoder for WireStream {
    fn restart(&mut self) {
        self.0.restart();
    }

    fn encode(&mut self, records: &[FlowRecord], now_ns: u64, counters: &Counters, out: &mut Vec<u8>) -> Sent {
        let (mut taken, start) = (0, out.len());
        self.0.encode(records, now_ns, counters, &mut |message| {
            taken += message.records;
            out.extend_from_slice(message.bytes);
        });
        Sent { records: taken, octets: out.len() - start, left_out: records.len() - taken, rejected: 0 }
    }

    fn count(&self, counters: &Counters) {
        self.0.count(counters);
    }
}

/// JSON lines.
pub(super) struct LineStream(pub(super) JsonEncoder);

impl StreamEncoder for LineStream {
    fn restart(&mut self) {}

    fn encode(&mut self, records: &[FlowRecord], _now_ns: u64, _counters: &Counters, out: &mut Vec<u8>) -> Sent {
        let start = out.len();
        self.0.encode(records, out);
        Sent { records: records.len(), octets: out.len() - start, left_out: 0, rejected: 0 }
    }
}

/// Maximum interval at which a connection is checked while waiting for it.
const MAX_POLL_INTERVAL: Duration = Duration::from_millis(5);
/// A receiver that accepts a connection only to close it, such as a proxy whose server is down, is assumed to close it
/// within this time.
const SETTLING_TIME: Duration = Duration::from_millis(250);
/// The same for a TLS 1.3 server that sends no ticket, which would show that it accepts the client's certificate; at
/// most half the time of an attempt.
const SETTLING_WITHOUT_TICKET: Duration = Duration::from_secs(2);

/// One receiver. It never answers, so records count as delivered when its kernel has acknowledged them. Records that a
/// receiver has not read when it is killed are lost without notice. The first records of a connection count only when
/// it has stayed open for a while, and with TLS 1.3 when the server has accepted the client.
pub(crate) struct StreamReceiver<E> {
    target: StreamTarget,
    encoder: E,
    connection: Option<Connection>,
    buffer: Vec<u8>,
    /// How long to wait for an alert of a server that could send a ticket, and does not.
    without_ticket: Duration,
    counters: Arc<Counters>,
}

/// A connection, and whether it has outlasted the time within which receivers close unwanted connections.
struct Connection {
    stream: Stream,
    is_settled: bool,
}

impl<E: StreamEncoder> StreamReceiver<E> {
    pub(super) fn new(target: StreamTarget, encoder: E, parts: &Parts<'_>) -> Self {
        let without_ticket = SETTLING_WITHOUT_TICKET.min(parts.config.delivery.timeout / 2);
        let counters = parts.counters.clone();
        Self { target, encoder, connection: None, buffer: Vec::new(), without_ticket, counters }
    }

    pub(super) fn with_tls(target: &Address, tls: &TlsConfig, encoder: E, parts: &Parts<'_>) -> Result<Self, String> {
        let tls = TlsClient::new(tls, &target.host)?;
        Ok(Self::new(StreamTarget::Tls(target.clone(), tls), encoder, parts))
    }

    /// The current connection, or a new one if the receiver has closed it in an orderly way.
    fn connect(&mut self, limit: Duration) -> io::Result<Connection> {
        if let Some(mut kept) = self.connection.take() {
            let heard = kept.stream.hear().map_err(|e| {
                io::Error::new(e.kind(), format!("the connection broke; the last records may be lost: {e}"))
            })?;
            if heard == PeerState::Open {
                kept.stream.limit(limit)?;
                return Ok(kept);
            }
        }
        let stream = Stream::open(&self.target, limit)?;
        self.encoder.restart();
        Ok(Connection { stream, is_settled: false })
    }

    fn send(&mut self, records: &[FlowRecord], now_ns: u64, limit: Duration) -> io::Result<Sent> {
        let end = Instant::now() + limit;
        let mut connection = self.connect(limit)?;
        self.buffer.clear();
        let sent = self.encoder.encode(records, now_ns, &self.counters, &mut self.buffer);
        connection.write(&self.buffer)?;
        connection.wait_for_acknowledgement(end)?;
        connection.settle(end, self.without_ticket)?;
        self.connection = Some(connection);
        // Records left out of a failed attempt will be left out of the next one too, so they are counted only once.
        self.encoder.count(&self.counters);
        Ok(sent)
    }
}

impl Connection {
    /// When a connection breaks, the last message of the receiver is the reason.
    fn write(&mut self, octets: &[u8]) -> io::Result<()> {
        let written = self.stream.write_all(octets).and_then(|()| self.stream.flush());
        written.map_err(|e| self.stream.hear().err().unwrap_or(e))
    }

    /// Waits until the other side's kernel has acknowledged everything.
    fn wait_for_acknowledgement(&mut self, end: Instant) -> io::Result<()> {
        let is_done = |stream: &Stream, _| Ok(stream.unacknowledged()? == 0);
        if self.wait_until(end, is_done)? { Ok(()) } else { Err(timed_out("the receiver does not read")) }
    }

    /// Waits until it is known, or likely, that the receiver wants the connection.
    fn settle(&mut self, end: Instant, without_ticket: Duration) -> io::Result<()> {
        if self.is_settled {
            return self.still_stands().map(drop);
        }
        let begin = Instant::now();
        if self.stream.is_accepted() == Some(false) {
            let alert = begin + without_ticket;
            let is_accepted = self.wait_until(alert.min(end), |stream, _| Ok(stream.is_accepted() == Some(true)))?;
            if !is_accepted && alert > end {
                return Err(timed_out("the receiver has not confirmed the TLS session"));
            }
        }
        // A receiver that closes in an orderly way has read everything, or continues to read.
        self.wait_until((begin + SETTLING_TIME).min(end), |_, heard| Ok(heard == PeerState::Closed))?;
        self.is_settled = true;
        Ok(())
    }

    /// Waits until `is_done` returns true, while the connection is open. Returns false if that did not happen by `end`.
    fn wait_until(
        &mut self,
        end: Instant,
        is_done: impl Fn(&Stream, PeerState) -> io::Result<bool>,
    ) -> io::Result<bool> {
        let mut pause = Duration::from_micros(50);
        loop {
            let heard = self.still_stands()?;
            if is_done(&self.stream, heard)? {
                return Ok(true);
            }
            if Instant::now() >= end {
                return Ok(false);
            }
            std::thread::sleep(pause);
            pause = (pause * 2).min(MAX_POLL_INTERVAL);
        }
    }

    /// A receiver may close its side of a plain connection and continue to read, as `nc -N` does. In a TLS session it
    /// may not.
    fn still_stands(&mut self) -> io::Result<PeerState> {
        match self.stream.hear()? {
            PeerState::Closed if self.stream.is_accepted().is_some() => {
                Err(io::Error::new(ErrorKind::ConnectionAborted, "the receiver closed the connection"))
            }
            heard => Ok(heard),
        }
    }
}

fn timed_out(what: &'static str) -> io::Error {
    io::Error::new(ErrorKind::TimedOut, what)
}

impl<E: StreamEncoder> Receiver for StreamReceiver<E> {
    /// Records written to a connection that broke are sent again: delivery is at least once.
    fn attempt(&mut self, records: &[FlowRecord], now_ns: u64, limit: Duration) -> Result<Sent, Failure> {
        self.send(records, now_ns, limit).map_err(|e| Failure::passing(e.to_string()))
    }
}
