//! Packets that are seen before and after translation of their addresses.

use pidflow_schema::Translation;

use super::*;
use crate::fact::{AddressTranslation, Fact, PacketEnds, TranslationChange};

type End = (IpAddr, u16);

const fn end(a: [u8; 4], port: u16) -> End {
    (IpAddr::V4(Ipv4Addr::new(a[0], a[1], a[2], a[3])), port)
}

/// A pod, the service to which it connects, two backends of the service, and the pod's end after masquerading.
const POD: End = end([10, 1, 0, 11], 40_000);
const SERVICE: End = end([10, 96, 0, 1], 80);
const BACKEND: End = end([10, 1, 0, 12], 8080);
const OTHER: End = end([10, 1, 0, 13], 8080);
const NODE: End = end([10, 1, 0, 1], 23_456);

const ONE: u32 = 0;
const TWO: u32 = 1;
const BRIDGE: u32 = 2;

fn fact(time_ns: u64, change: TranslationChange, before: PacketEnds, after: PacketEnds) -> Fact {
    fact_of(time_ns, change, (7, 0, Protocol::TCP), [before, after])
}

fn fact_of(
    time_ns: u64,
    change: TranslationChange,
    (netns, zone, protocol): (u32, u16, u8),
    [before, after]: [PacketEnds; 2],
) -> Fact {
    let translation = Box::new(AddressTranslation { netns, zone, protocol, before, after });
    Fact::Translation { time_ns, since_ns: time_ns, change, translation }
}

fn run() -> Run {
    let mut run = Run::new(FlowTableConfig { counts_once: true, ..FlowTableConfig::default() });
    for (number, name) in [(ONE, "v1"), (TWO, "v2"), (BRIDGE, "br0")] {
        run.table.set_interface(number, number + 10, &name.into());
    }
    run
}

impl Run {
    fn report(&mut self, fact: Fact) {
        self.table.learn(&fact, &mut self.out);
    }

    fn see(&mut self, interface: u32, packet: Packet) {
        self.put(Packet { interface, ..packet });
    }

    /// A request and its answer. Each packet is seen at [`ONE`] with the ends before translation, at [`TWO`] with those after it.
    fn exchange(&mut self, time_ns: u64, before: PacketEnds, after: PacketEnds, flags: u8) {
        let [(from, to), (sent_from, sent_to)] = [before, after].map(|[from, to]| (from, to));
        self.see(ONE, tcp(time_ns, from, to, flags, 5));
        self.see(TWO, tcp(time_ns + 1000, sent_from, sent_to, flags, 5));
        self.see(TWO, tcp(time_ns + 2000, sent_to, sent_from, flags | ACK, 9));
        self.see(ONE, tcp(time_ns + 3000, to, from, flags | ACK, 9));
    }

    /// Ends, ends after translation, and packet counts of both directions. Panics unless there is exactly one flow.
    fn only(self) -> ([End; 2], Option<[End; 2]>, (u64, u64)) {
        let counters = self.table.counters();
        let by_interface: u64 = self.table.counted_by_interface().map(|(_, n)| n.packets).sum();
        let elsewhere: u64 = self.table.seen_elsewhere_by_interface().map(|(_, n)| n.packets).sum();
        assert_eq!((by_interface, elsewhere), (counters.in_flows().packets, counters.seen_elsewhere.packets));
        assert_eq!(self.table.unrecorded().packets, by_interface);
        let flows = self.finish();
        let [flow] = flows.as_slice() else { panic!("{flows:?}") };
        assert_eq!(by_interface, flow.forward.packets + flow.reverse.packets);
        (ends(flow), after(flow), (flow.forward.packets, flow.reverse.packets))
    }
}

fn ends(flow: &Flow) -> [End; 2] {
    [(flow.source, flow.source_port), (flow.destination, flow.destination_port)]
}

fn after(flow: &Flow) -> Option<[End; 2]> {
    let ends = |t: &Translation| [(t.source, t.source_port), (t.destination, t.destination_port)];
    flow.translation.as_deref().map(ends)
}

