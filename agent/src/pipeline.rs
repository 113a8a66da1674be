//! The order of things, here and nowhere else: packets and kernel events in, flows, the join, records out.

mod grace;
mod held;

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError};
use pidflow_engine::fact::Fact;
use pidflow_engine::flow_table::{FlowTable, FlowTableConfig, FlowTableCounters};
use pidflow_engine::join::Joiner;
use pidflow_engine::packet::Packet;
use pidflow_engine::socket_index::EndpointChange;
use pidflow_exporters::{ExporterSet, Snapshot};
use pidflow_schema::{Attribution, Flow, FlowEndDetail, FlowEndReason, FlowRecord};

use crate::capture::{CaptureCounters, CaptureError, CaptureFiles, Interface, LiveCapture, PacketBatch, SeenUntil};
use crate::clock::wall_ns;
use crate::observe::{Figures, Observers};
use crate::pacing::Pacer;
use crate::probes::Probes;
use crate::signals::Stop;
use grace::{GRACE_NS, Grace};
use held::Held;

/// Records handed to the exporters together when there are many.
const RECORD_BATCH: usize = 1024;
/// How long the live pipeline waits for packets before it looks at everything else.
const PATIENCE: Duration = Duration::from_millis(50);
/// At the end, how long facts that were asked for (a new namespace's addresses, an exit) are waited for.
const LAST_FACTS: Duration = Duration::from_millis(300);
/// What the exporters get at the end in any case.
const LEAST: Duration = Duration::from_secs(1);
/// Changes of ports that may wait for their packets.
const MOST_CHANGES: usize = 65_536;
/// Why the live pipeline ends without being asked to.
pub(crate) const NOTHING_LEFT: &str = "every interface is gone, nothing is left to capture";
/// Between two looks at what can be forgotten.
const EXPIRE_NS: u64 = 1_000_000_000;
/// Failed connects are told by the records of their packets; those without packets come so long after the
/// latest time at which such a record may be joined.
const FAILED_NS: u64 = FlowTableConfig::LINGER_NS + GRACE_NS + 1_000_000_000;

/// What is left when it is over.
#[derive(Debug)]
pub(crate) struct Ended {
    /// What the packet sources saw.
    pub(crate) capture: CaptureCounters,
    /// What the flow table did.
    pub(crate) table: FlowTableCounters,
    /// What became of the records.
    pub(crate) exporters: Vec<Snapshot>,
}

fn name_interfaces(table: &mut FlowTable, interfaces: &[Interface]) {
    interfaces.iter().for_each(|i| table.set_interface(i.number, i.index, &i.name));
}

/// Capture files: files, flow table, exporters. One thread, and nothing is dropped: full exporters are waited for.
pub(crate) struct Reading {
    files: CaptureFiles,
    table: FlowTable,
    exporters: ExporterSet,
    packets: Vec<Packet>,
    flows: Vec<Flow>,
}

impl Reading {
    /// Nothing is opened yet.
    pub(crate) fn new(files: CaptureFiles, table: FlowTable, exporters: ExporterSet) -> Self {
        Self { files, table, exporters, packets: Vec::new(), flows: Vec::new() }
    }

    /// Reads some packets. False: there are no more.
    ///
    /// # Errors
    /// One file cannot be read, or not further; the next turn goes on with the next one.
    pub(crate) fn turn(&mut self) -> Result<bool, CaptureError> {
        self.packets.clear();
        let more = self.files.next_batch(&mut self.packets);
        name_interfaces(&mut self.table, self.files.new_interfaces());
        self.table.update_all(&self.packets, &mut self.flows);
        if let Some(last_ns) = self.packets.last().map(|p| p.time_ns) {
            while self.table.expire(last_ns, &mut self.flows) {
                self.hand_on(RECORD_BATCH);
            }
        }
        self.hand_on(RECORD_BATCH);
        more
    }

    /// Sends the flows that wait, when they are at least so many.
    fn hand_on(&mut self, least: usize) {
        if self.flows.len() >= least {
            send_offline(&self.exporters, self.flows.drain(..));
        }
    }

    /// Octets of the files read so far.
    pub(crate) fn octets_read(&self) -> u64 {
        self.files.octets_read()
    }

