//! Reads the kernel's counters of the interfaces while they are captured.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::links::Links;
use super::netlink::{LinkMonitor, LinkNotice};
use pidflow_capture::LinkCounts;

/// Time between two readings.
const INTERVAL: Duration = Duration::from_secs(1);
/// The longest wait for the kernel's answer.
const MAX_ANSWER: Duration = Duration::from_millis(500);
/// Readings kept. A socket's counters are also read once a second, at other times.
const MAX_READINGS: usize = 4;
const POLL: Timespec = Timespec { tv_sec: 0, tv_nsec: 50_000_000 };
/// The greatest number of interfaces whose totals are kept. Beyond it, interfaces that are no longer captured are
/// dropped, the lowest index first.
const MAX_TOTALS: usize = 1024;

/// What an interface counted while it was captured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct LinkTotal {
    pub(super) name: Arc<str>,
    pub(super) is_captured: bool,
    /// Up to the latest reading.
    pub(super) latest: LinkCounts,
    /// Totals up to each earlier reading, the newest first.
    before: VecDeque<LinkCounts>,
}

/// The totals of all interfaces, by the kernel's index.
#[derive(Debug, Clone, Default)]
pub(super) struct LinkTotals {
    pub(super) by_index: BTreeMap<u32, LinkTotal>,
    /// When the last readings were made, the newest first.
    read_at: VecDeque<Instant>,
}

impl LinkTotals {
    /// What an interface had counted up to the last reading at or before `time`; none: all readings that are kept are
    /// later.
    pub(super) fn at(&self, total: &LinkTotal, time: Instant) -> Option<LinkCounts> {
        let place = self.read_at.iter().position(|read_at| *read_at <= time)?;
        // An interface whose first reading is later had counted nothing at that time.
        Some(place.checked_sub(1).map_or(total.latest, |n| total.before.get(n).copied().unwrap_or_default()))
    }

    /// Takes over a reading: what the interfaces that are captured counted since the one before. `last` is that one.
    fn take(&mut self, reading: &HashMap<u32, LinkCounts>, last: &HashMap<u32, LinkCounts>, links: &Links) {
        self.read_at.push_front(Instant::now());
        self.read_at.truncate(MAX_READINGS);
        for total in self.by_index.values_mut() {
            total.before.push_front(total.latest);
            total.before.truncate(MAX_READINGS - 1);
            total.is_captured = false;
        }
        for (index, counts) in reading {
            let name = links.get(*index).map_or_else(|| format!("if{index}").into(), |link| Arc::clone(&link.name));
            let none = LinkCounts::default();
            let before = VecDeque::with_capacity(MAX_READINGS);
            let total = LinkTotal { name: Arc::clone(&name), is_captured: true, latest: none, before };
            let total = self.by_index.entry(*index).or_insert(total);
            (total.name, total.is_captured) = (name, true);
            if let Some(before) = last.get(index) {
                total.latest.add(counts.since(*before));
            }
        }
        self.forget();
    }

    fn forget(&mut self) {
        let mut too_many = self.by_index.len().saturating_sub(MAX_TOTALS);
        self.by_index.retain(|_, total| {
            let goes = too_many > 0 && !total.is_captured;
            too_many -= usize::from(goes);
            !goes
        });
    }
}

/// Reads the counters periodically.
pub(super) struct Meter {
    /// None: the counters cannot be read.
    socket: Option<LinkMonitor>,
    last: HashMap<u32, LinkCounts>,
    totals: LinkTotals,
    read: Instant,
}

impl Meter {
    /// Nothing is read yet.
    pub(super) fn new() -> Self {
        let socket = LinkMonitor::open()
            .inspect_err(|e| tracing::warn!("the kernel's counters of interfaces cannot be read: {e}"));
        Self { socket: socket.ok(), last: HashMap::new(), totals: LinkTotals::default(), read: Instant::now() }
    }

    pub(super) fn is_due(&self) -> bool {
        self.read.elapsed() >= INTERVAL
    }

    /// Reads the counters of the interfaces that are captured. What an interface counts before its first reading, or
    /// while it is not captured, is not included.
    pub(super) fn read(&mut self, links: &Links, is_captured: impl Fn(u32) -> bool) -> &LinkTotals {
        self.read = Instant::now();
        if let Some(mut reading) = self.ask() {
            reading.retain(|index, _| is_captured(*index));
            self.totals.take(&reading, &self.last, links);
            self.last = reading;
        }
        &self.totals
    }

