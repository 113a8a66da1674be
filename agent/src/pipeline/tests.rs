//! Drives the live pipeline with sources made by the test, which decides when packets, facts and flows arrive.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crossbeam_channel::{Sender, unbounded};
use pidflow_engine::application::Payloads;
use pidflow_engine::decode::{Decoder, Fragments, Frame};
use pidflow_engine::fact::{Fact, ProcessId, Socket, SocketUse, Task};
use pidflow_engine::flow_table::{FlowTable, FlowTableConfig, PacketClock};
use pidflow_engine::join::Joiner;
use pidflow_exporters::{ExportContext, ExporterSet};
use pidflow_expression::Expression;
use pidflow_schema::{Attribution, Flow, FlowEndDetail, FlowEndReason, FlowRecord};

use super::figures::Figures;
use super::moment::Moment;
use super::source::{FactSource, Inbox, PacketSource};
use super::{DescribeProcess, Live, LiveParts, NOTHING_LEFT, Outlet, PipelineObserver, ReportUsage, Sources};
use crate::capture::{ConnectFilter, PacketBatch, SeenUntil};
use crate::ledger::{Amount, Ledger};
use crate::probes::KernelCounts;
use crate::shedding::{Keeper, Limits};
use crate::signals::Stop;
use pidflow_capture::{BatchCounts, CaptureCounters, Interface};

const S: u64 = 1_000_000_000;
const MS: u64 = 1_000_000;
const HOUR: i64 = 3600 * S as i64;
const NETNS: u32 = 7;
const CLIENT: [u8; 4] = [10, 0, 0, 1];
const SERVER: [u8; 4] = [10, 0, 0, 2];

/// Shared between a made source or observer and the test.
type Shared<T> = Arc<Mutex<T>>;

fn with<T, R>(shared: &Shared<T>, f: impl FnOnce(&mut T) -> R) -> R {
    f(&mut shared.lock().unwrap_or_else(PoisonError::into_inner))
}

/// One packet thread.
struct MadePackets {
    gone: Shared<bool>,
    /// Dropped when it is stopped, which closes the channel.
    open: Shared<Option<Sender<PacketBatch>>>,
}

impl PacketSource for MadePackets {
    fn counters(&self) -> CaptureCounters {
        CaptureCounters::default()
    }

    fn seen_until(&self) -> SeenUntil {
        SeenUntil::new(1)
    }

    fn is_finished(&self) -> bool {
        with(&self.gone, |gone| *gone)
    }

    fn stop(&self) {
        with(&self.open, Option::take);
    }

    fn join(self: Box<Self>) -> CaptureCounters {
        self.counters()
    }
}

struct MadeFacts(Shared<Vec<Fact>>);

impl FactSource for MadeFacts {
    fn drain(&mut self, out: &mut Vec<Fact>) {
        with(&self.0, |facts| out.append(facts));
    }

    fn counts(&self) -> KernelCounts {
        KernelCounts::default()
    }
}

#[derive(Clone, Default)]
struct Seen {
    records: Shared<Vec<FlowRecord>>,
    joined_early: Shared<u64>,
    clock_steps: Shared<u64>,
    why: Shared<&'static str>,
    ledger: Shared<Ledger>,
    /// How long it takes for each batch of records.
    pause: Shared<Duration>,
}

