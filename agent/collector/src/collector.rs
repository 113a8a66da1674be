//! Receives datagrams of any protocol.

use std::net::SocketAddr;

use pidflow_schema::{Enterprise, FlowRecord};

use crate::counters::{Counters, Event, Protocol};
use crate::draft::Origin;
use crate::header::Header;
use crate::json::Objects;
use crate::known::Known;
use crate::sampling::Samplers;
use crate::saved::{self, BadState};
use crate::session::{Key, Session};
use crate::sessions::{Limits, Sessions};
use crate::sets::{Message, Reader};
use crate::{netflow5, ntop, sflow};

/// Settings of a [`Collector`].
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// Private enterprise number of pidflow's own elements.
    pub own_pen: u32,
    /// What exporters may keep in memory.
    pub limits: Limits,
}

impl Default for Settings {
    fn default() -> Self {
        Self { own_pen: Enterprise::DEFAULT_OWN_PEN, limits: Limits::default() }
    }
}

/// Turns datagrams into flow records.
#[derive(Debug)]
pub struct Collector {
    known: Known,
    sessions: Sessions,
    counters: Counters,
    packets: sflow::Packets,
    objects: Objects,
    /// Buffer for payloads that were compressed.
    payload: Vec<u8>,
}

impl Collector {
    /// A collector that knows no template yet.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        Self {
            known: Known::new(settings.own_pen),
            sessions: Sessions::new(settings.limits),
            counters: Counters::default(),
            packets: sflow::Packets::default(),
            objects: Objects::new(settings.own_pen),
            payload: Vec::new(),
        }
    }

    /// Counters since the start.
    #[must_use]
    pub const fn counters(&self) -> &Counters {
        &self.counters
    }

    /// Number of sessions that are known, and of their templates.
    #[must_use]
    pub fn sizes(&self) -> (usize, usize) {
        (self.sessions.len(), self.sessions.templates())
    }

    /// Memory of all that is kept of exporters, bytes; at most [`Limits::max_bytes`] after each datagram.
    #[must_use]
    pub const fn kept_bytes(&self) -> usize {
        self.sessions.bytes()
    }

    /// Reads one datagram, or one message of a stream, that arrived from `exporter` at `now_ns` (nanoseconds since the epoch), and
    /// appends its records to `out`. A record has at least eight octets in the datagram, so that one datagram has at most about
    /// 8,000.
    pub fn datagram(&mut self, datagram: &[u8], exporter: SocketAddr, now_ns: u64, out: &mut Vec<FlowRecord>) {
        let read = match datagram {
            [0, 10, ..] => self.ipfix(datagram, exporter, now_ns, out),
            [0, 9, ..] => self.netflow9(datagram, exporter, now_ns, out),
            [0, 5, ..] => self.netflow5(datagram, exporter, now_ns, out),
            [0, 0, 0, 5, ..] => self.sflow(datagram, exporter, now_ns, out),
            [b'{', ..] => {
                self.json(datagram, exporter, now_ns, out);
                Ok(())
            }
            _ => Err(Event::UnknownVersion),
        };
        if let Err(why) = read {
            self.counters.event(why);
        }
    }

    /// Forgets what was not heard of for too long. Call it every few seconds.
    pub fn expire(&mut self, now_ns: u64) {
        self.sessions.expire(now_ns, &mut self.counters);
    }

    /// Forgets what is known of an exporter whose connection has ended.
    pub fn forget(&mut self, exporter: SocketAddr) {
        self.sessions.forget(exporter, &mut self.counters);
    }

    /// What is known of exporters, to be given to [`Self::restore`] after a restart: templates, sequence numbers, sampling rates and
    /// names of interfaces.
    #[must_use]
    pub fn save(&self) -> Vec<u8> {
        saved::save(self.sessions.iter())
    }

    /// Takes up what was saved, as far as it is not too old, and returns the number of sessions. Sequence numbers go on, so that
    /// what was sent meanwhile counts as lost.
    ///
    /// # Errors
    /// The octets are not what [`Self::save`] has made; nothing was taken up.
    pub fn restore(&mut self, octets: &[u8], now_ns: u64) -> Result<usize, BadState> {
        let all = saved::read(octets)?;
        let before = self.sessions.len();
        for one in all {
            let Some(key) = one.key(now_ns) else { continue };
            let (mut session, room) = self.sessions.take(&key);
            one.fill(&mut session, &key, room, (now_ns, &self.known, &mut self.counters));
            self.sessions.put(key, session, &mut self.counters);
        }
        Ok(self.sessions.len() - before)
    }

    fn ipfix(&mut self, octets: &[u8], from: SocketAddr, now_ns: u64, out: &mut Vec<FlowRecord>) -> Result<(), Event> {
        let (message, trailing) = Message::ipfix(octets, now_ns)?;
        self.counters.event_times(Event::TrailingOctets, u64::from(trailing > 0));
        self.sets(&message, octets.len() - trailing, from, out);
        Ok(())
    }

    fn netflow9(
        &mut self,
        octets: &[u8],
        from: SocketAddr,
        now_ns: u64,
        out: &mut Vec<FlowRecord>,
    ) -> Result<(), Event> {
        let message = Message::netflow9(octets, now_ns)?;
        self.sets(&message, octets.len(), from, out);
        Ok(())
    }

    /// Lines of JSON, each of which is a record.
    fn json(&mut self, octets: &[u8], from: SocketAddr, now_ns: u64, out: &mut Vec<FlowRecord>) {
        self.counters.datagram(Protocol::Json, octets.len());
        let samplers = Samplers::default();
        let origin = Origin::of_objects(from, 0, Header::of_objects(Protocol::Json, now_ns), &samplers);
        for line in octets.split(|octet| *octet == b'\n').filter(|line| !line.is_empty()) {
            match self.objects.line(line, &origin, (&self.known, &mut self.counters)) {
                Ok(record) => {
                    self.counters.record(Protocol::Json);
                    out.push(record);
                }
                Err(why) => self.counters.event(why),
            }
        }
    }

    /// Reads one message of a publisher of ZeroMQ (nProbe, pidflow), which [`crate::Subscriber`] made, and appends its records to
    /// `out`.
    pub fn zmq(&mut self, frames: &[Vec<u8>], publisher: SocketAddr, now_ns: u64, out: &mut Vec<FlowRecord>) {
        let read = ntop::Message::new(frames).and_then(|message| self.ntop(&message, publisher, now_ns, out));
        if let Err(why) = read {
            self.counters.event(why);
        }
    }

    /// Counts what happened before there were messages.
    pub fn note(&mut self, event: Event) {
        self.counters.event(event);
    }

    fn ntop(
        &mut self,
        message: &ntop::Message<'_>,
        from: SocketAddr,
        now_ns: u64,
        out: &mut Vec<FlowRecord>,
    ) -> Result<(), Event> {
        let key = Key::new(from, message.header.source, Protocol::Zmq);
        let (mut session, _) = self.session(&key, message.octets(), now_ns);
        if let Some(number) = message.header.number {
            session.follow_ordered(number, Event::LostDatagrams, &mut self.counters);
        }
        let first = out.len();
        let mut payload = std::mem::take(&mut self.payload);
        let samplers = Samplers::default();
        let header = Header::of_objects(Protocol::Zmq, now_ns);
        let origin = Origin::of_objects(from, message.header.source, header, &samplers);
        let Self { objects, known, counters, .. } = self;
        let read = message.objects(&mut payload, |object| match objects.record(object, &origin, (known, counters)) {
            Ok(record) => {
                counters.record(Protocol::Zmq);
                out.push(record);
            }
            Err(why) => counters.event(why),
        });
        payload.clear();
        self.payload = payload;
        session.is_useful |= out.len() > first;
        self.sessions.put(key, session, &mut self.counters);
        read
    }

    /// Counts a datagram, and takes out its session.
    fn session(&mut self, key: &Key, octets: usize, now_ns: u64) -> (Box<Session>, usize) {
        self.counters.datagram(key.protocol, octets);
        let (mut session, room) = self.sessions.take(key);
        session.seen_ns = now_ns;
        (session, room)
    }

    fn sets(&mut self, message: &Message<'_>, octets: usize, from: SocketAddr, out: &mut Vec<FlowRecord>) {
        let key = Key::new(from, message.domain, message.header.protocol);
        let (mut session, room) = self.session(&key, octets, message.header.now_ns);
        let Self { known, counters, .. } = self;
        Reader { known, counters, session: &mut session, key, room, out }.message(message);
        self.sessions.put(key, session, &mut self.counters);
    }

    fn netflow5(
        &mut self,
        octets: &[u8],
        from: SocketAddr,
        now_ns: u64,
        out: &mut Vec<FlowRecord>,
    ) -> Result<(), Event> {
        let message = netflow5::Message::new(octets, now_ns)?;
        let key = Key::new(from, message.domain, Protocol::Netflow5);
        let (mut session, _) = self.session(&key, octets.len(), now_ns);
        let samplers = Samplers::default();
        let Key { exporter, domain, .. } = key;
        let origin = Origin { exporter, domain, header: message.header, boot_ms: None, samplers: &samplers };
        message.flows(&mut session, &origin, (&self.known, &mut self.counters), out);
        self.sessions.put(key, session, &mut self.counters);
        Ok(())
    }

    fn sflow(&mut self, octets: &[u8], from: SocketAddr, now_ns: u64, out: &mut Vec<FlowRecord>) -> Result<(), Event> {
        let message = sflow::Message::new(octets)?;
        let key = Key::new(from, message.sub_agent, Protocol::Sflow);
        let (mut session, _) = self.session(&key, octets.len(), now_ns);
        let (packets, counters, sender) = (&mut self.packets, &mut self.counters, from.ip().to_canonical());
        sflow::Reader { packets, counters, now_ns, sender, out }.message(&message, &mut session);
        self.sessions.put(key, session, &mut self.counters);
        Ok(())
    }
}
