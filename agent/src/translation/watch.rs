//! The thread that receives the kernel's notices.

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

/// Facts handed on together at the most.
const MAX_BATCH: usize = 1024;
/// Between two listings at the least: where the kernel always has more notices than there is room for, listing makes it worse.
const MIN_LISTING_INTERVAL: Duration = Duration::from_secs(1);
/// How long it waits for a notice before it looks whether a listing is due.
const WAIT: Duration = Duration::from_secs(1);

/// Receives notices and hands on facts.
pub(super) struct Watch {
    conntrack: Conntrack,
    netns: u32,
    facts: Sender<Vec<Fact>>,
    state: Arc<State>,
    notices: Vec<Notice>,
    /// When the listing that is under way began, by the engine's clock; none: none is.
    listing: Option<u64>,
    /// Something was lost since the latest listing began.
    is_incomplete: bool,
    listed: Instant,
}

impl Watch {
    /// A listing has been asked for already.
    pub(super) fn new(conntrack: Conntrack, netns: u32, facts: Sender<Vec<Fact>>, state: Arc<State>) -> Self {
        let (listing, listed) = (Some(engine_ns()), Instant::now());
        Self { conntrack, netns, facts, state, notices: Vec::new(), listing, is_incomplete: false, listed }
    }

    /// Works until nobody takes facts any more.
    pub(super) fn run(&mut self) -> Outcome {
        loop {
            self.turn().map_err(|e| format!("conntrack: {e}"))?;
            let facts = self.take_facts();
            if !facts.is_empty() && self.facts.send(facts).is_err() {
                return Ok(());
            }
        }
    }

    /// Waits for notices and receives what there is.
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

    /// Asks for all connections where notices were lost.
    fn list_again(&mut self) -> io::Result<()> {
        if self.is_incomplete && self.listing.is_none() && self.listed.elapsed() >= MIN_LISTING_INTERVAL {
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
