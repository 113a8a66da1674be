//! CPU time as a token bucket, for each client and for all together, to slow down a client that sends requests without
//! end.
//!
//! A connection's CPU time is charged after it was used, so a balance may be negative. The client then waits until it
//! is positive again.

use std::net::IpAddr;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use lru::LruCache;
use rustix::time::{ClockId, clock_gettime};

/// Maximum number of remembered clients. A forgotten one starts with a full bucket, but the common bucket still
/// applies.
const MAX_CLIENTS: NonZeroUsize = NonZeroUsize::new(256).unwrap();
/// For one client: a quarter of a core, and up to five seconds of saved CPU time.
const CLIENT_RATE: Rate = Rate { per_second: 0.25, burst_s: 5.0 };
/// The same for all together.
const TOTAL_RATE: Rate = Rate { per_second: 0.5, burst_s: 10.0 };

/// How fast a bucket fills, in seconds of CPU time per second, and its capacity.
#[derive(Debug, Clone, Copy)]
struct Rate {
    per_second: f64,
    burst_s: f64,
}

/// One bucket.
#[derive(Debug, Clone, Copy)]
struct Bucket {
    rate: Rate,
    balance_s: f64,
    at: Instant,
}

impl Bucket {
    const fn full(rate: Rate, now: Instant) -> Self {
        Self { rate, balance_s: rate.burst_s, at: now }
    }

    fn fill(&mut self, now: Instant) -> &mut Self {
        let elapsed = now.saturating_duration_since(self.at).as_secs_f64();
        self.balance_s = (self.balance_s + elapsed * self.rate.per_second).min(self.rate.burst_s);
        self.at = now;
        self
    }

    /// Time until the balance is not negative any more.
    fn wait(&self) -> Duration {
        Duration::from_secs_f64((-self.balance_s / self.rate.per_second).max(0.0))
    }
}

/// The clients of one listener. Clones share the buckets.
#[derive(Debug, Clone)]
pub(super) struct Budget(Arc<Mutex<Buckets>>);

#[derive(Debug)]
struct Buckets {
    all: Bucket,
    clients: LruCache<IpAddr, Bucket>,
}

impl Buckets {
    fn both(&mut self, client: IpAddr, now: Instant) -> [&mut Bucket; 2] {
        let own = self.clients.get_or_insert_mut(client, || Bucket::full(CLIENT_RATE, now));
        [own.fill(now), self.all.fill(now)]
    }
}

impl Budget {
    /// With full buckets.
    pub(super) fn new() -> Self {
        let buckets = Buckets { all: Bucket::full(TOTAL_RATE, Instant::now()), clients: LruCache::new(MAX_CLIENTS) };
        Self(Arc::new(Mutex::new(buckets)))
    }

    /// Charges a client with CPU time.
    pub(super) fn charge(&self, client: IpAddr, used: Duration, now: Instant) {
        let mut buckets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        buckets.both(client, now).into_iter().for_each(|bucket| bucket.balance_s -= used.as_secs_f64());
    }

    /// How long the client must wait because of what it used itself.
    pub(super) fn wait_of_client(&self, client: IpAddr, now: Instant) -> Duration {
        let mut buckets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let [own, _] = buckets.both(client, now);
        own.wait()
    }

    /// How long the client must wait for more CPU time; zero: it need not wait.
    pub(super) fn wait(&self, client: IpAddr, now: Instant) -> Duration {
        let mut buckets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        buckets.both(client, now).map(|bucket| bucket.wait()).into_iter().max().unwrap_or_default()
    }
}

/// CPU time of this thread. Each listener has its own thread, so the difference between two values is what the listener
/// used.
pub(super) fn thread_time() -> Duration {
    Duration::try_from(clock_gettime(ClockId::ThreadCPUTime)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLIENT: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));

    fn seconds(s: f64) -> Duration {
        Duration::from_secs_f64(s)
    }

    #[test]
    fn a_client_has_its_burst_and_then_its_rate() {
        let (budget, now) = (Budget::new(), Instant::now());
        budget.charge(CLIENT, seconds(4.9), now);
        assert_eq!(budget.wait(CLIENT, now), Duration::ZERO);
        budget.charge(CLIENT, seconds(0.6), now);
        let wait = budget.wait(CLIENT, now);
        assert!((wait.as_secs_f64() - 2.0).abs() < 0.01, "half a second at a quarter of a core: {wait:?}");
        assert_eq!(budget.wait(CLIENT, now + seconds(2.1)), Duration::ZERO);
        assert_eq!(budget.wait([192, 0, 2, 2].into(), now), Duration::ZERO, "another client");
    }

    #[test]
    fn many_clients_share_what_all_may_have() {
        let (budget, now) = (Budget::new(), Instant::now());
        (0..=255_u8).for_each(|n| budget.charge([10, 0, 0, n].into(), seconds(0.05), now));
        assert_eq!(budget.wait_of_client([10, 0, 1, 0].into(), now), Duration::ZERO, "it used nothing");
        let wait = budget.wait([10, 0, 1, 0].into(), now);
        assert!((wait.as_secs_f64() - 5.6).abs() < 0.01, "12.8 s of 10 s are spent: {wait:?}");
    }

    #[test]
    fn a_bucket_holds_no_more_than_its_burst_and_clients_are_bounded() {
        let (budget, now) = (Budget::new(), Instant::now());
        let later = now + seconds(3600.0);
        assert_eq!(budget.wait(CLIENT, later), Duration::ZERO);
        budget.charge(CLIENT, seconds(5.25), later);
        assert!((budget.wait(CLIENT, later).as_secs_f64() - 1.0).abs() < 0.01);
        (0..10_000_u32).for_each(|n| _ = budget.wait(IpAddr::V4(n.into()), later));
        assert_eq!(budget.0.lock().unwrap().clients.len(), MAX_CLIENTS.get());
    }

    #[test]
    fn this_threads_time_grows_with_work_alone() {
        let before = thread_time();
        std::thread::sleep(seconds(0.05));
        assert!(thread_time() - before < seconds(0.04));
        let mut n = 0_u64;
        while thread_time() - before < seconds(0.05) {
            n = std::hint::black_box(n + 1);
        }
    }
}
