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

#[cfg(test)]
mod tests {
    use super::*;

    const S: u64 = 1_000_000_000;

    fn id(pid: u32) -> ProcessId {
        ProcessId::from_ticks(pid, 1)
    }

    fn address(last: u8) -> IpAddr {
        IpAddr::from([192, 0, 2, last])
    }

    fn answer(name: &str, time_s: u64, ttl_s: u32, last: u8) -> NameAnswer {
        NameAnswer {
            time_ns: time_s * S,
            protocol: 17,
            client: (address(100), 1000),
            server: (address(101), 53),
            network_namespace: None,
            name: name.into(),
            addresses: vec![(address(last), ttl_s)],
        }
    }

    #[test]
    fn a_name_is_known_from_its_answer_until_its_time_to_live_or_a_minute_is_over() {
        let mut names = AskedNames::default();
        names.add(id(1), &answer("short", 100, 5, 1));
        names.add(id(1), &answer("long", 100, 300, 2));
        names.add(id(1), &answer("endless", 100, u32::MAX, 3));
        let at = |last, time_s: u64| names.find((id(1), address(last)), time_s * S, None);
        assert_eq!([at(1, 99), at(1, 161), at(2, 401), at(3, 86_501)], [None, None, None, None]);
        assert_eq!(
            [at(1, 160), at(2, 400), at(3, 86_500)],
            [Some("short".into()), Some("long".into()), Some("endless".into())]
        );
        assert_eq!(names.find((id(2), address(1)), 100 * S, None), None, "another process");
    }

    #[test]
    fn of_two_names_that_one_counts_which_the_flow_says() {
        let mut names = AskedNames::default();
        names.add(id(1), &answer("a", 100, 60, 1));
        names.add(id(1), &answer("b", 110, 60, 1));
        names.add(id(1), &answer("B", 120, 60, 1));
        let find = |time_s: u64, said| names.find((id(1), address(1)), time_s * S, said);
        assert_eq!(find(105, None), Some("a".into()), "before b was asked for");
        assert_eq!(find(130, None), None);
        assert_eq!(find(130, Some("B")), Some("b".into()));
        assert_eq!(find(130, Some("c")), None);
        assert_eq!(find(175, None), Some("b".into()), "a is over");
    }

    #[test]
    fn a_flow_that_goes_on_keeps_its_name() {
        let mut names = AskedNames::default();
        names.add(id(1), &answer("a", 100, 5, 1));
        names.prolong((id(1), address(1)), "a", 155 * S);
        assert_eq!(names.find((id(1), address(1)), 200 * S, None), Some("a".into()));
        names.expire(215 * S);
        assert_eq!(names.bytes, bytes(&Known { name: "a".into(), from_ns: 0, until_ns: 0 }));
        names.expire(216 * S);
        assert_eq!((names.bytes, names.known.len(), names.order.len(), names.dropped()), (0, 0, 0, 0));
    }

    #[test]
    fn memory_is_bounded_and_the_oldest_go_first() {
        let mut names = AskedNames::default();
        names.limit_bytes(100 * (BYTES_PER_NAME + 20));
        for pid in 0..10_000 {
            for round in 0..3 {
                names.add(id(pid), &answer(&format!("{round}-{pid}.example"), 100, 60, pid as u8));
            }
            assert!(names.bytes <= names.max_bytes && names.order.len() == names.known.len());
        }
        assert!(names.dropped() > 29_000);
        let (old, new) = ((id(1), address(1)), (id(9999), address(9999_u32 as u8)));
        assert_eq!(names.find(old, 100 * S, Some("0-1.example")), None);
        assert_eq!(names.find(new, 100 * S, Some("0-9999.example")), Some("0-9999.example".into()));
        (0..MAX_WAITING + 5).for_each(|_| names.wait(answer("x", 1, 1, 1)));
        assert_eq!(names.waiting.len(), MAX_WAITING);
    }

    #[test]
    fn many_names_of_one_address_are_bounded() {
        let mut names = AskedNames::default();
        (0..1000).for_each(|n| names.add(id(1), &answer(&format!("{n}.example"), 100 + n, 60, 1)));
        assert_eq!(names.known[&(id(1), address(1))].len(), MAX_NAMES_OF_ADDRESS);
        names.expire(u64::MAX);
        assert_eq!(names.bytes, 0);
    }
}
