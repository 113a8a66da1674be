//! Who scrapes `/metrics` again and again, and what each has seen: a counter must be seen at zero first.
//!
//! Prometheus takes a series' first value for its beginning: `rate` and `increase` tell nothing of what was counted
//! before. A key often gets its series with the only record that there is of it, so each scrape loop is told zero of what
//! is new to it, once.

use std::hash::BuildHasher;
use std::net::IpAddr;

use foldhash::fast::RandomState;

use super::status::Status;
use super::view::View;

/// Loops that are remembered: pairs of Prometheus servers, and those who try it out beside them.
const MOST: usize = 16;
/// For a loop that comes while the agent is younger, everything by key begins at zero; later it may be one that comes back,
/// to which a jump from zero to days of traffic must not be told. Prometheus' default interval is one minute.
const YOUNG_S: u64 = 120;

/// The loops.
#[derive(Debug, Default)]
pub(crate) struct Loops {
    /// Who, and the number of the status that it saw last; the longest not seen first.
    known: Vec<(u64, u64)>,
    hasher: RandomState,
}

impl Loops {
    /// The loop of this address and `User-Agent` is shown this status; what it has seen before, as in [`View::seen`].
    pub(crate) fn visit(&mut self, peer: IpAddr, user_agent: &[u8], status: &Status) -> u64 {
        let who = self.hasher.hash_one((peer, user_agent));
        let seen = match self.known.iter().position(|(known, _)| *known == who) {
            Some(place) => self.known.remove(place).1,
            None => self.seen_by_new(status),
        };
        self.known.push((who, status.talk.number));
        seen
    }

    /// Makes room for a loop. One for which another is forgotten may have been forgotten itself: no zero after the truth.
    fn seen_by_new(&mut self, status: &Status) -> u64 {
        if self.known.len() >= MOST {
            self.known.remove(0);
            return View::EVERYTHING;
        }
        if status.seconds < YOUNG_S { 0 } else { View::EVERYTHING }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::talk::TalkShown;

    const PEER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    fn status(seconds: u64, number: u64) -> Status {
        Status { seconds, talk: TalkShown { number, ..TalkShown::default() }, ..Status::default() }
    }

    #[test]
    fn each_loop_has_seen_what_it_was_shown() {
        let mut loops = Loops::default();
        assert_eq!(loops.visit(PEER, b"a", &status(5, 3)), 0, "everything is new to it");
        assert_eq!(loops.visit(PEER, b"a", &status(20, 18)), 3);
        assert_eq!(loops.visit(PEER, b"b", &status(21, 19)), 0, "another program");
        assert_eq!(loops.visit([10, 0, 0, 1].into(), b"a", &status(21, 19)), 0, "another host");
        assert_eq!(loops.visit(PEER, b"a", &status(9000, 8990)), 18, "however long it was away");
    }

    #[test]
    fn one_that_is_new_to_an_old_agent_may_have_come_back() {
        let mut loops = Loops::default();
        assert_eq!(loops.visit(PEER, b"a", &status(120, 118)), View::EVERYTHING);
        assert_eq!(loops.visit(PEER, b"a", &status(135, 133)), 118);
    }

    #[test]
    fn loops_are_few_and_one_that_was_forgotten_does_not_begin_anew() {
        let mut loops = Loops::default();
        let name = |n: usize| n.to_string().into_bytes();
        for n in 0..MOST {
            assert_eq!(loops.visit(PEER, &name(n), &status(5, 5)), 0);
        }
        assert_eq!(loops.visit(PEER, &name(0), &status(6, 6)), 5);
        assert_eq!(loops.visit(PEER, b"one more", &status(7, 7)), View::EVERYTHING);
        assert_eq!(loops.visit(PEER, &name(1), &status(8, 8)), View::EVERYTHING, "forgotten");
        assert_eq!(loops.visit(PEER, &name(0), &status(9, 9)), 6, "the latest are kept");
        assert_eq!(loops.known.len(), MOST);
    }
}
