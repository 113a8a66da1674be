//! Made records of two agents, and what becomes of them.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "in a test a failure is a panic")]

use std::sync::Arc;

use pidflow_glue::{Counters, Glue, Settings};
use pidflow_schema::record::UnknownCounters;
use pidflow_schema::{
    Attribution, Counters as Traffic, Flow, FlowEndReason, FlowRecord, InitialSequences, InitiatorBasis, Lost, Process,
    ProcessEnd, Translation,
};

const SECOND_NS: u64 = 1_000_000_000;
const WINDOW_NS: u64 = 10 * SECOND_NS;
const TCP: u8 = 6;
const UDP: u8 = 17;
const SYN: u8 = 0x02;
const CLIENT: (&str, u16) = ("10.1.0.2", 40_000);
/// What the server sees behind a router that masquerades.
const MASQUERADED: (&str, u16) = ("10.2.0.1", 50_000);
const SERVER: (&str, u16) = ("10.2.0.2", 443);

fn traffic(packets: u64) -> Traffic {
    Traffic {
        packets,
        octets: packets * 100,
        frame_octets: packets * 114,
        tcp_flags: SYN,
        is_beyond_frame: false,
        unknown: UnknownCounters::NONE,
    }
}

fn end(pid: u32) -> ProcessEnd {
    let process = Some(Arc::new(Process { pid, ..Process::default() }));
    ProcessEnd { process, ..ProcessEnd::unknown(Attribution::SocketEvent) }
}

/// A record of an agent at no end, of the seconds from `time.0` to `time.1`.
fn record(observer: &str, ends: [(&str, u16); 2], time: (u64, u64), packets: [u64; 2]) -> FlowRecord {
    let [source, destination] = ends.map(|(address, port)| (address.parse().unwrap(), port));
    let flow = Flow {
        forward: traffic(packets[0]),
        reverse: traffic(packets[1]),
        end_reason: FlowEndReason::EndOfFlow,
        ..Flow::new(UDP, source, destination, (time.0 * SECOND_NS, time.1 * SECOND_NS))
    };
    let record = FlowRecord::without_processes(flow, Attribution::Remote);
    FlowRecord { observer: observer.into(), host: format!("{observer}.example").into(), ..record }
}

fn tcp(mut record: FlowRecord) -> FlowRecord {
    record.flow.protocol = TCP;
    record.flow.initial_sequences = Some(InitialSequences { source: 7, destination: 5 });
    record.flow.initiator = InitiatorBasis::Syn;
    record
}

fn at_source(mut record: FlowRecord, pid: u32) -> FlowRecord {
    record.source = end(pid);
    record
}

fn at_destination(mut record: FlowRecord, pid: u32) -> FlowRecord {
    record.destination = end(pid);
    record
}

fn going_on(mut record: FlowRecord) -> FlowRecord {
    record.flow.end_reason = FlowEndReason::ActiveTimeout;
    record
}

fn client(time: (u64, u64), packets: [u64; 2]) -> FlowRecord {
    at_source(tcp(record("client", [CLIENT, SERVER], time, packets)), 1)
}

fn server(time: (u64, u64), packets: [u64; 2]) -> FlowRecord {
    at_destination(tcp(record("server", [MASQUERADED, SERVER], time, packets)), 2)
}

fn glue(max_bytes: usize) -> Glue {
    Glue::new(Settings { window_ns: WINDOW_NS, max_bytes })
}

/// What comes of records that arrive together, when their window is over.
fn all(records: impl IntoIterator<Item = FlowRecord>) -> (Vec<FlowRecord>, Counters) {
    let (mut glue, mut out) = (glue(usize::MAX), Vec::new());
    records.into_iter().for_each(|record| glue.add(record, 0, &mut out));
    glue.expire(WINDOW_NS, &mut out);
    (out, *glue.counters())
}

fn pids(record: &FlowRecord) -> [Option<u32>; 2] {
    [&record.source, &record.destination].map(|end| end.process.as_ref().map(|p| p.pid))
}

fn is_glued(record: &FlowRecord) -> bool {
    record.glued.as_ref().is_some_and(|glued| glued.is_of_two_ends())
}

