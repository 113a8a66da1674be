//! Failed connection attempts. Each explains the records of its flow, or is reported without packets if no flow is
//! seen.

use std::collections::{BTreeMap, HashMap};

use foldhash::fast::RandomState;

use crate::fact::{ProcessId, Socket, UNKNOWN_ERRNO};
use crate::socket_index::{FlowEnd, Tuple};

/// The greatest number of attempts kept (about 400 bytes each). Beyond it, the oldest are reported as records
/// immediately.
const MAX_FAILED_CONNECTS: usize = 65_536;
/// How long after its first packet a connect may be reported.
const CONNECT_DELAY_NS: u64 = 1_000_000;

/// The error for a record.
pub(super) fn known_errno(errno: u16) -> Option<u16> {
    (errno != 0 && errno != UNKNOWN_ERRNO).then_some(errno)
}

/// A failed attempt.
#[derive(Debug, Clone, Copy)]
pub(super) struct FailedConnect {
    pub(super) since_ns: u64,
    pub(super) time_ns: u64,
    /// As in [`crate::fact::SocketUse::ConnectFailed`].
    pub(super) errno: u16,
    pub(super) socket: Socket,
    pub(super) process: ProcessId,
}

/// When the attempt failed, and a unique number.
type Place = (u64, u64);

#[derive(Debug)]
struct Attempt {
    failed: FailedConnect,
    /// It is in the record of a flow, or a record without packets was made of it.
    is_told: bool,
}

/// In order of time, and by tuple.
#[derive(Debug, Default)]
pub(super) struct Failures {
    by_time: BTreeMap<Place, Attempt>,
    by_tuple: HashMap<Tuple, Vec<Place>, RandomState>,
    last_number: u64,
    /// Attempts that had no room and are reported next.
    displaced: Vec<FailedConnect>,
    dropped: u64,
}

impl Failures {
    /// An attempt that the process itself aborted is not reported as a failure, but explains its flow.
    pub(super) fn add(&mut self, failed: FailedConnect) {
        self.last_number += 1;
        let place = (failed.time_ns, self.last_number);
        self.by_time.insert(place, Attempt { failed, is_told: failed.errno == 0 });
        self.by_tuple.entry(Tuple::of(&failed.socket)).or_default().push(place);
        if self.by_time.len() > MAX_FAILED_CONNECTS
            && let Some(oldest) = self.take_oldest().filter(|a| !a.is_told)
        {
            self.displace(oldest.failed);
        }
    }

    fn displace(&mut self, failed: FailedConnect) {
        if self.displaced.len() < MAX_FAILED_CONNECTS {
            self.displaced.push(failed);
        } else {
            self.dropped += 1;
        }
    }

    /// Number of attempts that are never reported because there were too many at once.
    pub(super) const fn dropped(&self) -> u64 {
        self.dropped
    }

    fn take_oldest(&mut self) -> Option<Attempt> {
        let (place, attempt) = self.by_time.pop_first()?;
        let tuple = Tuple::of(&attempt.failed.socket);
        if let Some(places) = self.by_tuple.get_mut(&tuple) {
            places.retain(|p| *p != place);
            if places.is_empty() {
                self.by_tuple.remove(&tuple);
            }
        }
        Some(attempt)
    }

    /// The errno of the attempt that made a flow, which began during the attempt. The attempt then counts as reported.
    /// 0: the process aborted it. `netns`: network namespace of the source's socket; none: unknown.
    pub(super) fn explain(&mut self, source: &FlowEnd, netns: Option<u32>) -> Option<u16> {
        let places = self.by_tuple.get(&source.tuple())?;
        let has_made = |f: &FailedConnect| {
            let has_begun = f.since_ns <= source.first_ns.saturating_add(CONNECT_DELAY_NS);
            let is_elsewhere = netns.is_some_and(|netns| netns != f.socket.netns);
            has_begun && source.first_ns <= f.time_ns && !is_elsewhere
        };
        let place = places.iter().find(|p| self.by_time.get(p).is_some_and(|a| has_made(&a.failed)))?;
        let attempt = self.by_time.get_mut(place)?;
        attempt.is_told = true;
        Some(attempt.failed.errno)
    }