    /// Ends all flows and sends everything, however long that takes.
    pub(crate) fn finish(mut self, detail: FlowEndDetail) -> Ended {
        self.hand_on(1);
        let mut rest = self.table.drain(FlowEndReason::ForcedEnd, detail).peekable();
        while rest.peek().is_some() {
            send_offline(&self.exporters, rest.by_ref().take(RECORD_BATCH));
        }
        drop(rest);
        let exporters = self.exporters.shutdown(Duration::from_secs(3600));
        Ended { capture: self.files.counters().clone(), table: self.table.counters(), exporters }
    }
}

fn send_offline(exporters: &ExporterSet, flows: impl Iterator<Item = Flow>) {
    let records = flows.map(|f| FlowRecord::without_processes(f, Attribution::Offline));
    exporters.send(&records.collect::<Arc<[_]>>());
}

/// Where the live pipeline takes from and gives to.
pub(crate) struct LiveParts {
    /// Kernel events.
    pub(crate) probes: Probes,
    /// Packet threads.
    pub(crate) capture: LiveCapture,
    /// Their channel.
    pub(crate) batches: Receiver<PacketBatch>,
    /// Flows.
    pub(crate) table: FlowTable,
    /// Processes and sockets.
    pub(crate) joiner: Joiner,
    /// Receivers of records; a reload changes them while they work.
    pub(crate) exporters: Arc<ExporterSet>,
    /// Metrics and the live view.
    pub(crate) observers: Observers,
    /// How long the exporters may take at the end.
    pub(crate) shutdown: Duration,
}

/// Live traffic and kernel events.
pub(crate) struct Live {
    parts: LiveParts,
    /// Packets that are not counted yet.
    held: Held,
    seen_until: SeenUntil,
    events: Vec<Fact>,
    flows: Vec<Flow>,
    /// Ports that changed hands, of which the table has not been told yet, the earliest first: some become known late.
    changes: BinaryHeap<Reverse<EndpointChange>>,
    /// Flows that have ended and are not joined yet.
    grace: Grace,
    expired_ns: u64,
}

impl Live {
    /// Everything is attached already.
    pub(crate) fn new(parts: LiveParts) -> Self {
        Self {
            held: Held::default(),
            seen_until: parts.capture.seen_until(),
            parts,
            events: Vec::new(),
            flows: Vec::new(),
            changes: BinaryHeap::new(),
            grace: Grace::default(),
            expired_ns: 0,
        }
    }

