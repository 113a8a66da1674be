//! Selects the processes to describe next: those that own sockets first, then the newest. In a storm of short-lived
//! processes some are left out, and counted.

use std::collections::HashMap;

use pidflow_engine::fact::ProcessId;

/// The greatest number of processes described in one round.
const MAX_PER_ROUND: usize = 200;
/// The greatest number of waiting requests. Beyond it, half of them are given up.
const MAX_WAITING: usize = 4096;

/// Priority of a request: whether the process owns a socket, and the number of the request.
type Rank = (bool, u64);

/// Requests that wait.
#[derive(Debug, Default)]
pub(super) struct Descriptions {
    waiting: HashMap<ProcessId, Rank>,
    asked: u64,
    left_in_round: usize,
}

impl Descriptions {
    /// A new round begins.
    pub(super) const fn begin_round(&mut self) {
        self.left_in_round = MAX_PER_ROUND;
    }

    /// Requests the description of a process. Returns how many requests were given up.
    pub(super) fn ask(&mut self, id: ProcessId) -> u64 {
        self.asked += 1;
        self.waiting.insert(id, (false, self.asked));
        if self.waiting.len() > MAX_WAITING { self.give_up_half() } else { 0 }
    }

    /// Requests another description of a process, with a lower priority than first descriptions.
    pub(super) fn ask_again(&mut self, id: ProcessId) {
        if self.waiting.len() < MAX_WAITING {
            self.waiting.entry(id).or_default();
        }
    }

    /// Notes that the process owns a socket, which gives its request priority.
    pub(super) fn promote(&mut self, id: ProcessId) {
        if let Some((owns, _)) = self.waiting.get_mut(&id) {
            *owns = true;
        }
    }

    /// The process has ended.
    pub(super) fn forget(&mut self, id: ProcessId) {
        self.waiting.remove(&id);
    }

    /// Takes the requests to serve now, up to the limit of the round.
    pub(super) fn take(&mut self) -> Vec<ProcessId> {
        if self.waiting.is_empty() || self.left_in_round == 0 {
            return Vec::new();
        }
        let mut now = self.ranked();
        now.truncate(self.left_in_round);
        self.left_in_round -= now.len();
        for id in &now {
            self.waiting.remove(id);
        }
        now
    }

    fn give_up_half(&mut self) -> u64 {
        let given_up = self.ranked().split_off(MAX_WAITING / 2);
        for id in &given_up {
            self.waiting.remove(id);
        }
        given_up.len() as u64
    }

    /// All requests, the highest priority first.
    fn ranked(&self) -> Vec<ProcessId> {
        let mut ids: Vec<_> = self.waiting.iter().map(|(id, rank)| (*rank, *id)).collect();
        ids.sort_unstable_by(|a, b| b.cmp(a));
        ids.into_iter().map(|(_, id)| id).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::process_id;
    use super::*;

    fn id(pid: usize) -> ProcessId {
        process_id(pid as i32, 1)
    }

    #[test]
    fn owners_come_first_then_the_newest() {
        let mut d = Descriptions::default();
        assert!((1..=3 * MAX_PER_ROUND).all(|pid| d.ask(id(pid)) == 0));
        d.promote(id(5));
        d.promote(id(99_999));
        d.begin_round();
        let first = d.take();
        assert_eq!((first.len(), first[0], first[1]), (MAX_PER_ROUND, id(5), id(3 * MAX_PER_ROUND)));
        assert!(d.take().is_empty(), "the round is over");
        d.begin_round();
        assert_eq!(d.take()[0], id(2 * MAX_PER_ROUND + 1), "those that were left wait for the next one");
    }

    #[test]
    fn another_look_comes_after_all_first_ones() {
        let mut d = Descriptions::default();
        d.ask_again(id(1));
        assert!((2..=MAX_PER_ROUND).all(|pid| d.ask(id(pid)) == 0));
        d.ask_again(id(2));
        d.begin_round();
        let all = d.take();
        assert_eq!((all.len(), all.last()), (MAX_PER_ROUND, Some(&id(1))));
        (1..=2 * MAX_WAITING).for_each(|pid| d.ask_again(id(pid)));
        assert_eq!(d.waiting.len(), MAX_WAITING);
    }

    #[test]
    fn dropped_requests_are_counted_and_owners_are_kept() {
        let mut d = Descriptions::default();
        d.ask(id(1));
        d.promote(id(1));
        let given_up: u64 = (2..=MAX_WAITING + 1).map(|pid| d.ask(id(pid))).sum();
        assert_eq!(given_up as usize + d.waiting.len(), MAX_WAITING + 1);
        d.begin_round();
        assert_eq!(d.take()[0], id(1));
        d.forget(id(MAX_WAITING + 1));
        assert_eq!(d.waiting.len(), MAX_WAITING / 2 - MAX_PER_ROUND);
    }
}
