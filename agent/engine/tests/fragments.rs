//! Flows from frames of IP fragments: ports are kept, and every frame is in a flow or has a discard reason.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may panic")]

use pidflow_engine::decode::{Decoder, Discard, Fragments, Frame, LinkType};
use pidflow_engine::flow_table::{FlowTable, FlowTableConfig};
use pidflow_schema::record::{Flow, FlowEndDetail, FlowEndReason};
use proptest::prelude::*;

const MS: u64 = 1_000_000;
const MORE: u16 = 0x2000;
const TCP: u8 = 6;
const UDP: u8 = 17;
const ICMP: u8 = 1;
const FRAGMENT: u8 = 44;
const OPTIONS: u8 = 60;

/// An IPv4 packet; `fragment` is the header's field of flags and offset.
fn v4(protocol: u8, id: u16, fragment: u16, payload: &[u8]) -> Vec<u8> {
    let length = (20 + payload.len()) as u16;
    let mut data = vec![0x45, 0];
    for number in [length, id, fragment] {
        data.extend(number.to_be_bytes());
    }
    data.extend([64, protocol, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2]);
    data.extend(payload);
    data
}

/// An IPv6 packet whose extension headers, if any, are part of the payload.
fn v6(next: u8, payload: &[u8]) -> Vec<u8> {
    let mut data = vec![0x60, 0, 0, 0];
    data.extend((payload.len() as u16).to_be_bytes());
    data.extend([next, 64]);
    data.extend([0xfd; 16]);
    data.extend([0xfe; 16]);
    data.extend(payload);
    data
}

fn v6_fragment(next: u8, id: u8, offset_and_more: u16, payload: &[u8]) -> Vec<u8> {
    let [high, low] = offset_and_more.to_be_bytes();
    v6(FRAGMENT, &[&[next, 0, high, low, 0, 0, 0, id], payload].concat())
}

/// Eight bytes: two ports and four more.
fn ports(source: u16, destination: u16) -> [u8; 8] {
    let ([a, b], [c, d]) = (source.to_be_bytes(), destination.to_be_bytes());
    [a, b, c, d, 0, 0, 0, 9]
}

#[derive(Default)]
struct Outcome {
    flows: Vec<Flow>,
    discards: Vec<Discard>,
}

impl Outcome {
    /// Protocol, ports and packets, in order of the ports.
    fn told(&self) -> Vec<(u8, u16, u16, u64)> {
        let told = |f: &Flow| (f.protocol, f.source_port, f.destination_port, f.forward.packets + f.reverse.packets);
        let mut told: Vec<_> = self.flows.iter().map(told).collect();
        told.sort_unstable();
        told
    }
}

/// Runs frames of raw IP, each `gap_ns` after the one before.
fn run_every(gap_ns: u64, frames: &[Vec<u8>]) -> Outcome {
    let mut decoder = Decoder::new(Fragments::Join.into());
    let mut table = FlowTable::new(FlowTableConfig::default());
    let mut outcome = Outcome::default();
    for (data, n) in frames.iter().zip(0..) {
        let time_ns = 1_700_000_000_000_000_000 + n * gap_ns;
        let frame = Frame { time_ns, wire_octets: data.len() as u32, interface: 0, data };
        match decoder.decode(LinkType::RawIp, &frame) {
            Ok(packet) => table.update(&packet, &mut outcome.flows),
            Err(reason) => outcome.discards.push(reason),
        }
        table.expire(time_ns, &mut outcome.flows);
    }
    table.finish(FlowEndReason::ForcedEnd, FlowEndDetail::None, &mut outcome.flows);
    let in_flows: u64 = outcome.told().iter().map(|(.., packets)| packets).sum();
    assert_eq!(in_flows + outcome.discards.len() as u64, frames.len() as u64);
    outcome
}

fn run(frames: &[Vec<u8>]) -> Outcome {
    run_every(MS, frames)
}