    /// None: the kernel's answer was incomplete.
    fn ask(&mut self) -> Option<HashMap<u32, LinkCounts>> {
        let socket = self.socket.as_mut()?;
        let mut said = Vec::new();
        // Discards notices from before the request, which have older counters.
        socket.receive(&mut said).ok()?;
        said.clear();
        socket.ask_for_all().ok()?;
        let end = Instant::now() + MAX_ANSWER;
        while !said.contains(&LinkNotice::All) && Instant::now() < end {
            let _ = poll(&mut [PollFd::new(socket, PollFlags::IN)], Some(&POLL));
            socket.receive(&mut said).ok()?;
        }
        let counted = said.iter().filter_map(|said| match said {
            LinkNotice::Counted(index, counts) => Some((*index, *counts)),
            _ => None,
        });
        let is_whole = said.contains(&LinkNotice::All) && !said.contains(&LinkNotice::Lost);
        is_whole.then(|| counted.collect())
    }
}

#[cfg(test)]
mod tests {
    use super::super::link::Link;
    use super::*;

    fn counts(packets: u64) -> LinkCounts {
        LinkCounts { packets, octets: packets * 100, ..LinkCounts::default() }
    }

    fn links(indices: impl IntoIterator<Item = u32>) -> Links {
        let mut links = Links::default();
        let all = indices.into_iter().map(|index| LinkNotice::Is(Link::unknown(index, &format!("eth{index}"))));
        all.for_each(|said| links.take(said, &mut Vec::new()));
        links
    }

    /// Readings of interface 7, none where it is not captured; the totals after them.
    fn after(readings: &[Option<u64>]) -> LinkTotal {
        let (mut totals, mut last, links) = (LinkTotals::default(), HashMap::new(), links([7]));
        for packets in readings {
            let reading: HashMap<u32, LinkCounts> = packets.iter().map(|n| (7, counts(*n))).collect();
            totals.take(&reading, &last, &links);
            last = reading;
        }
        totals.by_index[&7].clone()
    }

    #[test]
    fn counts_before_and_between_captures_are_not_included() {
        assert_eq!(after(&[Some(1000)]).latest, counts(0));
        let total = after(&[Some(1000), Some(1005), Some(1008)]);
        assert_eq!((total.latest, &*total.name), (counts(8), "eth7"));
        assert_eq!(total.before, [counts(5), counts(0)]);
        let total = after(&[Some(1000), Some(1005), None, Some(2000), Some(2001)]);
        assert_eq!((total.latest, total.is_captured), (counts(6), true));
        assert!(!after(&[Some(1), None]).is_captured);
        assert_eq!(after(&[Some(1000), Some(3)]).latest, counts(3), "a driver that was loaded again counts from zero");
    }

    #[test]
    fn what_was_counted_up_to_a_time_is_known_for_some_seconds() {
        let (mut totals, mut last, links) = (LinkTotals::default(), HashMap::new(), links([7, 8]));
        let started = Instant::now();
        for n in 1..=6 {
            let late = (n > 4).then_some((8, counts(100)));
            let reading: HashMap<u32, LinkCounts> = [(7, counts(n))].into_iter().chain(late).collect();
            totals.take(&reading, &last, &links);
            last = reading;
        }
        let (times, eth7) = (totals.read_at.clone(), &totals.by_index[&7]);
        let at = |n: usize| totals.at(eth7, times[n]).map(|counts| counts.packets);
        assert_eq!([0, 1, 2, 3].map(at), [Some(5), Some(4), Some(3), Some(2)]);
        assert_eq!(totals.at(eth7, started), None, "too long ago");
        assert_eq!(totals.at(&totals.by_index[&8], times[3]), Some(counts(0)), "it was not there");
    }

    #[test]
    fn interfaces_no_longer_captured_are_dropped_beyond_the_limit() {
        let mut totals = LinkTotals::default();
        let reading = |from: u32, n: usize| -> HashMap<_, _> { (from..).take(n).map(|i| (i, counts(1))).collect() };
        totals.take(&reading(0, MAX_TOTALS), &HashMap::new(), &links([]));
        totals.take(&reading(10, MAX_TOTALS), &HashMap::new(), &links([]));
        assert_eq!(totals.by_index.len(), MAX_TOTALS);
        assert!(totals.by_index.values().all(|total| total.is_captured));
    }

    #[test]
    fn this_hosts_loopback_is_read() {
        let mut meter = Meter::new();
        let links = links([1]);
        meter.read(&links, |index| index == 1);
        assert!(!meter.is_due());
        let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.send_to(&[0; 1000], socket.local_addr().unwrap()).unwrap();
        let totals = meter.read(&links, |index| index == 1);
        let total = &totals.by_index[&1];
        assert!(total.latest.packets >= 1 && total.latest.octets >= 1028, "{total:?}");
        assert!(meter.read(&links, |_| false).by_index.values().all(|total| !total.is_captured));
    }
}