impl PipelineObserver for Seen {
    fn facts(&mut self, _: &[Fact], _: DescribeProcess<'_>) {}

    fn records(&mut self, records: &Arc<[FlowRecord]>) {
        std::thread::sleep(with(&self.pause, |pause| *pause));
        with(&self.records, |seen| seen.extend(records.iter().cloned()));
    }

    fn usage(&mut self, tell: ReportUsage<'_>) {
        tell(&mut |_| {});
    }

    fn publish(&mut self, figures: &Figures) {
        let ledger_now = figures.ledger.as_ref().unwrap();
        assert_eq!(ledger_now.gaps, [], "the ledger balances in every second of every test");
        with(&self.ledger, |ledger| ledger.clone_from(ledger_now));
        with(&self.joined_early, |n| *n = figures.joined_early);
        with(&self.clock_steps, |n| *n = figures.clock_steps);
    }

    fn stopping(&mut self, why: &'static str) {
        with(&self.why, |w| *w = why);
    }
}

/// The pipeline and everything that drives it, at a time that the test sets.
struct Bench {
    live: Live,
    seen: Seen,
    facts: Shared<Vec<Fact>>,
    flows: Sender<Vec<Flow>>,
    open: Shared<Option<Sender<PacketBatch>>>,
    gone: Shared<bool>,
    start: Moment,
    named: bool,
    /// The engine's time since the start, nanoseconds.
    now_ns: u64,
    /// Wall time less engine time.
    ahead_ns: i64,
}

fn bench(max_waiting: usize) -> Bench {
    let ((sender, batches), facts, seen) = (unbounded(), Shared::default(), Seen::default());
    let (open, gone) = (Arc::new(Mutex::new(Some(sender))), Shared::default());
    let packets = MadePackets { gone: Arc::clone(&gone), open: Arc::clone(&open) };
    let (flows, flow_inbox) = Inbox::new();
    let sources = Sources {
        flows: flow_inbox,
        ..Sources::new(Box::new(packets), batches, Box::new(MadeFacts(Arc::clone(&facts))))
    };
    let exporters = ExporterSet::start(&[], &ExportContext::default()).unwrap();
    let mut joiner = Joiner::new(100 * S, NETNS);
    joiner.apply(&Fact::Addresses { time_ns: 0, netns: NETNS, addresses: vec![CLIENT.into()] });
    let live = Live::new(LiveParts {
        sources,
        table: FlowTable::new(FlowTableConfig { packet_clock: PacketClock::Steady, ..FlowTableConfig::default() }),
        joiner,
        connects: ConnectFilter::All,
        outlet: Outlet::new(Arc::new(exporters)).with_observer(Box::new(seen.clone())),
        max_waiting,
        drain_timeout: Duration::from_secs(1),
        keeper: Keeper::new(Limits { cpu: None, memory: u64::MAX }, Arc::default()),
    });
    let start = Moment::now();
    Bench { live, seen, facts, flows, open, gone, start, named: false, now_ns: 0, ahead_ns: 0 }
}

impl Bench {
    fn moment(&self) -> Moment {
        Moment {
            engine_ns: self.start.engine_ns + self.now_ns,
            wall: self.start.wall.shifted(self.ahead_ns),
            instant: self.start.instant + Duration::from_nanos(self.now_ns),
        }
    }

    /// The wall clock's time `after_ns` after the start.
    fn wall_ns(&self, after_ns: u64) -> u64 {
        (self.start.engine_ns + after_ns).saturating_add_signed(self.ahead_ns)
    }

    /// A batch that the packet thread sends now: UDP packets of these client ports, stamped `at_ns` after the start.
    fn batch(&mut self, at_ns: u64, ports: impl IntoIterator<Item = u16>) -> PacketBatch {
        let time_ns = self.wall_ns(at_ns);
        let packets: Vec<_> = ports.into_iter().map(|port| packet(time_ns, port)).collect();
        let mut counts = BatchCounts::default();
        packets.iter().for_each(|packet| counts.see(packet.frame_octets));
        let interface = Interface::new(0, 1, &"made0".into());
        let interfaces = if std::mem::replace(&mut self.named, true) { Vec::new() } else { vec![interface] };
        PacketBatch {
            source: 0,
            seen_until_ns: time_ns,
            interfaces,
            counts: vec![counts],
            tunnels: Vec::new(),
            payloads: Payloads::default(),
            packets,
        }
    }

    /// A turn with a batch of packets stamped now.
    fn packets(&mut self, ports: impl IntoIterator<Item = u16>) {
        let batch = self.batch(self.now_ns, ports);
        self.live.turn(Some(batch), self.moment());
    }

