//! The addresses of a name, looked up again from time to time, because the receiver may move.

use std::net::{IpAddr, SocketAddr};
use std::sync::mpsc::{Receiver, TryRecvError};
use std::time::{Duration, Instant};

use crate::config::Address;

use super::resolver::{self, Answer, Resolve};

/// Interval at which a name is looked up again.
const LOOKUP_INTERVAL: Duration = Duration::from_secs(60);
/// Minimum interval between look-ups when there is a reason for one.
const MIN_LOOKUP_INTERVAL: Duration = Duration::from_secs(5);

/// Looks up a name on a separate thread, so that an unreachable name server blocks nobody.
pub(crate) struct Lookup {
    of: Address,
    resolve: Resolve,
    /// When the last look-up was made or begun.
    last: Instant,
    /// Whether there is a reason to look it up again soon.
    hurry: bool,
    under_way: Option<Receiver<Answer>>,
}

impl Lookup {
    /// For a name that was just looked up; none for an address.
    pub(crate) fn new(of: &Address) -> Option<Self> {
        let is_name = of.host.parse::<IpAddr>().is_err();
        is_name.then(|| Self::with(of.clone(), resolver::addresses))
    }

    pub(crate) fn with(of: Address, resolve: Resolve) -> Self {
        Self { of, resolve, last: Instant::now(), hurry: false, under_way: None }
    }

    /// Notes that the known addresses may be wrong.
    pub(crate) const fn hurry(&mut self) {
        self.hurry = true;
    }

    /// The addresses, if they were found since the last call. Begins a look-up when it is due. A name that is not found
    /// leaves the known addresses unchanged.
    pub(crate) fn poll(&mut self, now: Instant) -> Option<Vec<SocketAddr>> {
        let Some(under_way) = &self.under_way else {
            let pause = if self.hurry { MIN_LOOKUP_INTERVAL } else { LOOKUP_INTERVAL };
            if now.saturating_duration_since(self.last) >= pause {
                self.begin(now);
            }
            return None;
        };
        let found = match under_way.try_recv() {
            Err(TryRecvError::Empty) => return None,
            Ok(Ok(found)) if !found.is_empty() => Some(found),
            Ok(_) | Err(TryRecvError::Disconnected) => None,
        };
        (self.under_way, self.hurry) = (None, self.hurry && found.is_none());
        found
    }

    fn begin(&mut self, now: Instant) {
        (self.last, self.under_way) = (now, resolver::ask(&self.of, self.resolve).ok());
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::thread;

    use super::*;

    fn here(of: &Address) -> io::Result<Vec<SocketAddr>> {
        Ok(vec![SocketAddr::from(([127, 0, 0, 1], of.port))])
    }

    fn nowhere(_: &Address) -> io::Result<Vec<SocketAddr>> {
        Err(io::ErrorKind::NotFound.into())
    }

    /// Each test has one of its own: look-ups of the same name are one.
    fn name(port: u16) -> Address {
        Address { host: "collector.example".into(), port }
    }

    /// Waits for the thread.
    fn poll(lookup: &mut Lookup, now: Instant) -> Option<Vec<SocketAddr>> {
        assert_eq!(lookup.poll(now), None, "it is never waited for");
        let end = Instant::now() + Duration::from_secs(10);
        while lookup.under_way.is_some() && Instant::now() < end {
            if let Some(found) = lookup.poll(now) {
                return Some(found);
            }
            thread::sleep(Duration::from_millis(1));
        }
        None
    }

    #[test]
    fn a_name_is_looked_up_once_a_minute_and_sooner_with_reason() {
        let (mut lookup, start) = (Lookup::with(name(7), here), Instant::now());
        assert_eq!(poll(&mut lookup, start + LOOKUP_INTERVAL / 2), None);
        let found = Some(here(&name(7)).unwrap());
        assert_eq!(poll(&mut lookup, start + LOOKUP_INTERVAL + MIN_LOOKUP_INTERVAL), found);
        lookup.hurry();
        assert_eq!(poll(&mut lookup, start + LOOKUP_INTERVAL + MIN_LOOKUP_INTERVAL), None, "it was just now");
        assert_eq!(poll(&mut lookup, start + LOOKUP_INTERVAL + MIN_LOOKUP_INTERVAL * 2), found);
        assert_eq!(
            poll(&mut lookup, start + LOOKUP_INTERVAL + MIN_LOOKUP_INTERVAL * 4),
            None,
            "there is no reason any more"
        );
    }

    #[test]
    fn an_unknown_name_is_no_change_and_is_looked_up_again() {
        let (mut lookup, start) = (Lookup::with(name(8), nowhere), Instant::now());
        lookup.hurry();
        assert_eq!(poll(&mut lookup, start + MIN_LOOKUP_INTERVAL * 2), None);
        lookup.resolve = here;
        assert!(poll(&mut lookup, start + MIN_LOOKUP_INTERVAL * 4).is_some());
    }

    #[test]
    fn an_address_needs_no_lookup() {
        let is_name = |host: &str| Lookup::new(&Address { host: host.into(), port: 1 }).is_some();
        assert!(is_name("localhost") && !is_name("127.0.0.1") && !is_name("::1"));
    }
}
