//! The balances, checked with generated traffic.

use pidflow_engine::decode::{Discard, FrameCount};
use pidflow_engine::flow_table::{FlowTable, FlowTableConfig, Traffic};
use pidflow_engine::packet::Packet;
use pidflow_schema::{Attribution, FlowEndDetail, FlowEndReason, FlowRecord, ProcessEnd, Protocol};

use super::*;
use crate::capture::ANY;
use pidflow_capture::{BatchCounts, CaptureCounters, Interface, InterfaceCounts, LinkCounts, SocketCounts};

const FRAME: u32 = 74;

/// A run in which the test sets the counters of each stage.
struct Run {
    books: Books,
    capture: CaptureCounters,
    table: FlowTable,
    ends: Ends,
    held: Vec<(u32, FrameCount)>,
    to_join: Traffic,
}

impl Run {
    fn new(by_interface: Vec<InterfaceCounts>) -> Self {
        Self {
            books: Books::default(),
            capture: CaptureCounters { by_interface, ..CaptureCounters::default() },
            table: FlowTable::new(FlowTableConfig::default()),
            ends: Ends::default(),
            held: Vec::new(),
            to_join: Traffic::default(),
        }
    }

    /// A batch of interface `number` with `packets` counted and `discards` discarded packets.
    fn batch(&mut self, number: u32, packets: u64, discards: u64) {
        let name = format!("eth{number}").into();
        let interface = Interface::new(number, number + 1, &name);
        let mut counts = BatchCounts { interface: number, ..BatchCounts::default() };
        (0..packets + discards).for_each(|_| counts.captured.count(FRAME));
        (0..discards).for_each(|_| counts.discards.count(Discard::Arp, FRAME));
        self.table.set_interface(number, number + 1, &interface.name);
        self.books.count(&[interface], &[counts]);
        for n in 0..packets {
            let ends = (([10, 0, 0, 1].into(), 1000 + n as u16), ([10, 0, 0, 2].into(), 53));
            let mut packet = Packet::new(n, Protocol::UDP, ends.0, ends.1).with_octets(FRAME - 14, FRAME);
            packet.interface = number;
            self.table.update(&packet, &mut Vec::new());
        }
    }

    fn close(&mut self) -> Ledger {
        let Self { books, capture, table, ends, held, to_join } = self;
        books.close(&Standing { capture, table, held, to_join: *to_join, ends })
    }
}

/// Counters where all packets that the kernel counted reached the socket, which dropped `dropped` of them.
fn counted(index: u32, name: &str, packets: u64, dropped: u64) -> InterfaceCounts {
    let kernel = LinkCounts { packets, octets: packets * u64::from(FRAME), ..LinkCounts::default() };
    InterfaceCounts {
        index,
        name: name.into(),
        is_captured: true,
        kernel: Some(kernel),
        settled: Some(kernel),
        socket: Some(SocketCounts { received: packets, dropped, unread: 0 }),
        ..InterfaceCounts::default()
    }
}

fn gap(check: Check, of: &str, packets: u64, bytes: u64) -> Gap {
    Gap { check, of: of.into(), amount: Amount { packets, bytes } }
}

#[test]
fn two_interfaces_with_drops_and_discards_balance() {
    let mut run = Run::new(vec![counted(1, "eth0", 13, 3), counted(2, "eth1", 5, 0)]);
    run.batch(0, 8, 2);
    run.batch(1, 4, 1);
    let ledger = run.close();
    assert_eq!(ledger.gaps, []);
    let [eth0, eth1] = &ledger.interfaces[..] else { panic!("{ledger:#?}") };
    let amount = |packets| Amount { packets, bytes: packets * u64::from(FRAME) };
    assert_eq!((eth0.captured, eth0.in_flows, eth0.dropped, eth0.to_read()), (amount(10), amount(8), 3, 0));
    assert_eq!((&*eth1.name, eth1.discarded["non-ip-arp"]), ("eth1", amount(1)));
    assert_eq!((ledger.total.captured, ledger.total.received), (amount(15), Some(18)));
    assert_eq!(ledger.flows.in_flows, Amount { packets: 12, bytes: 12 * 60 });
    assert_eq!(ledger.flows.in_table, ledger.flows.in_flows);
}