const BEGAN: TranslationChange = TranslationChange::Began;
const FOUND: TranslationChange = TranslationChange::Found;
const ENDED: TranslationChange = TranslationChange::Ended;

/// Translation of the destination, of the source, and of both.
const KINDS: [[PacketEnds; 2]; 3] =
    [[[POD, SERVICE], [POD, BACKEND]], [[POD, BACKEND], [NODE, BACKEND]], [[POD, SERVICE], [NODE, BACKEND]]];

#[test]
fn both_views_are_one_flow_and_each_packet_is_counted_once() {
    for [before, after] in KINDS {
        let mut run = run();
        run.report(fact(SECOND, BEGAN, before, after));
        run.exchange(SECOND, before, after, SYN);
        (1..10).for_each(|n| run.exchange(SECOND + n * MS, before, after, ACK));
        assert_eq!(run.only(), (before, Some(after), (10, 10)), "{after:?}");
    }
}

#[test]
fn only_one_view_is_seen() {
    for [before, after] in KINDS {
        let mut run = run();
        run.report(fact(SECOND, BEGAN, before, after));
        run.see(TWO, tcp(SECOND, after[0], after[1], SYN, 5));
        run.see(TWO, tcp(SECOND + MS, after[1], after[0], SYN | ACK, 9));
        assert_eq!(run.only(), (before, Some(after), (1, 1)), "after: {after:?}");
    }
}

/// One interface sees the packets before and after translation: a pod that is its own service's backend, or a bridge.
#[test]
fn a_packet_that_returns_to_its_interface_is_counted_once() {
    let (before, after) = ([POD, SERVICE], [NODE, (POD.0, 8080)]);
    let mut run = run();
    run.report(fact(SECOND, BEGAN, before, after));
    for n in 0..10 {
        let at = SECOND + n * MS;
        run.see(ONE, tcp(at, before[0], before[1], ACK, 5));
        run.see(ONE, tcp(at + 1000, after[0], after[1], ACK, 5));
        run.see(ONE, tcp(at + 2000, after[1], after[0], ACK, 9));
        run.see(ONE, tcp(at + 3000, before[1], before[0], ACK, 9));
    }
    assert_eq!(run.only(), (before, Some(after), (10, 10)));
}

/// A bridge sees packets with the destination translated and the source not yet.
#[test]
fn half_translated_packets_are_the_same_flow_unless_their_syn_is_another() {
    let (before, after) = ([POD, SERVICE], [NODE, BACKEND]);
    let mut run = run();
    run.report(fact(SECOND, BEGAN, before, after));
    run.see(ONE, tcp(SECOND, POD, SERVICE, SYN, 5));
    run.see(BRIDGE, tcp(SECOND + 500, POD, BACKEND, SYN, 5));
    run.see(TWO, tcp(SECOND + 1000, NODE, BACKEND, SYN, 5));
    run.see(TWO, tcp(SECOND + 2000, BACKEND, NODE, SYN | ACK, 9));
    run.see(BRIDGE, tcp(SECOND + 2500, BACKEND, POD, SYN | ACK, 9));
    run.see(ONE, tcp(SECOND + 3000, SERVICE, POD, SYN | ACK, 9));
    let mut direct = Run { table: run.table, out: run.out };
    direct.see(ONE, tcp(SECOND + 4000, POD, BACKEND, SYN, 777));
    direct.see(ONE, tcp(SECOND + 5000, BACKEND, POD, SYN | ACK, 778));
    let flows = direct.finish();
    let mut seen: Vec<_> = flows.iter().map(|f| (ends(f), after_of(f), f.forward.packets, f.reverse.packets)).collect();
    seen.sort();
    assert_eq!(seen, [([POD, BACKEND], None, 1, 1), ([POD, SERVICE], Some(after), 1, 1)]);
}

fn after_of(flow: &Flow) -> Option<[End; 2]> {
    after(flow)
}

