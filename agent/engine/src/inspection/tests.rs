use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr};

use super::*;
use crate::packet::TcpFlags;

/// Calls a flow by the first byte of its third packet, and one with fewer "short".
#[derive(Debug, Default)]
struct ThirdByte {
    seen: HashMap<u64, u8>,
}

fn named(name: &str) -> Verdict {
    Some(Arc::new(Classification { name: name.into(), ..Classification::default() }))
}

impl Inspector for ThirdByte {
    fn see(&mut self, id: u64, packet: &[u8], _: u64) -> Option<Verdict> {
        let seen = self.seen.entry(id).or_default();
        *seen += 1;
        (*seen == 3).then(|| {
            self.seen.remove(&id);
            named(&packet[0].to_string())
        })
    }

    fn conclude(&mut self, id: u64) -> Verdict {
        assert!(self.seen.remove(&id).is_some(), "a flow is concluded once");
        named("short")
    }

    fn bytes_per_flow(&self) -> usize {
        1 << 20
    }
}

fn packet(payload: u16) -> Packet {
    let address = IpAddr::V4(Ipv4Addr::LOCALHOST);
    Packet { payload, ..Packet::new(0, Protocol::TCP, (address, 1), (address, 2)) }
}

/// 31 flows of a MiB with a packet each.
const MAX_BYTES: usize = 32 << 20;

fn inspections(packets: &[(u16, &[u8])]) -> Inspections {
    let mut inspections = Inspections::default();
    inspections.begin(Box::<ThirdByte>::default(), InspectedShare::default(), MAX_BYTES);
    let mut copies = InspectedPackets::default();
    packets.iter().for_each(|(number, bytes)| copies.push(*number, bytes));
    inspections.set_packets(copies);
    inspections
}

fn name(verdict: Verdict) -> String {
    verdict.unwrap().name.to_string()
}

#[test]
fn a_verdict_stays_and_a_record_asks_for_it() {
    let mut inspections = inspections(&[(1, b"a"), (2, b"b"), (7, b"c"), (8, b"d")]);
    // Numbers 3 to 6 are of payloads without a copy.
    [1, 2, 3, 7, 8].into_iter().for_each(|number| inspections.see(5, &packet(number)));
    inspections.see(6, &packet(1));
    assert_eq!((name(inspections.verdict(5)), name(inspections.verdict(6))), ("99".into(), "short".into()));
    inspections.see(6, &packet(2));
    inspections.relocate(6, 0);
    assert!(inspections.verdict(6).is_none());
    assert_eq!(name(inspections.verdict(0)), "short");
    let counters = inspections.counters();
    assert_eq!((counters.packets, counters.classified, counters.early, inspections.bytes), (4, 2, 0, 0));
}

#[test]
fn the_oldest_is_concluded_when_all_have_too_much_memory() {
    let mut inspections = inspections(&[(1, b"a")]);
    for slot in 0..40 {
        inspections.see(slot, &packet(1));
        assert!(inspections.bytes <= MAX_BYTES, "{}", inspections.bytes);
        if slot == 10 {
            inspections.remove(10);
            inspections.relocate(9, 100);
        }
    }
    assert_eq!(inspections.counters().early, 40 - 1 - 31);
    let is_concluded = |inspections: &Inspections, slot| inspections.flows.get(slot).unwrap().is_concluded;
    assert_eq!([0, 7, 8, 100, 39].map(|slot| is_concluded(&inspections, slot)), [true, true, false, false, false]);
    // The one that was moved is the next but one.
    [40, 41].into_iter().for_each(|slot| inspections.see(slot, &packet(1)));
    assert_eq!([8, 100, 11].map(|slot| is_concluded(&inspections, slot)), [true, true, false]);
    for slot in 0..10_000 {
        inspections.see(slot % 64, &packet(1));
        inspections.remove(slot % 64);
    }
    assert!(inspections.waiting.len() < 2 * 64 + 1025, "{}", inspections.waiting.len());
}

#[test]
fn the_first_packets_of_a_flow_pass_in_both_directions() {
    let mut gate = Gate::new(InspectedShare { tcp: 3, others: 2 });
    let [a, b] = [1, 2].map(|n| (IpAddr::V4(Ipv4Addr::new(10, 0, 0, n)), 1000));
    let there = Packet::new(1 << 40, Protocol::TCP, a, b);
    let back = Packet::new(1 << 40, Protocol::TCP, b, a);
    let passed = [there, back, there, back, there].map(|packet| gate.passes(&packet));
    assert_eq!(passed, [true, true, true, false, false]);
    assert!(gate.passes(&there.with_tcp(TcpFlags::SYN, 1)), "another connection");
    let later = Packet::new((1 << 40) + (5 << 30), Protocol::TCP, a, b);
    assert!(gate.passes(&later), "after silence it may be another connection");
    let datagram = Packet::new(1 << 40, Protocol::UDP, a, b);
    assert_eq!([datagram; 3].map(|packet| gate.passes(&packet)), [true, true, false]);
}