    /// Lets time pass; every 100 ms the packet thread sends an empty batch.
    fn pass(&mut self, ns: u64) {
        let until_ns = self.now_ns + ns;
        while self.now_ns < until_ns {
            self.now_ns = (self.now_ns + 100 * MS).min(until_ns);
            self.packets([]);
        }
    }

    fn fact(&self, fact: Fact) {
        with(&self.facts, |facts| facts.push(fact));
    }

    fn records(&self) -> Vec<FlowRecord> {
        with(&self.seen.records, std::mem::take)
    }

    /// The fact that a process sent from this port `at_ns` after the start.
    fn sent(&self, pid: u32, port: u16, at_ns: u64) -> Fact {
        let time_ns = self.start.engine_ns + at_ns;
        let task = Task { id: ProcessId::from_ticks(pid, 1), start_ns: time_ns - S, uid: 0, comm: "client".into() };
        let socket = Socket {
            id: u64::from(pid),
            file: 0,
            netns: NETNS,
            protocol: 17,
            local: CLIENT.into(),
            local_port: port,
            remote: SERVER.into(),
            remote_port: 53,
            dual_stack: false,
        };
        Fact::Socket { time_ns, task, parent_pid: 1, used: SocketUse::Send, socket, sample: None }
    }
}

fn packet(time_ns: u64, port: u16) -> pidflow_engine::packet::Packet {
    let mut data = vec![0x45, 0, 0, 32, 0, 0, 0, 0, 64, 17, 0, 0];
    data.extend([CLIENT, SERVER].concat());
    data.extend(port.to_be_bytes());
    data.extend([0, 53, 0, 12, 0, 0, 1, 2, 3, 4]);
    let frame = Frame { time_ns, wire_octets: 32, interface: 0, data: &data };
    // Link type 101: LINKTYPE_RAW.
    Decoder::new(Fragments::Join.into()).decode(101.into(), &frame).unwrap()
}

/// Asserts equality within the precision of clock measurements.
#[track_caller]
fn assert_near(time_ns: u64, wanted_ns: u64) {
    assert!(time_ns.abs_diff(wanted_ns) < MS, "{time_ns} is not {wanted_ns}");
}

fn pid(record: &FlowRecord) -> Option<u32> {
    record.source.process.as_ref().map(|p| p.pid)
}

#[test]
fn a_fact_that_is_late_finds_its_flow() {
    let mut b = bench(100);
    b.packets([4000]);
    b.pass(15 * S + 300 * MS);
    assert_eq!(b.records(), [], "it has just ended, and waits for facts");
    b.fact(b.sent(9, 4000, 0));
    b.pass(S);
    let records = b.records();
    assert_eq!((records.len(), pid(&records[0])), (1, Some(9)));
    assert_eq!(records[0].flow.end_reason, FlowEndReason::IdleTimeout);
}

#[test]
fn packets_that_are_a_minute_late_find_the_facts_of_their_time() {
    let mut b = bench(100);
    b.fact(b.sent(9, 4000, 0));
    // The process has exited, and the packet thread has sent nothing for a minute.
    let task = Task { id: ProcessId::from_ticks(9, 1), start_ns: 1, uid: 0, comm: "client".into() };
    let sample = pidflow_engine::fact::Sample { time_ns: b.start.engine_ns + MS, ..Default::default() };
    b.fact(Fact::Exit { task, parent_pid: 1, sample });
    while b.now_ns < 60 * S {
        b.now_ns += S;
        b.live.turn(None, b.moment());
    }
    let late = b.batch(0, [4000]);
    b.live.turn(Some(late), b.moment());
    b.pass(20 * S);
    let records = b.records();
    assert_eq!((records.len(), pid(&records[0])), (1, Some(9)));
}

#[test]
fn when_the_last_interface_vanishes_all_flows_are_exported() {
    let mut b = bench(100);
    b.fact(b.sent(9, 4000, 0));
    b.packets([4000]);
    with(&b.gone, |gone| *gone = true);
    let waiting = b.batch(MS, [4001]);
    assert!(with(&b.open, |open| open.as_ref().unwrap().send(waiting).is_ok()));
    let seen = b.seen.clone();
    let ended = b.live.run(&Stop::default());
    assert_eq!((with(&seen.why, |w| *w), ended.table.packets), (NOTHING_LEFT, 2));
    let records = with(&seen.records, std::mem::take);
    assert_eq!(records.iter().map(pid).collect::<Vec<_>>(), [Some(9), None]);
}

#[test]
fn at_the_end_open_flows_are_exported_with_their_facts() {
    let mut b = bench(100);
    b.packets(4000..4010);
    b.fact(b.sent(9, 4003, 0));
    let seen = b.seen.clone();
    b.live.finish("stopping");
    let records = with(&seen.records, std::mem::take);
    assert_eq!(records.len(), 10);
    assert!(records.iter().all(|r| r.flow.end_detail == FlowEndDetail::Shutdown));
    let attributed: Vec<_> = records.iter().filter_map(|r| Some((r.flow.source_port, pid(r)?))).collect();
    assert_eq!(attributed, [(4003, 9)]);
}

/// Even if every record takes long, the drain timeout is kept, and packets in no record are reported.
#[test]
fn the_end_takes_no_longer_than_it_may() {
    for (batch, after_turns) in [(0..60_000, false), (0..60_000, true), (0..3000, false)] {
        let mut b = bench(100_000);
        let (all, seen) = (batch.len() as u64, b.seen.clone());
        b.packets(batch);
        if after_turns {
            // Some packets are held, some flows wait for their join, and some flows are active.
            b.pass(15 * S + 300 * MS);
            b.packets(0..500);
            b.pass(300 * MS);
            b.packets(500..700);
        }
        let all = if after_turns { all + 700 } else { all };
        with(&seen.pause, |pause| *pause = Duration::from_millis(100));
        let begun = std::time::Instant::now();
        let ended = b.live.finish("stopping");
        let (took, told) = (begun.elapsed(), with(&seen.records, |records| records.len() as u64));
        assert!(took < Duration::from_secs(4), "{took:?}");
        assert_eq!(told + ended.left_over, all, "each packet is in one record, or left over");
        assert_eq!(ended.left_over > 0, all > 3000, "{} left over", ended.left_over);
        let ledger = with(&seen.ledger, |ledger| ledger.clone());
        let rest = ledger.total.to_count.packets + ledger.flows.to_join.packets + ledger.flows.in_table.packets;
        assert_eq!((rest, ledger.flows.in_records.packets), (ended.left_over, told));
    }
}

#[test]
fn a_clock_set_back_by_an_hour_silences_nothing() {
    let mut b = bench(100);
    b.fact(b.sent(9, 4000, 0));
    b.packets([4000]);
    b.pass(S);
    let stamped_before = b.batch(b.now_ns, [4001]);
    b.ahead_ns = -HOUR;
    // Still in the kernel's buffer when the clock was set.
    b.live.turn(Some(stamped_before), b.moment());
    b.packets([4000]);
    b.pass(17 * S);
    let mut records = b.records();
    records.sort_by_key(|r| r.flow.source_port);
    let told: Vec<_> = records.iter().map(|r| (r.flow.source_port, r.flow.forward.packets, pid(r))).collect();
    assert_eq!(told, [(4000, 2, Some(9)), (4001, 1, None)], "each once");
    assert_near(records[0].flow.first_ns, b.wall_ns(0));
    assert_near(records[0].flow.last_ns, b.wall_ns(S));
    assert_near(records[1].flow.first_ns, b.wall_ns(S));
    assert_eq!(with(&b.seen.clock_steps, |n| *n), 1);
}

#[test]
fn a_clock_set_forward_by_an_hour_ends_nothing() {
    let mut b = bench(100);
    b.packets([4000]);
    b.pass(S);
    b.ahead_ns = HOUR;
    b.packets([4000]);
    b.pass(10 * S);
    assert_eq!(b.records(), []);
    b.pass(10 * S);
    let records = b.records();
    assert_eq!((records.len(), records[0].flow.forward.packets), (1, 2));
    assert_near(records[0].flow.last_ns - records[0].flow.first_ns, S);
}

#[test]
fn a_clock_set_in_the_middle_of_a_batch_splits_no_flow() {
    for step in [-HOUR, HOUR] {
        let mut b = bench(100);
        b.packets([4000]);
        b.pass(S);
        let mut across = b.batch(b.now_ns, [4000, 4001]);
        b.ahead_ns = step;
        let after = b.batch(b.now_ns, [4000, 4002]);
        after.packets.iter().for_each(|packet| across.counts[0].see(packet.frame_octets));
        across.packets.extend(after.packets);
        across.seen_until_ns = after.seen_until_ns;
        b.live.turn(Some(across), b.moment());
        b.pass(17 * S);
        let mut records = b.records();
        records.sort_by_key(|r| r.flow.source_port);
        let told: Vec<_> = records.iter().map(|r| (r.flow.source_port, r.flow.forward.packets)).collect();
        assert_eq!(told, [(4000, 3), (4001, 1), (4002, 1)], "{step}");
        assert_near(records[0].flow.last_ns - records[0].flow.first_ns, S);
        records[1..].iter().for_each(|r| assert_near(r.flow.first_ns, b.wall_ns(S)));
    }
}

/// On a busy machine, a packet thread may wait for a processor longer than the reordering window of packets.
#[test]
fn an_interface_that_is_read_late_splits_no_flow() {
    for late in [11, 60] {
        let mut b = bench(100);
        b.packets([4000]);
        b.pass(300 * MS);
        let late_packets: Vec<_> = (1..=late * 4).map(|n| packet(b.wall_ns(n * S / 4), 4000)).collect();
        // The other interface is read without delay; the slower of both decides up to when packets have been read.
        let waiting = PacketBatch { source: 1, ..b.batch(0, []) };
        b.live.turn(Some(waiting), b.moment());
        (0..late).for_each(|_| {
            b.packets([4001]);
            b.pass(S);
        });
        for packet in late_packets {
            let mut counts = BatchCounts::default();
            counts.see(packet.frame_octets);
            let (time_ns, counts) = (packet.time_ns, vec![counts]);
            let batch =
                PacketBatch { source: 1, seen_until_ns: time_ns, counts, packets: vec![packet], ..b.batch(0, []) };
            b.live.turn(Some(batch), b.moment());
        }
        let gone = PacketBatch { source: 1, seen_until_ns: u64::MAX, ..b.batch(0, []) };
        b.live.turn(Some(gone), b.moment());
        b.pass(20 * S);
        let told: Vec<_> = b.records().iter().map(|r| (r.flow.source_port, r.flow.end_detail)).collect();
        assert!(told.iter().all(|(_, detail)| *detail == FlowEndDetail::None), "{late} s: {told:?}");
    }
}

#[test]
fn a_stamp_of_a_time_to_come_holds_no_flow_back() {
    let mut b = bench(100);
    for (ahead, port) in [(HOUR as u64, 4000), (20 * S, 4001), (0, 4002)] {
        let mut batch = b.batch(b.now_ns + ahead, [port]);
        batch.seen_until_ns = b.wall_ns(b.now_ns);
        b.live.turn(Some(batch), b.moment());
    }
    b.pass(17 * S);
    let mut records = b.records();
    records.sort_by_key(|r| r.flow.source_port);
    let told: Vec<_> = records.iter().map(|r| r.flow.source_port).collect();
    assert_eq!(told, [4000, 4001, 4002]);
    records.iter().for_each(|r| assert_near(r.flow.last_ns, b.wall_ns(0)));
}

#[test]
fn of_a_flood_the_oldest_are_joined_at_once_and_none_is_lost() {
    let mut b = bench(500);
    for ports in [1000..3000, 3000..5000] {
        b.packets(ports);
    }
    // All of them end as idle at about the same time.
    b.pass(20 * S);
    assert_eq!(b.records().len(), 4000);
    assert!(with(&b.seen.joined_early, |n| *n) >= 1500);
}

#[test]
fn flows_that_another_source_built_are_joined_too() {
    let mut b = bench(100);
    let start_ns = b.start.engine_ns;
    let flow = Flow::new(17, (CLIENT.into(), 4000), (SERVER.into(), 53), (start_ns, start_ns));
    b.flows.send(vec![flow]).unwrap();
    b.fact(b.sent(9, 4000, 0));
    b.pass(S);
    let records = b.records();
    assert_eq!((records.len(), pid(&records[0])), (1, Some(9)));
    assert_eq!(records[0].destination.attribution, Attribution::Remote);
}

#[test]
fn a_record_passes_every_enricher_before_anybody_reads_it() {
    let seen = Seen::default();
    let exporters = ExporterSet::start(&[], &ExportContext::default()).unwrap();
    let mut outlet = Outlet::new(Arc::new(exporters))
        .with_enricher(Box::new(|r| r.host = "first".into()))
        .with_enricher(Box::new(|r| r.host = format!("{} then second", r.host).into()))
        .with_observer(Box::new(seen.clone()));
    outlet.hand_on((0..2500).map(|n| crate::sample::record(n, 1, 1)));
    let records = with(&seen.records, std::mem::take);
    assert_eq!(records.len(), 2500);
    assert!(records.iter().all(|r| &*r.host == "first then second"));
}

#[test]
fn records_that_are_not_selected_are_read_by_nobody_and_counted() {
    let seen = Seen::default();
    let exporters = ExporterSet::start(&[], &ExportContext::default()).unwrap();
    let only = Expression::parse("host == \"described\" && src.address < \"0.0.0.10\"").unwrap();
    let mut outlet = Outlet::new(Arc::new(exporters))
        .with_selection(Some(only.into()))
        .with_enricher(Box::new(|r| r.host = "described".into()))
        .with_observer(Box::new(seen.clone()));
    outlet.hand_on((0..2500).map(|n| crate::sample::record(n, 1, 1)));
    let sources: Vec<_> = with(&seen.records, std::mem::take).iter().map(|r| r.flow.source).collect();
    assert_eq!(sources, (0..10).map(|n| std::net::Ipv4Addr::from_bits(n).into()).collect::<Vec<std::net::IpAddr>>());
    assert_eq!(outlet.not_selected(), 2490);
}

#[test]
fn the_ledger_follows_packets_from_the_batch_to_both_ends() {
    let mut b = bench(100);
    let amount = |packets| Amount { packets, bytes: packets * 32 };
    b.fact(b.sent(9, 4000, 0));
    b.packets(4000..4005);
    let ledger = |b: &mut Bench, wait_ns| {
        b.pass(wait_ns);
        with(&b.seen.ledger, |ledger| ledger.clone())
    };
    let waiting = b.live.figures().ledger.unwrap();
    assert_eq!((waiting.total.captured, waiting.total.to_count), (amount(5), amount(5)));
    let counted = ledger(&mut b, 2 * S);
    assert_eq!((counted.total.in_flows, counted.flows.in_table), (amount(5), amount(5)));
    b.pass(13 * S + 300 * MS);
    let ended = b.live.figures().ledger.unwrap();
    assert_eq!((ended.flows.to_join, ended.flows.in_records), (amount(5), Amount::default()));
    let told = ledger(&mut b, 2 * S);
    assert_eq!(told.flows.in_records, amount(5));
    assert_eq!(told.ends["source"].attributed.values().copied().sum::<Amount>(), amount(1));
    assert_eq!(told.ends["source"].not_attributed["no-socket"], amount(4));
    assert_eq!(told.ends["destination"].not_attributed["remote"], amount(5));
    b.packets(4100..4107);
    let seen = b.seen.clone();
    b.live.finish("stopping");
    let last = with(&seen.ledger, |ledger| ledger.clone());
    assert_eq!((last.flows.in_records, last.flows.in_table), (amount(12), Amount::default()));
}