#[test]
fn a_translation_that_becomes_known_later_moves_or_merges_the_flow() {
    for [before, after] in KINDS {
        for views in [&[TWO][..], &[ONE, TWO], &[TWO, ONE]] {
            let mut run = run();
            for view in views {
                let [from, to] = if *view == ONE { before } else { after };
                run.see(*view, tcp(SECOND, from, to, SYN, 5));
                run.see(*view, tcp(SECOND + 2000, to, from, SYN | ACK, 9));
                run.see(*view, tcp(SECOND + 4000, from, to, ACK, 6));
            }
            run.report(fact(SECOND + MS, BEGAN, before, after));
            assert_eq!(run.table.len(), 1);
            assert_eq!(run.table.counters().flows_merged, views.len() as u64 - 1);
            run.exchange(SECOND + 2 * MS, before, after, ACK);
            assert_eq!(run.only(), (before, Some(after), (3, 2)), "{after:?} {views:?}");
        }
    }
}

#[test]
fn a_flow_that_ended_before_is_another_one() {
    let (before, after) = ([POD, SERVICE], [POD, BACKEND]);
    let mut run = run();
    run.see(TWO, tcp(SECOND, POD, BACKEND, SYN, 1));
    run.report(fact(9 * SECOND, BEGAN, before, after));
    run.exchange(9 * SECOND, before, after, SYN);
    let flows = run.finish();
    let seen: Vec<_> = flows.iter().map(|f| (ends(f), after_of(f))).collect();
    assert_eq!(seen, [([POD, BACKEND], None), (before, Some(after))]);
}

#[test]
fn the_same_ends_belong_to_the_translation_of_their_time() {
    let before = [POD, SERVICE];
    let mut run = run();
    let udp_fact = |time_ns, change, to| fact_of(time_ns, change, (7, 0, Protocol::UDP), [before, [POD, to]]);
    run.report(udp_fact(SECOND, BEGAN, BACKEND));
    run.report(udp_fact(5 * SECOND, ENDED, BACKEND));
    run.report(udp_fact(5 * SECOND + MS, BEGAN, OTHER));
    // The facts arrive before the packets are counted.
    for (time_ns, to) in [(SECOND, BACKEND), (4 * SECOND, BACKEND), (5 * SECOND + MS, OTHER), (7 * SECOND, OTHER)] {
        run.see(ONE, udp(time_ns, POD, SERVICE));
        run.see(TWO, udp(time_ns + 1000, POD, to));
    }
    let flows = run.finish();
    let seen: Vec<_> = flows.iter().map(|f| (after_of(f), f.forward.packets, f.end_detail.name())).collect();
    let last = "end-of-capture";
    assert_eq!(seen, [(Some([POD, BACKEND]), 2, "translation-changed"), (Some([POD, OTHER]), 2, last)]);
}

#[test]
fn contradicting_translations_of_different_zones_or_namespaces_are_not_used() {
    let before = [POD, SERVICE];
    for other in [(7, 1, Protocol::TCP), (8, 0, Protocol::TCP)] {
        let mut run = run();
        run.report(fact(SECOND, BEGAN, before, [POD, BACKEND]));
        run.report(fact_of(SECOND, BEGAN, other, [before, [POD, OTHER]]));
        run.see(ONE, tcp(SECOND, POD, SERVICE, SYN, 1));
        assert_eq!(run.only(), (before, None, (1, 0)));
    }
}

#[test]
fn a_translation_that_began_before_the_agent_gives_the_originator() {
    let (before, after) = ([POD, SERVICE], [NODE, BACKEND]);
    let mut run = run();
    run.report(fact(90 * SECOND, FOUND, before, after));
    run.see(TWO, tcp(91 * SECOND, BACKEND, NODE, ACK, 9));
    run.see(ONE, tcp(91 * SECOND + 1000, SERVICE, POD, ACK, 9));
    run.see(ONE, tcp(91 * SECOND + 2000, POD, SERVICE, ACK, 5));
    assert_eq!(run.only(), (before, Some(after), (1, 1)));
}