    /// Attempts that failed before `before_ns` and whose flow was not seen.
    pub(super) fn take_due(&mut self, before_ns: u64) -> Vec<FailedConnect> {
        let mut due = std::mem::take(&mut self.displaced);
        let waiting = self.by_time.range_mut(..(before_ns, 0)).map(|(_, a)| a).filter(|a| !a.is_told);
        due.extend(waiting.map(|attempt| {
            attempt.is_told = true;
            attempt.failed
        }));
        due
    }

    /// Forgets attempts that failed before `before_ns` and were reported.
    pub(super) fn expire(&mut self, before_ns: u64) {
        while self.by_time.first_key_value().is_some_and(|((time_ns, _), a)| *time_ns < before_ns && a.is_told) {
            self.take_oldest();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use pidflow_schema::{Flow, Protocol};

    use super::*;

    fn failed(number: u32, time_ns: u64) -> FailedConnect {
        let socket = Socket {
            id: u64::from(number),
            file: 0,
            netns: 7,
            protocol: Protocol::TCP,
            local: IpAddr::V4(Ipv4Addr::LOCALHOST),
            local_port: 40_000,
            remote: IpAddr::V4(number.into()),
            remote_port: 80,
            dual_stack: false,
        };
        FailedConnect { since_ns: time_ns - 5, time_ns, errno: 111, socket, process: ProcessId::from_ticks(1, 1) }
    }

    fn source(f: &FailedConnect) -> FlowEnd {
        let (local, remote) = ((f.socket.local, f.socket.local_port), (f.socket.remote, f.socket.remote_port));
        FlowEnd::source(&Flow::new(Protocol::TCP, local, remote, (f.since_ns, f.time_ns)))
    }

    #[test]
    fn a_failure_is_reported_once_and_explains_every_record_of_its_flow() {
        let mut all = Failures::default();
        all.add(failed(1, 1000));
        all.add(failed(2, 500));
        assert_eq!(all.explain(&source(&failed(1, 1000)), None), Some(111));
        let due: Vec<_> = all.take_due(2000).iter().map(|f| f.time_ns).collect();
        assert_eq!(due, [500], "the other one's flow carries it");
        assert_eq!(all.explain(&source(&failed(1, 1000)), None), Some(111), "its next record too");
        all.expire(2000);
        assert!(all.by_time.is_empty() && all.by_tuple.is_empty() && all.take_due(3000).is_empty());
    }

    #[test]
    fn an_attempt_that_failed_in_another_namespace_explains_nothing() {
        let mut all = Failures::default();
        all.add(failed(1, 1000));
        assert_eq!(all.explain(&source(&failed(1, 1000)), Some(8)), None);
        assert_eq!(all.explain(&source(&failed(1, 1000)), Some(7)), Some(111));
    }

    /// With a list that is searched for each, 200,000 attempts took minutes.
    #[test]
    fn a_port_scan_is_looked_up_at_once_and_bounded() {
        let (mut all, scanned) = (Failures::default(), 3 * MAX_FAILED_CONNECTS as u32);
        let begun = std::time::Instant::now();
        for number in 0..scanned {
            let scan = failed(number, 1000 + u64::from(number));
            all.add(scan);
            if number % 2 == 0 {
                assert!(all.explain(&source(&scan), Some(7)).is_some());
            }
        }
        assert!(all.by_time.len() == MAX_FAILED_CONNECTS && all.by_tuple.len() == MAX_FAILED_CONNECTS);
        assert_eq!(all.take_due(u64::MAX).len(), scanned as usize / 2, "each once");
        (0..scanned).for_each(|number| all.add(failed(number, 1_000_000 + u64::from(number))));
        assert_eq!(all.dropped(), u64::from(scanned) - 2 * MAX_FAILED_CONNECTS as u64, "nobody took any");
        assert!(begun.elapsed() < std::time::Duration::from_secs(20), "{:?}", begun.elapsed());
    }
}
