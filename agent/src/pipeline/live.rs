//! The pipeline for live traffic and kernel events.

use std::thread;
use std::time::{Duration, Instant};

use crossbeam_channel::RecvTimeoutError;
use pidflow_engine::fact::Fact;
use pidflow_engine::flow_table::{FlowTable, FlowTableConfig};
use pidflow_engine::join::Joiner;
use pidflow_schema::{Flow, FlowEndDetail, FlowEndReason};

use super::changes::PendingChanges;
use super::figures::Figures;
use super::grace::{Grace, JOIN_DELAY};
use super::held::{HeldBatches, MAX_HOLD_TIME};
use super::moment::Moment;
use super::namespaces::Namespaces;
use super::{Ended, Outlet, Sources, name_interfaces};
use crate::allocator::Trimmer;
use crate::capture::{ConnectFilter, PacketBatch, SeenUntil};
use crate::clock::{Timeline, engine_clock};
use crate::ledger::{Books, Standing};
use crate::memory::WAITING_FLOW_BYTES;
use crate::pacing::Pacer;
use crate::shedding::Keeper;
use crate::signals::Stop;

/// The greatest number of batches counted per turn, so that a request to stop is served soon even after a backlog.
const MAX_BATCHES_PER_TURN: usize = 16;
/// How long the pipeline waits for packets before it does its other work.
const RECV_TIMEOUT: Duration = Duration::from_millis(50);
/// The wait at the end for facts that are still being collected (addresses of a new namespace, exits).
const MAX_FACT_DRAIN: Duration = Duration::from_millis(300);
/// Minimum time for exporters at the end.
const MIN_DRAIN: Duration = Duration::from_secs(1);
/// Why the live pipeline ends without being asked to.
pub(crate) const NOTHING_LEFT: &str = "every interface is gone, nothing is left to capture";
const EXPIRE_INTERVAL: Duration = Duration::from_secs(1);
/// Failed connects are reported in the records of their packets. A record without packets is made only this long after
/// the idle timeout, when no such record can follow any more.
const FAILED_NS: u64 = FlowTableConfig::LINGER_NS + JOIN_DELAY.as_nanos() as u64 + 1_000_000_000;
/// The smallest step of the wall clock that is logged and counted.
const MIN_LOGGED_STEP_NS: u64 = 10_000_000;

/// The parts from which the live pipeline is made.
pub(crate) struct LiveParts {
    /// Where packets and facts come from.
    pub(crate) sources: Sources,
    /// The flow table.
    pub(crate) table: FlowTable,
    /// The join of flows with processes and sockets.
    pub(crate) joiner: Joiner,
    /// Which failed connects without packets are reported.
    pub(crate) connects: ConnectFilter,
    /// Where records go.
    pub(crate) outlet: Outlet,
    /// The greatest number of flows that wait for their join at the same time.
    pub(crate) max_waiting: usize,
    /// How long the exporters may take at the end.
    pub(crate) drain_timeout: Duration,
    /// Decides what is left out to stay within the budget.
    pub(crate) keeper: Keeper,
}

/// The live pipeline.
pub(crate) struct Live {
    parts: LiveParts,
    /// Packets that are not counted yet.
    held: HeldBatches,
    seen_until: SeenUntil,
    namespaces: Namespaces,
    facts: Vec<Fact>,
    flows: Vec<Flow>,
    changes: PendingChanges,
    /// Flows that have ended and are not joined yet.
    grace: Grace,
    timeline: Timeline,
    clock_steps: u64,
    /// Number of batches that were counted before the notices of their time had arrived.
    late_notices: u64,
    books: Books,
    expired: Instant,
    trimmer: Trimmer,
}

impl Live {
    /// The parts must be started and attached already.
    pub(crate) fn new(parts: LiveParts) -> Self {
        Self {
            held: HeldBatches::default(),
            seen_until: parts.sources.packets.seen_until(),
            namespaces: Namespaces::default(),
            facts: Vec::new(),
            flows: Vec::new(),
            changes: PendingChanges::default(),
            grace: Grace::new(parts.max_waiting),
            timeline: Timeline::new(engine_clock()),
            clock_steps: 0,
            late_notices: 0,
            books: Books::default(),
            expired: Instant::now(),
            trimmer: Trimmer::default(),
            parts,
        }
    }