#[test]
fn a_translation_that_is_missing_from_the_list_has_ended() {
    let before = [POD, SERVICE];
    let mut run = run();
    run.report(fact(SECOND, BEGAN, before, [POD, BACKEND]));
    run.report(fact(30 * SECOND, FOUND, [NODE, SERVICE], [NODE, BACKEND]));
    run.report(Fact::TranslationsListed { netns: 7, begun_ns: 29 * SECOND });
    run.see(ONE, tcp(40 * SECOND, POD, SERVICE, SYN, 1));
    run.see(ONE, tcp(40 * SECOND, NODE, SERVICE, SYN, 1));
    let flows = run.finish();
    let seen: Vec<_> = flows.iter().map(|f| (f.source, f.translation.is_some())).collect();
    assert_eq!(seen, [(POD.0, false), (NODE.0, true)]);
}

#[test]
fn an_echo_is_translated_by_its_identifier() {
    let echo = |time_ns, [from, to]: PacketEnds, kind: u8| {
        Packet::new(time_ns, Protocol::ICMP, from, to).with_octets(84, 98).with_icmp(kind, 0)
    };
    let (before, after) = ([(POD.0, 7), (BACKEND.0, 7)], [(NODE.0, 9), (BACKEND.0, 9)]);
    for is_late in [false, true] {
        let mut run = run();
        let reported = fact_of(SECOND, BEGAN, (7, 0, Protocol::ICMP), [before, after]);
        (!is_late).then(|| run.report(reported.clone()));
        run.see(ONE, echo(SECOND, before, 8));
        run.see(TWO, echo(SECOND + 1000, after, 8));
        is_late.then(|| run.report(reported.clone()));
        run.see(TWO, echo(SECOND + 2000, [after[1], after[0]], 0));
        run.see(ONE, echo(SECOND + 3000, [before[1], before[0]], 0));
        assert_eq!(run.only(), (before, Some(after), (1, 1)), "{is_late}");
    }
}

#[test]
fn the_number_of_translations_is_limited_and_ended_ones_free_their_memory() {
    let max_translations = 1000;
    let mut table =
        FlowTable::new(FlowTableConfig { counts_once: true, max_translations, ..FlowTableConfig::default() });
    let ends = |n: u16| [[(POD.0, n), SERVICE], [(NODE.0, n), BACKEND]];
    let mut report = |time_ns, change, n| {
        let [before, after] = ends(n);
        table.learn(&fact(time_ns, change, before, after), &mut Vec::new());
        (table.counters().translations, table.counters().translations_dropped, table.translations.allocated_bytes())
    };
    let (known, dropped, bytes) = (0..1500).map(|n| report(SECOND, BEGAN, n)).last().unwrap();
    assert_eq!((known, dropped), (1000, 500));
    assert!(bytes <= 1000 * FlowTable::BYTES_PER_TRANSLATION, "{bytes}");
    let (known, ..) = (0..1500).map(|n| report(2 * SECOND, ENDED, n)).last().unwrap();
    assert_eq!(known, 1000);
    table.expire(20 * SECOND, &mut Vec::new());
    assert_eq!(table.counters().translations, 1000, "flows may still refer to them");
    table.expire(60 * SECOND, &mut Vec::new());
    assert_eq!(table.counters().translations, 0);
    assert_eq!(table.translations.allocated_bytes(), 0);
}

#[test]
fn vlans_and_namespaces_do_not_split_translated_flows() {
    let (before, after) = ([POD, SERVICE], [POD, BACKEND]);
    let mut run = run();
    run.table.set_network_namespace(ONE, 4);
    run.table.set_network_namespace(TWO, 5);
    run.report(fact(SECOND, BEGAN, before, after));
    for n in 0..5 {
        run.exchange(SECOND + n * MS, before, after, ACK);
        run.see(BRIDGE, Packet { vlan_id: 9, ..tcp(SECOND + n * MS + 1500, POD, BACKEND, ACK, 5) });
    }
    assert_eq!(run.only(), (before, Some(after), (5, 5)));
}

/// A notice that was received at `received_ns`, when all earlier ones had been received at `since_ns`.
fn late_fact((since_ns, received_ns): (u64, u64), change: TranslationChange, [before, after]: [PacketEnds; 2]) -> Fact {
    match fact(received_ns, change, before, after) {
        Fact::Translation { time_ns, change, translation, .. } => {
            Fact::Translation { time_ns, since_ns, change, translation }
        }
        other => other,
    }
}

