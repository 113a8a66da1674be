//! Octets over a connection (TCP, TLS, Unix socket): connects again by itself, and begins anew.

use std::io::{self, ErrorKind, Write};
use std::sync::Arc;
use std::time::{Duration, Instant};

use pidflow_schema::FlowRecord;

use crate::config::{Address, TlsConfig};
use crate::delivery::{Failure, Receiver, Sent};
use crate::exporter::Counters;
use crate::json::JsonEncoder;
use crate::net::{Stream, StreamTarget, TlsClient};

use super::{Encoder, Parts};

/// Makes octets of records for a connection.
pub(crate) trait StreamEncoder: Send {
    /// A new connection begins.
    fn restart(&mut self);

    /// Appends the records; counts those that it leaves out.
    fn encode(&mut self, records: &[FlowRecord], now_ns: u64, counters: &Counters, out: &mut Vec<u8>) -> Sent;
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

/// One receiver. It never answers, so that records count as delivered when its kernel has acknowledged them: those that
/// a receiver had not read when it was killed are lost without anyone's knowing.
pub(crate) struct StreamReceiver<E> {
    target: StreamTarget,
    encoder: E,
    stream: Option<Stream>,
    buffer: Vec<u8>,
    counters: Arc<Counters>,
}

impl<E: StreamEncoder> StreamReceiver<E> {
    pub(super) fn new(target: StreamTarget, encoder: E, parts: &Parts<'_>) -> Self {
        Self { target, encoder, stream: None, buffer: Vec::new(), counters: parts.counters.clone() }
    }

    pub(super) fn with_tls(target: &Address, tls: &TlsConfig, encoder: E, parts: &Parts<'_>) -> Result<Self, String> {
        let tls = TlsClient::new(tls, &target.host)?;
        Ok(Self::new(StreamTarget::Tls(target.clone(), tls), encoder, parts))
    }

    fn send(&mut self, records: &[FlowRecord], now_ns: u64, limit: Duration) -> io::Result<Sent> {
        let end = Instant::now() + limit;
        if self.stream.as_mut().is_none_or(Stream::is_closed) {
            self.stream = Some(Stream::open(&self.target, limit)?);
            self.encoder.restart();
        }
        let stream = self.stream.as_mut().ok_or(ErrorKind::NotConnected)?;
        self.buffer.clear();
        let sent = self.encoder.encode(records, now_ns, &self.counters, &mut self.buffer);
        stream.write_all(&self.buffer)?;
        stream.flush()?;
        acknowledged(stream, end).map(|()| sent)
    }
}

/// Waits until the other side's kernel has all of it.
fn acknowledged(stream: &mut Stream, end: Instant) -> io::Result<()> {
    let mut pause = Duration::from_micros(50);
    while stream.unacknowledged()? > 0 {
        if Instant::now() >= end {
            return Err(io::Error::new(ErrorKind::TimedOut, "the receiver takes nothing"));
        }
        std::thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(5));
    }
    if stream.was_reset() { Err(ErrorKind::ConnectionReset.into()) } else { Ok(()) }
}

impl<E: StreamEncoder> Receiver for StreamReceiver<E> {
    /// What was written to a connection that broke is sent again: at least once.
    fn attempt(&mut self, records: &[FlowRecord], now_ns: u64, limit: Duration) -> Result<Sent, Failure> {
        self.send(records, now_ns, limit).map_err(|e| {
            self.stream = None;
            Failure::passing(e.to_string())
        })
    }
}
