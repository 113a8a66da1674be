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
/// How long the thread waits for a notice before it tells that none has arrived. Packets wait for that, so this is less than they
/// wait anyway.
const WAIT: Duration = Duration::from_millis(100);

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
    /// When the socket's queue was last empty, by the engine's clock. What is received now happened later.
    empty_ns: u64,
    /// The same for notices whose facts have been sent.
    sent_ns: u64,
    /// Notices were lost since the last facts were sent.
    is_losing: bool,
}

impl Watch {
    /// The list has already been requested by [`Conntrack::open`].
    pub(super) fn new(conntrack: Conntrack, netns: u32, facts: Sender<Vec<Fact>>, state: Arc<State>) -> Self {
        let now_ns = engine_ns();
        state.catch_up(now_ns);
        Self {
            conntrack,
            netns,
            facts,
            state,
            notices: Vec::new(),
            listing: Some(now_ns),
            is_incomplete: false,
            listed: Instant::now(),
            listing_took: Duration::ZERO,
            empty_ns: now_ns,
            sent_ns: now_ns,
            is_losing: false,
        }
    }

    /// Runs until the receiver of the facts is dropped.
    pub(super) fn run(&mut self) -> Outcome {
        loop {
            self.turn().map_err(|e| format!("conntrack: {e}"))?;
            let facts = self.take_facts();
            if !facts.is_empty() && self.facts.send(facts).is_err() {
                return Ok(());
            }
            self.sent_ns = self.empty_ns;
            self.state.catch_up(self.sent_ns);
        }
    }

    /// Waits for notices and receives those that have arrived.
    fn turn(&mut self) -> io::Result<()> {
        self.list_again()?;
        self.conntrack.wait(WAIT)?;
        while self.notices.len() < MAX_BATCH {
            let now_ns = engine_ns();
            match self.conntrack.receive(&mut self.notices) {
                Ok(true) => {}
                Ok(false) => {
                    self.empty_ns = now_ns;
                    break;
                }
                Err(e) if e.raw_os_error() == Some(libc::ENOBUFS) => self.overrun(),
                Err(e) => return Err(e),
            }
        }
        Ok(())
    }

    fn overrun(&mut self) {
        self.state.overrun();
        (self.is_incomplete, self.is_losing) = (true, true);
        tracing::debug!("conntrack: notices were lost, the socket's buffer was full");
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
        let (netns, from_ns, time_ns) = (self.netns, self.sent_ns, engine_ns());
        // Before the notices: what is known so far may have ended.
        let lost = std::mem::take(&mut self.is_losing).then_some(Fact::TranslationsLost { netns, from_ns });
        let notices = std::mem::take(&mut self.notices);
        let facts = notices.into_iter().filter_map(|notice| self.fact(notice, time_ns));
        lost.into_iter().chain(facts).collect()
    }

    fn fact(&mut self, notice: Notice, time_ns: u64) -> Option<Fact> {
        match notice {
            Notice::Translation(change, t) => {
                let (netns, zone, protocol) = (self.netns, t.zone, t.protocol);
                let translation = AddressTranslation { netns, zone, protocol, before: t.before, after: t.after };
                Some(Fact::Translation { time_ns, since_ns: self.sent_ns, change, translation: Box::new(translation) })
            }
            Notice::All => {
                let begun_ns = self.listing.take()?;
                self.listing_took = self.listed.elapsed();
                tracing::debug!("conntrack: the list took {:?}", self.listing_took);
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
