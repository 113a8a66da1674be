//! The names that processes asked for, from responses of DNS that were seen on the wire.
//!
//! A name belongs to the process whose socket asked, and to no other: if a daemon asks on behalf of others, their flows
//! have no name.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::sync::Arc;

use foldhash::fast::RandomState;
use hashbrown::HashMap;

use crate::application::NameAnswer;
use crate::fact::ProcessId;

/// An address is kept at least this long after its response, nanoseconds, because programs use addresses longer than the time to
/// live, which is often 0 to 30 s.
const MIN_LIFE_NS: u64 = 60_000_000_000;
/// An address is kept at most this long after its response, nanoseconds.
const MAX_LIFE_NS: u64 = 86_400_000_000_000;
/// The greatest number of names of one address for one process.
const MAX_NAMES_OF_ADDRESS: usize = 8;
/// The greatest number of responses that wait until the facts on their sockets have arrived.
const MAX_WAITING: usize = 16_384;
/// The greatest memory for names by default, bytes.
pub(super) const MAX_NAME_BYTES: usize = 8 << 20;
/// About the memory of one name, without its text: its entry, its key and its place in the queue, and that of the table's spare
/// room, bytes.
const BYTES_PER_NAME: usize = 192;

type Key = (ProcessId, IpAddr);

/// A name that an address was given for.
#[derive(Debug)]
struct Known {
    name: Arc<str>,
    from_ns: u64,
    until_ns: u64,
}

/// The names that processes asked for.
#[derive(Debug)]
pub(super) struct AskedNames {
    waiting: VecDeque<NameAnswer>,
    known: HashMap<Key, Vec<Known>, RandomState>,
    /// The keys in the order in which they were added, for eviction.
    order: VecDeque<Key>,
    bytes: usize,
    max_bytes: usize,
    dropped: u64,
}

impl Default for AskedNames {
    fn default() -> Self {
        Self {
            waiting: VecDeque::new(),
            known: HashMap::default(),
            order: VecDeque::new(),
            bytes: 0,
            max_bytes: MAX_NAME_BYTES,
            dropped: 0,
        }
    }
}

impl AskedNames {
    /// Keeps no more than this, bytes.
    pub(super) const fn limit_bytes(&mut self, max_bytes: usize) {
        self.max_bytes = max_bytes;
    }

    /// Takes a response. Its process is looked up later, when the facts on its socket have arrived.
    pub(super) fn wait(&mut self, answer: NameAnswer) {
        if self.waiting.len() >= MAX_WAITING {
            self.waiting.pop_front();
            self.dropped += 1;
        }
        self.waiting.push_back(answer);
    }

    /// The oldest waiting response, if it came before `until_ns`.
    pub(super) fn next_until(&mut self, until_ns: u64) -> Option<NameAnswer> {
        self.waiting.pop_front_if(|answer| answer.time_ns <= until_ns)
    }

    /// Keeps the names of a response to this process.
    pub(super) fn add(&mut self, process: ProcessId, answer: &NameAnswer) {
        for (address, ttl_s) in &answer.addresses {
            let life_ns = (u64::from(*ttl_s) * 1_000_000_000).clamp(MIN_LIFE_NS, MAX_LIFE_NS);
            let until_ns = answer.time_ns.saturating_add(life_ns);
            let known = Known { name: Arc::clone(&answer.name), from_ns: answer.time_ns, until_ns };
            self.add_one((process, *address), known);
        }
        while self.bytes > self.max_bytes {
            self.evict();
        }
    }

    fn add_one(&mut self, key: Key, new: Known) {
        let names = self.known.entry(key).or_insert_with(|| {
            self.order.push_back(key);
            Vec::with_capacity(1)
        });
        if let Some(same) = names.iter_mut().find(|known| known.name.eq_ignore_ascii_case(&new.name)) {
            same.until_ns = same.until_ns.max(new.until_ns);
            return;
        }
        if names.len() >= MAX_NAMES_OF_ADDRESS {
            let oldest = names.remove(0);
            self.bytes -= bytes(&oldest);
            self.dropped += 1;
        }
        self.bytes += bytes(&new);
        names.push(new);
    }

    /// Forgets the address that was added first.
    fn evict(&mut self) {
        let Some(key) = self.order.pop_front() else {
            self.bytes = 0;
            return;
        };
        let names = self.known.remove(&key).unwrap_or_default();
        self.dropped += names.len() as u64;
        self.bytes -= names.iter().map(bytes).sum::<usize>().min(self.bytes);
    }

    /// The name for which the process got the address before `time_ns`. If it got it for several, that one of them which the flow's
    /// packets name (`said`), otherwise none.
    pub(super) fn find(&self, key: Key, time_ns: u64, said: Option<&str>) -> Option<Arc<str>> {
        let names = self.known.get(&key)?;
        let mut valid = names.iter().filter(|known| (known.from_ns..=known.until_ns).contains(&time_ns));
        let first = valid.next()?;
        if valid.next().is_none() {
            return Some(Arc::clone(&first.name));
        }
        let said = said?;
        names.iter().find(|known| known.name.eq_ignore_ascii_case(said)).map(|known| Arc::clone(&known.name))
    }

    /// A flow with this name goes on: its next record still has it.
    pub(super) fn prolong(&mut self, key: Key, name: &str, time_ns: u64) {
        let names = self.known.get_mut(&key);
        if let Some(known) = names.and_then(|names| names.iter_mut().find(|known| &*known.name == name)) {
            known.until_ns = known.until_ns.max(time_ns.saturating_add(MIN_LIFE_NS));
        }
    }

    /// Forgets names that no flow after `before_ns` can have.
    pub(super) fn expire(&mut self, before_ns: u64) {
        let Self { known, bytes: kept, order, .. } = self;
        let mut is_changed = false;
        known.retain(|_, names| {
            names.retain(|known| {
                known.until_ns >= before_ns || {
                    *kept -= bytes(known).min(*kept);
                    false
                }
            });
            is_changed |= names.is_empty();
            !names.is_empty()
        });
        if is_changed {
            order.retain(|key| known.contains_key(key));
        }
    }

    /// Names that there was no room for.
    pub(super) const fn dropped(&self) -> u64 {
        self.dropped
    }
}

fn bytes(known: &Known) -> usize {
    BYTES_PER_NAME + known.name.len()
}