const SECOND_SERVICE: End = end([10, 96, 0, 2], 80);

/// The kernel keeps a closed connection for minutes. Another one from the same port to another service with the same backend, which is
/// also masqueraded, has the same ends halfway. Its notice is received after its packets.
#[test]
fn half_translated_packets_are_not_of_an_earlier_translation_of_the_port() {
    for protocol in [Protocol::TCP, Protocol::UDP] {
        let mut run = run();
        let of = |fact: Fact| match fact {
            Fact::Translation { time_ns, since_ns, change, mut translation } => {
                translation.protocol = protocol;
                Fact::Translation { time_ns, since_ns, change, translation }
            }
            other => other,
        };
        let packet = |time_ns, from, to, flags, sequence| match protocol {
            Protocol::TCP => tcp(time_ns, from, to, flags, sequence),
            _ => udp(time_ns, from, to),
        };
        let (first, second) = ([[POD, SERVICE], [POD, BACKEND]], [[POD, SECOND_SERVICE], [NODE, BACKEND]]);
        run.report(of(late_fact((SECOND, SECOND + MS), BEGAN, first)));
        run.see(ONE, packet(SECOND, POD, SERVICE, SYN, 5));
        run.see(TWO, packet(SECOND + 1000, POD, BACKEND, SYN, 5));
        run.report(of(late_fact((5 * SECOND, 5 * SECOND + 80 * MS), BEGAN, second)));
        for (n, flags) in [(0, SYN), (1, ACK)] {
            let at = 5 * SECOND + 40 * MS + n * MS;
            let sequence = 70_000_000 + u32::try_from(n).unwrap();
            run.see(ONE, packet(at, POD, SECOND_SERVICE, flags, sequence));
            run.see(BRIDGE, packet(at + 1000, POD, BACKEND, flags, sequence));
            run.see(TWO, packet(at + 2000, NODE, BACKEND, flags, sequence));
        }
        let flows = run.finish();
        let mut seen: Vec<_> = flows.iter().map(|f| (ends(f), after_of(f), f.forward.packets)).collect();
        seen.sort();
        let expected = [([POD, SERVICE], Some(first[1]), 1), ([POD, SECOND_SERVICE], Some(second[1]), 2)];
        assert_eq!(seen, expected, "protocol {protocol}");
    }
}

/// Both connections go on: the sequence numbers tell which of them a packet is of.
#[test]
fn sequence_numbers_tell_apart_two_translations_with_the_same_ends() {
    let mut run = run();
    let (first, second) = ([[POD, SERVICE], [POD, BACKEND]], [[POD, SECOND_SERVICE], [NODE, BACKEND]]);
    run.report(fact(SECOND, BEGAN, first[0], first[1]));
    run.see(ONE, tcp(SECOND, POD, SERVICE, SYN, 5));
    run.report(fact(2 * SECOND, BEGAN, second[0], second[1]));
    run.see(ONE, tcp(2 * SECOND, POD, SECOND_SERVICE, SYN, 70_000_000));
    for n in 1..4 {
        run.see(ONE, tcp(3 * SECOND + n * MS, POD, SERVICE, ACK, 6));
        run.see(TWO, tcp(3 * SECOND + n * MS + 1000, POD, BACKEND, ACK, 6));
        run.see(ONE, tcp(3 * SECOND + n * MS + 2000, POD, SECOND_SERVICE, ACK, 70_000_001));
        run.see(BRIDGE, tcp(3 * SECOND + n * MS + 3000, POD, BACKEND, ACK, 70_000_001));
    }
    let flows = run.finish();
    let mut seen: Vec<_> = flows.iter().map(|f| (ends(f), f.forward.packets)).collect();
    seen.sort();
    assert_eq!(seen, [([POD, SERVICE], 4), ([POD, SECOND_SERVICE], 4)]);
}

