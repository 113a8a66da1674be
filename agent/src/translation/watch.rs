//! The thread that receives the kernel's notices and sends them on as facts.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_channel::Sender;
use pidflow_engine::fact::{AddressTranslation, Fact};
use pidflow_exporters::threads::Outcome;

use super::conntrack::Conntrack;
use super::message::Notice;
use super::state::State;
use crate::clock::engine_ns;

/// From this number of notices on, their facts are sent before more notices are received.
const MAX_BATCH: usize = 1024;
/// Minimum time between two requests for the list. If notices are lost all the time, lists add to the load.
const MIN_LISTING_INTERVAL: Duration = Duration::from_secs(1);
/// So many times as long as a list took, its receipt included, no other list is requested: otherwise a large table on a busy host
/// would keep the thread at lists, and more notices would be lost.
const REST: u32 = 4;
/// How long the thread waits for a notice before it checks whether a list must be requested.
const WAIT: Duration = Duration::from_secs(1);

/// Receives notices and sends facts.
pub(super) struct Watch {
    conntrack: Conntrack,
    netns: u32,
    facts: Sender<Vec<Fact>>,
    state: Arc<State>,
    notices: Vec<Notice>,
    /// When the current list was requested, by the engine's clock; none: no list is being received.
    listing: Option<u64>,
    /// Notices were lost, or the list was incomplete or refused, since the last request for a list.
    is_incomplete: bool,
    /// When the last list was requested.
    listed: Instant,
    /// How long the last list took to arrive.
    listing_took: Duration,
}

impl Watch {
    /// The list has already been requested by [`Conntrack::open`].
    pub(super) fn new(conntrack: Conntrack, netns: u32, facts: Sender<Vec<Fact>>, state: Arc<State>) -> Self {
        let (listing, listed) = (Some(engine_ns()), Instant::now());
        let (notices, listing_took) = (Vec::new(), Duration::ZERO);
        Self { conntrack, netns, facts, state, notices, listing, is_incomplete: false, listed, listing_took }
    }

    /// Runs until the receiver of the facts is dropped.
    pub(super) fn run(&mut self) -> Outcome {
        loop {
            self.turn().map_err(|e| format!("conntrack: {e}"))?;
            let facts = self.take_facts();
            if !facts.is_empty() && self.facts.send(facts).is_err() {
                return Ok(());
            }
        }
    }

    /// Waits for notices and receives those that have arrived.
    fn turn(&mut self) -> io::Result<()> {
        self.list_again()?;
        if !self.conntrack.wait(WAIT)? {
            return Ok(());
        }
        while self.notices.len() < MAX_BATCH {
            match self.conntrack.receive(&mut self.notices) {
                Ok(true) => {}
                Ok(false) => break,
                Err(e) if e.raw_os_error() == Some(libc::ENOBUFS) => {
                    self.state.overrun();
                    self.is_incomplete = true;
                }
                Err(e) => return Err(e),
            }
        }
        Ok(())
    }

    /// Requests the list again if notices were lost.
    fn list_again(&mut self) -> io::Result<()> {
        let pause = MIN_LISTING_INTERVAL.max(self.listing_took * (REST + 1));
        if self.is_incomplete && self.listing.is_none() && self.listed.elapsed() >= pause {
            self.is_incomplete = false;
            (self.listing, self.listed) = (Some(engine_ns()), Instant::now());
            self.conntrack.ask_for_all()?;
        }
        Ok(())
    }

    fn take_facts(&mut self) -> Vec<Fact> {
        let time_ns = engine_ns();
        let notices = std::mem::take(&mut self.notices);
        notices.into_iter().filter_map(|notice| self.fact(notice, time_ns)).collect()
    }

    fn fact(&mut self, notice: Notice, time_ns: u64) -> Option<Fact> {
        match notice {
            Notice::Translation(change, t) => {
                let (netns, zone, protocol) = (self.netns, t.zone, t.protocol);
                let translation = AddressTranslation { netns, zone, protocol, before: t.before, after: t.after };
                Some(Fact::Translation { time_ns, change, translation: Box::new(translation) })
            }
            Notice::All => {
                let begun_ns = self.listing.take()?;
                self.listing_took = self.listed.elapsed();
                let netns = self.netns;
                (!self.is_incomplete).then_some(Fact::TranslationsListed { netns, begun_ns })
            }
            Notice::Incomplete => {
                self.is_incomplete = true;
                None
            }
            Notice::Refused => {
                (self.listing, self.is_incomplete) = (None, true);
                None
            }
            Notice::Unparsed => {
                self.state.unparsed();
                None
            }
        }
    }
}
