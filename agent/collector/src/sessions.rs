//! All sessions, within limits that no sender can exceed.

use std::collections::HashMap;
use std::net::IpAddr;

use foldhash::fast::RandomState;

use crate::counters::{Counters, Event};
use crate::session::{Key, Session};

/// What exporters may keep in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// All exporters together, bytes. When it is exceeded, sessions without a single record are forgotten first, then those that
    /// sent nothing for the longest time.
    pub max_bytes: usize,
    /// One exporter's address, bytes. Templates beyond it are refused.
    pub max_exporter_bytes: usize,
}

impl Default for Limits {
    /// 64 MiB for all, 4 MiB for one: about 25,000 exporters with two templates of 30 fields each.
    fn default() -> Self {
        Self { max_bytes: 64 << 20, max_exporter_bytes: 4 << 20 }
    }
}

/// When the limit is reached, this part of it is freed at once, so that the search is rare.
const FREED_PART: usize = 8;

/// The sessions.
#[derive(Debug)]
pub(crate) struct Sessions {
    limits: Limits,
    all: HashMap<Key, Box<Session>, RandomState>,
    by_exporter: HashMap<IpAddr, usize, RandomState>,
    bytes: usize,
}

impl Sessions {
    pub(crate) fn new(limits: Limits) -> Self {
        Self { limits, all: HashMap::default(), by_exporter: HashMap::default(), bytes: 0 }
    }

    pub(crate) fn len(&self) -> usize {
        self.all.len()
    }

    pub(crate) fn templates(&self) -> usize {
        self.all.values().map(|session| session.templates()).sum()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&Key, &Session)> {
        self.all.iter().map(|(key, session)| (key, &**session))
    }

    /// Memory of all sessions, bytes.
    pub(crate) const fn bytes(&self) -> usize {
        self.bytes
    }

    /// Takes the session out, or makes it, with the memory in bytes that it may grow to. Give it back with [`Self::put`].
    pub(crate) fn take(&mut self, key: &Key) -> (Box<Session>, usize) {
        let session = self.all.remove(key);
        if let Some(session) = &session {
            self.subtract(key, session.bytes());
        }
        let others = self.by_exporter.get(&key.exporter.ip()).copied().unwrap_or_default();
        (session.unwrap_or_default(), self.limits.max_exporter_bytes.saturating_sub(others))
    }

    /// Puts a session back, and forgets others if all together are too large.
    pub(crate) fn put(&mut self, key: Key, session: Box<Session>, counters: &mut Counters) {
        self.bytes += session.bytes();
        *self.by_exporter.entry(key.exporter.ip()).or_default() += session.bytes();
        self.all.insert(key, session);
        if self.bytes > self.limits.max_bytes {
            self.evict(counters);
        }
    }

    fn subtract(&mut self, key: &Key, bytes: usize) {
        if let Some(used) = self.by_exporter.get_mut(&key.exporter.ip()) {
            *used = used.saturating_sub(bytes);
        }
        self.bytes = self.bytes.saturating_sub(bytes);
    }

    /// Forgets the least valuable sessions.
    fn evict(&mut self, counters: &mut Counters) {
        let mut keys: Vec<_> = self.all.iter().map(|(key, s)| (s.is_useful, s.seen_ns, *key)).collect();
        keys.sort_unstable_by_key(|(is_useful, seen_ns, _)| (*is_useful, *seen_ns));
        let target = self.limits.max_bytes - self.limits.max_bytes / FREED_PART;
        for (_, _, key) in keys {
            if self.bytes <= target {
                break;
            }
            counters.event(Event::SessionEvicted);
            self.remove(&key, counters);
        }
        self.by_exporter.retain(|_, bytes| *bytes > 0);
    }

    fn remove(&mut self, key: &Key, counters: &mut Counters) {
        if let Some(session) = self.all.remove(key) {
            counters.event_times(Event::UnknownTemplate, session.waiting() as u64);
            self.subtract(key, session.bytes());
        }
    }

    /// Forgets what was not heard of for too long.
    pub(crate) fn expire(&mut self, now_ns: u64, counters: &mut Counters) {
        let keys: Vec<Key> = self.all.keys().copied().collect();
        for key in keys {
            let Some(session) = self.all.get_mut(&key) else { continue };
            let before = session.bytes();
            let stays = session.expire(now_ns, counters);
            let freed = before - session.bytes();
            self.subtract(&key, freed);
            if !stays {
                self.remove(&key, counters);
            }
        }
        self.by_exporter.retain(|_, bytes| *bytes > 0);
    }

    /// Forgets the sessions of an exporter, because its connection has ended.
    pub(crate) fn forget(&mut self, exporter: std::net::SocketAddr, counters: &mut Counters) {
        let keys: Vec<Key> = self.all.keys().copied().filter(|key| key.exporter == exporter).collect();
        keys.iter().for_each(|key| self.remove(key, counters));
    }
}