/// A notice of its end and of another one may have been lost: the earlier translation is not put into the record.
#[test]
fn a_translation_is_unknown_where_notices_were_lost_until_the_list_confirms_it() {
    let (before, after) = ([POD, SERVICE], [POD, BACKEND]);
    let list_ns = 20 * SECOND;
    // Whether the translation is known, and whether the record says that it is not, of a flow before the loss, one in it, and a later one.
    let records = |is_listed: bool, is_found: bool| {
        let mut run = run();
        run.report(fact(SECOND, BEGAN, before, after));
        run.report(Fact::TranslationsLost { netns: 7, from_ns: 10 * SECOND });
        is_found.then(|| run.report(fact(list_ns + MS, FOUND, before, after)));
        is_listed.then(|| run.report(Fact::TranslationsListed { netns: 7, begun_ns: list_ns }));
        run.see(ONE, udp(5 * SECOND, NODE, OTHER));
        run.see(ONE, tcp(11 * SECOND, POD, SERVICE, SYN, 1));
        run.see(ONE, tcp(30 * SECOND, NODE, SERVICE, SYN, 1));
        let mut flows = run.finish();
        flows.sort_by_key(|f| f.first_ns);
        flows.iter().map(|f| (f.translation.is_some(), f.is_translation_unknown)).collect::<Vec<_>>()
    };
    assert_eq!(records(false, false), [(false, false), (false, true), (false, true)]);
    assert_eq!(records(true, true), [(false, false), (true, false), (false, false)]);
    assert_eq!(records(true, false), [(false, false), (false, true), (false, false)]);
}

#[test]
fn packets_that_did_not_wait_for_notices_have_an_unknown_translation_until_these_arrive() {
    let (before, after) = ([POD, SERVICE], [POD, BACKEND]);
    for arrives in [false, true] {
        let mut run = run();
        run.table.translations_are_late(SECOND, 3 * SECOND);
        run.see(ONE, tcp(2 * SECOND, POD, SERVICE, SYN, 1));
        arrives.then(|| run.report(late_fact((SECOND, 4 * SECOND), BEGAN, [before, after])));
        let flows = run.finish();
        let seen: Vec<_> = flows.iter().map(|f| (after_of(f), f.is_translation_unknown)).collect();
        assert_eq!(seen, [(arrives.then_some(after), !arrives)]);
    }
}

proptest! {
    /// Whatever is reported, and in whatever order, the table neither loses a packet nor counts one twice.
    #[test]
    fn every_packet_is_counted_or_seen_elsewhere(
        steps in prop::collection::vec((0_u8..9, 0_u8..4, 0_u64..4000), 0..80)
    ) {
        let mut run = run();
        let mut put = 0;
        for (what, which, ms) in steps {
            let time_ns = 10 * SECOND + ms * MS;
            let to = if which & 1 == 0 { BACKEND } else { OTHER };
            let source = if which & 2 == 0 { POD } else { NODE };
            let reported = |change| fact(time_ns, change, [POD, SERVICE], [source, to]);
            match what {
                0 => run.report(reported(BEGAN)),
                1 => run.report(reported(ENDED)),
                2 => run.report(reported(FOUND)),
                3 if which > 1 => run.report(Fact::TranslationsLost { netns: 7, from_ns: time_ns }),
                3 => run.report(Fact::TranslationsListed { netns: 7, begun_ns: time_ns }),
                _ => {
                    let (from, to) = if what % 2 == 0 { (POD, SERVICE) } else { (source, to) };
                    let (from, to) = if what > 6 { (to, from) } else { (from, to) };
                    run.see(u32::from(what % 3), tcp(time_ns, from, to, if which == 3 { SYN } else { ACK }, 1));
                    put += 1;
                }
            }
        }
        let counters = run.table.counters();
        prop_assert_eq!(counters.in_flows().packets + counters.seen_elsewhere.packets, put);
        let by_interface: u64 = run.table.counted_by_interface().map(|(_, n)| n.packets).sum();
        prop_assert!(by_interface <= counters.in_flows().packets + counters.seen_elsewhere.packets);
        let recorded: u64 = run.finish().iter().map(|f| f.forward.packets + f.reverse.packets).sum();
        prop_assert_eq!(recorded, counters.in_flows().packets);
    }
}
