//! What the threads of all ports have in common: messages in, batches of records and figures out.

use std::fmt::Display;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crossbeam_channel::Sender;
use pidflow_collector::{Collector, Event, Settings};
use pidflow_schema::FlowRecord;

use super::figures::{CollectFigures, Shared};
use super::hops::Hops;
use super::keeper::Keeper;
use crate::clock::wall_ns;

/// So many records are passed on at once, if more messages have already arrived.
const RECORD_BATCH: usize = 1024;
/// Interval of figures and of forgetting what is too old.
const INTERVAL: Duration = Duration::from_secs(1);
/// A refused connection is logged at most this often.
const MIN_LOG_INTERVAL: Duration = Duration::from_secs(60);
/// How often the clock is read while messages arrive without a pause.
const MESSAGES_PER_LOOK: u32 = 256;
/// How long messages are read after the request to end; they have arrived before it.
const MAX_DRAIN: Duration = Duration::from_millis(500);

/// Where the records and figures of a port go, and the request to end.
#[derive(Debug, Clone)]
pub(super) struct Outcomes {
    pub(super) sender: Sender<Vec<FlowRecord>>,
    pub(super) stop: Arc<AtomicBool>,
}

/// The decoder of one port.
pub(super) struct Decoding {
    collector: Collector,
    shared: Arc<Shared>,
    /// None: the thread has ended.
    outcomes: Option<Outcomes>,
    records: Vec<FlowRecord>,
    hops: Hops,
    messages: u32,
    /// None: what is known of exporters is forgotten at the end.
    keeper: Option<Keeper>,
    looked: Instant,
    /// When the request to end was seen.
    ending: Option<Instant>,
    /// When a refused connection was logged last.
    logged: Option<Instant>,
}

impl Decoding {
    pub(super) fn new(settings: Settings, shared: Arc<Shared>, outcomes: Outcomes, hops: Hops) -> Self {
        Self {
            collector: Collector::new(settings),
            shared,
            outcomes: Some(outcomes),
            records: Vec::new(),
            hops,
            messages: 0,
            keeper: None,
            looked: Instant::now(),
            ending: None,
            logged: None,
        }
    }

    /// Takes up what was kept before a restart, and keeps it from now on.
    pub(super) fn kept_by(mut self, keeper: Keeper) -> Self {
        let file = keeper.file().display();
        let restored = keeper
            .read()
            .and_then(|state| Ok(state.map(|state| self.collector.restore(&state, wall_ns())).transpose()?));
        match restored {
            Ok(Some(sessions)) => tracing::info!("took up {sessions} exporters of {file}"),
            Ok(None) => {}
            Err(e) => tracing::warn!("{file} is not used: {e:#}; templates are learnt again"),
        }
        Self { keeper: Some(keeper), ..self }
    }

    /// Keeps what is known of exporters, if it is due or this is the end.
    fn keep(&mut self, is_end: bool) {
        let Some(mut keeper) = self.keeper.take() else { return };
        if is_end {
            keeper.write(&self.collector.save());
        } else if keeper.is_due() {
            // What is kept as received has been passed on.
            self.pass_on();
            keeper.take(self.collector.save());
        }
        self.keeper = Some(keeper);
    }

    /// Decodes a message. True: it is time for [`Self::look`].
    pub(super) fn message(&mut self, message: &[u8], sender: SocketAddr) -> bool {
        self.collector.datagram(message, sender, wall_ns(), &mut self.records);
        if self.records.len() >= RECORD_BATCH {
            self.pass_on();
        }
        self.messages = self.messages.wrapping_add(1);
        self.messages.is_multiple_of(MESSAGES_PER_LOOK)
    }

    /// Decodes a message of a publisher of ZeroMQ.
    pub(super) fn zmq(&mut self, frames: &[Vec<u8>], publisher: SocketAddr) {
        self.collector.zmq(frames, publisher, wall_ns(), &mut self.records);
        if self.records.len() >= RECORD_BATCH {
            self.pass_on();
        }
    }

    /// Counts a connection that was closed because of what its peer is or sent, and logs it now and then.
    pub(super) fn refuse(&mut self, event: Event, peer: SocketAddr, why: &dyn Display) {
        self.collector.note(event);
        if self.logged.is_none_or(|logged| logged.elapsed() > MIN_LOG_INTERVAL) {
            self.logged = Some(Instant::now());
            tracing::warn!("closed a connection with {peer} ({}): {why}; others are counted only", event.name());
        }
    }

    /// Forgets an exporter whose connection has ended.
    pub(super) fn forget(&mut self, exporter: SocketAddr) {
        self.collector.forget(exporter);
    }

    /// Passes on the records. Waits while the pipeline is busy; then messages wait in the kernel, which counts datagrams that
    /// it drops.
    pub(super) fn pass_on(&mut self) {
        let Self { collector, hops, records, .. } = self;
        records.retain_mut(|record| {
            let passes = hops.pass(record);
            if !passes {
                collector.note(Event::Looped);
            }
            passes
        });
        if let Some(outcomes) = self.outcomes.as_ref().filter(|_| !self.records.is_empty()) {
            // The pipeline takes records until this thread has ended; without it nobody could.
            let _ = outcomes.sender.send(std::mem::take(&mut self.records));
        }
    }

    /// Does what is due once a second. `kernel_drops` counts datagrams.
    pub(super) fn look(&mut self, kernel_drops: u64) {
        if self.looked.elapsed() >= INTERVAL {
            self.looked = Instant::now();
            self.collector.expire(wall_ns());
            self.tell(kernel_drops);
            self.keep(false);
        }
    }

    /// Whether the thread shall end once it has read what has arrived.
    pub(super) fn is_asked_to_end(&self) -> bool {
        self.outcomes.as_ref().is_none_or(|outcomes| outcomes.stop.load(Ordering::Relaxed))
    }

    /// Whether it shall end in any case.
    pub(super) fn is_over(&mut self) -> bool {
        self.is_asked_to_end() && self.ending.get_or_insert_with(Instant::now).elapsed() >= MAX_DRAIN
    }

    /// Passes on the rest. The channel is closed when all threads have given up their end of it.
    pub(super) fn end(&mut self, kernel_drops: u64) {
        self.pass_on();
        self.tell(kernel_drops);
        self.keep(true);
        self.outcomes = None;
    }

    fn tell(&self, kernel_drops: u64) {
        let (sessions, templates) = self.collector.sizes();
        self.shared.set(CollectFigures {
            counters: self.collector.counters().clone(),
            kernel_drops,
            sessions: sessions as u64,
            templates: templates as u64,
            kept_bytes: self.collector.kept_bytes() as u64,
        });
    }
}
