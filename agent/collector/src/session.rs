//! What is known of one transport session: an exporter and its observation domain.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;

use foldhash::fast::RandomState;

use crate::counters::{Counters, Event, Protocol};
use crate::header::Header;
use crate::options::Options;
use crate::sampling::Samplers;
use crate::sequence::{Sequence, Step};
use crate::template::{Announced, Template};

/// Templates and sessions are forgotten when nothing was heard of them for this long: three times the usual interval of half an
/// hour (RFC 7011 section 8.4).
pub(crate) const LIFETIME_NS: u64 = 5400 * SECOND_NS;
/// How long data wait for their template.
const MAX_WAIT_NS: u64 = 30 * SECOND_NS;
const SECOND_NS: u64 = 1_000_000_000;
/// Maximum number of sets that wait for their template, and of their octets.
const MAX_WAITING: (usize, usize) = (64, 64 << 10);
/// Maximum number of interfaces whose names are known.
const MAX_INTERFACES: usize = 4096;
/// Memory of an entry of a map beside its contents, bytes: the key, a pointer and the map's spare room.
const ENTRY_BYTES: usize = 48;

/// Memory of a sampler, bytes: number, rate, and the map's spare room.
const SAMPLER_BYTES: usize = 32;

/// Identifies a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Key {
    /// The port is 0 where it does not belong to the session (RFC 3954 section 5.1: address and source id).
    pub(crate) exporter: SocketAddr,
    pub(crate) domain: u32,
    pub(crate) protocol: Protocol,
}

impl Key {
    pub(crate) fn new(mut exporter: SocketAddr, domain: u32, protocol: Protocol) -> Self {
        if !matches!(protocol, Protocol::Ipfix | Protocol::Zmq) {
            exporter.set_port(0);
        }
        Self { exporter, domain, protocol }
    }
}

/// A set whose template is not known yet.
#[derive(Debug)]
pub(crate) struct Waiting {
    pub(crate) template: u16,
    pub(crate) header: Header,
    pub(crate) octets: Box<[u8]>,
}

/// A session.
#[derive(Debug, Default)]
pub(crate) struct Session {
    templates: HashMap<u16, Arc<Template>, RandomState>,
    waiting: Vec<Waiting>,
    interfaces: HashMap<u32, Arc<str>, RandomState>,
    pub(crate) samplers: Samplers,
    pub(crate) sequence: Sequence,
    /// When the exporter's uptime was 0, milliseconds since the epoch; none: it did not say.
    pub(crate) boot_ms: Option<u64>,
    /// The uptime in the last header.
    pub(crate) uptime_ms: Option<u32>,
    /// When something of it arrived last.
    pub(crate) seen_ns: u64,
    /// Whether a record came of it: then it is not forgotten for one of which none did.
    pub(crate) is_useful: bool,
    /// Memory of what it keeps, bytes.
    kept_bytes: usize,
}

impl Session {
    /// Memory of the session, bytes.
    pub(crate) fn bytes(&self) -> usize {
        let samplers = self.samplers.len() * SAMPLER_BYTES;
        size_of::<Self>() + size_of::<Key>() + 2 * ENTRY_BYTES + self.kept_bytes + samplers
    }

    /// Number of its templates.
    pub(crate) fn templates(&self) -> usize {
        self.templates.len()
    }

    /// All of them, with their numbers.
    pub(crate) fn all_templates(&self) -> impl Iterator<Item = &Template> {
        self.templates.values().map(|template| &**template)
    }

    /// Names of interfaces, by their numbers.
    pub(crate) fn interfaces(&self) -> impl Iterator<Item = (u32, &Arc<str>)> {
        self.interfaces.iter().map(|(index, name)| (*index, name))
    }

    pub(crate) fn template(&self, id: u16) -> Option<Arc<Template>> {
        self.templates.get(&id).map(Arc::clone)
    }

    /// Notes a template or a withdrawal. `room` is the memory, in bytes, that the exporter may still use.
    pub(crate) fn announce(&mut self, announced: Announced, room: usize, now_ns: u64, counters: &mut Counters) {
        match announced {
            Announced::Template(id, template) => self.add(id, Template { sent_ns: now_ns, ..template }, room, counters),
            Announced::Withdrawn(id) if id < 256 => {
                self.retain(counters, Event::TemplateWithdrawn, |_, t| (t.scopes > 0) != (id == 3));
            }
            Announced::Withdrawn(id) => self.retain(counters, Event::TemplateWithdrawn, |other, _| other != id),
        }
    }

    fn add(&mut self, id: u16, template: Template, room: usize, counters: &mut Counters) {
        let old = self.templates.get(&id).map(|t| (t.checksum, t.bytes() + ENTRY_BYTES));
        let (new_bytes, old_bytes) = (template.bytes() + ENTRY_BYTES, old.map_or(0, |(_, bytes)| bytes));
        if self.kept_bytes - old_bytes + new_bytes > self.kept_bytes + room {
            counters.event(Event::ExporterFull);
            return;
        }
        counters.event_times(Event::TemplateChanged, u64::from(old.is_some_and(|(sum, _)| sum != template.checksum)));
        self.kept_bytes = self.kept_bytes - old_bytes + new_bytes;
        self.templates.insert(id, Arc::new(template));
    }