#[test]
fn the_first_eight_bytes_have_the_ports() {
    let rest = [0_u8; 16];
    for protocol in [TCP, UDP, 132, 33, 136] {
        let frames =
            [v4(protocol, 1, MORE, &ports(12345, 8080)), v4(protocol, 1, MORE | 1, &rest), v4(protocol, 1, 3, &rest)];
        assert_eq!(run(&frames).told(), [(protocol, 12345, 8080, 3)]);
        let frames6 = [v6_fragment(protocol, 1, 1, &ports(12345, 8080)), v6_fragment(protocol, 1, 8, &rest)];
        assert_eq!(run(&frames6).told(), [(protocol, 12345, 8080, 2)]);
    }
    let echo = [8, 0, 0, 0, 0, 77, 0, 1];
    let told = run(&[v4(ICMP, 1, MORE, &echo), v4(ICMP, 1, 1, &rest)]);
    assert_eq!((told.told(), told.flows[0].icmp_type_code), (vec![(ICMP, 77, 77, 2)], Some(0x0800)));
}

#[test]
fn flags_that_are_in_the_second_fragment_are_unknown() {
    let syn = [0, 0, 0, 0, 0x50, 2, 0, 0, 0, 0, 0, 0];
    let outcome = run(&[v4(TCP, 1, MORE, &ports(12345, 8080)), v4(TCP, 1, 1, &syn)]);
    assert_eq!((outcome.told(), outcome.flows[0].forward.tcp_flags), (vec![(TCP, 12345, 8080, 2)], 0));
    let whole = [&ports(12345, 8080)[..], &syn].concat();
    let outcome = run(&[v4(TCP, 1, MORE, &whole[..16]), v4(TCP, 1, 2, &whole[16..])]);
    assert_eq!((outcome.told(), outcome.flows[0].forward.tcp_flags), (vec![(TCP, 12345, 8080, 2)], 2));
}

#[test]
fn a_whole_datagram_that_is_too_short_for_its_header_has_no_ports() {
    assert_eq!(run(&[v4(TCP, 1, 0, &ports(1, 2))]).told(), [(TCP, 0, 0, 1)]);
}

#[test]
fn fragments_out_of_order_get_the_ports_of_the_first() {
    let later = |offset, more| v4(UDP, 7, offset | more, &[0; 8]);
    let frames = [later(3, 0), later(1, MORE), v4(UDP, 7, MORE, &ports(5, 53)), later(2, MORE)];
    assert_eq!(run(&frames).told(), [(UDP, 5, 53, 4)]);
    assert_eq!(
        run_every(600 * MS, &frames).told(),
        [(UDP, 0, 0, 1), (UDP, 5, 53, 3)],
        "the first came too late for one"
    );
    let six = [
        v6_fragment(OPTIONS, 7, 24, &[0; 8]),
        v6_fragment(OPTIONS, 7, 1, &[&[UDP, 0, 1, 4, 0, 0, 0, 0][..], &ports(5, 53)].concat()),
    ];
    assert_eq!(run(&six).told(), [(UDP, 5, 53, 2)], "later ones name the extension header, not the protocol");
    assert_eq!(run(&[later(3, 0), later(1, MORE)]).told(), [(UDP, 0, 0, 2)], "the first never came");
}

#[test]
fn more_orphans_than_are_held_are_counted_all_the_same() {
    let mut frames: Vec<_> = (0..1000).map(|id| v4(UDP, id, 1, &[0; 8])).collect();
    frames.push(v4(UDP, 999, MORE, &ports(5, 53)));
    assert_eq!(run_every(1000, &frames).told(), [(UDP, 0, 0, 999), (UDP, 5, 53, 2)]);
}

#[test]
fn duplicates_belong_to_the_same_datagram() {
    let (first, last) = (v4(UDP, 7, MORE, &ports(5, 53)), v4(UDP, 7, 1, &[0; 8]));
    let frames = [&first, &first, &last, &last, &first, &last].map(Clone::clone);
    assert_eq!(run(&frames).told(), [(UDP, 5, 53, 6)]);
}

#[test]
fn overlapping_first_fragments_leave_unknown_whose_the_rest_is() {
    let frames = [v4(TCP, 7, MORE, &ports(5, 80)), v4(TCP, 7, MORE, &ports(5, 22)), v4(TCP, 7, 1, &[0; 8])];
    assert_eq!(run(&frames).told(), [(TCP, 0, 0, 1), (TCP, 5, 22, 1), (TCP, 5, 80, 1)]);
}