#[test]
fn each_end_is_from_its_agent_and_the_difference_is_the_loss() {
    for turned in [false, true] {
        let mut halves = [client((1, 2), [10, 6]), server((1, 2), [8, 7])];
        if turned {
            halves.reverse();
        }
        let (out, counters) = all(halves);
        let [whole] = out.as_slice() else { panic!("{out:?}") };
        assert_eq!((pids(whole), is_glued(whole), counters.glued), ([Some(1), Some(2)], true, 1));
        let ends = (whole.flow.source, whole.flow.source_port, whole.flow.destination, whole.flow.destination_port);
        assert_eq!(ends, (CLIENT.0.parse().unwrap(), CLIENT.1, SERVER.0.parse().unwrap(), SERVER.1));
        let after = whole.flow.translation.as_ref().unwrap();
        assert_eq!((after.source, after.source_port), (MASQUERADED.0.parse().unwrap(), MASQUERADED.1));
        assert_eq!((whole.flow.forward.packets, whole.flow.reverse.packets), (10, 7));
        let lost = Lost { packets: 2, octets: 200, reverse_packets: 1, reverse_octets: 100 };
        let glued = whole.glued.as_ref().unwrap();
        assert_eq!((glued.lost, &*glued.observers, glued.records), (Some(lost), "client,server", 2));
        assert_eq!((&*glued.source.host, &*glued.destination.host), ("client.example", "server.example"));
    }
}

#[test]
fn records_of_a_long_flow_are_summed_per_agent_before_the_greatest_is_taken() {
    let parts = [
        going_on(client((0, 60), [10, 10])),
        going_on(server((0, 60), [9, 10])),
        client((60, 70), [5, 5]),
        server((60, 71), [7, 5]),
    ];
    let (out, _) = all(parts.clone());
    assert_eq!(out.len(), 1);
    assert_eq!((out[0].flow.forward.packets, out[0].flow.reverse.packets), (16, 15), "not 10 + 7");
    assert_eq!(out[0].glued.as_ref().unwrap().lost.unwrap().packets, -1);
    assert_eq!((out[0].flow.first_ns, out[0].flow.last_ns), (0, 71 * SECOND_NS));
    // The same if they arrive a minute apart: each record has what is new, and the last one the loss of the whole flow.
    let (mut glue, mut out) = (glue(usize::MAX), Vec::new());
    for (second, two) in [0, 60].into_iter().zip(parts.chunks(2)) {
        two.iter().for_each(|part| glue.add(part.clone(), second * SECOND_NS, &mut out));
        glue.expire((second + 11) * SECOND_NS, &mut out);
    }
    let packets: Vec<_> = out.iter().map(|r| (r.flow.forward.packets, r.flow.reverse.packets)).collect();
    assert_eq!(packets, [(10, 10), (6, 5)]);
    assert!(out[0].glued.as_ref().unwrap().lost.is_none(), "more records follow");
    assert_eq!(out[1].glued.as_ref().unwrap().lost.unwrap().packets, -1);
    assert!(out.iter().all(is_glued));
}

#[test]
fn a_repeated_record_does_no_harm() {
    let (out, counters) = all([client((1, 2), [10, 6]), client((1, 2), [10, 6]), server((1, 2), [10, 6])]);
    assert_eq!((out.len(), out[0].flow.forward.packets, counters.repeated), (1, 10, 1));
}

#[test]
fn an_agent_on_the_way_counts_but_is_at_no_end() {
    let router = tcp(record("router", [MASQUERADED, SERVER], (1, 2), [12, 6]));
    let (out, _) = all([router, client((1, 2), [10, 6]), server((1, 2), [8, 6])]);
    assert_eq!((out.len(), pids(&out[0]), out[0].flow.forward.packets), (1, [Some(1), Some(2)], 12));
    let glued = out[0].glued.as_ref().unwrap();
    assert_eq!((&*glued.observers, glued.lost.unwrap().packets), ("client,router,server", 2));
}

#[test]
fn what_is_not_of_two_ends_is_not_glued() {
    // Another connection with the same ends, as behind a proxy: another key.
    let mut other = server((1, 2), [8, 7]);
    other.flow.initial_sequences = Some(InitialSequences { source: 8, destination: 5 });
    let (out, counters) = all([client((1, 2), [10, 6]), other]);
    assert!(out.len() == 2 && !out.iter().any(is_glued) && counters.alone == 2);
    // Both ends on one host, records of no agent, and records that another collector put together: they do not wait.
    let here = at_destination(client((1, 2), [1, 1]), 3);
    let router = FlowRecord { observer: Arc::default(), ..client((1, 2), [1, 1]) };
    let known = FlowRecord { glued: Some(Box::default()), ..client((1, 2), [1, 1]) };
    let (mut glue, mut out) = (glue(usize::MAX), Vec::new());
    for record in [here, router, known] {
        glue.add(record.clone(), 0, &mut out);
        assert_eq!(out.pop(), Some(record));
    }
    assert_eq!((glue.counters().passed, glue.len()), (3, 0));
}

