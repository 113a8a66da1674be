//! What is known of exporters, as octets that outlast a restart.

use std::net::SocketAddr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::counters::{Counters, Protocol};
use crate::known::Known;
use crate::octets::Octets;
use crate::session::{Key, LIFETIME_NS, Session};
use crate::template::{Announced, SetKind, next};

/// Begins the octets; its number changes with their form. A checksum (CRC-32) in four octets follows.
const MAGIC: &[u8; 16] = b"pidflow-collect1";
/// The longest state that is read, octets.
pub const MAX_STATE: usize = 256 << 20;

/// Why octets are no state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadState {
    /// They do not begin as a state of this version does.
    #[error("it is no state of this version of pidflow")]
    Kind,
    /// They are cut off or changed.
    #[error("its checksum is wrong")]
    Checksum,
    /// They contradict themselves.
    #[error("its contents contradict themselves")]
    Contents,
}

/// A session.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Saved {
    exporter: SocketAddr,
    domain: u32,
    /// Its place in [`Protocol::ALL`].
    protocol: u8,
    expected: Option<u32>,
    uptime_ms: Option<u32>,
    boot_ms: Option<u64>,
    seen_ns: u64,
    templates: Vec<SavedTemplate>,
    interfaces: Vec<(u32, String)>,
    samplers: Vec<(Option<u64>, u32)>,
}

/// A template, as it was sent.
#[derive(Debug, Serialize, Deserialize)]
struct SavedTemplate {
    is_options: bool,
    sent_ns: u64,
    octets: Vec<u8>,
}

pub(crate) fn save<'a>(sessions: impl Iterator<Item = (&'a Key, &'a Session)>) -> Vec<u8> {
    let all: Vec<_> = sessions.map(|(key, session)| Saved::of(key, session)).collect();
    // There is nothing in it that cannot be written.
    let contents = postcard::to_stdvec(&all).unwrap_or_default();
    [MAGIC.as_slice(), &crc32fast::hash(&contents).to_be_bytes(), &contents].concat()
}

pub(crate) fn read(octets: &[u8]) -> Result<Vec<Saved>, BadState> {
    let rest = octets.strip_prefix(MAGIC).ok_or(BadState::Kind)?;
    let (checksum, contents) = rest.split_first_chunk().ok_or(BadState::Checksum)?;
    if crc32fast::hash(contents) != u32::from_be_bytes(*checksum) {
        return Err(BadState::Checksum);
    }
    postcard::from_bytes(contents).map_err(|_| BadState::Contents)
}

impl Saved {
    fn of(key: &Key, session: &Session) -> Self {
        let template = |t: &crate::template::Template| SavedTemplate {
            is_options: t.scopes > 0,
            sent_ns: t.sent_ns,
            octets: t.octets.to_vec(),
        };
        Self {
            exporter: key.exporter,
            domain: key.domain,
            protocol: key.protocol as u8,
            expected: session.sequence.expected,
            uptime_ms: session.uptime_ms,
            boot_ms: session.boot_ms,
            seen_ns: session.seen_ns,
            templates: session.all_templates().map(template).collect(),
            interfaces: session.interfaces().map(|(index, name)| (index, name.to_string())).collect(),
            samplers: session.samplers.all().collect(),
        }
    }

    /// The session's key; none: it is too old, or of a protocol that does not exist.
    pub(crate) fn key(&self, now_ns: u64) -> Option<Key> {
        let protocol = *Protocol::ALL.get(usize::from(self.protocol))?;
        let is_recent = now_ns.saturating_sub(self.seen_ns) <= LIFETIME_NS;
        is_recent.then(|| Key::new(self.exporter, self.domain, protocol))
    }

    /// Fills a session. Templates are read as if the exporter had sent them, within the same limits.
    pub(crate) fn fill(
        self,
        session: &mut Session,
        key: &Key,
        room: usize,
        (now_ns, known, counters): (u64, &Known, &mut Counters),
    ) {
        (session.sequence.expected, session.uptime_ms) = (self.expected, self.uptime_ms);
        // A time ahead of the clock, which was set back, would never become old.
        (session.boot_ms, session.seen_ns) = (self.boot_ms, self.seen_ns.min(now_ns));
        for SavedTemplate { is_options, sent_ns, octets } in &self.templates {
            let kind = SetKind::of(key.protocol, *is_options);
            let announced = kind.and_then(|kind| next(&mut Octets::new(octets), kind, known));
            if let Some(template @ Announced::Template(..)) = announced {
                let left = room.saturating_sub(session.bytes());
                session.announce(template, left, (*sent_ns).min(now_ns), counters);
            }
        }
        for (index, name) in self.interfaces {
            session.name_interface(index, &Arc::from(name), room.saturating_sub(session.bytes()), counters);
        }
        for (sampler, rate) in self.samplers {
            session.samplers.note(sampler, rate);
        }
    }
}