    /// Runs until a stop is requested or no interface is left. Then it exports everything in flight.
    pub(crate) fn run(mut self, stop: &Stop) -> Ended {
        while !stop.requested() && !self.parts.sources.packets.is_finished() {
            let batch = match self.parts.sources.batches.recv_timeout(RECV_TIMEOUT) {
                Ok(batch) => Some(batch),
                Err(RecvTimeoutError::Timeout) => None,
                Err(RecvTimeoutError::Disconnected) => break,
            };
            self.turn(batch, Moment::now());
        }
        self.finish(if stop.requested() { "stopping" } else { NOTHING_LEFT })
    }

    /// One turn: takes a batch of packets, if one arrived, and does all work that is due.
    pub(super) fn turn(&mut self, batch: Option<PacketBatch>, now: Moment) {
        self.follow_clock(now);
        if let Some(batch) = batch {
            self.hold(batch, now);
        }
        let noticed_ns = self.take_facts();
        for _ in 0..MAX_BATCHES_PER_TURN {
            let Some(batch) = self.held.due(now.instant, noticed_ns) else { break };
            self.note_late_notices(&batch, noticed_ns);
            self.count_packets(batch);
            self.grace.take(self.flows.drain(..), now.instant);
        }
        self.end_idle_flows(now);
        self.join_due(now);
        self.keep_within_budget(now);
        if now.instant.saturating_duration_since(self.expired) >= EXPIRE_INTERVAL {
            self.expired = now.instant;
            self.expire();
            self.observe();
            self.trimmer.look(self.held_bytes(), now.instant);
        }
    }

    fn keep_within_budget(&mut self, now: Moment) {
        let LiveParts { keeper, table, .. } = &mut self.parts;
        if let Some((rate, from_ns)) = keeper.look(now.instant, now.engine_ns, self.timeline.to_wall()) {
            table.set_sampling(rate, from_ns);
        }
    }

    /// Detects that the wall clock was set. Only packets and records carry wall time, so flows in progress need no
    /// change.
    fn follow_clock(&mut self, now: Moment) {
        let Some(by_ns) = self.timeline.follow(now.wall, now.engine_ns) else { return };
        self.parts.outlet.set_wall_ahead(self.timeline.to_wall());
        if by_ns.unsigned_abs() >= MIN_LOGGED_STEP_NS {
            self.clock_steps += 1;
            let seconds = by_ns as f64 / 1e9;
            tracing::warn!(
                "the system clock was set by {seconds:+.3} s; records have the new clock's times from now on"
            );
        }
    }

    /// Holds a batch until the facts of its time have arrived, and converts its times to the engine's time. Each packet
    /// is converted separately, because the clock may have been set within the batch. Times in the future become `now`,
    /// because they would delay the expiry of idle flows.
    fn hold(&mut self, mut batch: PacketBatch, now: Moment) {
        self.books.count(&batch.interfaces, &batch.counts);
        let (timeline, now_ns) = (self.timeline, now.engine_ns);
        match timeline.was_set() {
            true => batch.convert_times(|stamp_ns| timeline.engine_time(stamp_ns, now_ns).min(now_ns)),
            false => batch.convert_times(|stamp_ns| stamp_ns.min(now_ns)),
        }
        self.held.push(batch, now.instant);
    }

    /// Applies all available facts. They include all facts older than the packets that are counted next, notices of address
    /// translations up to the time that is returned.
    fn take_facts(&mut self) -> u64 {
        let noticed_ns = self.parts.sources.translation.caught_up_ns();
        let LiveParts { sources, joiner, table, outlet, .. } = &mut self.parts;
        sources.take_facts(&mut self.facts);
        for fact in &self.facts {
            tracing::trace!("{fact:?}");
            self.namespaces.learn(fact);
            joiner.apply(fact);
            table.learn(fact, &mut self.flows);
        }
        if let Some(observer) = outlet.observer() {
            observer.facts(&self.facts, &mut |id, time_ns| joiner.process(id, time_ns));
        }
        self.facts.clear();
        self.grace.take(self.flows.drain(..), Instant::now());
        self.changes.add(joiner.take_endpoint_changes());
        noticed_ns
    }