fn udp_client(observer: &str, time: (u64, u64)) -> FlowRecord {
    at_source(record(observer, [CLIENT, SERVER], time, [2, 1]), 1)
}

fn udp_server(observer: &str, time: (u64, u64)) -> FlowRecord {
    at_destination(record(observer, [CLIENT, SERVER], time, [1, 1]), 2)
}

#[test]
fn flows_with_one_key_that_is_not_exact_are_told_apart_by_pauses() {
    let halves =
        [(1, 2), (30, 31)].into_iter().flat_map(|time| [udp_client("client", time), udp_server("server", time)]);
    let (out, counters) = all(halves);
    assert_eq!((out.len(), counters.glued), (2, 2));
    let lost: Vec<_> = out.iter().map(|r| r.glued.as_ref().unwrap().lost.unwrap().packets).collect();
    assert_eq!(lost, [1, 1]);
    // After a shorter pause it is the same flow, also if its first part was handed on.
    let (mut glue, mut out) = (glue(usize::MAX), Vec::new());
    for second in [1, 10] {
        glue.add(udp_client("client", (second, second + 1)), second * SECOND_NS, &mut out);
        glue.add(udp_server("server", (second, second + 1)), second * SECOND_NS, &mut out);
        glue.expire((second + 2) * SECOND_NS, &mut out);
    }
    let (counters, lost) = (*glue.counters(), out.iter().map(|r| r.glued.as_ref().unwrap().lost.unwrap().packets));
    assert_eq!((counters.glued, counters.late, lost.collect::<Vec<_>>()), (2, 0, vec![1, 1]));
    // A record of an earlier flow than the one that is held.
    let (out, counters) = all([udp_client("client", (30, 31)), udp_server("server", (1, 2))]);
    assert!(out.len() == 2 && !out.iter().any(is_glued) && counters.late == 1);
    // What began at different times cannot be compared.
    let (out, _) = all([udp_client("client", (1, 9)), udp_server("server", (5, 9))]);
    assert!(is_glued(&out[0]) && out[0].glued.as_ref().unwrap().lost.is_none());
}

#[test]
fn a_counter_that_one_agent_does_not_send_is_the_others() {
    let mut less = client((1, 2), [10, 6]);
    less.flow.forward.set(UnknownCounters::FRAME_OCTETS, None);
    let (out, _) = all([less.clone(), server((1, 2), [8, 7])]);
    assert_eq!(out[0].flow.forward.known_frame_octets(), Some(8 * 114));
    let mut both = server((1, 2), [8, 7]);
    both.flow.forward.set(UnknownCounters::FRAME_OCTETS, None);
    let (out, _) = all([less, both]);
    assert_eq!((out[0].flow.forward.known_frame_octets(), out[0].flow.forward.known_packets()), (None, Some(10)));
}

#[test]
fn the_direction_is_that_of_the_most_certain_record() {
    let mut turned = udp_server("server", (1, 2));
    turned.turn_round();
    let mut sure = udp_client("client", (1, 2));
    sure.flow.initiator = InitiatorBasis::Socket;
    for halves in [[turned.clone(), sure.clone()], [sure, turned]] {
        let (out, _) = all(halves);
        assert_eq!((out.len(), pids(&out[0]), out[0].flow.source_port), (1, [Some(1), Some(2)], CLIENT.1));
        assert_eq!(out[0].glued.as_ref().unwrap().lost.unwrap().packets, 1);
    }
}

#[test]
fn equal_addresses_at_two_places_are_ambiguous_unless_the_key_is_exact() {
    let sites = [udp_client("a", (1, 2)), udp_server("b", (1, 2)), udp_client("c", (1, 2)), udp_server("d", (1, 2))];
    let (out, counters) = all(sites.clone());
    assert!(out.len() == 4 && !out.iter().any(is_glued) && counters.ambiguous == 4);
    let mut came: Vec<_> = out.iter().map(|r| &*r.observer).collect();
    came.sort_unstable();
    assert_eq!(came, ["a", "b", "c", "d"]);
    // Two agents at the same end of one connection: the more certain one counts.
    let mut weak = client((1, 2), [10, 6]);
    (weak.observer, weak.source.attribution, weak.source.process) = ("pod".into(), Attribution::NoSocket, None);
    let (out, _) = all([weak, client((1, 2), [10, 6]), server((1, 2), [10, 6])]);
    assert_eq!((out.len(), pids(&out[0])), (1, [Some(1), Some(2)]));
}

