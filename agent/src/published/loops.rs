//! Scrape loops, and what each of them has seen: a counter must be seen at zero first.
//!
//! Prometheus takes the first value of a series as its start: `rate` and `increase` ignore what was counted before. A
//! key often gets its series with its only record, so each scrape loop receives zero once for every series that is new
//! to it.

use std::hash::BuildHasher;
use std::net::IpAddr;

use foldhash::fast::RandomState;

use super::families::view::View;
use super::status::Status;

/// Maximum number of remembered loops: pairs of Prometheus servers, and other tools.
const MAX_LOOPS: usize = 16;
/// Age of the agent in seconds up to which a new loop sees every series begin at zero. A loop that appears later may be
/// one that returns, which must not see a jump from zero to days of traffic. Prometheus' default interval is one
/// minute.
const STARTUP_S: u64 = 120;

/// A client that scrapes repeatedly and stores the values.
#[derive(Debug)]
pub(crate) struct Scraper {
    /// Address it comes from.
    pub(crate) peer: IpAddr,
    /// Its `User-Agent`.
    pub(crate) user_agent: Box<[u8]>,
}

/// The loops.
#[derive(Debug, Default)]
pub(crate) struct Loops {
    /// Hash of the scraper, and the number of the status that it saw last; the least recently seen first.
    known: Vec<(u64, u64)>,
    hasher: RandomState,
}

impl Loops {
    /// Notes that a scraper receives this status. Returns what it has seen before, as in [`View::seen`].
    pub(super) fn visit(&mut self, scraper: &Scraper, status: &Status) -> u64 {
        let who = self.hasher.hash_one((scraper.peer, &scraper.user_agent));
        let seen = match self.known.iter().position(|(known, _)| *known == who) {
            Some(place) => self.known.remove(place).1,
            None => self.seen_by_new(status),
        };
        self.known.push((who, status.talk.number));
        seen
    }

    /// Makes room for a loop. If another loop must be forgotten, the new one may have been forgotten earlier itself, so
    /// it must not see zeros again.
    fn seen_by_new(&mut self, status: &Status) -> u64 {
        if self.known.len() >= MAX_LOOPS {
            self.known.remove(0);
            return View::ALL_SERIES;
        }
        if status.seconds < STARTUP_S { 0 } else { View::ALL_SERIES }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::talk::ShownTraffic;

    const PEER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    fn by(peer: IpAddr, user_agent: &[u8]) -> Scraper {
        Scraper { peer, user_agent: user_agent.into() }
    }

    fn status(seconds: u64, number: u64) -> Status {
        Status { seconds, talk: ShownTraffic { number, ..ShownTraffic::default() }, ..Status::default() }
    }

    #[test]
    fn each_loop_has_seen_what_it_was_shown() {
        let mut loops = Loops::default();
        assert_eq!(loops.visit(&by(PEER, b"a"), &status(5, 3)), 0, "everything is new to it");
        assert_eq!(loops.visit(&by(PEER, b"a"), &status(20, 18)), 3);
        assert_eq!(loops.visit(&by(PEER, b"b"), &status(21, 19)), 0, "another program");
        assert_eq!(loops.visit(&by([10, 0, 0, 1].into(), b"a"), &status(21, 19)), 0, "another host");
        assert_eq!(loops.visit(&by(PEER, b"a"), &status(9000, 8990)), 18, "however long it was away");
    }

    #[test]
    fn a_loop_new_to_an_old_agent_may_have_returned() {
        let mut loops = Loops::default();
        assert_eq!(loops.visit(&by(PEER, b"a"), &status(120, 118)), View::ALL_SERIES);
        assert_eq!(loops.visit(&by(PEER, b"a"), &status(135, 133)), 118);
    }

    #[test]
    fn loops_are_few_and_one_that_was_forgotten_does_not_begin_anew() {
        let mut loops = Loops::default();
        let name = |n: usize| n.to_string().into_bytes();
        for n in 0..MAX_LOOPS {
            assert_eq!(loops.visit(&by(PEER, &name(n)), &status(5, 5)), 0);
        }
        assert_eq!(loops.visit(&by(PEER, &name(0)), &status(6, 6)), 5);
        assert_eq!(loops.visit(&by(PEER, b"one more"), &status(7, 7)), View::ALL_SERIES);
        assert_eq!(loops.visit(&by(PEER, &name(1)), &status(8, 8)), View::ALL_SERIES, "forgotten");
        assert_eq!(loops.visit(&by(PEER, &name(0)), &status(9, 9)), 6, "the latest are kept");
        assert_eq!(loops.known.len(), MAX_LOOPS);
    }
}