    /// Works until it is asked to stop, or no interface is left. Then everything in flight is exported.
    pub(crate) fn run(mut self, stop: &Stop) -> Ended {
        while !stop.requested() && !self.parts.capture.is_finished() {
            match self.parts.batches.recv_timeout(PATIENCE) {
                Ok(batch) => self.held.push(batch, Instant::now()),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            self.turn();
        }
        self.finish(if stop.requested() { "stopping" } else { NOTHING_LEFT })
    }

    fn turn(&mut self) {
        let (now_ns, now) = (wall_ns(), Instant::now());
        self.hear_kernel();
        while let Some(batch) = self.held.due(now) {
            self.count_packets(&batch);
        }
        // Packets may wait, so that they, not the clock, tell which flows are idle and which facts no flow will need.
        let seen_ns = self.seen_until.time_ns(now_ns);
        let has_more = self.parts.table.expire(seen_ns, &mut self.flows);
        self.grace.take(self.flows.drain(..), now_ns, (seen_ns, !has_more));
        self.join_due(now_ns);
        // Either way: a clock that was set back must not end what is done each second, health among it.
        if now_ns.abs_diff(self.expired_ns) >= EXPIRE_NS {
            self.expired_ns = now_ns;
            let wait_ns = self.parts.table.config().idle_timeout_ns.unwrap_or_default() + FAILED_NS;
            let joined_ns = self.grace.joined_until_ns();
            let failed = self.parts.joiner.take_failed_attempts(joined_ns.saturating_sub(wait_ns));
            self.hand_on(failed);
            let LiveParts { joiner, observers, .. } = &mut self.parts;
            observers.usage(|tell| joiner.tell_usage(tell));
            joiner.expire(joined_ns);
            self.observe();
        }
    }

    /// Takes every event there is: those older than the packets at hand are among them.
    fn hear_kernel(&mut self) {
        let LiveParts { probes, joiner, .. } = &mut self.parts;
        probes.drain(&mut self.events);
        for event in self.events.drain(..) {
            tracing::trace!("{event:?}");
            joiner.apply(&event);
        }
        self.changes.extend(joiner.take_endpoint_changes().into_iter().map(Reverse));
    }

    /// Tells the table of the changes up to a packet's time. Not of later ones: under load packets wait, and a port
    /// may have changed hands many times since.
    fn tell_changes(&mut self, until_ns: u64) {
        let is_due = |all: &BinaryHeap<Reverse<EndpointChange>>| {
            all.len() > MOST_CHANGES || all.peek().is_some_and(|Reverse(c)| c.time_ns <= until_ns)
        };
        while is_due(&self.changes)
            && let Some(Reverse(c)) = self.changes.pop()
        {
            self.parts.table.endpoint_changed(c.protocol, c.address, c.port, c.time_ns);
        }
    }

    fn count_packets(&mut self, batch: &PacketBatch) {
        self.seen_until.note(batch);
        self.tell_changes(batch.packets.last().map_or(0, |p| p.time_ns));
        name_interfaces(&mut self.parts.table, &batch.interfaces);
        self.parts.table.update_all(&batch.packets, &mut self.flows);
    }

    /// Joins the flows whose grace is over.
    fn join_due(&mut self, now_ns: u64) {
        let joiner = &mut self.parts.joiner;
        let records: Vec<_> = self.grace.due(now_ns).map(|flow| joiner.join(flow)).collect();
        self.hand_on(records);
    }

    fn hand_on(&mut self, records: Vec<FlowRecord>) {
        if !records.is_empty() {
            let records = records.into();
            self.parts.observers.records(&records);
            self.parts.exporters.send(&records);
        }
    }

    fn observe(&mut self) {
        let p = &mut self.parts;
        let figures = Figures {
            capture: p.capture.counters(),
            table: p.table.counters(),
            active: p.table.len(),
            join: p.joiner.counters(),
            held: p.joiner.sizes(),
            kernel: p.probes.counts(),
            exporters: p.exporters.counters(),
            queues: [
                ("packet-batches", p.batches.len()),
                ("packets-to-count", self.held.packets()),
                ("flows-to-join", self.grace.len()),
                ("records-to-export", p.exporters.queued()),
            ],
        };
        p.observers.publish(&figures);
    }

    /// Stops the captures, empties every channel, ends every flow, joins all, and lets the exporters finish.
    fn finish(mut self, why: &'static str) -> Ended {
        self.parts.observers.stopping(why);
        self.parts.capture.stop();
        while let Ok(batch) = self.parts.batches.recv() {
            self.held.push(batch, Instant::now());
            self.turn();
        }
        self.hear_kernel();
        thread::sleep(LAST_FACTS);
        self.hear_kernel();
        while let Some(batch) = self.held.pop() {
            self.count_packets(&batch);
        }
        self.grace.take(self.flows.drain(..), 0, (0, false));
        let pacer = self.join_rest();
        let failed = self.parts.joiner.take_failed_attempts(u64::MAX);
        self.hand_on(failed);
        self.observe();
        let LiveParts { capture, table, exporters, .. } = self.parts;
        Ended {
            capture: capture.join(),
            table: table.counters(),
            exporters: exporters.shutdown(pacer.left().max(LEAST)),
        }
    }

    /// Joins and sends everything in flight, some at a time.
    fn join_rest(&mut self) -> Pacer {
        let LiveParts { table, joiner, exporters, observers, shutdown, .. } = &mut self.parts;
        let mut pacer = Pacer::new(Instant::now() + *shutdown);
        let waiting = std::mem::take(&mut self.grace).into_flows();
        let mut flows = waiting.chain(table.drain(FlowEndReason::ForcedEnd, FlowEndDetail::Shutdown)).peekable();
        while flows.peek().is_some() {
            let records = flows.by_ref().take(RECORD_BATCH).map(|flow| joiner.join(flow)).collect();
            observers.records(&records);
            pacer.wait(exporters);
            exporters.send(&records);
        }
        pacer
    }
}
