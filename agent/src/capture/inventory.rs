//! Keeps the list of interfaces, as the kernel reports them.

use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::links::{Event, Links};
use super::netlink::{LinkMonitor, LinkNotice};

/// The longest wait for notices in one call of [`Inventory::wait`].
const MAX_WAIT: Timespec = Timespec { tv_sec: 0, tv_nsec: 100_000_000 };
/// How long [`Inventory::learn`] waits for the kernel's first answer.
const FIRST_ANSWER_TIMEOUT: Duration = Duration::from_secs(2);
/// The shortest time between two requests for all interfaces.
const ASK_INTERVAL: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(super) struct Inventory {
    /// None: the kernel does not report changes of interfaces.
    monitor: Option<LinkMonitor>,
    links: Links,
    /// Whether all interfaces are known. If not, they have to be requested again.
    is_complete: bool,
    /// Whether a notice was lost since the last request.
    was_disturbed: bool,
    asked: Instant,
}

impl Inventory {
    /// Learns the current interfaces. If the kernel does not report them, this is logged, and the list is empty.
    pub(super) fn learn() -> Self {
        let monitor =
            LinkMonitor::open().inspect_err(|e| tracing::warn!("changes of interfaces are not followed: {e}"));
        let (links, asked) = (Links::default(), Instant::now());
        let mut this = Self { monitor: monitor.ok(), links, is_complete: false, was_disturbed: false, asked };
        this.ask();
        while this.monitor.is_some() && !this.is_complete && asked.elapsed() < FIRST_ANSWER_TIMEOUT {
            this.wait();
            this.hear();
        }
        this
    }

    pub(super) const fn links(&self) -> &Links {
        &self.links
    }

    /// Waits for notices, for a tenth of a second at most.
    pub(super) fn wait(&self) {
        match &self.monitor {
            // A signal that interrupts it ends the wait early.
            Some(monitor) => drop(poll(&mut [PollFd::new(monitor, PollFlags::IN)], Some(&MAX_WAIT))),
            None => std::thread::sleep(Duration::from_nanos(MAX_WAIT.tv_nsec.unsigned_abs())),
        }
    }

    /// Applies the kernel's notices, and reports the changes.
    pub(super) fn hear(&mut self) -> Vec<Event> {
        let (mut said, mut events) = (Vec::new(), Vec::new());
        let Some(monitor) = &mut self.monitor else { return events };
        if let Err(e) = monitor.receive(&mut said) {
            tracing::warn!("changes of interfaces are not followed any more: {e}");
            self.monitor = None;
        }
        said.into_iter().for_each(|said| self.take(said, &mut events));
        if !self.is_complete && self.asked.elapsed() >= ASK_INTERVAL {
            self.ask();
        }
        events
    }

    fn take(&mut self, said: LinkNotice, events: &mut Vec<Event>) {
        match said {
            LinkNotice::Lost => (self.is_complete, self.was_disturbed) = (false, true),
            // The list is incomplete: an interface that is not in it may exist.
            LinkNotice::All if self.was_disturbed => return,
            LinkNotice::All => self.is_complete = true,
            LinkNotice::Is(_) | LinkNotice::Counted(..) | LinkNotice::Gone(_) => {}
        }
        self.links.take(said, events);
    }

    fn ask(&mut self) {
        (self.is_complete, self.was_disturbed, self.asked) = (false, false, Instant::now());
        self.links.expect_all();
        if let Some(monitor) = &self.monitor
            && let Err(e) = monitor.ask_for_all()
        {
            tracing::debug!("cannot list the interfaces: {e}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::link::Link;
    use super::*;

    fn is(index: u32) -> LinkNotice {
        LinkNotice::Is(Link::unknown(index, &format!("eth{index}")))
    }

    #[test]
    fn an_incomplete_answer_removes_no_interface() {
        let (links, asked) = (Links::default(), Instant::now());
        let mut inventory = Inventory { monitor: None, links, is_complete: false, was_disturbed: false, asked };
        let mut take = |said: Vec<LinkNotice>| {
            let mut events = Vec::new();
            said.into_iter().for_each(|said| inventory.take(said, &mut events));
            let complete = inventory.is_complete;
            if !complete {
                inventory.ask();
            }
            (events.len(), complete)
        };
        assert_eq!(take(vec![is(1), is(2), LinkNotice::All]), (2, true));
        assert_eq!(take(vec![LinkNotice::Lost]), (0, false));
        assert_eq!(take(vec![is(1), LinkNotice::Lost, LinkNotice::All]), (0, false));
        assert_eq!(take(vec![is(1), LinkNotice::All]), (1, true), "the second one is gone");
    }
}