    fn retain(&mut self, counters: &mut Counters, event: Event, keep: impl Fn(u16, &Template) -> bool) {
        let (before, kept_bytes) = (self.templates.len(), &mut self.kept_bytes);
        self.templates.retain(|id, template| {
            let stays = keep(*id, template);
            *kept_bytes -= if stays { 0 } else { template.bytes() + ENTRY_BYTES };
            stays
        });
        counters.event_times(event, (before - self.templates.len()) as u64);
    }

    /// Keeps a set until its template arrives, if there is room.
    pub(crate) fn wait(&mut self, set: Waiting, room: usize, counters: &mut Counters) {
        let bytes = waiting_bytes(&set);
        let waiting: usize = self.waiting.iter().map(waiting_bytes).sum();
        if self.waiting.len() >= MAX_WAITING.0 || waiting + bytes > MAX_WAITING.1 || bytes > room {
            counters.event(Event::UnknownTemplate);
            return;
        }
        self.kept_bytes += bytes;
        self.waiting.push(set);
    }

    /// Takes the sets whose template has arrived, and drops those that have waited too long.
    pub(crate) fn take_ready(&mut self, now_ns: u64, counters: &mut Counters) -> Vec<Waiting> {
        if self.waiting.is_empty() {
            return Vec::new();
        }
        let templates = &self.templates;
        let (ready, waiting): (Vec<_>, _) =
            std::mem::take(&mut self.waiting).into_iter().partition(|set| templates.contains_key(&set.template));
        let before = waiting.len();
        let too_old = |set: &Waiting| now_ns.saturating_sub(set.header.now_ns) > MAX_WAIT_NS;
        let (old, waiting): (Vec<_>, _) = waiting.into_iter().partition(too_old);
        counters.event_times(Event::UnknownTemplate, (before - waiting.len()) as u64);
        self.kept_bytes -= ready.iter().chain(&old).map(waiting_bytes).sum::<usize>();
        self.waiting = waiting;
        ready
    }

    /// Notes what a record of options says.
    pub(crate) fn learn(&mut self, options: &Options, room: usize, counters: &mut Counters) {
        counters.event(Event::Options);
        if let Some(rate) = options.sampling.rate() {
            let sampler = options.sampling.sampler;
            if !self.samplers.note(sampler, rate) {
                counters.event(Event::ExporterFull);
            }
        }
        self.boot_ms = options.boot_ms.or(self.boot_ms);
        if let Some((interface, name)) = options.interface.zip(options.interface_name()) {
            self.name_interface(interface, name, room, counters);
        }
    }

    pub(crate) fn name_interface(&mut self, interface: u32, name: &Arc<str>, room: usize, counters: &mut Counters) {
        let bytes = name.len() + ENTRY_BYTES;
        let old = self.interfaces.get(&interface);
        if old == Some(name) {
            return;
        }
        if old.is_none() && (bytes > room || self.interfaces.len() >= MAX_INTERFACES) {
            counters.event(Event::ExporterFull);
            return;
        }
        let old_bytes = old.map_or(0, |old| old.len() + ENTRY_BYTES);
        self.kept_bytes = self.kept_bytes - old_bytes + bytes;
        self.interfaces.insert(interface, Arc::clone(name));
    }

    /// The name of an interface; none: the exporter did not say.
    pub(crate) fn interface(&self, index: u32) -> Option<&Arc<str>> {
        self.interfaces.get(&index)
    }

    /// Compares the message's sequence number with the expected one. False: the message is late.
    pub(crate) fn follow(&mut self, number: u32, lost: Event, counters: &mut Counters) -> bool {
        match self.sequence.follow(number) {
            Step::Next => {}
            Step::Lost(count) => counters.event_times(lost, u64::from(count)),
            Step::Restarted => counters.event(Event::Restarted),
            Step::Late => {
                counters.event(Event::Late);
                return false;
            }
        }
        true
    }

    /// The same for messages that cannot overtake each other: a lower number is the beginning of a new count.
    pub(crate) fn follow_ordered(&mut self, number: u32, lost: Event, counters: &mut Counters) {
        match self.sequence.follow_ordered(number) {
            Step::Lost(count) => counters.event_times(lost, u64::from(count)),
            Step::Restarted => counters.event(Event::Restarted),
            Step::Next | Step::Late => {}
        }
        self.sequence.advance(Some(1));
    }

    /// An exporter whose uptime is less than it was has restarted.
    pub(crate) fn follow_uptime(&mut self, uptime_ms: u32, counters: &mut Counters) {
        /// Datagrams that overtook each other are not that far apart.
        const MIN_STEP_BACK_MS: u32 = 60_000;
        let before = self.uptime_ms.replace(uptime_ms);
        if before.is_some_and(|before| before > uptime_ms && before - uptime_ms > MIN_STEP_BACK_MS) {
            counters.event(Event::Restarted);
            self.sequence.forget();
        }
    }

    /// Forgets what is too old. False: nothing is left of it.
    pub(crate) fn expire(&mut self, now_ns: u64, counters: &mut Counters) -> bool {
        self.retain(counters, Event::TemplateExpired, |_, t| now_ns.saturating_sub(t.sent_ns) <= LIFETIME_NS);
        let unready = self.take_ready(now_ns, counters);
        debug_assert!(unready.is_empty(), "sets whose template is there do not wait");
        now_ns.saturating_sub(self.seen_ns) <= LIFETIME_NS
    }

    /// Sets that wait; they are lost with the session.
    pub(crate) const fn waiting(&self) -> usize {
        self.waiting.len()
    }
}

const fn waiting_bytes(set: &Waiting) -> usize {
    size_of::<Waiting>() + set.octets.len()
}