#[test]
fn a_packet_that_vanishes_between_two_stages_is_a_gap_there() {
    let mut run = Run::new(Vec::new());
    run.batch(0, 8, 2);
    let one = BatchCounts { captured: FrameCount { packets: 1, frame_octets: 60 }, ..BatchCounts::default() };
    run.books.count(&[], std::slice::from_ref(&one));
    assert_eq!(run.close().gaps, [gap(Check::Capture, "eth0", 1, 60)]);
    run.held = vec![(0, one.captured)];
    assert_eq!(run.close().gaps, [], "it waits");

    let flows: Vec<_> = run.table.drain(FlowEndReason::ForcedEnd, FlowEndDetail::Shutdown).collect();
    assert_eq!(run.close().gaps, [gap(Check::Flows, "", 8, 480)], "they are in no record");
    run.to_join = Traffic { packets: 8, octets: 480 };
    assert_eq!(run.close().gaps, []);
    run.to_join = Traffic::default();
    for (flow, why) in flows.into_iter().zip(Attribution::ALL.into_iter().cycle().skip(3)) {
        let record = FlowRecord::without_processes(flow, Attribution::Remote);
        run.ends.count(&FlowRecord { source: ProcessEnd::unknown(why), ..record });
    }
    let ledger = run.close();
    assert_eq!(ledger.gaps, []);
    let (source, destination) = (&ledger.ends["source"], &ledger.ends["destination"]);
    assert_eq!((source.attributed.len(), source.not_attributed.len()), (3, 5));
    assert_eq!(destination.not_attributed["remote"], Amount { packets: 8, bytes: 480 });
    assert_eq!((source.total(), destination.total()), (ledger.flows.in_records, ledger.flows.in_records));
}

#[test]
fn flows_of_other_sources_are_in_records_too() {
    let mut run = Run::new(Vec::new());
    let mut record = crate::sample::record(1, 80, 500);
    record.flow.forward.packets = 5;
    run.books.take_flows(std::slice::from_ref(&record.flow));
    assert_eq!(run.close().gaps.len(), 1, "it has come and is nowhere");
    run.ends.count(&record);
    let ledger = run.close();
    assert_eq!((ledger.gaps.len(), ledger.flows.from_others), (0, ledger.flows.in_records));
}

#[test]
fn what_the_kernel_counted_and_the_capture_never_got_is_a_gap() {
    let mut eth0 = counted(1, "eth0", 100, 10);
    eth0.socket = Some(SocketCounts { received: 93, dropped: 10, unread: 0 });
    let mut run = Run::new(vec![eth0.clone()]);
    run.batch(0, 83, 0);
    let ledger = run.close();
    assert_eq!((&ledger.gaps[..], ledger.total.missed), (&[gap(Check::Kernel, "eth0", 7, 0)][..], 7));

    eth0.is_filtered = true;
    run.capture.by_interface = vec![eth0.clone()];
    let ledger = run.close();
    assert!(ledger.is_balanced() && ledger.is_filtered, "a filter keeps them away: {:?}", ledger.gaps);
}

#[test]
fn packets_that_came_after_the_reading_or_were_merged_are_no_gap() {
    let kernel = LinkCounts { packets: 90, octets: 90 * 74, ..LinkCounts::default() };
    let mut eth0 = InterfaceCounts { settled: Some(kernel), ..counted(1, "eth0", 100, 0) };
    eth0.socket = Some(SocketCounts { received: 95, dropped: 0, unread: 0 });
    let mut run = Run::new(vec![eth0.clone()]);
    run.batch(0, 95, 0);
    let ledger = run.close();
    assert_eq!(
        (ledger.gaps, ledger.interfaces[0].missed),
        (vec![], 0),
        "the latest reading may be ahead of the socket"
    );

    // 200 packets on the wire were merged into 95; each of the 105 others had 66 bytes of headers.
    let merged = LinkCounts { packets: 200, octets: 95 * 74 + 105 * 66, ..LinkCounts::default() };
    run.capture.by_interface = vec![InterfaceCounts { settled: Some(merged), ..eth0.clone() }];
    assert_eq!(run.close().gaps.len(), 1, "no frame was long");
    let long = BatchCounts { long_frames: 9, ..BatchCounts::default() };
    run.books.count(&[], &[long]);
    let ledger = run.close();
    assert_eq!((ledger.gaps.len(), ledger.interfaces[0].missed, ledger.interfaces[0].is_merged), (0, 105, true));
    // The same number of packets, with payload.
    let missed = LinkCounts { packets: 200, octets: 95 * 74 + 105 * 400, ..LinkCounts::default() };
    run.capture.by_interface = vec![InterfaceCounts { settled: Some(missed), ..eth0.clone() }];
    assert_eq!(run.close().gaps, [gap(Check::Kernel, "eth0", 105, 0)]);

    run.capture.by_interface = vec![InterfaceCounts { settled: None, ..eth0 }];
    assert!(run.close().is_balanced(), "the socket was not asked since");
}

#[test]
fn through_any_all_interfaces_together_are_compared() {
    let through_any = |mut counts: InterfaceCounts| {
        counts.socket = None;
        counts
    };
    let any = InterfaceCounts {
        name: ANY.into(),
        is_captured: true,
        socket: Some(SocketCounts { received: 30, dropped: 4, unread: 1 }),
        ..InterfaceCounts::default()
    };
    let links = [counted(1, "eth0", 20, 0), counted(2, "eth1", 10, 0)].map(through_any);
    let mut run = Run::new([vec![any.clone()], links.to_vec()].concat());
    run.batch(0, 18, 0);
    run.batch(1, 7, 0);
    let ledger = run.close();
    assert_eq!((&ledger.gaps[..], ledger.total.dropped, ledger.total.to_read()), (&[][..], 4, 0));
    let more = through_any(counted(2, "eth1", 15, 0));
    run.capture.by_interface = vec![any, links[0].clone(), more];
    assert_eq!(run.close().gaps, [gap(Check::Kernel, "all", 5, 0)]);
}

