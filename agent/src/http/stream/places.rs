//! How many streams there may be at once.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use super::super::budget::Budget;
use super::super::limits;
use super::super::problem::Problem;

/// The streams of one listener. Clones share them.
#[derive(Debug, Clone)]
pub(in crate::http) struct Places {
    budget: Budget,
    open: Arc<Mutex<HashMap<IpAddr, usize>>>,
}

/// The place of one stream, which is free again when this is dropped.
#[derive(Debug)]
pub(super) struct Place {
    places: Places,
    client: IpAddr,
}

impl Places {
    /// None is taken.
    pub(in crate::http) fn new(budget: Budget) -> Self {
        Self { budget, open: Arc::default() }
    }

    fn open(&self) -> MutexGuard<'_, HashMap<IpAddr, usize>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a place for a client.
    ///
    /// # Errors
    /// The client has too many streams, or all together have.
    pub(super) fn take(&self, client: Option<IpAddr>) -> Result<Place, Problem> {
        let client = client.unwrap_or(Ipv4Addr::UNSPECIFIED.into());
        let mut open = self.open();
        let (own, all) = (open.get(&client).copied().unwrap_or_default(), open.values().sum::<usize>());
        if own >= limits::MAX_STREAMS_PER_CLIENT || all >= limits::MAX_STREAMS {
            return Err(Problem::too_many_streams(limits::MAX_STREAMS_PER_CLIENT, limits::MAX_STREAMS));
        }
        *open.entry(client).or_default() += 1;
        Ok(Place { places: self.clone(), client })
    }
}

impl Place {
    /// Waits for CPU time, at most as long as a request would.
    pub(super) async fn wait_for_budget(&self) {
        let wait = self.places.budget.wait(self.client, Instant::now());
        tokio::time::sleep(wait.min(limits::MAX_DELAY)).await;
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut open = self.places.open();
        let left = open.get_mut(&self.client).map_or(0, |n| {
            *n = n.saturating_sub(1);
            *n
        });
        if left == 0 {
            open.remove(&self.client);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(n: u8) -> Option<IpAddr> {
        Some([192, 0, 2, n].into())
    }

    #[test]
    fn one_client_has_its_share_and_all_have_theirs() {
        let places = Places::new(Budget::new());
        let mut taken: Vec<_> = (0..limits::MAX_STREAMS_PER_CLIENT).map(|_| places.take(client(1)).unwrap()).collect();
        assert!(places.take(client(1)).is_err());
        taken.pop();
        taken.push(places.take(client(1)).unwrap());
        let others = (2..).flat_map(|n| std::iter::repeat_n(n, limits::MAX_STREAMS_PER_CLIENT));
        let others: Vec<_> = others.take(limits::MAX_STREAMS - taken.len()).map(|n| places.take(client(n))).collect();
        assert!(others.iter().all(Result::is_ok));
        assert!(places.take(client(200)).is_err(), "a client without a stream");
        drop(others);
        assert!(places.take(client(200)).is_ok());
        drop(taken);
        assert!(places.open().is_empty(), "nothing of past clients is kept");
    }
}