    /// The batch waited for notices of address translations as long as it may.
    fn note_late_notices(&mut self, batch: &PacketBatch, noticed_ns: u64) {
        if batch.until_ns() > noticed_ns {
            self.late_notices += 1;
            self.parts.table.translations_are_late(noticed_ns, batch.until_ns());
        }
    }

    fn count_packets(&mut self, batch: PacketBatch) {
        self.seen_until.note(&batch);
        let LiveParts { sources, table, joiner, .. } = &mut self.parts;
        while let Some(c) = self.changes.next_until(batch.until_ns()) {
            table.endpoint_changed(c.protocol, c.address, c.port, c.time_ns);
        }
        name_interfaces(table, &batch.interfaces);
        self.namespaces.announce(&batch.interfaces, table);
        if self.namespaces.take_wanted() {
            sources.kernel.ask_for_namespace_ids();
        }
        self.namespaces.apply(joiner, table);
        table.set_tunnels(&batch.tunnels);
        table.set_payloads(batch.payloads);
        table.update_all(&batch.packets, &mut self.flows);
        for answer in table.take_name_answers() {
            joiner.apply(&Fact::Names(answer));
        }
        for gone in batch.interfaces.iter().filter(|interface| interface.is_gone) {
            self.namespaces.forget_interface(gone.number);
            table.interface_is_gone(gone.number);
        }
        self.books.take_forgotten(&table.take_forgotten_interfaces());
    }

    /// Takes idle flows from the table, and flows that other sources built.
    fn end_idle_flows(&mut self, now: Moment) {
        // Packets may be waiting, so their time, not the clock, decides which flows are idle and which facts can
        // expire.
        let seen_ns = self.seen_until.time_ns(now.engine_ns);
        let has_more = self.parts.table.expire(seen_ns, &mut self.flows);
        let own = self.flows.len();
        self.parts.sources.flows.drain(&mut self.flows);
        self.books.take_flows(self.flows.get(own..).unwrap_or_default());
        self.grace.take(self.flows.drain(..), now.instant);
        if !has_more {
            self.grace.all_given_until(seen_ns);
        }
    }

    /// Joins the flows whose grace is over.
    fn join_due(&mut self, now: Moment) {
        let LiveParts { joiner, outlet, .. } = &mut self.parts;
        let namespaces = &self.namespaces;
        outlet.hand_on(self.grace.due(now.instant).map(|flow| joiner.join(namespaces.named(flow))));
    }

    /// Reports failed connects without packets and the usage of processes, and expires facts that no flow can need.
    fn expire(&mut self) {
        let LiveParts { joiner, connects, outlet, table, .. } = &mut self.parts;
        let wait_ns = table.config().idle_timeout_ns.unwrap_or_default() + FAILED_NS;
        let joined_ns = self.grace.joined_until_ns();
        let failed = joiner.take_failed_attempts(joined_ns.saturating_sub(wait_ns), |connect| connects.passes(connect));
        outlet.hand_on(failed.into_iter());
        if let Some(observer) = outlet.observer() {
            observer.usage(&mut |tell| joiner.report_usage(tell));
        }
        joiner.expire(joined_ns);
    }

    /// Approximate size of what can shrink after a flood, bytes.
    fn held_bytes(&self) -> u64 {
        let flows = (self.parts.table.len() * FlowTable::BYTES_PER_FLOW) as u64;
        let flows = flows + self.grace.len() as u64 * WAITING_FLOW_BYTES;
        flows + self.parts.outlet.exporters().queued_bytes() as u64
    }

    fn observe(&mut self) {
        let figures = self.figures();
        if let Some(observer) = self.parts.outlet.observer() {
            observer.publish(&figures);
        }
    }

    pub(super) fn figures(&mut self) -> Figures {
        let LiveParts { sources, table, joiner, outlet, keeper, .. } = &self.parts;
        let capture = sources.packets.counters();
        let standing = Standing {
            capture: &capture,
            table,
            held: &self.held.waiting(),
            to_join: self.grace.traffic(),
            ends: outlet.ends(),
        };
        Figures {
            ledger: Some(self.books.close(&standing)),
            capture,
            table: table.counters(),
            active: table.len(),
            join: joiner.counters(),
            held: joiner.sizes(),
            tenancies: joiner.tenancies(),
            kernel: sources.kernel.counts(),
            exporters: outlet.exporters().counters(),
            joined_early: self.grace.joined_early(),
            not_selected: outlet.not_selected(),
            own_hidden: outlet.own_hidden(),
            clock_steps: self.clock_steps,
            late_notices: self.late_notices,
            shed: keeper.counts(),
            queues: vec![
                ("packet-batches", sources.batches.len()),
                ("packets-to-count", self.held.packets()),
                ("flows-to-join", self.grace.len()),
                ("own-records", outlet.own_waiting()),
                ("records-to-export", outlet.exporters().queued()),
            ],
            queue_bytes: outlet.exporters().queued_bytes(),
            collect: None,
            glue: None,
        }
    }