#[test]
fn interfaces_that_come_and_go_by_the_thousand_share_an_account_and_nothing_is_lost() {
    let mut run = Run::new(Vec::new());
    for number in 0..1000 {
        run.batch(number, 1, 1);
        run.capture.by_interface = vec![counted(number + 1, &format!("eth{number}"), 2, 0)];
        assert_eq!(run.close().gaps, []);
    }
    run.batch(3, 1, 0);
    let ledger = run.close();
    assert_eq!(ledger.gaps, []);
    assert!(ledger.interfaces.len() <= 257, "{}", ledger.interfaces.len());
    let other = ledger.interfaces.iter().find(|i| i.name == "other").unwrap();
    assert!(other.captured.packets > 1400 && other.kernel.unwrap().amount.packets > 1400);
    assert_eq!((ledger.total.captured.packets, ledger.total.received), (2001, Some(2000)));
}

#[test]
fn memory_for_interfaces_ever_seen_is_bounded() {
    let mut run = Run::new(Vec::new());
    for number in 0..5000 {
        run.batch(number, 1, 1);
        // The capture remembers the latest hundred.
        let known = number.saturating_sub(100)..=number;
        run.capture.by_interface = known.map(|n| counted(n + 1, &format!("eth{n}"), 2, 0)).collect();
        if number % 10 == 0 {
            assert_eq!(run.close().gaps, []);
        }
    }
    assert_eq!(run.close().gaps, []);
    let sizes = run.books.sizes();
    assert!(sizes.0 <= 257 && sizes.1 <= 300 && sizes.2 <= 101, "{sizes:?}");
}

#[test]
fn memory_for_an_interface_that_keeps_reappearing_is_bounded() {
    let mut run = Run::new(Vec::new());
    for number in 0..40_000 {
        let interface = Interface::new(number, 1 + number % 2, &"eth0".into());
        let mut counts = BatchCounts { interface: number, ..BatchCounts::default() };
        counts.captured.count(FRAME);
        counts.discards.count(Discard::Arp, FRAME);
        run.books.count(&[interface], &[counts]);
    }
    let ledger = run.close();
    assert_eq!((ledger.gaps.len(), ledger.total.captured.packets), (0, 40_000));
    assert!(run.books.sizes().1 <= 16_384, "{:?}", run.books.sizes());
}

/// The interface was renamed while an earlier batch of it is still held.
#[test]
fn an_account_that_was_closed_stays_closed_while_the_interface_is_known() {
    let mut run = Run::new(Vec::new());
    run.batch(0, 3, 0);
    let known = |n: u32| counted(n + 1, &format!("eth{n}"), if n == 0 { 6 } else { 1 }, 0);
    for number in 1..400 {
        run.batch(number, 1, 0);
    }
    run.capture.by_interface = (0..400).map(known).collect();
    run.capture.by_interface[0].is_captured = false;
    run.close();
    run.batch(0, 3, 0);
    let ledger = run.close();
    assert_eq!((ledger.gaps, ledger.total.captured.packets), (vec![], 405));
    assert!(ledger.interfaces.iter().all(|i| i.name != "eth0"));
}

#[test]
fn the_ledger_survives_json() {
    let mut run = Run::new(vec![counted(1, "eth0", 11, 1)]);
    run.batch(0, 8, 2);
    let mut ledger = run.close();
    let read: Ledger = serde_json::from_str(&serde_json::to_string(&ledger).unwrap()).unwrap();
    assert_eq!(read.interfaces[0].settled, None, "it is no account of its own");
    ledger.interfaces.iter_mut().chain([&mut ledger.total]).for_each(|i| i.settled = None);
    assert_eq!(read, ledger);
}

#[test]
fn the_ledger_balances_when_the_flow_table_forgets_a_hundred_thousand_interfaces() {
    let mut run = Run::new(Vec::new());
    for number in 0..100_000 {
        run.batch(number, 1, 0);
        run.table.interface_is_gone(number);
        run.table.expire(u64::from(number) * 1_000_000_000, &mut Vec::new());
        run.books.take_forgotten(&run.table.take_forgotten_interfaces());
        let known = number.saturating_sub(100)..=number;
        if number % 1000 == 0 {
            run.capture.by_interface = known.map(|n| counted(n + 1, &format!("eth{n}"), 1, 0)).collect();
            assert_eq!(run.close().gaps.iter().filter(|gap| gap.check == Check::Capture).count(), 0);
        }
    }
    let ledger = run.close();
    assert_eq!((ledger.total.captured.packets, ledger.total.in_flows.packets), (100_000, 100_000));
    assert!(run.table.known_interfaces() < 1000 && run.books.sizes().1 <= 1000, "{:?}", run.books.sizes());
}