#[test]
fn a_number_used_again_is_another_datagram() {
    let datagram = |port| [v4(UDP, 7, MORE, &ports(port, 53)), v4(UDP, 7, 1, &[0; 8])];
    assert_eq!(run(&[datagram(5), datagram(6)].concat()).told(), [(UDP, 5, 53, 2), (UDP, 6, 53, 2)]);
    let mut late = datagram(6);
    late.reverse();
    assert_eq!(run_every(1100 * MS, &[datagram(5), datagram(6)].concat()).told(), [(UDP, 5, 53, 2), (UDP, 6, 53, 2)]);
    let frames = [datagram(5).to_vec(), vec![v4(UDP, 8, 0, &ports(1, 2)); 2], late.to_vec()].concat();
    let told = run_every(400 * MS, &frames).told();
    assert_eq!(told, [(UDP, 1, 2, 2), (UDP, 5, 53, 2), (UDP, 6, 53, 2)], "held until its own first fragment came");
}

#[test]
fn a_first_fragment_without_the_transport_header_has_a_reason() {
    let cases = [
        v6_fragment(OPTIONS, 1, 1, &[TCP, 1, 1, 4, 0, 0, 0, 0]),
        v6_fragment(OPTIONS, 1, 1, &[TCP, 0, 1, 4, 0, 0, 0, 0]),
        v6_fragment(TCP, 1, 1, &[]),
        v6(
            0,
            &[&[FRAGMENT, 0, 1, 4, 0, 0, 0, 0][..], &[43, 0, 0, 1, 0, 0, 0, 1], &[TCP, 5, 0, 0, 0, 0, 0, 0]].concat(),
        ),
    ];
    for data in cases {
        assert_eq!(run(std::slice::from_ref(&data)).discards, [Discard::HeaderChainIncomplete], "{data:?}");
    }
    let data = v6_fragment(OPTIONS, 1, 1, &[&[TCP, 0, 1, 4, 0, 0, 0, 0][..], &ports(1, 2)].concat());
    let cut = Frame { time_ns: 1, wire_octets: data.len() as u32, interface: 0, data: &data[..50] };
    let decoded = Decoder::default().decode(LinkType::RawIp, &cut);
    assert_eq!(decoded, Err(Discard::TruncatedExtension), "here the capture ends, not the fragment");
    assert_eq!(run(&[data]).told(), [(TCP, 1, 2, 1)]);
}

proptest! {
    /// In any order, with duplicates and losses, each datagram with its first fragment is one flow, and no packet is
    /// lost.
    #[test]
    fn any_order_and_any_loss(
        order in Just((0..24_usize).collect::<Vec<_>>()).prop_shuffle(),
        keep in prop::collection::vec(prop::sample::select(vec![0_usize, 1, 1, 1, 2]), 24),
    ) {
        let fragment = |n: usize| {
            let (datagram, part) = ((n / 4) as u16, (n % 4) as u16);
            let payload = if part == 0 { ports(1000 + datagram, 53) } else { [0; 8] };
            v4(UDP, datagram, part | if part == 3 { 0 } else { MORE }, &payload)
        };
        let frames: Vec<_> = order.iter().flat_map(|n| vec![fragment(*n); keep[*n]]).collect();
        for (protocol, source, destination, packets) in run(&frames).told() {
            prop_assert_eq!(protocol, UDP);
            let datagram = usize::from(source).checked_sub(1000);
            let all = datagram.map(|d| keep[d * 4..d * 4 + 4].iter().sum::<usize>() as u64);
            prop_assert!(all.is_none_or(|all| all == packets && destination == 53));
        }
        let with_first = (0..6).filter(|d| keep[d * 4] > 0).count();
        let flows = run(&frames).told();
        prop_assert_eq!(flows.iter().filter(|(_, source, ..)| *source != 0).count(), with_first);
    }
}