    /// Stops the sources, empties every channel, ends every flow, joins all, and lets the exporters finish.
    pub(super) fn finish(mut self, why: &'static str) -> Ended {
        if let Some(observer) = self.parts.outlet.observer() {
            observer.stopping(why);
        }
        self.parts.sources.packets.stop();
        // The batches are counted below, within the time limit.
        while let Ok(batch) = self.parts.sources.batches.recv() {
            let now = Moment::now();
            self.follow_clock(now);
            self.hold(batch, now);
            if self.held.is_full() {
                let noticed_ns = self.take_facts();
                self.count_oldest(noticed_ns);
            }
        }
        let mut pacer = Pacer::new(Instant::now() + self.parts.drain_timeout.max(MIN_DRAIN));
        let noticed_ns = self.await_facts();
        self.count_held(&pacer, noticed_ns);
        self.join_rest(&mut pacer);
        self.observe();
        let left_over =
            self.held.packets() as u64 + self.grace.traffic().packets + self.parts.table.unrecorded().packets;
        let LiveParts { sources, table, outlet, keeper, .. } = self.parts;
        Ended {
            shed: keeper.counts(),
            capture: sources.packets.join(),
            table: table.counters(),
            exporters: outlet.exporters().shutdown(pacer.left().max(MIN_DRAIN)),
            left_over,
        }
    }

    /// Waits at the end for facts of the held packets, and applies them. Returns the time up to which notices of address translations
    /// have arrived.
    fn await_facts(&mut self) -> u64 {
        let (stopped, until_ns) = (Instant::now(), self.held.until_ns());
        loop {
            self.take_facts();
            thread::sleep(MAX_FACT_DRAIN);
            let noticed_ns = self.take_facts();
            if noticed_ns >= until_ns || stopped.elapsed() >= MAX_HOLD_TIME {
                return noticed_ns;
            }
        }
    }

    /// Counts held packets until the deadline.
    fn count_held(&mut self, pacer: &Pacer, noticed_ns: u64) {
        while !pacer.is_over() && self.count_oldest(noticed_ns) {
            self.join_due(Moment::now());
        }
    }

    /// Counts the oldest held batch. False: there is none.
    fn count_oldest(&mut self, noticed_ns: u64) -> bool {
        let Some(batch) = self.held.pop() else { return false };
        self.note_late_notices(&batch, noticed_ns);
        self.count_packets(batch);
        self.grace.take(self.flows.drain(..), Instant::now());
        true
    }

    /// Joins and sends everything in flight, no faster than the exporters accept it, until the deadline.
    fn join_rest(&mut self, pacer: &mut Pacer) {
        let LiveParts { table, joiner, connects, outlet, .. } = &mut self.parts;
        let (namespaces, deadline) = (&self.namespaces, pacer.deadline());
        let has_time = || Instant::now() < deadline;
        let waiting = std::iter::from_fn(|| if has_time() { self.grace.pop() } else { None });
        outlet
            .hand_on_paced(waiting.map(|flow| joiner.join(namespaces.named(flow))), |exporters| pacer.wait(exporters));
        let mut flows = table.drain(FlowEndReason::ForcedEnd, FlowEndDetail::Shutdown);
        let in_time = std::iter::from_fn(|| if has_time() { flows.next() } else { None });
        outlet
            .hand_on_paced(in_time.map(|flow| joiner.join(namespaces.named(flow))), |exporters| pacer.wait(exporters));
        drop(flows);
        let failed = joiner.take_failed_attempts(u64::MAX, |connect| connects.passes(connect));
        outlet.hand_on_paced(failed.into_iter(), |exporters| pacer.wait(exporters));
        outlet.hand_on_own();
    }
}
