//! The addresses of the agent's own network namespace, read when they have changed.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use pidflow_engine::fact::Fact;

use super::local_routes::local_ipv4;
use super::{Pace, tables};
use crate::clock::engine_ns;
use crate::probes::notices::{ADDRESSES, Notices};
use crate::probes::own_network_namespace;

/// Interval between readings if the kernel sends no notices: shorter than the time that a flow waits for its join.
const INTERVAL: Duration = Duration::from_millis(250);
/// Interval with notices: the kernel sends none for local addresses that are only routes of the local table.
const INTERVAL_WITH_NOTICES: Duration = Duration::from_secs(10);

/// The addresses, as they were read last.
#[derive(Debug)]
pub(in super::super) struct OwnAddresses {
    changes: Option<Notices>,
    pace: Pace,
    known: Vec<IpAddr>,
}

impl OwnAddresses {
    /// No address is known yet.
    pub(in super::super) fn new() -> Self {
        let changes = Notices::listen(ADDRESSES)
            .inspect_err(|e| tracing::debug!("cannot subscribe to address changes: {e}"))
            .ok();
        let interval = if changes.is_some() { INTERVAL_WITH_NOTICES } else { INTERVAL };
        Self { changes, pace: Pace::new(interval), known: Vec::new() }
    }

    /// All addresses, if they have changed since the last call. Costs one system call while nothing changes.
    pub(in super::super) fn poll(&mut self, now: Instant) -> Option<Fact> {
        let is_told = self.changes.as_ref().is_some_and(Notices::take);
        if !is_told && !self.pace.is_due(now) {
            return None;
        }
        let addresses = read();
        self.pace.done(now);
        (addresses != self.known).then(|| {
            self.known.clone_from(&addresses);
            Fact::Addresses { time_ns: engine_ns(), netns: own_network_namespace(), addresses }
        })
    }
}

fn read() -> Vec<IpAddr> {
    let v4 = local_ipv4().unwrap_or_else(|_| tables::ipv4("self"));
    let mut all: Vec<_> = v4.into_iter().chain(tables::ipv6("self")).collect();
    all.sort_unstable();
    all.dedup();
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unchanged_addresses_are_reported_once() {
        let mut own = OwnAddresses::new();
        let Some(Fact::Addresses { addresses, .. }) = own.poll(Instant::now()) else { panic!("no addresses") };
        assert!(addresses.iter().any(IpAddr::is_loopback), "{addresses:?}");
        assert_eq!(own.poll(Instant::now()), None);
    }
}