#[test]
fn the_agent_at_the_destination_may_have_translated_it() {
    let address = |(address, port): (&str, u16)| (address.parse().unwrap(), port);
    let (source, destination) = (address(CLIENT), address(SERVER));
    let mut node = at_source(record("node", [CLIENT, ("10.96.0.1", 80)], (1, 2), [2, 1]), 1);
    node.flow.translation = Some(Box::new(Translation {
        source: source.0,
        source_port: source.1,
        destination: destination.0,
        destination_port: destination.1,
        begun_by_source: true,
    }));
    let key = node.flow.key();
    let (out, _) = all([node, udp_server("server", (1, 2))]);
    assert_eq!((out.len(), is_glued(&out[0]), out[0].flow.key()), (1, true, key));
    assert_eq!((out[0].flow.destination, out[0].flow.destination_port), destination);
}

#[test]
fn a_record_that_comes_after_its_window_goes_out_alone_and_is_counted() {
    let (mut glue, mut out) = (glue(usize::MAX), Vec::new());
    glue.add(client((1, 2), [10, 6]), 0, &mut out);
    glue.expire(WINDOW_NS - 1, &mut out);
    assert!(out.is_empty());
    glue.expire(WINDOW_NS, &mut out);
    glue.add(server((1, 2), [8, 7]), WINDOW_NS + 1, &mut out);
    assert!(out.len() == 2 && !out.iter().any(is_glued));
    assert_eq!((glue.counters().alone, glue.counters().late), (1, 1));
    glue.expire(3 * WINDOW_NS, &mut out);
    assert_eq!((glue.len(), glue.bytes(), out.len()), (0, 0, 2));
}

#[test]
fn a_flow_of_which_both_ends_are_known_does_not_wait_for_the_window() {
    let (mut glue, mut out) = (glue(usize::MAX), Vec::new());
    glue.add(client((1, 2), [10, 6]), 0, &mut out);
    glue.add(server((1, 2), [8, 7]), SECOND_NS, &mut out);
    glue.expire(2 * SECOND_NS, &mut out);
    assert!(out.len() == 1 && is_glued(&out[0]));
}

/// A connection with its own sequence numbers.
fn nth(n: u32) -> FlowRecord {
    let mut record = client((1, 2), [1, 1]);
    record.flow.initial_sequences = Some(InitialSequences { source: n, destination: !n });
    record
}

#[test]
fn memory_is_bounded_and_what_is_pushed_out_is_counted() {
    const MAX_BYTES: usize = 1 << 20;
    let (mut glue, mut out) = (glue(MAX_BYTES), Vec::new());
    for n in 0..20_000 {
        glue.add(nth(n), u64::from(n), &mut out);
        assert!(glue.bytes() <= MAX_BYTES);
    }
    let pushed_out = out.len();
    assert!(pushed_out > 15_000 && glue.counters().pushed_out == pushed_out as u64);
    assert!(out.iter().all(|record| record.glued.is_none()));
    glue.drain(&mut out);
    let mut sources: Vec<_> = out.iter().map(|r| r.flow.initial_sequences.unwrap().source).collect();
    sources.sort_unstable();
    assert_eq!(sources, (0..20_000).collect::<Vec<_>>(), "each once");
    assert_eq!((glue.len(), glue.bytes()), (0, 0));
}

#[test]
fn agents_beyond_those_that_a_flow_can_have_go_out_as_they_came() {
    let on_the_way = (0..98).map(|n| tcp(record(&format!("router-{n}"), [CLIENT, SERVER], (1, 2), [10, 6])));
    let (out, counters) = all([client((1, 2), [10, 6]), server((1, 2), [10, 6])].into_iter().chain(on_the_way));
    assert_eq!((out.len(), counters.glued, counters.ambiguous), (1 + 84, 1, 84));
    assert_eq!(out.iter().filter(|record| is_glued(record)).count(), 1);
}