/// Ports stand in the first four octets behind whatever headers precede them; each case once in order, once backwards, and once
/// with every frame twice.
#[test]
fn extension_headers_before_and_in_the_first_fragment_hide_no_ports() {
    let rest = [0_u8; 8];
    let options = |next: u8| [next, 0, 1, 4, 0, 0, 0, 0];
    let routing = |next: u8| [next, 0, 0, 0, 0, 0, 0, 0];
    let header = |next: u8, offset: u16, id: u8| {
        let [high, low] = offset.to_be_bytes();
        [next, 0, high, low, 0, 0, 0, id]
    };
    for (protocol, id) in [TCP, UDP, 132, 33, 136].into_iter().zip(1..) {
        let first = ports(4000, 443);
        let cases = [
            // Hop-by-hop options and a routing header before the fragment header.
            [
                v6(0, &[&options(43)[..], &routing(FRAGMENT), &header(protocol, 1, id), &first].concat()),
                v6(0, &[&options(43)[..], &routing(FRAGMENT), &header(protocol, 8, id), &rest].concat()),
            ],
            // Destination options behind it, in the first fragment alone.
            [
                v6_fragment(OPTIONS, id, 1, &[&options(protocol)[..], &first].concat()),
                v6_fragment(OPTIONS, id, 16, &rest),
            ],
            // Options on both sides.
            [
                v6(OPTIONS, &[&options(FRAGMENT)[..], &header(OPTIONS, 1, id), &options(protocol), &first].concat()),
                v6(OPTIONS, &[&options(FRAGMENT)[..], &header(OPTIONS, 16, id), &rest].concat()),
            ],
        ];
        for (frames, n) in cases.into_iter().zip(0..) {
            let [begins, ends] = frames.clone();
            assert_eq!(run(&frames).told(), [(protocol, 4000, 443, 2)], "{n}");
            assert_eq!(run(&[ends.clone(), begins.clone()]).told(), [(protocol, 4000, 443, 2)], "{n}, backwards");
            let twice = [ends.clone(), ends, begins.clone(), begins];
            assert_eq!(run(&twice).told(), [(protocol, 4000, 443, 4)], "{n}, twice");
        }
    }
}

/// IPv4 allows a first fragment of fewer than eight octets, though none that is sent has them: what is there is not invented.
#[test]
fn a_first_fragment_of_fewer_octets_than_the_ports_has_none() {
    for protocol in [TCP, UDP, 132] {
        for length in 0..8 {
            let told = run(&[v4(protocol, 1, MORE, &ports(4000, 443)[..length])]).told();
            let expected = if length < 4 { (0, 0) } else { (4000, 443) };
            assert_eq!(told, [(protocol, expected.0, expected.1, 1)], "{length} octets of {protocol}");
        }
    }
}

/// Who hides ports behind a second first fragment: neither the one before it nor the one behind gets what is the other's.
#[test]
fn overlapping_first_fragments_do_not_move_ports_between_datagrams() {
    let first = |port, id| v6_fragment(TCP, id, 1, &ports(4000, port));
    let later = |id| v6_fragment(TCP, id, 8, &[0; 8]);
    assert_eq!(
        run(&[first(80, 1), first(22, 1), later(1)]).told(),
        [(TCP, 0, 0, 1), (TCP, 4000, 22, 1), (TCP, 4000, 80, 1)]
    );
    assert_eq!(
        run(&[first(80, 1), later(1), first(22, 2), later(2), first(80, 1)]).told(),
        [(TCP, 4000, 22, 2), (TCP, 4000, 80, 3)]
    );
    // What came before both is the first one's: nobody can know of another yet.
    assert_eq!(run(&[later(1), first(80, 1), first(22, 1)]).told(), [(TCP, 4000, 22, 1), (TCP, 4000, 80, 2)]);
    // A fragment at offset 8 that would overwrite the flags changes no ports.
    let overwrites = v4(TCP, 5, MORE | 1, &[0xff; 8]);
    assert_eq!(run(&[v4(TCP, 5, MORE, &ports(4000, 80)), overwrites.clone(), overwrites]).told(), [(TCP, 4000, 80, 3)]);
}
